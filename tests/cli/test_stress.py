"""`qfin stress` on a run folder: figures, draws, determinism, wrong input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.cli.stress import stress
from qfin.copulas import StudentTCopula
from qfin.exceptions import InputError
from qfin.experiments import RunFolder
from qfin.risk import expected_shortfall
from qfin.scenarios import ScenarioGenerator

EVENT = "AAA < -1% and (BBB < -1% or BRK-B > 0.5%)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    days = pd.DataFrame(0.01 * rng.standard_t(4, (800, 3)) + 0.005 * rng.standard_normal((800, 1)))
    days.columns = ["AAA", "BBB", "BRK-B"]
    folder = RunFolder.create(tmp_path_factory.mktemp("run"))
    generator = ScenarioGenerator(copula=StudentTCopula(5.0)).fit(days)
    folder.write_arrays("models/mps", {"kind": np.array("copula"), **generator.to_arrays()})
    folder.write_json("record.json", {"seed": 3})
    return folder.path


def test_figures_and_draws_agree(run: Path, tmp_path: Path) -> None:
    stress(run, EVENT, out=tmp_path / "draws.parquet", n=2_000, json=str(tmp_path / "a.json"))
    content = json.loads((tmp_path / "a.json").read_text())
    draws = pd.read_parquet(tmp_path / "draws.parquet")
    assert {"probability", "probability_se", "exact", "ess", "n", "rows", "book"} <= content.keys()
    assert content["n"] == len(draws) == 2_000
    assert content["exact"] is False
    assert 0.0 < content["probability_se"] < 0.05 * content["probability"]
    assert ((draws["AAA"] < -0.01) & ((draws["BBB"] < -0.01) | (draws["BRK-B"] > 0.005))).all()
    weights = draws.pop("probability").to_numpy()
    assert content["ess"] == pytest.approx(1.0 / (weights**2).sum())
    assert [row["mean"] for row in content["rows"]] == pytest.approx(weights @ draws.to_numpy())
    losses = -draws.to_numpy().mean(axis=1)
    assert content["book"][2]["es"] == pytest.approx(expected_shortfall(losses, 0.99, probabilities=weights))
    assert content["book"][2]["es"] > content["book"][2]["es_before"]


def test_same_seed_same_figures(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (None, 3, 4):
        stress(run, EVENT, n=500, seed=seed, json=str(tmp_path / f"{seed}.json"))
    first, second, third = ((tmp_path / f"{seed}.json").read_text() for seed in (None, 3, 4))
    assert first == second != third
    shown = capsys.readouterr().out
    assert "P(event) = " in shown
    assert "BRK-B" in shown


def test_json_alone_on_stdout(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stress(run, "book < -1%", n=500, json="-")
    assert json.loads(capsys.readouterr().out)["event"] == "book < -1%"


@pytest.mark.parametrize(
    ("event", "model", "message"),
    [("AAB < -1%", "mps", "did you mean AAA"), ("AAA < -1%", "vine", "expected one of the stored archives")],
)
def test_wrong_input(run: Path, event: str, model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stress(run, event, model=model)
