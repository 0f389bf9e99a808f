"""Group weights, turnover and cost inside the inner problem, against cvxpy and the faster method without them."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from qfin.portfolio import Group, MeanVariance, PortfolioProblem, Trading, random_supports
from qfin.portfolio.interior import ConvexBatch, solve_convex
from qfin.portfolio.side_rules import solve_alone


def by_cvxpy(problem: PortfolioProblem, support: np.ndarray) -> float:
    """The value of one support over all assets at once, weights off the support fixed to zero."""
    objective = problem.objective
    assert isinstance(objective, MeanVariance)
    weights = cp.Variable(problem.n_assets)
    held = np.flatnonzero(support)
    low, high = problem.bounds
    rules = [cp.sum(weights) == 1, weights[held] >= low, weights[held] <= high, weights[np.flatnonzero(~support)] == 0]
    for group in problem.groups:
        if group.weight is not None:
            together = cp.sum(weights[np.flatnonzero(problem.mask(group.members))])
            rules += [together >= group.weight[0], together <= group.weight[1]]
    earned = objective.mean @ weights
    if problem.trading is not None:
        trades = cp.norm1(weights - problem.current)
        earned = earned - problem.trading.cost * trades
        if problem.trading.max_turnover is not None:
            rules.append(0.5 * trades <= problem.trading.max_turnover)
    if objective.target_return is not None:
        rules.append(1e3 * earned >= 1e3 * objective.target_return)
    risk = cp.quad_form(weights, cp.psd_wrap(1e3 * objective.covariance))
    goal = objective.risk_weight * risk - 1e3 * (1 - objective.risk_weight) * earned
    programme = cp.Problem(cp.Minimize(goal), rules)
    return float(programme.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)) / 1e3


GROUPS = (
    Group("first", tuple(f"A{number:02d}" for number in range(1, 16)), weight=(0.3, 0.5)),
    Group("middle", tuple(f"A{number:02d}" for number in range(10, 22)), weight=(0.0, 0.25)),
)
BOOK = {f"A{number:02d}": 0.1 for number in range(1, 11)}


@pytest.mark.parametrize(("risk_weight", "target"), [(0.5, None), (0.03, None), (1.0, 0.004)])
@pytest.mark.parametrize(
    "rules",
    [
        {"groups": GROUPS},
        {"groups": GROUPS, "bounds": (0.0, 0.3)},
        {"trading": Trading(BOOK, cost=0.001)},
        {"trading": Trading(BOOK, max_turnover=0.8, cost=0.001), "groups": GROUPS},
    ],
    ids=["groups", "bounds", "cost", "turnover"],
)
def test_agrees_with_cvxpy(
    port1: PortfolioProblem, risk_weight: float, target: float | None, rules: dict[str, object]
) -> None:
    objective = replace(port1.objective, risk_weight=risk_weight, target_return=target)
    problem = replace(port1, objective=objective, **rules)  # type: ignore[arg-type]
    supports = random_supports(problem, 60, np.random.default_rng(4))
    solutions = problem.solve(supports)
    found = np.isfinite(solutions.values)
    assert solutions.residuals[found].max() <= 1e-9
    for row in range(8):
        expected = by_cvxpy(problem, supports[row])
        assert solutions.values[row] == (np.inf if np.isinf(expected) else pytest.approx(expected, rel=1e-7, abs=1e-11))


def test_a_cost_of_nothing_and_loose_groups_change_nothing(port1: PortfolioProblem) -> None:
    supports = random_supports(port1, 100, np.random.default_rng(5))
    loose = replace(port1, trading=Trading(BOOK), groups=(Group("all", port1.assets, weight=(0.0, 1.0)),))
    np.testing.assert_allclose(loose.solve(supports).values, port1.solve(supports).values, rtol=1e-9, atol=1e-15)


def test_what_the_support_does_not_hold_is_sold(port1: PortfolioProblem) -> None:
    support = np.zeros((1, 31), dtype=bool)
    support[0, 10:20] = True  # nothing of the book
    free = port1.solve(support).values[0]
    costly = replace(port1, trading=Trading(BOOK, cost=0.01))
    assert costly.solve(support).values[0] == pytest.approx(free + 0.5 * 2.0 * 0.01)
    tied = replace(port1, trading=Trading(BOOK, max_turnover=0.9))
    assert tied.solve(support).values[0] == np.inf


def test_infeasible_programmes_are_proved_so() -> None:
    # x₁ + x₂ = 1 with both at most 0.4 has no solution; at most 0.6 it has one.
    upper = np.array([[0.4, 0.4], [0.6, 0.6]])
    batch = ConvexBatch(
        np.tile(np.eye(2), (2, 1, 1)), np.array([[0.0, 1.0]] * 2), np.tile(np.eye(2), (2, 1, 1)), upper,
        np.ones((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 0, 2)), np.zeros((2, 0)),
    )  # fmt: skip
    points, residuals = solve_convex(batch, np.full((2, 2), 0.5))
    assert np.isinf(residuals[0])
    assert np.isnan(points[0]).all()
    np.testing.assert_allclose(points[1], [0.6, 0.4], atol=1e-8)


def test_the_way_out_for_single_programmes_agrees_with_the_batch() -> None:
    rng = np.random.default_rng(13)
    root, scenarios = rng.standard_normal((4, 5, 5)), rng.standard_normal((4, 30, 5))
    shared = (np.tile(-np.eye(5), (4, 1, 1)), np.zeros((4, 5)), np.ones((4, 1, 5)), np.ones((4, 1)))
    quadratic, linear = root @ root.transpose(0, 2, 1), rng.standard_normal((4, 5))
    plain = ConvexBatch(quadratic, linear, *shared, np.zeros((4, 0, 5)), np.zeros((4, 0)))
    tail = ConvexBatch(0.0 * quadratic, linear, *shared, scenarios, np.full((4, 30), 0.2))
    for batch in (plain, tail):
        points, residuals = solve_convex(batch, np.full((4, 5), 0.2))
        assert residuals.max() <= 1e-9
        for row in range(4):
            alone, residual = solve_alone(batch.take(np.array([row])))
            assert residual <= 1e-7
            np.testing.assert_allclose(alone, points[row], atol=1e-6)
    impossible = replace(plain, upper=np.full((4, 5), -0.3)).take(np.array([0]))  # each at least 0.3, sum 1
    point, residual = solve_alone(impossible)
    assert np.isnan(point).all()
    assert np.isnan(residual)
