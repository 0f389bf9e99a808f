"""The benches on a small OR-Library folder whose optima are enumerated."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qfin.bench.geo import Optimum, relative_gap
from qfin.bench.geo_runs import calls_within, paired_p_value, seconds_of, value_after
from qfin.bench.geo_scenarios import OBJECTIVES, bench_scenarios
from qfin.cli.main import app
from qfin.portfolio import PortfolioProblem

N_ASSETS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((N_ASSETS, 2))
    covariance = loadings @ loadings.T + np.eye(N_ASSETS)
    deviation = 0.03 * (1.0 + rng.random(N_ASSETS))
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    mean = 0.002 + 0.003 * rng.random(N_ASSETS)
    lines = [str(N_ASSETS)]
    lines += [f"{m:.8f} {s:.8f}" for m, s in zip(mean, deviation, strict=True)]
    lines += [f"{i + 1} {j + 1} {correlation[i, j]:.8f}" for i in range(N_ASSETS) for j in range(i, N_ASSETS)]
    (tmp_path / "port1.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "portef1.txt").write_text("".join(f"{0.006 - 0.0001 * i} {0.002 - 0.00003 * i}\n" for i in range(50)))
    optima = ["instance,e,lambda,objective,lower_bound,gap"]
    supports = np.zeros((66, N_ASSETS), dtype=bool)
    for row, held in zip(supports, combinations(range(N_ASSETS), 10), strict=True):
        row[list(held)] = True
    for place in range(50):
        risk_weight = place / 49
        problem = PortfolioProblem.from_orlib(tmp_path / "port1.txt", risk_weight=risk_weight)
        best = float(problem.solve(supports).values.min())
        optima.append(f"port1,{place},{risk_weight!r},{best!r},{best!r},0.0")
    (tmp_path / "ccef_lambda_K10.csv").write_text("\n".join(optima) + "\n")
    return tmp_path


def result_of(*arguments: str) -> dict[str, object]:
    answer = CliRunner().invoke(app, ["bench", "geo", *arguments, "--json", "-"])
    assert answer.exit_code == 0, answer.output
    content: dict[str, object] = json.loads(answer.stdout)
    return content


def test_the_frontier_is_at_the_enumerated_optima(folder: Path) -> None:
    result = result_of("--task", "orlib", "--data", str(folder), "--instances", "port1", "--every", "24")
    rows = {row["solver"]: row for row in result["rows"]}  # type: ignore[attr-defined]
    assert rows["geo, 51 λ"]["mean_error"] >= 0.0
    assert rows["geo"]["value"] == rows["relaxation + swap"]["value"] == 3
    assert rows["geo"]["gap"] <= 1e-6
    assert sum(rows["geo"]["found_by"].values()) == 3


def test_small_budgets_and_the_ablation(folder: Path) -> None:
    common = ["--data", str(folder), "--instances", "port1", "--budgets", "40", "--seeds", "2", "--places", "30"]
    for task, expected in (("budget", 6), ("generator", 14)):
        rows = result_of("--task", task, *common)["rows"]
        assert len(rows) == expected  # type: ignore[arg-type]
        for row in rows:  # type: ignore[attr-defined]
            assert row["unique_calls"] <= 40
            assert row["value"] >= 0.0


def test_runs_are_stored_resumed_and_read_off_at_every_budget(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs.jsonl"
    common = ["--task", "budget", "--data", str(folder), "--instances", "port1", "--seeds", "2", "--places", "30"]
    common += ["--budgets", "20,40", "--store", str(store)]
    first = result_of(*common)["rows"]
    lines = store.read_text().splitlines()
    assert len(lines) == 2 * (5 + 2)  # annealing runs once for each budget
    store.write_text("\n".join(lines[:9]) + "\n" + lines[9][:30])
    again = result_of(*common)["rows"]
    assert len(store.read_text().splitlines()) == len(lines)
    for one, two in zip(first, again, strict=True):  # type: ignore[call-overload]
        assert {key: one[key] for key in ("solver", "budget", "value", "unique_calls")} == {
            key: two[key] for key in ("solver", "budget", "value", "unique_calls")
        }
    by_budget = {(row["solver"], row["budget"]): row["value"] for row in first}  # type: ignore[attr-defined]
    assert all(by_budget[name, 40] <= by_budget[name, 20] for name in ("geo", "swap", "tabu", "genetic", "umda"))
    store.write_text("nonsense\n")
    answer = CliRunner().invoke(app, ["bench", "geo", *common])
    assert answer.exit_code != 0
    assert "stored runs" in str(answer.exception)


def test_values_are_read_off_calls_and_seconds() -> None:
    run = {"calls": [1.0, 5.0], "values": [3.0, 2.0], "clock_calls": [0.0, 4.0, 8.0], "clock": [0.0, 2.0, 6.0]}
    assert [value_after(run, calls) for calls in (0.5, 1.0, 4.9, 5.0, 9.0)] == [float("inf"), 3.0, 3.0, 2.0, 2.0]
    assert seconds_of(run, 6.0) == pytest.approx(4.0)
    assert calls_within(run, 4.0) == pytest.approx(6.0)
    assert calls_within(run, 99.0) == 8.0


def test_circuits_in_the_loop_find_the_enumerated_optimum(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lines = ["16"] + [
        f"{m:.8f} {s:.8f}" for m, s in zip(0.005 * rng.random(16), 0.02 + 0.02 * rng.random(16), strict=True)
    ]
    lines += [f"{i + 1} {j + 1} {1.0 if i == j else 0.2}" for i in range(16) for j in range(i, 16)]
    (tmp_path / "port1.txt").write_text("\n".join(lines) + "\n")
    sizes = ["--instances", "port1", "--budgets", "60", "--seeds", "2"]
    rows = result_of("--task", "circuit", "--data", str(tmp_path), *sizes)["rows"]
    gaps = {row["solver"]: row["value"] for row in rows}  # type: ignore[attr-defined]
    assert len(gaps) == 10
    assert min(gaps.values()) >= 0.0
    assert gaps["circuit, mapped"] < 0.1


def test_scenario_objectives_run_under_every_solver() -> None:
    returns = 0.01 * np.random.default_rng(1).standard_t(4, (300, 8))
    result = bench_scenarios(returns, 3, tuple(OBJECTIVES), ((12,), 2), n_paths=30)
    assert len(result["rows"]) == 6 * len(OBJECTIVES)
    for row in result["rows"]:
        assert row["gap"] >= 0.0
        assert row["value_lo"] <= row["value"] <= row["value_hi"]


def test_the_booster_never_loses_what_its_seeds_knew(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    prices = 50.0 * np.exp(np.cumsum(0.02 * rng.standard_normal((120, 9)), axis=0))
    lines = [",".join(["week", "INDEX", *(f"S{number}" for number in range(8))])]
    lines += [",".join([str(week), *(f"{price:.6f}" for price in row)]) for week, row in enumerate(prices)]
    file = tmp_path / "indtrack9.csv"
    file.write_text("\n".join(lines) + "\n")
    sizes = ["--assets", "8", "--cardinality", "3", "--budgets", "8,14", "--seeds", "2"]
    result = result_of("--task", "booster", "--data", str(file), *sizes)
    rows = {(row["instance"], row["budget"], row["solver"]): row for row in result["rows"]}  # type: ignore[attr-defined]
    assert len(rows) == 2 * 2 * 5
    for instance in ("variance", "shortfall"):
        for n_calls in (8, 14):
            seeds = rows[instance, n_calls, "seeds"]["value"]
            assert rows[instance, 2 * n_calls, "geo, boosted"]["value"] <= seeds
            assert rows[instance, 2 * n_calls, "annealing, continued"]["value"] <= seeds


def test_gaps_and_p_values() -> None:
    assert relative_gap(1.1, Optimum(0.5, 1.0, 1e-9)) == pytest.approx(0.1)
    assert relative_gap(1.0 - 1e-10, Optimum(0.5, 1.0, 1e-9)) == 0.0
    assert paired_p_value(np.ones(5), np.ones(5)) is None
    assert paired_p_value(np.arange(8.0), np.arange(8.0) + 1.0 + 0.01 * np.arange(8)) == pytest.approx(2 / 2**8)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--instances", "port9"], "port1, port2"),
        (["--places", "99", "--task", "budget"], "0 to 49"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_ends_with_one_sentence(folder: Path, arguments: list[str], word: str) -> None:
    base = {"--task": "orlib", "--data": str(folder)} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    answer = CliRunner().invoke(app, ["bench", "geo", *(part for pair in base.items() for part in pair)])
    assert answer.exit_code != 0
    assert word in str(answer.exception)
