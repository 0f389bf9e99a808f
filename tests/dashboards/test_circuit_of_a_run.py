"""What the page Training shows of a run's circuit is computed from that circuit and its training days."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from qfin.born import CircuitBornMachine
from qfin.experiments import RunFolder
from qfin.experiments.circuit_view import circuit_view, gradient_rows
from qfin.experiments.config import load_config
from qfin.experiments.panel import load_market
from qfin.experiments.resources import circuit_generator, circuit_head
from qfin.quantum.ansatz import Ansatz
from qfin.viz.circuit import gradient_figure

_STEP = 1e-5


@pytest.fixture
def folder(made_run: Path, tmp_path: Path) -> RunFolder:
    return RunFolder.open(shutil.copytree(made_run, tmp_path / "run"))


def test_every_gate_of_the_run_is_drawn(folder: RunFolder) -> None:
    view, head = circuit_view(folder), circuit_head(folder)
    assert view.registers == tuple(folder.record["mapping"]["assets"])
    assert np.array_equal(view.pairs, head.ansatz.pairs)
    assert len(view.columns) == len(view.entangling) == head.ansatz.n_blocks
    assert view.entangling.max() > 0.01


def test_gradients_are_the_likelihoods_by_finite_differences(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qfin.experiments.circuit_view._DAYS", 10**6)  # all of them, in whatever order
    rows = {row["start"]: row for row in gradient_rows(folder)}
    head = circuit_head(folder)
    u = load_market(load_config(folder.path / "config.toml").market).u_train
    y = circuit_generator(folder).copula_.latent(u)[:, : head.n_registers_]
    blocks = head.ansatz.unitaries(head.params_)
    ansatz = Ansatz(head.ansatz.n_qubits, head.ansatz.pairs, blocks)

    def likelihood(params: np.ndarray) -> float:
        machine = CircuitBornMachine.from_ansatz(ansatz, head.n_qubits_per_register, params)
        return float(machine.log_ratio(y).mean())

    for block in (0, ansatz.n_blocks - 1):
        derivatives = []
        for angle in range(15):
            step = np.zeros(ansatz.n_params)
            step[15 * block + angle] = _STEP
            derivatives.append((likelihood(step) - likelihood(-step)) / (2 * _STEP))
        assert rows["kept"]["by_block"][block] == pytest.approx(np.mean(np.square(derivatives)), rel=1e-4)


def test_gradients_are_stored_with_the_run_and_belong_to_it(folder: RunFolder) -> None:
    rows = gradient_rows(folder)
    assert [row["start"] for row in rows] == ["kept", "identity", "random"]
    for row in rows:
        assert row["variance"] == pytest.approx(np.mean(row["by_block"]))
    assert gradient_rows(RunFolder.open(folder.path)) == rows
    stored = (folder.path / "gradients.json").read_text()
    (folder.path / "gradients.json").write_text(stored.replace('"created": "', '"created": "of another run, '))
    gradient_rows(folder)
    assert (folder.path / "gradients.json").read_text() == stored
    assert [len(line.y) for line in gradient_figure(rows).data] == [len(rows[0]["by_block"])] * 3
