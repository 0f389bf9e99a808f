"""Convex programmes in lock-step: a primal-dual interior point method for many small programmes of one shape.

Each row is: minimise ½ v'Pv + q'v + Σ_t c_t max(0, L_t v) subject to G v ≤ h and A v = b. The last term carries the
expected shortfall (Rockafellar and Uryasev 2000): its scenarios leave the linear systems by elimination, so a step
costs one system of the size of v. Steps are Mehrotra's predictor and corrector (Nocedal and Wright 2006, section 16.6).
"""

from contextlib import suppress
from dataclasses import dataclass, fields

import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray

_STEPS = 60
_TOLERANCE = 1e-11
_ACCEPTED = 1e-9  # a row that stalls is taken if it is at least this good


@dataclass(frozen=True, eq=False)
class ConvexBatch:
    """Programmes in v (n_variables); every array has one row per programme. Without scenarios T is 0."""

    quadratic: FloatArray  # P (B, d, d)
    linear: FloatArray  # q (B, d)
    inequality: FloatArray  # G (B, m, d)
    upper: FloatArray  # h (B, m)
    equality: FloatArray  # A (B, p, d)
    right: FloatArray  # b (B, p)
    scenarios: FloatArray  # L (B, T, d)
    costs: FloatArray  # c (B, T), positive

    def take(self, rows: AnyArray) -> "ConvexBatch":
        return ConvexBatch(*(getattr(self, entry.name)[rows] for entry in fields(self)))


