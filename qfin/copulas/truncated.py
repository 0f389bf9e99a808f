"""Draws of an elliptical copula inside a box: the GHK scheme, asset by asset, the confined ones first."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from qfin._types import FloatArray, IntArray
from qfin.copulas.contract import open_unit
from qfin.copulas.elliptical import t_log_density
from qfin.copulas.events import Box, Intervals

_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))
_NOWHERE = -1e300  # log of a mass that is zero in floating point; finite, so that differences stay defined


@dataclass(frozen=True, eq=False)
class Elliptical:
    """A Student-t copula; `degrees` = ∞ is the Gaussian one. The law behind draws inside boxes."""

    correlation: FloatArray
    degrees: float

    def quantile(self, u: FloatArray, more: float = 0.0) -> FloatArray:
        """Of the standard law with `more` degrees of freedom than the copula."""
        return np.asarray(ndtri(u) if np.isinf(self.degrees) else stdtrit(self.degrees + more, u))

    def distribution(self, x: FloatArray, more: float = 0.0) -> FloatArray:
        return np.asarray(ndtr(x) if np.isinf(self.degrees) else stdtr(self.degrees + more, x))

    def log_density(self, x: FloatArray, more: float = 0.0) -> FloatArray:
        return -0.5 * x * x - _LOG_SQRT_2PI if np.isinf(self.degrees) else t_log_density(x, self.degrees + more)

    def scale(self, squares: FloatArray, n_before: int) -> FloatArray:
        """Of one asset given `n_before` others, `squares` the sum of their squared innovations."""
        if np.isinf(self.degrees):
            return np.ones_like(squares)
        return np.asarray(np.sqrt((self.degrees + squares) / (self.degrees + n_before)))


def draw_in_box(
    law: Elliptical, box: Box, n_groups: int, group_size: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, bool]:
    """Weighted draws of `law` inside the box: u (n_groups · group_size, d), log weights, whether any were resampled.

    With the confined assets first, each given those before it is a Student t (Ding 2016, Am. Stat. 70(3), eq. 3) held
    to its intervals, and a draw's weight is the product of the intervals' masses (Geweke 1991; Hajivassiliou &
    McFadden 1998; Keane 1994): the mean weight of a group estimates P(box) without bias. A group whose effective size
    falls below half is resampled (systematically) on its way. An interval of one point adds its density instead of a
    mass. The free assets follow from their exact conditional law.
    """
    order = restrictive_order(law, box)
    everything = np.concatenate([order, np.setdiff1d(np.arange(len(law.correlation)), order)]).astype(np.int64)
    cholesky = np.linalg.cholesky(law.correlation[np.ix_(everything, everything)])
    n, d = n_groups * group_size, len(everything)
    innovations, squares, log_weights, resampled = np.zeros((n, d)), np.zeros(n), np.zeros(n), False
    for i, asset in enumerate(order):
        centre = innovations[:, :i] @ cholesky[i, :i]
        spread = cholesky[i, i] * law.scale(squares, i)
        edges = law.quantile(np.array(box[int(asset)]))
        standard = (edges[None] - centre[:, None, None]) / spread[:, None, None]
        if edges[0, 0] == edges[0, 1]:
            drawn = standard[:, 0, 0]
            log_weights += law.log_density(drawn, i) - np.log(spread) - law.log_density(edges[0, 0])
        else:
            drawn, log_mass = _draw_truncated(law, i, standard, rng)
            log_weights += log_mass
        innovations[:, i] = drawn * law.scale(squares, i)
        squares += innovations[:, i] ** 2
        if i + 1 < len(order):
            kept, log_weights = _resampled(log_weights.reshape(n_groups, group_size), rng)
            if kept is not None:
                innovations, squares, resampled = innovations[kept], squares[kept], True
    _complete(law, innovations, squares, len(order), rng)
    u = np.empty((n, d))
    u[:, everything] = open_unit(law.distribution(innovations @ cholesky.T))
    return u, log_weights, resampled


def _complete(law: Elliptical, innovations: FloatArray, squares: FloatArray, known: int, rng: np.random.Generator) -> None:
    """The innovations of the free assets given those of the first `known`, in place."""
    free = innovations.shape[1] - known
    normal = rng.standard_normal((len(squares), free))
    if not np.isinf(law.degrees):
        chi_square = rng.chisquare(law.degrees + known, size=len(squares))
        normal *= np.sqrt((law.degrees + squares) / chi_square)[:, None]
    innovations[:, known:] = normal


def _draw_truncated(
    law: Elliptical, n_before: int, edges: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """One value per row inside its intervals, edges (n, k, 2), and the log mass of the intervals."""
    # Intervals above zero through their mirror image, where the distribution function keeps its digits.
    mirrored = edges[..., 0] > 0.0
    low = np.where(mirrored, -edges[..., 1], edges[..., 0])
    high = np.where(mirrored, -edges[..., 0], edges[..., 1])
    below = law.distribution(low, n_before)
    inside = np.maximum(law.distribution(high, n_before) - below, 0.0)
    total = inside.sum(1)
    cumulative = np.cumsum(inside, axis=1)
    position = rng.random(len(edges)) * total
    chosen = np.minimum((position[:, None] >= cumulative).sum(1), edges.shape[1] - 1)
    rows = np.arange(len(edges))
    start = np.where(chosen > 0, cumulative[rows, chosen - 1], 0.0)
    rank = below[rows, chosen] + np.clip(position - start, 0.0, inside[rows, chosen])
    value = np.clip(law.quantile(np.clip(rank, 1e-300, 1.0), n_before), low[rows, chosen], high[rows, chosen])
    value = np.where(mirrored[rows, chosen], -value, value)
    with np.errstate(divide="ignore"):
        log_mass = np.where(total > 0.0, np.log(total), _NOWHERE)
    # Where the mass is zero in floating point the draw carries no weight; it only has to be finite.
    return np.where(np.isfinite(value), value, 0.0), log_mass


def _resampled(log_weights: FloatArray, rng: np.random.Generator) -> tuple[IntArray | None, FloatArray]:
    """Rows to keep (None: all) and their log weights, after resampling the groups whose effective size is below half."""
    n_groups, size = log_weights.shape
    top = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - top)
    total = weights.sum(1, keepdims=True)
    poor = (total[:, 0] ** 2 / (weights**2).sum(1) < 0.5 * size) & (size > 1)
    if not poor.any():
        return None, log_weights.ravel()
    kept = np.arange(n_groups * size).reshape(n_groups, size)
    after = log_weights.copy()
    for group in np.flatnonzero(poor):
        kept[group] = group * size + systematic(weights[group] / total[group], size, rng)
        after[group] = top[group, 0] + np.log(total[group, 0] / size)
    return kept.ravel(), after.ravel()


def systematic(probabilities: FloatArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Indices drawn with the given probabilities at evenly spaced points of their cumulative sum, ascending."""
    cumulative = np.cumsum(probabilities)
    points = (np.arange(n_draws) + rng.random()) / n_draws * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, points, side="right"), len(cumulative) - 1)


