"""Draws of an elliptical copula inside a box: the GHK scheme, asset by asset, the confined ones first, tilted."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from qfin._types import BoolArray, FloatArray, IntArray
from qfin.copulas.contract import open_unit
from qfin.copulas.events import Box, Intervals
from qfin.copulas.student import normal_score, t_distribution, t_log_density, t_score

_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))
_SMALLEST = 1e-200
# Share and scale of the wide component of the proposal, which bounds the weights where |Ψ|² grows in the tails.
_WIDE_SHARE, _WIDE_SCALE = 0.06, 2.5
_PLAIN_SHARE = 0.2  # of the draws, without tilt


def normal_log_density(x: FloatArray) -> FloatArray:
    return -0.5 * x * x - _LOG_SQRT_2PI


@dataclass(frozen=True, eq=False)
class Elliptical:
    """A Student-t copula; `degrees` = ∞ is the Gaussian one. The law behind draws inside boxes."""

    correlation: FloatArray
    degrees: float

    def score(self, u: FloatArray) -> FloatArray:
        """The quantile z of the standard law at u."""
        if np.isinf(self.degrees):
            return np.asarray(ndtri(u))
        # The library answers +∞ for u = 0 and for u near the smallest numbers.
        return np.where(u < _SMALLEST, -np.inf, stdtrit(self.degrees, np.maximum(u, _SMALLEST)))

    def uniform(self, z: FloatArray) -> FloatArray:
        """The u of scores z."""
        return open_unit(ndtr(z) if np.isinf(self.degrees) else t_distribution(z, self.degrees))

    def log_density(self, z: FloatArray) -> FloatArray:
        """Of one score."""
        return normal_log_density(z) if np.isinf(self.degrees) else t_log_density(z, self.degrees)

    def to_normal(self, x: FloatArray, n_before: int) -> FloatArray:
        """Standardised innovations of an asset with `n_before` others before it as standard normals, by rank."""
        if np.isinf(self.degrees):
            return x
        return normal_score(x, self.degrees + n_before)

    def from_normal(self, y: FloatArray, n_before: int) -> FloatArray:
        """The inverse of `to_normal`."""
        if np.isinf(self.degrees):
            return y
        return t_score(y, self.degrees + n_before)

    def log_density_given(self, x: FloatArray, n_before: int) -> FloatArray:
        """Of a standardised innovation."""
        return normal_log_density(x) if np.isinf(self.degrees) else t_log_density(x, self.degrees + n_before)

    def scale(self, squares: FloatArray, n_before: int) -> FloatArray:
        """Of an innovation given `n_before` others, `squares` the sum of their squares."""
        if np.isinf(self.degrees):
            return np.ones_like(squares)
        return np.asarray(np.sqrt((self.degrees + squares) / (self.degrees + n_before)))


@dataclass(frozen=True, eq=False)
class BoxProposal:
    """How to draw from `law` inside `box`: assets in `order`, their normal innovations tilted by one of the shifts.

    A draw follows row k of `shifts` (n_tilts, d) as a whole with the chance `shares[k]`.
    """

    law: Elliptical
    box: Box
    order: IntArray
    cholesky: FloatArray
    shifts: FloatArray
    shares: FloatArray

    @classmethod
    def plain(cls, law: Elliptical, box: Box) -> "BoxProposal":
        """The confined assets first; two tilts, of which the first is free to move and the second stays at zero."""
        confined = restrictive_order(law, box)
        free = np.setdiff1d(np.arange(len(law.correlation)), confined)
        order = np.concatenate([confined, free]).astype(np.int64)
        cholesky = np.asarray(np.linalg.cholesky(law.correlation[np.ix_(order, order)]), dtype=np.float64)
        return cls(law, box, order, cholesky, np.zeros((2, len(order))), np.array([1.0 - _PLAIN_SHARE, _PLAIN_SHARE]))


@dataclass(frozen=True, eq=False)
class BoxDraws:
    """u (n, d) inside the box, log weights (n,) against the law, and what a better tilt is found from, (d, n) each."""

    u: FloatArray
    log_weights: FloatArray
    residual: FloatArray
    variance: FloatArray


def draw_in_box(proposal: BoxProposal, n: int, rng: np.random.Generator) -> BoxDraws:
    """Independent weighted draws inside the box; the mean weight estimates P(box) without bias.

    An asset given those before it is a Student t (Ding 2016, Am. Stat. 70(3), eq. 3). Its innovation, as a standard
    normal by rank, is drawn from a normal with unit scale around its shift, or with a small chance from a wide one,
    either held to the asset's intervals. A draw is weighed by φ over the density of the whole mixture (GHK: Geweke
    1991; Hajivassiliou & McFadden 1998; Keane 1994; tilted as in Botev 2017, J. R. Stat. Soc. B 79(1)). A value in
    place of an interval adds its density instead.
    """
    law, d = proposal.law, len(proposal.order)
    innovations, squares, log_weights = np.zeros((n, d)), np.zeros(n), np.zeros(n)
    residual, variance = np.zeros((d, n)), np.ones((d, n))
    tilt = rng.choice(len(proposal.shares), size=n, p=proposal.shares)
    log_densities = np.repeat(np.log(proposal.shares)[:, None], n, axis=1)
    for i, asset in enumerate(proposal.order):
        scale = law.scale(squares, i)
        edges = None
        if int(asset) in proposal.box:
            score = law.score(np.array(proposal.box[int(asset)]))
            centre, spread = innovations[:, :i] @ proposal.cholesky[i, :i], proposal.cholesky[i, i] * scale
            edges = (score[None] - centre[:, None, None]) / spread[:, None, None]
        if edges is not None and score[0, 0] == score[0, 1]:
            standard = edges[:, 0, 0]
            log_weights += law.log_density_given(standard, i) - np.log(spread) - law.log_density(score[0, 0])
        else:
            bounds = None if edges is None else law.to_normal(edges, i)
            step = _draw_tilted(proposal.shifts[:, i], tilt, bounds, rng)
            log_densities += step.log_densities
            log_weights += normal_log_density(step.y)
            residual[i], variance[i] = step.residual, step.variance
            standard = law.from_normal(step.y, i)
        innovations[:, i] = standard * scale
        squares += innovations[:, i] ** 2
    u = np.empty((n, d))
    u[:, proposal.order] = law.uniform(innovations @ proposal.cholesky.T)
    return BoxDraws(u, log_weights - np.logaddexp.reduce(log_densities, axis=0), residual, variance)


@dataclass(frozen=True, eq=False)
class _Step:
    """One innovation: y (n,), its log density under every tilt (n_tilts, n), y less its mean and its variance under the
    first tilt's normal."""

    y: FloatArray
    log_densities: FloatArray
    residual: FloatArray
    variance: FloatArray


