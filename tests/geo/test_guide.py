"""Guide, relaxation and screen against exact solutions."""

import numpy as np
import pytest

from qfin.exceptions import InputError
from qfin.geo.guide import predicted_swaps, relaxed_support
from qfin.geo.screen import GaussianScreen
from qfin.portfolio import BlackBox, PortfolioProblem, random_supports


def factor_problem(n_assets: int, n_held: int, low: float) -> PortfolioProblem:
    rng = np.random.default_rng(5)
    loadings = rng.standard_normal((n_assets, 3))
    covariance = 0.01 * (loadings @ loadings.T + np.diag(0.5 + rng.random(n_assets)))
    mean = 0.02 * rng.standard_normal(n_assets)
    return PortfolioProblem.from_covariance(
        mean, covariance, risk_weight=0.6, cardinality=(n_held, n_held), bounds=(low, 1.0)
    )


def test_promised_values_are_exact_where_no_bound_is_met() -> None:
    rng = np.random.default_rng(1)
    covariance = np.diag(0.5 + rng.random(9)) + 0.1
    problem = PortfolioProblem.from_covariance(
        0.01 * rng.standard_normal(9), covariance, risk_weight=0.9, cardinality=(4, 4), bounds=(0.001, 1.0)
    )
    support = random_supports(problem, 1, rng)
    swapped, promised = predicted_swaps(problem, support[0], problem.solve(support).weights[0])
    np.testing.assert_allclose(promised, problem.solve(swapped).values, rtol=1e-8)


def test_promised_values_with_a_target_return() -> None:
    rng = np.random.default_rng(2)
    mean = np.linspace(0.0, 0.1, 8)
    problem = PortfolioProblem.from_covariance(
        mean, np.diag(0.5 + rng.random(8)) + 0.1, target_return=0.055, cardinality=(4, 4), bounds=(0.001, 1.0)
    )
    support = np.array([[True, False, True, False, True, False, True, False]])
    solution = problem.solve(support)
    assert solution.weights[0] @ mean == pytest.approx(0.055)
    swapped, promised = predicted_swaps(problem, support[0], solution.weights[0])
    exact = problem.solve(swapped)
    inner = np.isfinite(exact.values) & (np.abs(exact.weights @ mean - 0.055) < 1e-9)
    inner &= (np.where(swapped, exact.weights, 1.0) > 0.0011).all(axis=1)
    assert inner.sum() >= 4
    np.testing.assert_allclose(promised[inner], exact.values[inner], rtol=1e-7)


def test_at_bounds_a_promise_is_kept_or_bettered() -> None:
    """The promised weights are feasible, so that no exact value may lie above; most promises are close."""
    problem = factor_problem(12, 4, 0.02)
    rng = np.random.default_rng(6)
    ranks = []
    for _ in range(20):
        support = random_supports(problem, 1, rng)
        swapped, promised = predicted_swaps(problem, support[0], problem.solve(support).weights[0])
        values = problem.solve(swapped).values
        assert (values <= promised + 1e-12).all()
        ranks.append((promised < promised[values.argmin()]).sum())
    assert np.median(ranks) <= 1


def test_relaxation_keeps_the_names_of_the_unrestricted_portfolio() -> None:
    covariance = np.diag([1.0, 1.0, 1.0, 50.0, 50.0, 60.0])
    problem = PortfolioProblem.from_covariance(np.zeros(6), covariance, cardinality=(3, 3))
    assert relaxed_support(problem).tolist() == [True] * 3 + [False] * 3
    returns_only = PortfolioProblem.from_covariance(np.arange(6.0), covariance, risk_weight=0.0, cardinality=(2, 2))
    assert relaxed_support(returns_only).tolist() == [False] * 4 + [True] * 2


def test_an_objective_without_gradient_is_refused() -> None:
    problem = PortfolioProblem(("a", "b", "c"), BlackBox(lambda rows: rows.sum(axis=1), 3), (2, 2))
    with pytest.raises(InputError, match="mean and variance"):
        relaxed_support(problem)


def test_the_screen_ranks_unseen_supports() -> None:
    problem = factor_problem(16, 5, 0.02)
    rng = np.random.default_rng(0)
    supports = np.unique(random_supports(problem, 500, rng), axis=0)
    values = problem.solve(supports).values
    mixed = rng.permutation(len(supports))
    seen, unseen = mixed[:200], mixed[200:]
    gain = GaussianScreen().improvement(supports[seen], values[seen], supports[unseen])
    chosen = unseen[np.argsort(-gain)[:20]]
    n_sets = 2000
    others = np.array([values[rng.choice(unseen, 20, replace=False)].mean() for _ in range(n_sets)])
    assert values[chosen].mean() < others.mean() - 5.0 * others.std()
    assert (gain >= 0.0).all()


def test_the_screen_sees_ranks_and_no_scale() -> None:
    rng = np.random.default_rng(8)
    supports = random_supports(factor_problem(12, 4, 0.02), 60, rng)
    values = rng.normal(size=40)
    gain = GaussianScreen().improvement(supports[:40], values, supports[40:])
    np.testing.assert_array_equal(
        GaussianScreen().improvement(supports[:40], np.exp(3.0 * values), supports[40:]), gain
    )
    assert not np.array_equal(GaussianScreen().improvement(supports[:40], values**2, supports[40:]), gain)


def test_the_screen_has_no_opinion_when_all_values_are_equal() -> None:
    supports = np.eye(5, dtype=bool)
    assert (GaussianScreen().improvement(supports, np.ones(5), supports) == 0.0).all()
