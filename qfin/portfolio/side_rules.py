"""A problem's rules on weights, written out for given supports and handed to the interior point method."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from qfin._types import BoolArray, FloatArray, IntArray
from qfin.portfolio.interior import ConvexBatch, residual_of, solve_convex
from qfin.portfolio.problem import PortfolioProblem

_INFEASIBLE = 2  # status of scipy.optimize.linprog


@dataclass(frozen=True, eq=False)
class Goal:
    """What is minimised over weights w (B, k): ½ w'Qw + q'w + price of trades · Σ|w − w_current|, and, with `losses`
    (B, T, k) and `costs` (B, T), the expected shortfall ζ + Σ_t cost_t max(0, loss_t·w − ζ)."""

    quadratic: FloatArray
    linear: FloatArray
    price_of_trades: float = 0.0
    losses: FloatArray | None = None
    costs: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the variables lie: weights, then trades where there is a book, then ζ where there are losses."""

    n_held: int
    has_trades: bool
    has_threshold: bool

    @property
    def size(self) -> int:
        return self.n_held * (2 if self.has_trades else 1) + int(self.has_threshold)

    def row(self, n_rows: int, weights: FloatArray | float = 0.0, trades: float = 0.0) -> FloatArray:
        """One inequality for each programme, shape (B, 1, size)."""
        rows = np.zeros((n_rows, 1, self.size))
        rows[:, 0, : self.n_held] = weights
        if self.has_trades:
            rows[:, 0, self.n_held : 2 * self.n_held] = trades
        return rows


def minimise(
    problem: PortfolioProblem, supports: BoolArray, columns: IntArray, goal: Goal
) -> tuple[FloatArray, FloatArray]:
    """Weights (B, k) and relative residuals; NaN where the rules leave none. All supports hold k assets."""
    n_rows, n_held = columns.shape
    layout = _Layout(n_held, problem.trading is not None, goal.losses is not None)
    largest = [np.abs(goal.linear).max(), np.abs(goal.quadratic).max(), goal.price_of_trades]
    if goal.losses is not None:
        largest.append(np.abs(goal.losses).mean())
    batch = _batch(layout, goal, 1.0 / max(float(max(largest)), 1e-300), *_inequalities(problem, layout, columns))
    start = np.zeros((n_rows, layout.size))
    start[:, :n_held] = 1.0 / n_held
    if layout.has_trades:
        start[:, n_held : 2 * n_held] = np.abs(1.0 / n_held - problem.current[columns])
    points, residuals = solve_convex(batch, start)
    for row in np.flatnonzero(np.isnan(residuals)):
        points[row], residuals[row] = solve_alone(batch.take(np.array([row])))
    residuals[np.isinf(residuals)] = np.nan
    return points[:, :n_held], residuals


def _batch(layout: _Layout, goal: Goal, unit: float, inequality: FloatArray, upper: FloatArray) -> ConvexBatch:
    """The programmes with the objective in units of its largest coefficient."""
    n_rows, n_held = goal.linear.shape
    quadratic, linear = np.zeros((n_rows, layout.size, layout.size)), np.zeros((n_rows, layout.size))
    quadratic[:, :n_held, :n_held] = unit * goal.quadratic
    linear[:, :n_held] = unit * goal.linear
    if layout.has_trades:
        linear[:, n_held : 2 * n_held] = unit * goal.price_of_trades
    scenarios, costs = np.zeros((n_rows, 0, layout.size)), np.zeros((n_rows, 0))
    if goal.losses is not None and goal.costs is not None:
        linear[:, -1] = 1.0
        scenarios = np.zeros((n_rows, goal.losses.shape[1], layout.size))
        scenarios[:, :, :n_held] = unit * goal.losses
        scenarios[:, :, -1] = -1.0
        costs = goal.costs
    total = layout.row(n_rows, 1.0)
    return ConvexBatch(quadratic, linear, inequality, upper, total, np.ones((n_rows, 1)), scenarios, costs)


