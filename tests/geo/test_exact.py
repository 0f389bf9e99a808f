"""Mixed-integer rivals against enumeration."""

import itertools

import numpy as np
import pytest

from qfin.exceptions import InputError
from qfin.geo.rivals.exact import solve_shortfall_by_highs, solve_variance_by_scip
from qfin.portfolio import Group, PortfolioProblem, ScenarioLoss

NAMES = tuple(f"A{number}" for number in range(8))
RULES = {
    "cardinality": (2, 3),
    "bounds": (0.05, 0.8),
    "groups": (Group("g", ("A0", "A1", "A2"), count=(0, 1)),),
    "must_hold": ("A4",),
    "must_not": ("A7",),
}


def best_by_enumeration(problem: PortfolioProblem) -> float:
    rows = np.array(list(itertools.product([False, True], repeat=problem.n_assets)))
    return float(problem.solve(rows[problem.feasible(rows)]).values.min())


@pytest.mark.parametrize("target", [None, 0.012])
def test_scip_finds_the_least_variance(target: float | None) -> None:
    rng = np.random.default_rng(0)
    loadings = 0.02 * rng.standard_normal((8, 3))
    problem = PortfolioProblem.from_covariance(
        0.01 * rng.standard_normal(8) + 0.01,
        loadings @ loadings.T + 1e-4 * np.eye(8),
        risk_weight=0.7 if target is None else 1.0,
        target_return=target,
        assets=NAMES,
        **RULES,
    )
    answer = solve_variance_by_scip(problem, 30.0)
    assert answer.optimal
    assert answer.support is not None
    expected = best_by_enumeration(problem)
    assert problem.solve(answer.support[None]).values[0] == pytest.approx(expected, rel=1e-6)
    assert answer.bound == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("aimed", [False, True])
def test_highs_finds_the_least_shortfall(aimed: bool) -> None:
    rng = np.random.default_rng(1)
    returns = 0.003 + 0.02 * rng.standard_t(4, (60, 8))
    target = float(returns.mean(axis=0)[3:7].mean()) if aimed else None
    objective = ScenarioLoss(returns, "shortfall", 0.9, target_return=target)
    problem = PortfolioProblem(NAMES, objective, **RULES)
    answer = solve_shortfall_by_highs(problem, 30.0)
    assert answer.optimal
    assert answer.support is not None
    expected = best_by_enumeration(problem)
    assert problem.solve(answer.support[None]).values[0] == pytest.approx(expected, rel=1e-6)
    assert answer.bound == pytest.approx(expected, rel=1e-4)


def test_what_a_programme_cannot_take_is_refused() -> None:
    returns = np.random.default_rng(0).standard_normal((30, 4))
    problem = PortfolioProblem(("a", "b", "c", "d"), ScenarioLoss(returns, "var", 0.9), (2, 2))
    with pytest.raises(InputError, match="expected shortfall"):
        solve_shortfall_by_highs(problem, 1.0)
    lots = PortfolioProblem(("a", "b", "c", "d"), ScenarioLoss(returns, "shortfall", 0.9), (2, 2), lot=0.1)
    with pytest.raises(InputError, match="lots"):
        solve_shortfall_by_highs(lots, 1.0)
