"""Resource rows of a run, their file, and the table of the report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.born import CircuitBornMachine, CircuitHeadMachine, MPSBornMachine
from qfin.copulas import BornCopula, IndependenceCopula
from qfin.exceptions import InputError
from qfin.experiments import resources
from qfin.experiments.run_folder import RunFolder
from qfin.marginals import MarginalPanel
from qfin.quantum import Ansatz
from qfin.reporting.resources import resource_table
from qfin.scenarios import ScenarioGenerator


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder with a circuit of two assets, two qubits each, and the record a resource row needs."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal((200, 3))
    chain = MPSBornMachine(4, 2, max_steps=20).fit(y)
    head = CircuitBornMachine.from_ansatz(Ansatz.linear_chain(4, 2), 2)
    base = IndependenceCopula().fit(rng.random((200, 3)))
    copula = BornCopula.from_parts(base, CircuitHeadMachine(head, chain))
    marginals = MarginalPanel().fit(pd.DataFrame(0.01 * y, columns=["A", "B", "C"]))
    generator = ScenarioGenerator.from_parts(marginals, copula)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_json("record.json", {"mapping": {"n_layers": 2}})
    folder.write_arrays("models/circuit", {"kind": np.array("copula"), **generator.to_arrays()})
    return folder


def test_rows_cover_this_run_and_more_assets(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_ASSETS", (10, 500))
    monkeypatch.setattr(resources, "_LAYERS", (1,))
    rows = resources.resource_rows(run, shots=1000)
    assert [(row["circuit"], row["assets"], row["qubits"]) for row in rows[:3]] == [
        ("this run", 2, 4),
        ("same structure", 10, 30),
        ("same structure", 500, 1500),
    ]
    assert len({row["device"] for row in rows}) == 2
    for row in rows:
        if row["qubits"] == 1500:
            assert "needs 1500 qubits" in row["note"]
            assert row["two_qubit_gates"] == 3 * 1499
            assert row["seconds"] is None
        else:
            assert 0.0 < row["est_fidelity"] < 1.0
            assert row["seconds"] > 1000 * 2.5e-4
    resources.write_resources(run, rows, 1000)
    assert json.loads((run.path / "resources.json").read_text())["shots"] == 1000
    table = resource_table(run)
    assert [group.heading for group in table] == list(dict.fromkeys(row["device"] for row in rows))
    assert [row.label for row in table[0].rows] == ["2 assets, this run", "10 assets", "500 assets"]
    assert table[0].rows[2].cells[-1].text == "too few qubits"
    assert table[0].rows[2].cells[2].detail == "before placing"


def test_a_run_without_resources_has_no_table(run: RunFolder) -> None:
    assert resource_table(run) == []
    (run.path / "resources.json").write_text("{")
    with pytest.raises(InputError, match="expected JSON with rows"):
        resource_table(run)
