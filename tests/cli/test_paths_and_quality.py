"""`qfin paths` and `qfin quality` on a run folder and on prices."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.cli.paths import paths
from qfin.cli.quality import quality
from qfin.copulas import GaussianCopula
from qfin.evaluation import stylised
from qfin.exceptions import InputError
from qfin.experiments import RunFolder
from qfin.experiments.config import preset
from qfin.experiments.history import run_history
from qfin.risk import value_at_risk
from qfin.scenarios import ScenarioGenerator


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2006-01-02", "2010-12-31", name="date")
    days = 0.01 * rng.standard_t(5, (len(index), 2)) + 0.005 * rng.standard_normal((len(index), 1))
    pd.DataFrame(days, index=index, columns=["AAA", "BBB"]).to_csv(path / "returns.csv")
    folder = RunFolder.create(path)
    config = replace(preset("quick"), seed=3).with_market(
        prices=str(path / "returns.csv"), kind="returns", train_end="2008-12-31", assets=()
    )
    folder.write_text("config.toml", config.to_toml())
    generator = ScenarioGenerator(copula=GaussianCopula()).fit(run_history(folder)[0])
    folder.write_arrays("models/mps", {"kind": np.array("copula"), **generator.to_arrays()})
    folder.write_json("record.json", {"seed": 3})
    return path


@pytest.mark.parametrize(
    "model", ["garch", "garch_vine", "garch_mps", "garch_circuit", "fhs", "bootstrap", "independent", "mps"]
)
def test_paths_of_a_run(model: str, run: Path, tmp_path: Path) -> None:
    paths(tmp_path / "paths.parquet", run, model=model, horizon=3, n=200, json=str(tmp_path / "paths.json"))
    frame = pd.read_parquet(tmp_path / "paths.parquet")
    assert len(frame) == 600
    assert [str(day.date()) for day in frame["date"].head(3)] == ["2009-01-02", "2009-01-05", "2009-01-06"]
    content = json.loads((tmp_path / "paths.json").read_text())
    assert [row["days"] for row in content["rows"]] == [1, 2, 3]
    growth = (1.0 + frame[["AAA", "BBB"]].to_numpy().reshape(200, 3, 2)).prod(axis=1) - 1.0
    expected = value_at_risk(-growth.mean(axis=1), 0.95)
    assert content["rows"][2]["VaR 95.0%"] == pytest.approx(expected)
    assert content["provenance"]["seed"] == 3


def test_paths_from_prices(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "paths.csv"
    paths(file, prices=str(run / "returns.csv"), kind="returns", model="fhs", horizon=2, n=50, seed=1, calendar="XLON")
    frame = pd.read_csv(file)
    assert list(frame.columns) == ["path", "day", "date", "AAA", "BBB"]
    assert frame["date"].tolist()[:2] == ["2011-01-04", "2011-01-05"]  # Monday the 3rd was a bank holiday
    assert "one row per path and day" in capsys.readouterr().out


def test_wrong_paths(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="received both or neither"):
        paths(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"one of garch, garch_vine, .* for prices, received 'mps'"):
        paths(tmp_path / "x.csv", prices=str(run / "returns.csv"), kind="returns", model="mps")
    with pytest.raises(InputError, match="--kind together with --prices"):
        paths(tmp_path / "x.csv", run, kind="returns")
    with pytest.raises(InputError, match="calendar"):
        paths(tmp_path / "x.csv", run, model="bootstrap", horizon=2, n=5, calendar="MOON")


def test_quality(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stylised, "MAX_ROWS", 150)  # of the two-sample tests, which take most of the time
    found = {}
    for name, options in {"test": {}, "again": {}, "train": {"train": True}, "fhs": {"model": "fhs"}}.items():
        quality(run, paths=20, json=str(tmp_path / f"{name}.json"), **options)
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["test"] == found["again"]
    assert found["test"]["days"] == "test"
    assert found["test"]["first"] == "2009-01-01"
    assert found["train"]["last"] == "2008-12-31"
    for content in found.values():
        rows = {row["metric"]: row for row in content["rows"]}
        assert len(rows) == 20
        assert rows["correlation"]["distance"] == pytest.approx(
            abs(rows["correlation"]["history"] - rows["correlation"]["model"])
        )
        assert rows["volatility"]["ratio"] == pytest.approx(
            rows["volatility"]["distance"] / rows["volatility"]["floor"]
        )
    assert "times the floor" in capsys.readouterr().out
