"""Whether given weights meet a problem's rules, and what they cost to reach."""

import numpy as np

from qfin._types import BoolArray, FloatArray
from qfin.portfolio.problem import PortfolioProblem

TOLERANCE = 1e-9


def traded(problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
    """Σ|w − w_current| of weights (n_rows, n_assets); zero without a current book."""
    if problem.trading is None:
        return np.zeros(len(weights))
    return np.asarray(np.abs(weights - problem.current).sum(axis=1))


def trading_cost(problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
    """What reaching the weights costs, in units of return."""
    return traded(problem, weights) * (0.0 if problem.trading is None else problem.trading.cost)


def violation(problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
    """The largest violation of bounds, sum, group weights, turnover and target return (in units of the largest mean).

    `weights` has shape (n_rows, n_assets), zero where nothing is held; NaN rows have violation NaN.
    """
    low, high = problem.bounds
    outside = np.where(weights > TOLERANCE, np.maximum(low - weights, weights - high), -weights)
    parts = [np.abs(weights.sum(axis=1) - 1.0), outside.max(axis=1)]
    for group in problem.groups:
        if group.weight is not None:
            together = weights[:, problem.mask(group.members)].sum(axis=1)
            parts += [group.weight[0] - together, together - group.weight[1]]
    if problem.trading is not None and problem.trading.max_turnover is not None:
        parts.append(0.5 * traded(problem, weights) - problem.trading.max_turnover)
    if problem.objective.return_floor is not None:
        mean, target = problem.objective.return_floor
        unit = max(float(np.abs(mean).max()), abs(target), 1e-300)
        parts.append((target - weights @ mean + trading_cost(problem, weights)) / unit)
    return np.asarray(np.maximum(np.max(parts, axis=0), 0.0))


def meets_rules(problem: PortfolioProblem, weights: FloatArray) -> BoolArray:
    """Which rows (n_rows, n_assets) meet the rules on weights, up to rounding; NaN rows do not."""
    return np.asarray(violation(problem, weights) <= TOLERANCE)
