"""`qfin crash` on a run folder: every way, its figures and files, wrong input."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qfin.cli.crash import crash
from qfin.copulas import StudentTCopula
from qfin.exceptions import InputError
from qfin.experiments import RunFolder
from qfin.experiments.config import preset
from qfin.experiments.history import run_history
from qfin.scenarios import ScenarioGenerator

Crash = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows 2006 to 2010 and is judged on 2011 and 2012."""
    path = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2006-01-02", "2012-12-31", name="date")
    days = 0.01 * rng.standard_t(4, (len(index), 3)) + 0.005 * rng.standard_normal((len(index), 1))
    frame = pd.DataFrame(days, index=index, columns=["AAA", "BBB", "CCC"])
    frame.loc["2008-09-29"] = [-0.06, -0.05, -0.01]
    frame.to_csv(path / "returns.csv")
    folder = RunFolder.create(path)
    config = replace(preset("quick"), seed=3).with_market(
        prices=str(path / "returns.csv"), kind="returns", train_end="2010-12-31", assets=()
    )
    folder.write_text("config.toml", config.to_toml())
    history, _ = run_history(folder)
    generator = ScenarioGenerator(copula=StudentTCopula(5.0)).fit(history)
    folder.write_arrays("models/mps", {"kind": np.array("copula"), **generator.to_arrays()})
    folder.write_json("record.json", {"seed": 3})
    return path


@pytest.fixture
def run_crash(run: Path, tmp_path: Path) -> Crash:
    def call(**options: Any) -> dict[str, Any]:
        crash(run, **({"n": 1_000} | options), json=str(tmp_path / "crash.json"))
        content: dict[str, Any] = json.loads((tmp_path / "crash.json").read_text())
        return content

    return call


def test_history_is_the_training_days_and_the_test_days(run: Path) -> None:
    train, test = run_history(RunFolder.open(run))
    assert str(train.index[-1].date()) == "2010-12-31"
    assert str(test.index[0].date()) == "2011-01-03"
    assert list(train.columns) == list(test.columns)


def test_reverse(run_crash: Crash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_crash(reverse="4%", out=tmp_path / "modes.csv")
    assert content["kind"] == "reverse"
    assert content["n_converged"] <= content["n_starts"] == 8
    assert 0.0 < content["probability"] < 0.05
    densities = [row["log_density"] for row in content["rows"]]
    assert densities == sorted(densities, reverse=True)
    first = content["rows"][0]
    assert first["loss"] == pytest.approx(0.04)
    assert sum(part["contribution"] for part in first["assets"]) == pytest.approx(0.04)
    modes = pd.read_csv(tmp_path / "modes.csv")
    assert modes.loc[0, "AAA"] == next(part["return"] for part in first["assets"] if part["asset"] == "AAA")
    assert len(modes) == len(content["rows"])
    assert f"nearest day {first['nearest_day']}" in capsys.readouterr().out


def test_like(run_crash: Crash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_crash(like="2008-09", out=tmp_path / "draws.parquet")
    assert content["worst_day"] == "2008-09-29"
    assert content["book_return"] == pytest.approx(-0.04)
    assert len(content["replay"]) == 12
    draws = pd.read_parquet(tmp_path / "draws.parquet")
    assert (draws[["AAA", "BBB", "CCC"]].mean(axis=1) < -0.04).all()
    assert content["ess"] == pytest.approx(1.0 / (draws["probability"] ** 2).sum())
    assert next(row for row in content["leads"] if row["led"])["asset"] == "AAA"
    assert "(led)" in capsys.readouterr().out


def test_like_over_days(run_crash: Crash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_crash(like="2008-09", days=3, n=200, out=tmp_path / "paths.csv")
    assert content["first"] <= "2008-09-29" <= content["last"]
    frame = pd.read_csv(tmp_path / "paths.csv")
    book = (1.0 + frame[["AAA", "BBB", "CCC"]].mean(axis=1)).to_numpy().reshape(200, 3).prod(axis=1) - 1.0
    assert (book <= content["book_return"] + 1e-12).all()
    assert content["ess"] == pytest.approx(1.0 / (frame["probability"].to_numpy()[::3] ** 2).sum())
    assert 0.0 < content["probability_se"] < content["probability"]
    assert [len(content["replay"]), len(content["rows"])] == [3, 3]
    assert "200 paths" in capsys.readouterr().out


def test_temper(run_crash: Crash) -> None:
    assert run_crash(temper="ess=10%")["ess"] == pytest.approx(100.0, rel=1e-6)
    content = run_crash(temper="1%")
    assert np.mean([row["mean"] for row in content["rows"]]) == pytest.approx(-0.01)


def test_shocks_of_assets_and_of_factors(run_crash: Crash, tmp_path: Path) -> None:
    shocks = tmp_path / "shocks.csv"
    shocks.write_text("asset,shock\nBBB,-6%\n")
    content = run_crash(shocks=shocks)
    means = {row["asset"]: row["mean"] for row in content["rows"]}
    assert means["BBB"] == pytest.approx(-0.06)
    assert means["AAA"] < 0.0
    factors = tmp_path / "factors.csv"
    rng = np.random.default_rng(1)
    index = pd.bdate_range("2006-01-02", "2010-12-31", name="date")
    pd.DataFrame({"OIL": 50.0 * np.exp(np.cumsum(0.02 * rng.standard_normal(len(index))))}, index=index).to_csv(factors)
    shocks.write_text("factor,shock\nOIL,-20%\n")
    content = run_crash(shocks=shocks, factors=str(factors))
    assert content["event"] == "OIL = -20.00%"
    shocks.write_text("factor,shock\nTIN,-20%\n")
    with pytest.raises(InputError, match="factors among OIL, received TIN"):
        run_crash(shocks=shocks, factors=str(factors))


def test_views(run_crash: Crash) -> None:
    content = run_crash(view=["mean: AAA == -0.005"])
    assert next(row for row in content["rows"] if row["asset"] == "AAA")["mean"] == pytest.approx(-0.005, abs=1e-6)
    assert content["relative_entropy"] > 0.0
    with pytest.raises(InputError, match="--view: expected something like"):
        run_crash(view=["AAA == -0.005"])


def test_same_seed_same_figures(run_crash: Crash) -> None:
    assert run_crash(temper="1%") == run_crash(temper="1%", seed=3)
    assert run_crash(temper="1%") != run_crash(temper="1%", seed=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "received none"),
        ({"reverse": "4%", "like": "2008-09"}, "received --reverse and --like"),
        ({"reverse": "much"}, "--reverse: expected a share such as 5%"),
        ({"like": "2020-03"}, r"the data cover \(2008-09, 2010-05, 2011-08\), received 2020-03"),
        ({"temper": "1%", "days": 5}, "--days together with --like"),
        ({"temper": "1%", "factors": "x.csv"}, "--factors together with --shocks"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, run_crash: Crash) -> None:
    with pytest.raises(InputError, match=message):
        run_crash(**options)