def _inequalities(problem: PortfolioProblem, layout: _Layout, columns: IntArray) -> tuple[FloatArray, FloatArray]:
    """G (B, m, size) and h (B, m) of all rules but Σw = 1."""
    n_rows, n_held = columns.shape
    low, high = problem.bounds
    pairs = [_box(layout, n_rows, -1.0, -low)]
    if high < 1.0 - (n_held - 1) * low:
        pairs.append(_box(layout, n_rows, 1.0, high))
    for group in problem.groups:
        if group.weight is not None:
            members = problem.mask(group.members)[columns].astype(float)
            pairs.append((layout.row(n_rows, members), np.full((n_rows, 1), group.weight[1])))
            pairs.append((layout.row(n_rows, -members), np.full((n_rows, 1), -group.weight[0])))
    current = problem.current[columns]
    left_over = problem.current.sum() - current.sum(axis=1)  # sold in full, as the support does not hold it
    cost = 0.0
    if problem.trading is not None:
        cost = problem.trading.cost
        for sign in (1.0, -1.0):
            rows = np.zeros((n_rows, n_held, layout.size))
            rows[:, :, :n_held] = sign * np.eye(n_held)
            rows[:, :, n_held : 2 * n_held] = -np.eye(n_held)
            pairs.append((rows, sign * current))
        if problem.trading.max_turnover is not None:
            room = 2.0 * problem.trading.max_turnover - left_over
            pairs.append((layout.row(n_rows, trades=1.0), room[:, None]))
    if problem.objective.return_floor is not None:
        mean, target = problem.objective.return_floor
        unit = 1.0 / max(float(np.abs(mean).max()), abs(target), 1e-300)
        rows = layout.row(n_rows, -unit * mean[columns], unit * cost)
        pairs.append((rows, -unit * (target + cost * left_over)[:, None] * np.ones((n_rows, 1))))
    return np.concatenate([rows for rows, _ in pairs], axis=1), np.concatenate([right for _, right in pairs], axis=1)


def _box(layout: _Layout, n_rows: int, sign: float, right: float) -> tuple[FloatArray, FloatArray]:
    rows = np.zeros((n_rows, layout.n_held, layout.size))
    rows[:, :, : layout.n_held] = sign * np.eye(layout.n_held)
    return rows, np.full((n_rows, layout.n_held), right)


def solve_alone(batch: ConvexBatch) -> tuple[FloatArray, float]:
    """A programme on which the batch failed: HiGHS says whether it has a solution, Clarabel finds it."""
    inequality, upper, equality, right = batch.inequality[0], batch.upper[0], batch.equality[0], batch.right[0]
    size = batch.linear.shape[1]
    nothing = np.zeros(size)
    found = optimize.linprog(nothing, inequality, upper, equality, right, bounds=(None, None), method="highs")
    if found.status == _INFEASIBLE:
        return np.full(size, np.nan), np.nan
    import cvxpy as cp

    point, excess = cp.Variable(size), cp.Variable(batch.costs.shape[1])
    rules = [inequality @ point <= upper, equality @ point == right]
    tail = [batch.scenarios[0] @ point <= excess, excess >= 0.0] if batch.costs.shape[1] > 0 else []
    goal = 0.5 * cp.quad_form(point, cp.psd_wrap(batch.quadratic[0])) + batch.linear[0] @ point
    programme = cp.Problem(cp.Minimize(goal + batch.costs[0] @ excess if tail else goal), rules + tail)
    try:
        programme.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    except cp.SolverError:
        return np.full(size, np.nan), np.nan
    if point.value is None:
        return np.full(size, np.nan), np.nan
    prices = [rule.dual_value[None, :] for rule in [*rules, *tail[:1]]]
    above = prices[2] if tail else np.zeros((1, 0))
    return point.value, float(residual_of(batch, point.value[None, :], prices[1], prices[0], above)[0])
