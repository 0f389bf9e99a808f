"""The batched quadratic programme against cvxpy, its own optimality conditions and the reference optima."""

import itertools
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from qfin.market.bundled import data_file
from qfin.portfolio import Budget, Evaluator, MeanVariance, PortfolioProblem, random_supports, read_reference_optima
from qfin.portfolio.quadratic import fill_by_rank, minimise_in_box


def by_cvxpy(problem: PortfolioProblem, support: np.ndarray) -> float:
    """The value of one support, +inf where infeasible; scaled so that the solver's tolerances bite."""
    held = np.flatnonzero(support)
    objective = problem.objective
    assert isinstance(objective, MeanVariance)
    weights = cp.Variable(len(held))
    rules = [cp.sum(weights) == 1, weights >= problem.bounds[0], weights <= problem.bounds[1]]
    if objective.target_return is not None:
        rules.append(1e3 * (objective.mean[held] @ weights) >= 1e3 * objective.target_return)
    variance = cp.quad_form(weights, cp.psd_wrap(1e3 * objective.covariance[np.ix_(held, held)]))
    earned = 1e3 * objective.mean[held] @ weights
    programme = cp.Problem(cp.Minimize(objective.risk_weight * variance - (1 - objective.risk_weight) * earned), rules)
    return float(programme.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)) / 1e3


CASES = [
    (0.5, None, (0.01, 1.0)),
    (0.02, None, (0.0, 0.15)),  # many upper bounds bind: the one-by-one active set
    (0.0, None, (0.01, 0.3)),
    (1.0, 0.0005, (0.01, 1.0)),
    (1.0, 0.0, (0.02, 0.2)),
]


@pytest.mark.parametrize(("risk_weight", "target", "bounds"), CASES)
def test_agrees_with_cvxpy(
    port5: PortfolioProblem, risk_weight: float, target: float | None, bounds: tuple[float, float]
) -> None:
    objective = replace(port5.objective, risk_weight=risk_weight, target_return=target)
    problem = replace(port5, objective=objective, bounds=bounds)
    supports = random_supports(problem, 500, np.random.default_rng(1))
    solutions = problem.solve(supports)
    found = np.isfinite(solutions.values)
    assert found.sum() > 100
    assert solutions.residuals[found].max() <= 1e-9
    np.testing.assert_allclose(solutions.weights[found].sum(axis=1), 1.0, atol=1e-12)
    for row in range(12):
        assert solutions.values[row] == pytest.approx(by_cvxpy(problem, supports[row]), rel=1e-8, abs=1e-12)


def test_residual_sees_weights_that_are_not_optimal(port5: PortfolioProblem) -> None:
    # The conditions checked anew, from weights alone: at the optimum the gradient is equal on all weights inside.
    supports = random_supports(port5, 200, np.random.default_rng(2))
    objective = port5.objective
    assert isinstance(objective, MeanVariance)
    weights = port5.solve(supports).weights
    gradient = 2.0 * 0.5 * weights @ objective.covariance - 0.5 * objective.mean
    scale = np.abs(gradient).max(axis=1)
    inside = supports & (weights > 0.01 + 1e-9)
    highest = np.where(inside, gradient, -np.inf).max(axis=1)
    lowest = np.where(supports, gradient, np.inf).min(axis=1)  # nothing held would be better raised
    assert ((highest - lowest) / scale).max() <= 1e-9


def test_every_reference_optimum_is_reached_on_its_support() -> None:
    optima = read_reference_optima(data_file("orlib/ccef_lambda_K10.csv"))
    assert len(optima) == 250
    names = {optimum.instance for optimum in optima}
    problems = {name: PortfolioProblem.from_orlib(data_file(f"orlib/{name}.txt")) for name in names}
    for optimum in optima:
        problem = problems[optimum.instance]
        problem = replace(problem, objective=replace(problem.objective, risk_weight=optimum.setting))
        solutions = problem.solve(optimum.support(problem.n_assets)[None, :])
        # λ is printed with 12 decimals: 1e-12 of a return of 0.01, beside objectives of 1e-4 and more.
        assert solutions.values[0] == pytest.approx(optimum.value, rel=1e-8)
        assert optimum.lower_bound <= optimum.value <= optimum.lower_bound + 1e-6 * abs(optimum.value)