def _draw_tilted(shifts: FloatArray, tilt: IntArray, bounds: FloatArray | None, rng: np.random.Generator) -> _Step:
    """One innovation per row, within its bounds (n, k, 2) in y, or unbounded."""
    n = len(tilt)
    wide = rng.random(n) < _WIDE_SHARE
    centre, scale = np.where(wide, 0.0, shifts[tilt]), np.where(wide, _WIDE_SCALE, 1.0)
    if bounds is None:
        y = centre + scale * rng.standard_normal(n)
        moments = [(np.ones(n), np.zeros(n), np.ones(n))] * len(shifts)
        far_mass = np.ones(n)
    else:
        y = centre + scale * _truncated_normal((bounds - centre[:, None, None]) / scale[:, None, None], rng)
        y = np.clip(y, bounds.min(axis=(1, 2)), bounds.max(axis=(1, 2)))
        moments = [_truncated_moments(bounds - shift) for shift in shifts]
        far_mass = _truncated_moments(bounds / _WIDE_SCALE)[0]
    far = np.log(_WIDE_SHARE / _WIDE_SCALE) + normal_log_density(y / _WIDE_SCALE) - _log(far_mass)
    near = [
        np.log1p(-_WIDE_SHARE) + normal_log_density(y - shift) - _log(mass)
        for shift, (mass, _, _) in zip(shifts, moments, strict=True)
    ]
    _, mean, variance = moments[0]
    return _Step(y, np.logaddexp(near, far), y - shifts[0] - mean, variance)