@dataclass(eq=False)
class _Iterate:
    """Primal point, slacks and multipliers; `above` and `excess` are u − Lv and u, where u bounds the losses."""

    point: FloatArray
    free: FloatArray  # multipliers of the equalities
    slack: FloatArray
    price: FloatArray  # multipliers of the inequalities
    above: FloatArray
    above_price: FloatArray
    excess: FloatArray
    excess_price: FloatArray

    def take(self, rows: AnyArray) -> "_Iterate":
        return _Iterate(*(getattr(self, entry.name)[rows] for entry in fields(self)))

    def moved(self, step: "_Iterate", length: FloatArray) -> "_Iterate":
        return _Iterate(*(
            getattr(self, entry.name) + length[:, None] * getattr(step, entry.name) for entry in fields(self)
        ))  # fmt: skip

    def products(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.slack * self.price, self.above * self.above_price, self.excess * self.excess_price

    def complementarity(self) -> FloatArray:
        return np.asarray(sum(part.sum(axis=1) for part in self.products()))

    def longest(self, step: "_Iterate") -> FloatArray:
        """The share of the step that keeps every slack and multiplier positive, at most 1."""
        share = np.ones(len(self.point))
        for name in ("slack", "price", "above", "above_price", "excess", "excess_price"):
            here, change = getattr(self, name), getattr(step, name)
            if here.shape[1] > 0:
                with np.errstate(divide="ignore", invalid="ignore"):
                    limit = np.where(change < 0.0, -here / change, np.inf).min(axis=1)
                share = np.minimum(share, limit)
        return share


def solve_convex(batch: ConvexBatch, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Minimisers (n_rows, n_variables) and relative residuals from `start`.

    The residual is +inf where multipliers prove that no v with all |v| ≤ 1 meets the constraints (a column that no
    constraint holds is free), and NaN where neither a solution nor a proof was found; the minimiser is NaN then.
    """
    n_rows, size = batch.linear.shape
    points, residuals = np.full((n_rows, size), np.nan), np.full(n_rows, np.nan)
    active = np.arange(n_rows)
    state = _first_iterate(batch, start)
    for _ in range(_STEPS):
        residual, errors = _residual(batch, state)
        better = ~(residual >= residuals[active])
        good = better & (residual <= _ACCEPTED)
        points[active[good]], residuals[active[good]] = state.point[good], residual[good]
        impossible = _proves_infeasible(batch, state) & ~(residual <= _ACCEPTED)
        residuals[active[impossible]] = np.inf
        stalled = ~better & np.isfinite(residuals[active])
        go_on = (residual > _TOLERANCE) & np.isfinite(residual) & ~stalled & ~impossible
        active, batch, state = active[go_on], batch.take(go_on), state.take(go_on)
        if len(active) == 0:
            break
        state = _step(batch, state, tuple(error[go_on] for error in errors))
    return points, residuals


def residual_of(
    batch: ConvexBatch, point: FloatArray, free: FloatArray, price: FloatArray, above_price: FloatArray
) -> FloatArray:
    """The relative residuals of points and multipliers found elsewhere."""
    slack = np.maximum(batch.upper - _times(batch.inequality, point), 0.0)
    losses = _times(batch.scenarios, point)
    excess = np.maximum(losses, 0.0)
    state = _Iterate(point, free, slack, price, excess - losses, above_price, excess, batch.costs - above_price)
    return _residual(batch, state)[0]


def _first_iterate(batch: ConvexBatch, start: FloatArray) -> _Iterate:
    n_rows = len(start)
    slack = np.maximum(batch.upper - _times(batch.inequality, start), 0.1)
    losses = _times(batch.scenarios, start)
    excess = np.maximum(losses, 0.0) + 0.1
    half = 0.5 * batch.costs
    return _Iterate(
        start, np.zeros((n_rows, batch.right.shape[1])), slack, np.full(slack.shape, 0.1),
        excess - losses, half, excess, half.copy(),
    )  # fmt: skip


def _residual(batch: ConvexBatch, state: _Iterate) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Largest relative error of dual feasibility, primal feasibility and gap, and the errors a step must remove."""
    curvature = _times(batch.quadratic, state.point)
    parts = (
        curvature,
        batch.linear,
        _times_transposed(batch.equality, state.free),
        _times_transposed(batch.inequality, state.price),
        _times_transposed(batch.scenarios, state.above_price),
    )
    dual = np.asarray(sum(parts))
    equal = _times(batch.equality, state.point) - batch.right
    unequal = state.slack + _times(batch.inequality, state.point) - batch.upper
    losses = np.maximum(_times(batch.scenarios, state.point), 0.0)
    value = 0.5 * (state.point * curvature).sum(axis=1) + (state.point * batch.linear).sum(axis=1)
    value = value + (losses * batch.costs).sum(axis=1)
    scale = np.abs(batch.linear).max(axis=1) + np.abs(curvature).max(axis=1)
    error = np.abs(dual).max(axis=1) / scale
    error = np.maximum(error, np.abs(equal).max(axis=1))
    error = np.maximum(error, np.abs(unequal).max(axis=1))
    error = np.maximum(error, state.complementarity() / np.maximum(np.abs(value), 0.01 * scale))
    return error, (dual, equal, unequal)


def _proves_infeasible(batch: ConvexBatch, state: _Iterate) -> BoolArray:
    """Farkas: z'(Gv − h) + y'(Av − b) ≤ 0 for every v that meets the rules, but here it is positive for all |v| ≤ 1."""
    slopes = _times_transposed(batch.inequality, state.price) + _times_transposed(batch.equality, state.free)
    reach = (batch.upper * state.price).sum(axis=1) + (batch.right * state.free).sum(axis=1)
    size = np.abs(state.price).sum(axis=1) + np.abs(state.free).sum(axis=1)
    return np.asarray(reach + np.abs(slopes).sum(axis=1) < -1e-9 * size)


def _step(batch: ConvexBatch, state: _Iterate, errors: tuple[FloatArray, ...]) -> _Iterate:
    n_products = state.slack.shape[1] + 2 * state.above.shape[1]
    products = state.products()
    system, weight = _system(batch, state)
    plain = _direction(batch, state, errors, system, weight, tuple(-part for part in products))
    mean = state.complementarity() / n_products
    after = state.moved(plain, state.longest(plain)).complementarity() / n_products
    centre = (mean * (after / mean) ** 3)[:, None]
    corrections = (plain.slack * plain.price, plain.above * plain.above_price, plain.excess * plain.excess_price)
    targets = tuple(centre - part - change for part, change in zip(products, corrections, strict=True))
    full = _direction(batch, state, errors, system, weight, targets)
    return state.moved(full, np.minimum(1.0, 0.995 * state.longest(full)))


def _system(batch: ConvexBatch, state: _Iterate) -> tuple[FloatArray, FloatArray]:
    """The reduced Newton matrix (B, d + p, d + p), and the weight of each scenario in it."""
    n_rows, n_equal, size = batch.equality.shape
    weight = 1.0 / (state.above / state.above_price + state.excess / state.excess_price)
    system = np.zeros((n_rows, size + n_equal, size + n_equal))
    ratio = state.price / state.slack
    system[:, :size, :size] = (
        batch.quadratic
        + batch.inequality.transpose(0, 2, 1) @ (ratio[:, :, None] * batch.inequality)
        + batch.scenarios.transpose(0, 2, 1) @ (weight[:, :, None] * batch.scenarios)
    )
    system[:, :size, size:] = batch.equality.transpose(0, 2, 1)
    system[:, size:, :size] = batch.equality
    return system, weight


def _direction(
    batch: ConvexBatch,
    state: _Iterate,
    errors: tuple[FloatArray, ...],
    system: FloatArray,
    weight: FloatArray,
    targets: tuple[FloatArray, ...],
) -> _Iterate:
    """The Newton step towards products that change by `targets`."""
    dual, equal, unequal = errors
    size = batch.linear.shape[1]
    constant = (targets[0] + state.price * unequal) / state.slack
    shift = weight * (targets[1] / state.above_price - targets[2] / state.excess_price)
    top = -dual - _times_transposed(batch.inequality, constant) - _times_transposed(batch.scenarios, shift)
    answer = _solve(system, np.concatenate([top, -equal], axis=1))
    point = answer[:, :size]
    slack = -unequal - _times(batch.inequality, point)
    losses = _times(batch.scenarios, point)
    above_price = shift + weight * losses
    excess = (targets[2] + state.excess * above_price) / state.excess_price
    return _Iterate(
        point, answer[:, size:], slack, (targets[0] - state.price * slack) / state.slack,
        excess - losses, above_price, excess, -above_price,
    )  # fmt: skip


def _solve(system: FloatArray, right: FloatArray) -> FloatArray:
    """Row by row only where some row is singular, which then gets NaN and drops out."""
    try:
        return np.asarray(np.linalg.solve(system, right[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:
        answer = np.full(right.shape, np.nan)
        for row in range(len(right)):
            with suppress(np.linalg.LinAlgError):
                answer[row] = np.linalg.solve(system[row], right[row])
        return answer


def _times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    return np.asarray((matrix @ vector[:, :, None])[:, :, 0])


def _times_transposed(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    return np.asarray((vector[:, None, :] @ matrix)[:, 0, :])
