"""Weights of least variance on given supports: a box-constrained quadratic programme, many supports in lock-step.

Each row is: minimise ½ w'Qw + q'w subject to Σw = 1, low ≤ w ≤ high and, where a target is set, m'w ≥ target. Rows
start with a primal-dual active set (Hintermüller, Ito and Kunisch 2003): all violated bounds change at once, so few
linear solves suffice. It may cycle; rows that have not settled are finished by a primal active set, which moves one
bound at a time from a feasible point and keeps the working set independent (Nocedal and Wright 2006, section 16.5).
"""

from dataclasses import dataclass

import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray

_BLOCK_STEPS = 15  # the primal-dual active set needs 3 to 6 where it converges at all
_TOLERANCE = 1e-12
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class BoxSolution:
    """Weights (n_rows, k), NaN where no weights are feasible, and the relative KKT residual of each row."""

    weights: FloatArray
    residuals: FloatArray


@dataclass(eq=False)
class _Rows:
    """A batch of programmes with Σw = 1 and, where `normal` has two rows, m'w = target; scaled to a unit diagonal."""

    quadratic: FloatArray  # (B, K, K)
    linear: FloatArray  # (B, K)
    normal: FloatArray  # (B, p, K)
    right: FloatArray  # (p,)
    low: float
    high: float

    def take(self, rows: AnyArray) -> "_Rows":
        return _Rows(self.quadratic[rows], self.linear[rows], self.normal[rows], self.right, self.low, self.high)

    def stationary(self, at_low: BoolArray, at_high: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Minimiser with the marked weights held at their bounds, and the gradient less the multipliers' part."""
        n_rows, size = self.linear.shape
        n_equal = len(self.right)
        held = at_low | at_high
        system = np.zeros((n_rows, size + n_equal, size + n_equal))
        system[:, :size, :size] = np.where(held[:, :, None], np.eye(size), self.quadratic)
        system[:, :size, size:] = np.where(held[:, :, None], 0.0, -self.normal.transpose(0, 2, 1))
        system[:, size:, :size] = self.normal
        right = np.empty((n_rows, size + n_equal, 1))
        right[:, :size, 0] = np.where(at_low, self.low, np.where(at_high, self.high, -self.linear))
        right[:, size:, 0] = self.right
        answer = np.linalg.solve(system, right)[:, :, 0]
        weights, multipliers = answer[:, :size], answer[:, size:]
        gradient = np.einsum("bij,bj->bi", self.quadratic, weights) + self.linear
        return weights, gradient - np.einsum("bpi,bp->bi", self.normal, multipliers)

    def independent(self, held: BoolArray) -> BoolArray:
        """Whether the equality constraints are independent on the weights that are not held."""
        free = ~held
        if len(self.right) == 1:
            return np.asarray(free.any(axis=1))
        slopes = self.normal[:, 1, :]
        spread = np.where(free, slopes, -np.inf).max(axis=1) - np.where(free, slopes, np.inf).min(axis=1)
        return np.asarray(free.any(axis=1) & (spread > 1e-9))

    def residual(self, weights: FloatArray, reduced: FloatArray) -> FloatArray:
        """Largest of the equality errors and of |w − clip(w − reduced gradient)|, the gradient scaled to at most 1."""
        scale = np.abs(self.linear).max(axis=1) + np.abs(np.einsum("bij,bj->bi", self.quadratic, weights)).max(axis=1)
        moved = np.clip(weights - reduced / scale[:, None], self.low, self.high)
        equality = np.abs(np.einsum("bpi,bi->bp", self.normal, weights) - self.right).max(axis=1)
        return np.asarray(np.maximum(np.abs(weights - moved).max(axis=1), equality))


def fill_by_rank(score: FloatArray, low: float, high: float) -> FloatArray:
    """Weights that maximise Σ score·w row by row over the box with Σw = 1: the best names get `high` while it lasts."""
    size = score.shape[1]
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1, kind="stable")
    rest = 1.0 - size * low
    return np.asarray(low + np.clip(rest - rank * (high - low), 0.0, high - low))