def test_reference_optima_at_target_returns() -> None:
    base = PortfolioProblem.from_orlib(data_file("orlib/port1.txt"))
    for optimum in read_reference_optima(data_file("orlib/ccef_return_K10_port1.csv"), "port1"):
        problem = replace(base, objective=replace(base.objective, target_return=optimum.setting))
        solutions = problem.solve(optimum.support(31)[None, :])
        assert solutions.values[0] == pytest.approx(optimum.value, rel=1e-8)
        np.testing.assert_allclose(solutions.weights[0, optimum.columns], optimum.weights, atol=1e-5)


def test_best_of_all_supports_is_the_mixed_integer_optimum(port1: PortfolioProblem) -> None:
    objective = port1.objective
    assert isinstance(objective, MeanVariance)
    mean, covariance = objective.mean[:9], objective.covariance[:9, :9]
    problem = PortfolioProblem.from_covariance(
        mean, covariance, risk_weight=0.8, cardinality=(2, 3), bounds=(0.1, 0.6), must_not=("A9",)
    )
    every = np.array(list(itertools.product([False, True], repeat=9)))
    supports = every[problem.feasible(every)]
    assert len(supports) == 28 + 56
    evaluator = Evaluator(problem, Budget(100))
    evaluator(supports)
    weights, held = cp.Variable(9), cp.Variable(9, boolean=True)
    rules = [cp.sum(weights) == 1, weights >= 0.1 * held, weights <= 0.6 * held, held[8] == 0]
    rules += [cp.sum(held) >= 2, cp.sum(held) <= 3]
    goal = 0.8 * 1e3 * cp.quad_form(weights, cp.psd_wrap(covariance)) - 0.2 * 1e3 * mean @ weights
    value = cp.Problem(cp.Minimize(goal), rules).solve(solver=cp.SCIP)
    np.testing.assert_array_equal(evaluator.best[0], np.round(held.value) == 1.0)
    assert evaluator.best[1] == pytest.approx(value / 1e3, rel=1e-4)


def test_singular_covariance_and_single_asset() -> None:
    factor = np.array([[1.0, 2.0, 3.0], [0.5, 0.1, 0.2]])
    problem = PortfolioProblem.from_covariance(np.zeros(3), factor.T @ factor, cardinality=(1, 3))
    solutions = problem.solve(np.array([[True, True, True], [False, True, False]]))
    assert solutions.residuals[0] <= 1e-9
    assert solutions.values[0] == pytest.approx(by_cvxpy(problem, np.ones(3, dtype=bool)), rel=1e-7)
    np.testing.assert_array_equal(solutions.weights[1], [0.0, 1.0, 0.0])


def test_bounds_that_leave_one_point_or_none() -> None:
    quadratic, linear = np.tile(np.eye(4), (2, 1, 1)), np.zeros((2, 4))
    assert (minimise_in_box(quadratic, linear, 0.25, 1.0).weights == 0.25).all()
    assert np.isnan(minimise_in_box(quadratic, linear, 0.0, 0.2).weights).all()
    means = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 1.0]])
    top = minimise_in_box(quadratic, linear, 0.0, 1.0, means=means, target=4.0)
    np.testing.assert_allclose(top.weights[0], [0.0, 0.0, 0.0, 1.0])
    assert np.isnan(top.weights[1]).all()


def test_fill_by_rank() -> None:
    np.testing.assert_allclose(fill_by_rank(np.array([[1.0, 3.0, 2.0]]), 0.1, 0.6), [[0.1, 0.6, 0.3]])
