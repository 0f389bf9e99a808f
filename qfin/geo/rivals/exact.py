"""Exact rivals: the whole problem as a mixed-integer programme -> a support with a proven bound, within a time limit.

SCIP takes mean and variance (a convex quadratic in factor form), HiGHS the expected shortfall over scenarios (linear).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.geo.guide import mean_variance_of
from qfin.portfolio import PortfolioProblem, ScenarioLoss


@dataclass(frozen=True, eq=False)
class ExactAnswer:
    """The best support found (None without any), the proven lower bound, whether it is optimal, seconds."""

    support: BoolArray | None
    bound: float
    optimal: bool
    seconds: float


def solve_variance_by_scip(problem: PortfolioProblem, limit_s: float) -> ExactAnswer:
    """Mean and variance by SCIP: min λ‖L'w‖² − (1 − λ) m'w with one bit for each asset."""
    from pyscipopt import Model, quicksum

    objective = mean_variance_of(problem)
    _refuse_side_rules(problem)
    low, high = problem.bounds
    n_assets = range(problem.n_assets)
    model = Model()
    model.hideOutput()
    model.setParam("limits/time", limit_s)
    weight = [model.addVar(lb=0.0, ub=high) for _ in n_assets]
    held = [model.addVar(vtype="B") for _ in n_assets]
    for i in n_assets:
        model.addCons(weight[i] >= low * held[i])
        model.addCons(weight[i] <= high * held[i])
    model.addCons(quicksum(weight) == 1.0)
    for row, least, most in _count_rules(problem):
        chosen = quicksum(held[i] for i in np.flatnonzero(row))
        model.addCons(chosen >= least)
        model.addCons(chosen <= most)
    if objective.target_return is not None:
        model.addCons(quicksum(float(objective.mean[i]) * weight[i] for i in n_assets) >= objective.target_return)
    # Variances are of the order of 1e-4 and SCIP's tolerances absolute: everything is scaled to one.
    scale = float(np.diag(objective.covariance).mean())
    factor = np.linalg.cholesky(objective.covariance / scale)
    spread = [model.addVar(lb=None, ub=None) for _ in n_assets]
    for i in n_assets:
        model.addCons(spread[i] == quicksum(float(factor[j, i]) * weight[j] for j in n_assets[i:]))
    variance = model.addVar(lb=0.0)
    model.addCons(quicksum(part * part for part in spread) <= variance)
    earned = quicksum(float(objective.mean[i] / scale) * weight[i] for i in n_assets)
    model.setObjective(objective.risk_weight * variance - (1.0 - objective.risk_weight) * earned)
    started = time.perf_counter()
    model.optimize()
    seconds = time.perf_counter() - started
    support = np.array([model.getVal(bit) > 0.5 for bit in held]) if model.getNSols() else None
    return ExactAnswer(support, float(model.getDualbound()) * scale, model.getStatus() == "optimal", seconds)


def solve_shortfall_by_highs(problem: PortfolioProblem, limit_s: float) -> ExactAnswer:
    """Expected shortfall over scenarios by HiGHS (Rockafellar and Uryasev 2000): one excess for each scenario."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, csr_array, eye_array

    objective = _shortfall_of(problem)
    _refuse_side_rules(problem)
    n_scenarios, n_assets = objective.returns.shape
    low, high = problem.bounds
    share = np.full(n_scenarios, 1.0 / n_scenarios)
    if objective.probabilities is not None:
        share = objective.probabilities
    # Columns: weights, bits, value at risk, excess losses.
    cost = np.concatenate([np.zeros(2 * n_assets), [1.0], share / (1.0 - objective.level)])
    one = eye_array(n_assets)
    rules = _count_rules(problem)
    rows = block_array(
        [
            [csr_array(objective.returns), None, csr_array(np.ones((n_scenarios, 1))), eye_array(n_scenarios)],
            [one, -low * one, None, None],
            [one, -high * one, None, None],
            [csr_array(np.ones((1, n_assets))), None, None, None],
            [None, csr_array(np.array([row for row, _, _ in rules], dtype=np.float64)), None, None],
        ],
        format="csr",
    )
    least = np.concatenate([np.zeros(n_scenarios + n_assets), np.full(n_assets, -np.inf), [1.0]])
    most = np.concatenate([np.full(n_scenarios + n_assets, np.inf), np.zeros(n_assets), [1.0]])
    constraints = [
        LinearConstraint(
            rows, np.append(least, [rule[1] for rule in rules]), np.append(most, [rule[2] for rule in rules])
        )
    ]
    if objective.return_floor is not None:
        mean, target = objective.return_floor
        constraints.append(LinearConstraint(np.append(mean, np.zeros(len(cost) - n_assets))[None], target, np.inf))
    bits = np.zeros(len(cost))
    bits[n_assets : 2 * n_assets] = 1.0
    bottom, top = np.zeros(len(cost)), np.concatenate([np.full(n_assets, high), np.ones(n_assets), [np.inf]])
    bottom[2 * n_assets] = -np.inf
    limits = Bounds(bottom, np.append(top, np.full(n_scenarios, np.inf)))
    started = time.perf_counter()
    result: Any = milp(cost, integrality=bits, bounds=limits, constraints=constraints, options={"time_limit": limit_s})
    seconds = time.perf_counter() - started
    support = None if result.x is None else np.asarray(result.x[n_assets : 2 * n_assets] > 0.5)
    bound = -np.inf if result.mip_dual_bound is None else float(result.mip_dual_bound)
    return ExactAnswer(support, bound, result.status == 0, seconds)


def _shortfall_of(problem: PortfolioProblem) -> ScenarioLoss:
    objective = problem.objective
    if not isinstance(objective, ScenarioLoss) or objective.measure != "shortfall" or objective.equal_weights:
        raise InputError("objective: expected the expected shortfall of free weights, received another one")
    return objective


def _refuse_side_rules(problem: PortfolioProblem) -> None:
    if problem.has_side_rules or problem.lot is not None:
        raise InputError("problem: expected bounds and counts only, received lots, trading or group weights")


def _count_rules(problem: PortfolioProblem) -> list[tuple[FloatArray, int, int]]:
    """Rows over assets with the lowest and highest number of them to be held."""
    everyone = np.ones(problem.n_assets)
    rules = [(everyone, *problem.cardinality)]
    for names, number in ((problem.must_hold, len(problem.must_hold)), (problem.must_not, 0)):
        if names:
            rules.append((problem.mask(names).astype(np.float64), number, number))
    for group in problem.groups:
        if group.count is not None:
            rules.append((problem.mask(group.members).astype(np.float64), *group.count))
    return rules
