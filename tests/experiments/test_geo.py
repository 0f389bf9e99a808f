"""One optimisation from data to folder: against a proven optimum, enumeration and the rules that it was given."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.experiments.geo import GeoConfig, run_geo
from qfin.experiments.geo_problem import OBJECTIVES, GeoRules, load_geo_data, problem_of
from qfin.market.bundled import data_file
from qfin.portfolio import read_reference_optima


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight assets with one common factor, 300 days of returns."""
    rng = np.random.default_rng(0)
    days = 0.01 * (0.6 * rng.standard_normal((300, 1)) + rng.standard_normal((300, 8)) * np.linspace(0.5, 1.5, 8))
    index = pd.bdate_range("2010-01-04", periods=300, name="date")
    path = tmp_path_factory.mktemp("geo") / "returns.csv"
    pd.DataFrame(days + np.linspace(0.0001, 0.001, 8), index=index, columns=list("ABCDEFGH")).to_csv(path)
    return path


def config(prices: Path, *, budget: int = 60, n_points: int = 0, **rules: Any) -> GeoConfig:
    settings = {"cardinality": (3, 3)} | rules
    return GeoConfig(GeoRules(**settings), prices=str(prices), kind="returns", budget=budget, n_points=n_points)


def test_a_proven_optimum_of_the_library_is_reached(tmp_path: Path) -> None:
    reference = read_reference_optima(data_file("orlib/ccef_lambda_K10.csv"), "port1")[30]
    rules = GeoRules(risk_weight=reference.setting)
    folder = run_geo(GeoConfig(rules, instance="port1", budget=300, n_points=0), tmp_path / "geo")
    best = folder.record["portfolio"]
    assert best["value"] == pytest.approx(reference.value, rel=2e-6)
    assert best["bound"] <= best["value"]
    assert folder.record["kind"] == "geo"
    weights = pd.read_csv(tmp_path / "geo" / "portfolio.csv")
    assert len(weights) == 10
    assert weights["weight"].sum() == pytest.approx(1.0)
    assert (tmp_path / "geo" / "portfolio.xlsx").is_file()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_finds_what_enumeration_finds(prices: Path, tmp_path: Path, objective: str) -> None:
    chosen = config(prices, objective=objective, level=0.9)
    record = run_geo(chosen, tmp_path / "geo").record
    problem = problem_of(load_geo_data(chosen), chosen.rules)
    supports = np.array([[i in held for i in range(8)] for held in itertools.combinations(range(8), 3)])
    assert record["n_calls"] >= 56  # all there are
    assert record["portfolio"]["value"] == pytest.approx(problem.solve(supports).values.min(), rel=1e-9)
    calls, values = record["history"]["calls"], record["history"]["values"]
    assert calls == sorted(calls)
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(record["portfolio"]["value"], rel=1e-12)


def test_the_frontier_rises_and_lies_beside_the_relaxed_one(prices: Path, tmp_path: Path) -> None:
    folder = run_geo(config(prices, n_points=4), tmp_path / "geo")
    rows = folder.record["frontier"]
    assert len(rows) + folder.record["n_impossible"] == 4
    assert len(rows) >= 3
    risks, targets = [row["risk"] for row in rows], [row["target_return"] for row in rows]
    assert risks == sorted(risks)
    assert targets == sorted(targets)
    for row in rows:
        assert row["mean"] >= row["target_return"] - 1e-12
        assert row["relaxed_risk"] <= row["risk"] * (1 + 1e-9)
    assert len(pd.read_csv(tmp_path / "geo" / "frontier.csv")) == len(rows)


def test_a_target_that_contradicts_the_rules_is_counted_and_the_rest_stands(prices: Path, tmp_path: Path) -> None:
    """The names that earn most may be held to 10 % only: high targets contradict that before any search."""
    earns_most = pd.read_csv(prices, index_col="date").mean().nlargest(3).index
    limited = config(prices, n_points=4, groups=(f"{', '.join(earns_most)} <= 10%",), cardinality=(2, 3))
    record = run_geo(limited, tmp_path / "geo").record
    assert record["n_impossible"] >= 1
    assert len(record["frontier"]) + record["n_impossible"] == 4
    assert record["frontier"]


def test_sectors_and_turnover_are_kept(prices: Path, tmp_path: Path) -> None:
    sectors, current = tmp_path / "sectors.csv", tmp_path / "current.csv"
    pairs = zip("ABCDEFGH", ["one", "one", "two", "two", "two", "three", "three", "three"], strict=True)
    sectors.write_text("asset,sector\n" + "".join(f"{name},{sector}\n" for name, sector in pairs))
    current.write_text("asset,weight\nF,0.5\nG,0.5\n")
    limited = config(prices, sectors=str(sectors), sector_limit=0.4, current=str(current), max_turnover=0.8)
    weights = pd.read_csv(run_geo(limited, tmp_path / "geo").path / "portfolio.csv").set_index("asset")["weight"]
    assert weights.reindex(["A", "B"]).sum() <= 0.4 + 1e-9
    book = pd.Series({"F": 0.5, "G": 0.5})
    assert 0.5 * weights.subtract(book, fill_value=0.0).abs().sum() <= 0.8 + 1e-9
    free = pd.read_csv(run_geo(config(prices), tmp_path / "free").path / "portfolio.csv").set_index("asset")["weight"]
    assert free.reindex(["A", "B"]).sum() > 0.4  # the limit did something


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": "luck"}, "objective"),
        ({"objective": "es", "risk_weight": 0.5}, "lambda"),
        ({"sectors": "x.csv"}, "sectors"),
        ({"max_turnover": 0.2}, "max-turnover"),
        ({"cardinality": (9, 9)}, "cardinality"),
        ({"target_return": 0.5}, "rules|mean"),
        ({"budget": 1}, "budget"),
    ],
)
def test_wrong_rules_are_told(prices: Path, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run_geo(config(prices, **settings), tmp_path / "geo")
    assert not (tmp_path / "geo" / "record.json").exists()


def test_a_record_is_not_written_over(prices: Path, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(InputError, match="without a record"):
        run_geo(config(prices), tmp_path)