def _log(mass: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(mass, _SMALLEST)))


def _truncated_normal(edges: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One standard normal per row inside its intervals, edges (n, k, 2)."""
    low, high, mirrored = _towards_zero(edges)
    below = ndtr(low)
    inside = np.maximum(ndtr(high) - below, 0.0)
    cumulative = np.cumsum(inside, axis=1)
    position = rng.random(len(edges)) * cumulative[:, -1]
    chosen = np.minimum((position[:, None] >= cumulative).sum(1), edges.shape[1] - 1)
    rows = np.arange(len(edges))
    start = np.where(chosen > 0, cumulative[rows, chosen - 1], 0.0)
    rank = below[rows, chosen] + np.clip(position - start, 0.0, inside[rows, chosen])
    value = np.clip(ndtri(np.clip(rank, _SMALLEST, 1.0)), low[rows, chosen], high[rows, chosen])
    value = np.where(mirrored[rows, chosen], -value, value)
    return np.where(np.isfinite(value), value, 0.0)


def _truncated_moments(edges: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mass, mean and variance of a standard normal held to each row's intervals, edges (n, k, 2)."""
    low, high, mirrored = _towards_zero(edges)
    density = np.exp(normal_log_density(np.stack([low, high])))
    finite = np.where(np.isfinite(np.stack([low, high])), np.stack([low, high]), 0.0)
    mass = np.maximum(ndtr(high) - ndtr(low), 0.0)
    total = np.maximum(mass.sum(1), _SMALLEST)
    mean = (np.where(mirrored, -1.0, 1.0) * (density[0] - density[1])).sum(1) / total
    second = (mass + finite[0] * density[0] - finite[1] * density[1]).sum(1) / total
    return mass.sum(1), mean, np.maximum(second - mean**2, 0.0)


def _towards_zero(edges: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Intervals above zero as their mirror images, where the distribution function keeps its digits."""
    mirrored = edges[..., 0] > 0.0
    low, high = np.where(mirrored, -edges[..., 1], edges[..., 0]), np.where(mirrored, -edges[..., 0], edges[..., 1])
    return low, high, np.asarray(mirrored)


def systematic(probabilities: FloatArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Indices drawn with the given probabilities at evenly spaced points of their cumulative sum, ascending."""
    cumulative = np.cumsum(probabilities)
    points = (np.arange(n_draws) + rng.random()) / n_draws * cumulative[-1]
    return np.asarray(np.minimum(np.searchsorted(cumulative, points, side="right"), len(cumulative) - 1))


def restrictive_order(law: Elliptical, box: Box) -> IntArray:
    """The confined assets, those with one value first, then always the one least likely to meet its bounds.

    Each bound is looked at given the means of those before it, as in Genz & Bretz (2009), section 4.1.3; the measure
    is normal whatever the law, for only the order hangs on it.
    """
    remaining = list(box)
    order: list[int] = []
    expected: list[float] = []
    while remaining:
        known = law.correlation[np.ix_(order, order)]
        scored: list[tuple[float, float, int]] = []
        for asset in remaining:
            across = law.correlation[asset, order]
            slopes = np.linalg.solve(known, across) if order else np.zeros(0)
            centre, spread = float(slopes @ expected), max(1.0 - float(slopes @ across), 1e-12) ** 0.5
            scored.append((*_mass_and_mean(box[asset], centre, spread), asset))
        _, mean, asset = min(scored, key=lambda item: (item[0], item[2]))
        order.append(asset)
        expected.append(mean)
        remaining.remove(asset)
    return np.array(order, dtype=np.int64)


def _mass_and_mean(intervals: Intervals, centre: float, spread: float) -> tuple[float, float]:
    edges = (ndtri(np.array(intervals)) - centre) / spread
    if edges[0, 0] == edges[0, 1]:
        return -1.0, centre + spread * float(edges[0, 0])
    mass, mean, _ = _truncated_moments(edges[None])
    if mass[0] < 1e-100:
        return 0.0, centre + spread * float(edges.flat[np.abs(edges).argmin()])
    return float(mass[0]), centre + spread * float(mean[0])
