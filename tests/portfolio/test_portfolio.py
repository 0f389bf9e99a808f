"""Portfolios, frontiers, the relaxed bound and the standard errors of the OR-Library."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.market.bundled import data_file
from qfin.portfolio import (
    BlackBox,
    Frontier,
    Group,
    PortfolioProblem,
    ReferenceOptimum,
    frontier_errors,
    portfolio_of,
    random_supports,
    read_frontier,
    read_reference_optima,
    relax,
)

# mean, median and maximum percentage error, distance, variance and return error at 50 λ: what exact solvers reach.
FLOOR = {
    "port1": (1.0956, 1.2181, 1.5538, 0.000077, 1.6397, 0.6071),
    "port2": (2.3131, 2.5661, 4.0275, 0.000148, 6.7473, 1.2773),
    "port3": (0.8467, 1.0841, 2.0775, 0.000037, 2.4393, 0.3253),
    "port4": (1.2958, 1.1452, 5.4422, 0.000074, 2.5335, 0.9110),
    "port5": (0.5782, 0.5855, 1.1606, 0.000018, 0.8329, 0.4233),
}
# The same at 51 λ = e/50, as published: mean percentage error.
FLOOR_51 = {"port1": 1.0965, "port2": 2.3126, "port4": 1.2937}


def reference(instance: str) -> tuple[ReferenceOptimum, ...]:
    return read_reference_optima(data_file("orlib/ccef_lambda_K10.csv"), instance)


@pytest.mark.parametrize("instance", FLOOR)
def test_reference_optima_have_the_known_errors(instance: str) -> None:
    optima = reference(instance)
    frontier = read_frontier(data_file(f"orlib/{instance.replace('port', 'portef')}.txt"))
    errors = frontier_errors([best.mean for best in optima], [best.variance for best in optima], frontier)
    found = (errors.mean, errors.median, errors.maximum, errors.distance, errors.variance_error, errors.return_error)
    np.testing.assert_allclose(found[:3] + found[4:], FLOOR[instance][:3] + FLOOR[instance][4:], atol=5.1e-5)
    assert errors.distance == pytest.approx(FLOOR[instance][3], abs=5.1e-7)
    assert errors.n_outside == (1 if instance == "port4" else 0)


@pytest.mark.parametrize("instance", FLOOR_51)
def test_best_of_the_reference_supports_at_51_settings_reach_the_published_floor(instance: str) -> None:
    problem = PortfolioProblem.from_orlib(data_file(f"orlib/{instance}.txt"))
    supports = np.unique([optimum.support(problem.n_assets) for optimum in reference(instance)], axis=0)
    portfolios = []
    for risk_weight in np.arange(51) / 50:
        at = replace(problem, objective=replace(problem.objective, risk_weight=risk_weight))
        portfolios.append(portfolio_of(at, supports[at.solve(supports).values.argmin()]))
    frontier = Frontier("risk_weight", np.arange(51) / 50, tuple(portfolios))
    best = read_frontier(data_file(f"orlib/{instance.replace('port', 'portef')}.txt"))
    assert frontier_errors(frontier.means, frontier.risks**2, best).mean == pytest.approx(
        FLOOR_51[instance], abs=5.1e-5
    )


def test_errors_by_hand() -> None:
    frontier = (np.array([1.0, 2.0]), np.array([1.0, 4.0]))  # standard deviation = mean
    errors = frontier_errors([1.5, 5.0], [1.6**2, 25.0], frontier)
    assert errors.mean == pytest.approx(100.0 * 0.1 / 1.6)  # vertical, the smaller of 0.1/1.6 and 0.1/1.5
    assert errors.n_outside == 1
    with pytest.raises(InputError, match="within the frontier's range"):
        frontier_errors([5.0], [25.0], frontier)
    with pytest.raises(InputError, match="positive variances"):
        frontier_errors([1.5], [-1.0], frontier)


def test_relaxation_lies_on_the_unconstrained_frontier(port1: PortfolioProblem) -> None:
    means, variances = read_frontier(data_file("orlib/portef1.txt"))
    loose = replace(port1, cardinality=(1, 31), bounds=(0.0, 1.0))
    for place in (0, 500, 1000, 1900):
        target = float(means[place])
        problem = replace(loose, objective=replace(port1.objective, risk_weight=1.0, target_return=target))
        assert relax(problem).value == pytest.approx(variances[place], rel=1e-6)  # the file has 10 decimals


def test_relaxation_bounds_every_portfolio(port1: PortfolioProblem, shortfall_problem: PortfolioProblem) -> None:
    grouped = replace(port1, groups=(Group("g", port1.assets[:20], count=(1, 5), weight=(0.1, 0.4)),))
    for problem in (port1, grouped, shortfall_problem):
        supports = random_supports(problem, 200, np.random.default_rng(10))
        values = problem.solve(supports).values
        bound = relax(problem)
        assert values.min() >= bound.value
        portfolio = portfolio_of(problem, supports[values.argmin()], bound=bound.value)
        assert portfolio.gap is not None
        assert portfolio.gap >= 0.0
        assert portfolio.value == pytest.approx(values.min(), rel=1e-12)
    with pytest.raises(InputError, match="relax"):
        relax(PortfolioProblem(("a", "b"), BlackBox(lambda rows: rows.sum(axis=1), 2), (1, 2)))


def test_tables(port1: PortfolioProblem, tmp_path: Path) -> None:
    supports = random_supports(port1, 2, np.random.default_rng(11))
    portfolios = tuple(portfolio_of(port1, support, bound=-1.0) for support in supports)
    frontier = Frontier("risk_weight", np.array([0.2, 0.5]), portfolios)
    frame = frontier.to_frame()
    assert list(frame.columns) == ["risk_weight", "value", "risk", "mean", "gap", "n_held", "assets"]
    np.testing.assert_array_equal(frame["n_held"], [10, 10])
    np.testing.assert_allclose(frontier.weights_frame().drop(columns="risk_weight").sum(axis=1), 1.0)
    pd.testing.assert_frame_equal(pd.read_csv(frontier.save(tmp_path / "frontier.csv")), frame)
    sheets = pd.read_excel(frontier.save(tmp_path / "frontier.xlsx"), sheet_name=None)
    assert list(sheets) == ["frontier", "weights"]
    single = pd.read_csv(portfolios[0].save(tmp_path / "portfolio.csv"))
    assert single["weight"].is_monotonic_decreasing
    assert set(single["asset"]) == set(portfolios[0].assets)
    with pytest.raises(InputError, match=r"ending in .csv or .xlsx"):
        frontier.save(tmp_path / "frontier.parquet")


def test_standard_deviation_and_mean(port1: PortfolioProblem) -> None:
    support = random_supports(port1, 1, np.random.default_rng(12))[0]
    portfolio = portfolio_of(port1, support)
    assert portfolio.value == pytest.approx(0.5 * portfolio.risk**2 - 0.5 * portfolio.mean, rel=1e-12)


def test_a_support_without_weights_is_no_portfolio() -> None:
    problem = PortfolioProblem(("a", "b"), BlackBox(lambda rows: rows.sum(axis=1) * 1.0, 2), (1, 2), bounds=(0.0, 0.5))
    with pytest.raises(InputError, match="without"):
        portfolio_of(problem, np.array([True, False]))