def restrictive_order(law: Elliptical, box: Box) -> IntArray:
    """The confined assets, those with one value first, then always the one least likely to meet its bounds.

    Each bound is looked at given the means of those before it, as in Genz & Bretz (2009), section 4.1.3; the measure
    is normal whatever the law, for only the order hangs on it.
    """
    normal = Elliptical(law.correlation, np.inf)
    remaining = list(box)
    order: list[int] = []
    expected: list[float] = []
    while remaining:
        known = law.correlation[np.ix_(order, order)]
        scored = []
        for asset in remaining:
            across = law.correlation[asset, order]
            slopes = np.linalg.solve(known, across) if order else np.zeros(0)
            centre, spread = float(slopes @ expected), float(np.sqrt(max(1.0 - slopes @ across, 1e-12)))
            scored.append((*_mass_and_mean(normal, box[asset], centre, spread), asset))
        _, mean, asset = min(scored, key=lambda item: (item[0], item[2]))
        order.append(asset)
        expected.append(mean)
        remaining.remove(asset)
    return np.array(order, dtype=np.int64)


def _mass_and_mean(law: Elliptical, intervals: Intervals, centre: float, spread: float) -> tuple[float, float]:
    edges = (law.quantile(np.array(intervals)) - centre) / spread
    if edges[0, 0] == edges[0, 1]:
        return -1.0, centre + spread * float(edges[0, 0])
    mirrored = np.sort(np.where(edges[:, :1] > 0.0, -edges, edges), axis=1)
    masses = law.distribution(mirrored[:, 1]) - law.distribution(mirrored[:, 0])
    densities = np.exp(law.log_density(edges))
    if masses.sum() < 1e-300:
        return 0.0, centre + spread * float(edges.flat[np.abs(edges).argmin()])
    return float(masses.sum()), centre + spread * float((densities[:, 0] - densities[:, 1]).sum() / masses.sum())
