"""Whole lots: weights on a lattice, by rounding and best single-lot moves."""

import numpy as np

from qfin._types import BoolArray, FloatArray, IntArray
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.rules import violation
from qfin.portfolio.solutions import Solutions

_MAX_MOVES = 200
_CHUNK_NUMBERS = 1 << 22


def round_to_lots(problem: PortfolioProblem, supports: BoolArray, solutions: Solutions, lot: float) -> Solutions:
    """Nearest lattice weights, then one lot at a time from one asset to another while that helps most.

    A move helps if it breaks the rules by less or, where none is broken, lowers what the weights minimise. The answer
    is a local minimum over such moves, not a proven optimum: its residual is NaN. A support on which the weights
    before rounding do not exist, or for which no moves mend the rules, has the value +inf.
    """
    n_lots = round(1.0 / lot)
    weights = np.full(supports.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(solutions.values)):
        held = np.flatnonzero(supports[row])
        units = _nearest(solutions.weights[row, held] * n_lots, n_lots, _limits(problem, lot))
        if units is not None:
            weights[row] = _descend(problem, held, units, n_lots)
    return Solutions(problem.objective.value(problem, weights), weights, np.full(len(weights), np.nan))


def _limits(problem: PortfolioProblem, lot: float) -> tuple[int, int]:
    low, high = problem.bounds
    return max(int(np.ceil(low / lot - 1e-9)), 1), int(np.floor(high / lot + 1e-9))


def _nearest(wanted: FloatArray, n_lots: int, limits: tuple[int, int]) -> IntArray | None:
    """Whole numbers within the limits with sum n_lots, each in turn where it lies furthest from what is wanted."""
    low, high = limits
    if len(wanted) * low > n_lots or len(wanted) * high < n_lots:
        return None
    units = np.clip(np.floor(wanted + 1e-9).astype(np.int64), low, high)
    while units.sum() != n_lots:
        missing = wanted - units
        if units.sum() < n_lots:
            units[np.argmax(np.where(units < high, missing, -np.inf))] += 1
        else:
            units[np.argmin(np.where(units > low, missing, np.inf))] -= 1
    return units


def _descend(problem: PortfolioProblem, held: IntArray, units: IntArray, n_lots: int) -> FloatArray:
    low, high = _limits(problem, 1.0 / n_lots)
    best = _score(problem, held, units[None, :], n_lots)
    for _ in range(_MAX_MOVES):
        source, target = np.nonzero((units > low)[:, None] & (units < high)[None, :] & ~np.eye(len(held), dtype=bool))
        if len(source) == 0:
            break
        moved = np.tile(units, (len(source), 1))
        index = np.arange(len(source))
        moved[index, source] -= 1
        moved[index, target] += 1
        broken, value = _score(problem, held, moved, n_lots)
        choice = np.lexsort((value, broken))[0]
        gain = (best[0][0] - broken[choice], best[1][0] - value[choice])
        if not (gain[0] > 1e-12 or (gain[0] >= 0.0 and gain[1] > 1e-12 * abs(best[1][0]))):
            break
        units, best = moved[choice], (broken[[choice]], value[[choice]])
    full = np.zeros(problem.n_assets)
    full[held] = units / n_lots
    return full


def _score(problem: PortfolioProblem, held: IntArray, units: IntArray, n_lots: int) -> tuple[FloatArray, FloatArray]:
    """How far rules are broken (0 within rounding), and what the weights minimise."""
    weights = np.zeros((len(units), problem.n_assets))
    weights[:, held] = units / n_lots
    broken = violation(problem, weights)
    return np.where(broken <= 1e-9, 0.0, broken), problem.objective.inner_value(problem, weights)
