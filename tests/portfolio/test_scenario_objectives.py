"""Expected shortfall against HiGHS, value at risk against a grid, drawdown by hand, a crash by its event."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from qfin.exceptions import InputError
from qfin.portfolio import Budget, Evaluator, PathDrawdown, PortfolioProblem, ScenarioLoss, Trading, random_supports
from qfin.portfolio.measures import maximum_drawdown, tail_measures
from qfin.risk import expected_shortfall, value_at_risk
from qfin.scenarios import ScenarioSet


def by_highs(problem: PortfolioProblem, support: np.ndarray) -> float:
    """Least expected shortfall on a support, by the linear programme over all scenarios."""
    objective = problem.objective
    assert isinstance(objective, ScenarioLoss)
    held = np.flatnonzero(support)
    n, k = len(objective.returns), len(held)
    mass = np.full(n, 1 / n) if objective.probabilities is None else objective.probabilities
    costs = np.concatenate([np.zeros(k), [1.0], mass / (1 - objective.level)])
    rows, right = [np.hstack([-objective.returns[:, held], -np.ones((n, 1)), -np.eye(n)])], [np.zeros(n)]
    if objective.target_return is not None:
        rows.append(1e3 * np.concatenate([-objective.mean[held], np.zeros(n + 1)])[None, :])
        right.append(np.array([-1e3 * objective.target_return]))
    total = np.concatenate([np.ones(k), np.zeros(n + 1)])[None, :]
    bounds = [problem.bounds] * k + [(None, None)] + [(0, None)] * n
    answer = optimize.linprog(costs, np.vstack(rows), np.concatenate(right), total, [1.0], bounds=bounds)
    return float(answer.fun) if answer.status == 0 else np.inf


@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize("target", [None, 4e-4])
@pytest.mark.parametrize("weighted", [False, True])
def test_shortfall_agrees_with_highs(
    shortfall_problem: PortfolioProblem, level: float, target: float | None, weighted: bool
) -> None:
    mass = None
    if weighted:
        mass = np.random.default_rng(1).random(300)
        mass[:20] = 0.0
        mass /= mass.sum()
    objective = replace(shortfall_problem.objective, level=level, target_return=target, mean=None)
    if weighted:
        objective = replace(objective, probabilities=mass)
    problem = replace(shortfall_problem, objective=objective)
    supports = random_supports(problem, 40, np.random.default_rng(2))
    solutions = problem.solve(supports)
    found = np.isfinite(solutions.values)
    assert solutions.residuals[found].max() <= 1e-9
    for row in range(6):
        expected = by_highs(problem, supports[row])
        assert solutions.values[row] == (np.inf if np.isinf(expected) else pytest.approx(expected, rel=1e-8))


def test_best_shortfall_of_all_supports_by_enumeration(shortfall_problem: PortfolioProblem) -> None:
    problem = replace(shortfall_problem, cardinality=(2, 2))
    supports = np.array([np.isin(np.arange(12), pair) for pair in itertools.combinations(range(12), 2)])
    evaluator = Evaluator(problem, Budget(len(supports)))
    evaluator(supports)
    expected = [by_highs(problem, row) for row in supports]
    np.testing.assert_array_equal(evaluator.best[0], supports[int(np.argmin(expected))])
    assert evaluator.best[1] == pytest.approx(min(expected), rel=1e-9)


def test_batched_measures_agree_with_risk() -> None:
    rng = np.random.default_rng(6)
    losses, mass = rng.standard_normal((5, 137)), rng.random(137)
    mass /= mass.sum()
    for level, probabilities in itertools.product((0.6, 0.95, 0.99), (None, mass)):
        threshold, shortfall = tail_measures(losses, level, probabilities)
        for row in range(5):
            assert threshold[row] == value_at_risk(losses[row], level, probabilities=probabilities)
            expected = expected_shortfall(losses[row], level, probabilities=probabilities)
            assert shortfall[row] == pytest.approx(expected, rel=1e-12)


def test_value_at_risk_descends_and_comes_near_the_least(shortfall_problem: PortfolioProblem) -> None:
    problem = replace(
        shortfall_problem, objective=replace(shortfall_problem.objective, measure="var"), cardinality=(2, 2)
    )
    supports = random_supports(problem, 40, np.random.default_rng(7))
    objective = problem.objective
    assert isinstance(objective, ScenarioLoss)
    solutions = problem.solve(supports)
    start = objective.value(
        problem, replace(problem, objective=replace(objective, measure="shortfall")).solve(supports).weights
    )
    assert (solutions.values <= start + 1e-15).all()
    assert (solutions.values < start - 1e-6).mean() > 0.3
    # Two assets: one free weight, so a grid finds the least value. A local minimum is no lower.
    grid = np.linspace(0.4, 0.6, 401)
    for row in range(10):
        weights = np.zeros((401, 12))
        weights[:, np.flatnonzero(supports[row])] = np.column_stack([grid, 1.0 - grid])
        least = objective.value(problem, weights).min()
        assert solutions.values[row] < start[row] + 1e-15
        assert solutions.values[row] > least - 1e-4


def test_mean_loss_in_a_crash_keeps_the_mean_of_calm_days(crash_returns: np.ndarray) -> None:
    crash = crash_returns.mean(axis=1) < -0.005
    scenarios = ScenarioSet(crash_returns[crash], tuple("abcdefghijkl"))
    mean = crash_returns.mean(axis=0)
    free = PortfolioProblem.from_scenarios(scenarios, measure="mean", cardinality=(3, 3), bounds=(0.1, 0.6))
    best = np.argsort(-scenarios.returns.mean(axis=0))[:3]
    support = np.isin(np.arange(12), best)[None, :]
    losses = -np.sort(-scenarios.returns.mean(axis=0))[:3]
    assert free.solve(support).values[0] == pytest.approx(-(losses @ [0.6, 0.3, 0.1]))
    target = float(np.sort(mean[best])[::-1] @ [0.5, 0.25, 0.25])
    held = PortfolioProblem.from_scenarios(
        scenarios, measure="mean", mean=mean, target_return=target, cardinality=(3, 3), bounds=(0.1, 0.6)
    )
    solutions = held.solve(support)
    assert solutions.weights[0] @ mean >= target - 1e-12
    answer = optimize.linprog(
        -scenarios.returns.mean(axis=0)[best], -1e3 * mean[best][None, :], [-1e3 * target], np.ones((1, 3)), [1.0],
        bounds=(0.1, 0.6),
    )  # fmt: skip
    assert solutions.values[0] == pytest.approx(answer.fun, rel=1e-8)


def test_drawdown_by_hand() -> None:
    assert maximum_drawdown(np.array([0.1, -0.5, 0.2, -0.3])) == pytest.approx(1 - 0.5 * 1.2 * 0.7)
    assert maximum_drawdown(np.array([-0.2, 0.1])) == pytest.approx(0.2)
    paths = np.random.default_rng(8).normal(0.0, 0.02, (30, 20, 5))
    problem = PortfolioProblem.from_paths(paths, tuple("abcde"), cardinality=(2, 2))
    support = np.array([[True, False, True, False, False]])
    solutions = problem.solve(support)
    spread = np.cov(paths.reshape(-1, 5)[:, [0, 2]], rowvar=False)
    first = (spread[1, 1] - spread[0, 1]) / (spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    assert solutions.weights[0, 0] == pytest.approx(first)  # least variance of two assets, in closed form
    falls = maximum_drawdown((paths @ solutions.weights[0]).T)
    assert solutions.values[0] == pytest.approx(falls.mean())
    tail = replace(problem, objective=PathDrawdown(paths, 0.9, equal_weights=True))
    expected = expected_shortfall(maximum_drawdown(paths[:, :, [0, 2]].mean(axis=2).T), 0.9)
    assert tail.solve(support).values[0] == pytest.approx(expected)


def test_costs_add_to_losses(shortfall_problem: PortfolioProblem) -> None:
    names = shortfall_problem.assets
    support = np.isin(np.arange(12), [0, 1, 2, 3])[None, :]
    free = shortfall_problem.solve(support).values[0]
    moved = replace(shortfall_problem, trading=Trading({names[11]: 1.0}, cost=0.002))
    assert moved.solve(support).values[0] == pytest.approx(free + 2.0 * 0.002)
    equal = replace(shortfall_problem, objective=replace(shortfall_problem.objective, equal_weights=True))
    assert equal.solve(support).values[0] > free


def test_wrong_input_is_named(crash_returns: np.ndarray) -> None:
    with pytest.raises(InputError, match="measure: expected one of mean, shortfall, var, received 'sharpe'"):
        ScenarioLoss(crash_returns, "sharpe")
    with pytest.raises(InputError, match="level"):
        ScenarioLoss(crash_returns, level=0.05)
    with pytest.raises(InputError, match="target_return: expected a finite number, received nan"):
        ScenarioLoss(crash_returns, target_return=float("nan"))
    with pytest.raises(InputError, match="probabilities: expected 300"):
        ScenarioLoss(crash_returns, probabilities=np.ones(3))
    with pytest.raises(InputError, match="paths: expected finite returns above -1"):
        PathDrawdown(crash_returns)