def minimise_in_box(
    quadratic: FloatArray,
    linear: FloatArray,
    low: float,
    high: float,
    *,
    means: FloatArray | None = None,
    target: float | None = None,
) -> BoxSolution:
    """Solve every row; `quadratic` is (n_rows, k, k) positive definite, `linear` and `means` are (n_rows, k)."""
    n_rows, size = linear.shape
    weights, residuals = np.full((n_rows, size), np.nan), np.full(n_rows, np.nan)
    if size * low > 1.0 + _TOLERANCE or size * high < 1.0 - _TOLERANCE:
        return BoxSolution(weights, residuals)
    step = max(1, _CHUNK_BYTES // (8 * (size + 2) ** 2))
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        part_means = None if means is None else means[part]
        weights[part], residuals[part] = _solve_chunk(quadratic[part], linear[part], (low, high), part_means, target)
    return BoxSolution(weights, residuals)


def _solve_chunk(
    quadratic: FloatArray,
    linear: FloatArray,
    bounds: tuple[float, float],
    means: FloatArray | None,
    target: float | None,
) -> tuple[FloatArray, FloatArray]:
    n_rows, size = linear.shape
    low, high = bounds
    if (size - 1) * (high - low) <= _TOLERANCE or 1.0 - size * low <= _TOLERANCE or size * high - 1.0 <= _TOLERANCE:
        # One point only: a single asset, or bounds that leave no room.
        weights, residuals = np.full((n_rows, size), 1.0 / size), np.zeros(n_rows)
        if target is not None and means is not None:
            weights[(means * weights).sum(axis=1) < target - _slack(means)] = np.nan
        return weights, np.where(np.isnan(weights[:, 0]), np.nan, residuals)
    if high >= 1.0 - (size - 1) * low:
        high = np.inf  # implied by the lower bounds and the sum
    scale = np.trace(quadratic, axis1=1, axis2=2) / size
    ones = np.ones((n_rows, 1, size))
    rows = _Rows(quadratic / scale[:, None, None], linear / scale[:, None], ones, np.ones(1), low, high)
    weights, residuals = _solve_rows(rows)
    if target is None or means is None:
        return weights, residuals
    return _raise_to_target(rows, weights, residuals, bounds, means, target)


def _slack(means: FloatArray) -> FloatArray:
    """Rounding that a target may be missed by."""
    return np.asarray(_TOLERANCE * np.abs(means).max(axis=1))


def _raise_to_target(
    rows: _Rows,
    weights: FloatArray,
    residuals: FloatArray,
    bounds: tuple[float, float],
    means: FloatArray,
    target: float,
) -> tuple[FloatArray, FloatArray]:
    """Rows whose free minimiser earns less than the target are solved again with the target as an equality."""
    earned = (means * weights).sum(axis=1)
    best = fill_by_rank(means, *bounds)
    highest = (means * best).sum(axis=1)
    short = earned < target - _slack(means)
    impossible = highest < target - _slack(means)
    weights[impossible], residuals[impossible] = np.nan, np.nan
    # At the very top of the range the weights of highest mean are the only ones; where means tie nothing is claimed.
    top = short & ~impossible & (highest <= target + _slack(means))
    ties = (np.diff(np.sort(means, axis=1), axis=1) == 0.0).any(axis=1)
    weights[top], residuals[top] = best[top], np.where(ties[top], np.nan, 0.0)
    again = np.flatnonzero(short & ~impossible & ~top)
    if len(again) == 0:
        return weights, residuals
    share = (target - earned[again]) / (highest[again] - earned[again])
    start = weights[again] + share[:, None] * (best[again] - weights[again])
    slopes = means[again] - target
    slopes = slopes / np.abs(slopes).max(axis=1, keepdims=True)
    part = rows.take(again)
    part.normal = np.stack([part.normal[:, 0, :], slopes], axis=1)
    part.right = np.array([1.0, 0.0])
    weights[again], residuals[again] = _solve_rows(part, start)
    return weights, residuals


def _solve_rows(rows: _Rows, start: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """All rows by blocks of bounds, what is left over one bound at a time from a feasible `start`."""
    n_rows, size = rows.linear.shape
    weights, residuals = np.full((n_rows, size), 1.0 / size), np.full(n_rows, np.nan)
    left = _by_blocks(rows, weights, residuals, start)
    if len(left) > 0:
        part = rows.take(left)
        first = np.full((len(left), size), 1.0 / size) if start is None else start[left]
        weights[left], residuals[left] = _one_by_one(part, first)
    return weights, residuals


def _by_blocks(rows: _Rows, weights: FloatArray, residuals: FloatArray, start: FloatArray | None) -> AnyArray:
    """Primal-dual active set; fills the rows that settle and returns the indices of those that do not."""
    at_low, at_high = _bounds_met(weights if start is None else start, rows.low, rows.high)
    active = np.arange(len(weights))
    stuck: list[AnyArray] = []
    part = rows
    for _ in range(_BLOCK_STEPS):
        sound = part.independent(at_low | at_high)
        if not sound.all():
            stuck.append(active[~sound])
            active, at_low, at_high, part = active[sound], at_low[sound], at_high[sound], part.take(sound)
        if len(active) == 0:
            break
        point, reduced = part.stationary(at_low, at_high)
        floor = _TOLERANCE * (np.abs(part.linear).max(axis=1) + 1.0)[:, None]
        new_low = np.where(at_low, reduced > -floor, ~at_high & (point < part.low - _TOLERANCE))
        new_high = np.where(at_high, reduced < floor, ~at_low & (point > part.high + _TOLERANCE))
        settled = ((new_low == at_low) & (new_high == at_high)).all(axis=1)
        if not settled.any():
            at_low, at_high = new_low, new_high
            continue
        done = active[settled]
        weights[done] = point[settled]
        residuals[done] = part.take(settled).residual(point[settled], reduced[settled])
        go_on = ~settled
        active, at_low, at_high, part = active[go_on], new_low[go_on], new_high[go_on], part.take(go_on)
    return np.concatenate([*stuck, active])


def _bounds_met(weights: FloatArray, low: float, high: float) -> tuple[BoolArray, BoolArray]:
    return weights <= low + _TOLERANCE, weights >= high - _TOLERANCE


def _one_by_one(rows: _Rows, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Primal active set from feasible weights; the last quarter of the steps picks by index, which cannot cycle."""
    n_rows, size = rows.linear.shape
    weights, residuals = start.copy(), np.full(n_rows, np.nan)
    at_low, at_high = _bounds_met(start, rows.low, rows.high)
    active = np.arange(n_rows)
    n_steps = 40 * size
    for step in range(n_steps):
        part = rows.take(active)
        low, high = at_low[active], at_high[active]
        point, reduced = part.stationary(low, high)
        length, blocking = _step_length(weights[active], point, low | high, rows)
        moved = weights[active] + length[:, None] * (point - weights[active])
        index = np.arange(len(active))
        hit = length < 1.0
        downward = point[index, blocking] < rows.low
        moved[index[hit], blocking[hit]] = np.where(downward, rows.low, rows.high)[hit]
        low[index[hit], blocking[hit]] = downward[hit]
        high[index[hit], blocking[hit]] = ~downward[hit]
        weights[active] = np.clip(moved, rows.low, rows.high)
        wrong = np.where(low, -reduced, np.where(high, reduced, 0.0)) - _TOLERANCE * (1.0 + np.abs(part.linear).max())
        wrong[hit] = 0.0
        release = (wrong > 0.0).argmax(axis=1) if step > 3 * n_steps // 4 else wrong.argmax(axis=1)
        free = wrong[index, release] > 0.0
        low[index[free], release[free]] = high[index[free], release[free]] = False
        at_low[active], at_high[active] = low, high
        done = ~hit & ~free
        residuals[active] = part.residual(weights[active], reduced)
        active = active[~done]
        if len(active) == 0:
            break
    return weights, residuals


def _step_length(weights: FloatArray, point: FloatArray, held: BoolArray, rows: _Rows) -> tuple[FloatArray, AnyArray]:
    """The share of the way to `point` that stays in the box, and the weight that ends it (any where all is free)."""
    away = point - weights
    room = np.where(away < 0.0, rows.low - weights, rows.high - weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(held | (np.abs(away) <= _TOLERANCE), np.inf, room / away)
    share = np.where((point >= rows.low) & (point <= rows.high), np.inf, np.maximum(share, 0.0))
    blocking = share.argmin(axis=1)
    return np.minimum(share[np.arange(len(share)), blocking], 1.0), blocking
