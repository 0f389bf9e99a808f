"""Empirical body with generalised-Pareto tails: the default law of one asset's returns."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._types import AnyArray, FloatArray, IntArray
from qfin._validation import check_fitted
from qfin.exceptions import InputError
from qfin.marginals.contract import U_MAX, U_MIN
from qfin.marginals.gpd import fit_gpd, gpd_inverse_survival, gpd_logpdf, gpd_survival

MIN_DISTINCT = 6  # two excesses in each tail, and two ends of a body
_DECIMALS = 12  # returns closer than this are one value: the noise of dividing prices is no information


class EmpiricalGPD(BaseEstimator):  # type: ignore[misc]
    """Piecewise-linear empirical cdf between two thresholds, generalised Pareto beyond them.

    *Body.* A value that occurs c times among n gets the cdf (number below + (c + 1)/2)/(n + 1), its average rank: the
    cdf passes through the middle of every step, so that tied returns (days without a trade) spread over the gap to
    their neighbours and the law stays continuous and strictly increasing. Between the thresholds the line joins about
    √n quantiles, and both neighbours of every value that ties make heavier than such a cell.

    *Tails.* The cdf is continuous at the thresholds, the density is not. Above, the law is that of the excess return.
    Below, it is that of log((t − b)/(r − b)), b the `lower_bound`: for b = −1 the excess log-loss, so that no draw
    falls below −100 %. Without a bound (None: log-returns, residuals, changes of levels) it is that of t − r.
    Shapes are bounded, see `qfin.marginals.gpd`.

    Parameters
    ----------
    tail_fraction : float
        Share of the days in each tail, in (0, 0.25]; each tail has at least two distinct excesses.
    lower_bound : float or None
        No return can lie at or below this; −1 for simple returns.

    Attributes
    ----------
    knots_, probabilities_ : arrays of shape (n_knots,)
        The joints of the body and the cdf there; the first and the last are the thresholds.
    lower_tail_, upper_tail_ : (shape, scale)
    n_observations_ : int
    """

    def __init__(self, tail_fraction: float = 0.05, lower_bound: float | None = -1.0) -> None:
        self.tail_fraction = tail_fraction
        self.lower_bound = lower_bound

    def fit(self, x: ArrayLike, y: None = None) -> Self:
        """Learn from the simple returns of one asset, shape (n_days,), without NaN."""
        if not 0.0 < self.tail_fraction <= 0.25:
            raise InputError(f"tail_fraction: expected a number in (0, 0.25], received {self.tail_fraction}")
        x = np.asarray(np.round(np.asarray(x, dtype=np.float64), _DECIMALS), dtype=np.float64)
        if x.ndim != 1 or not np.isfinite(x).all():
            raise InputError("returns of one asset: expected a vector of finite numbers")
        values, counts = np.unique(x, return_counts=True)
        if len(values) < MIN_DISTINCT:
            raise InputError(
                f"returns of one asset: expected at least {MIN_DISTINCT} distinct values, "
                f"received {len(values)} (n_samples={len(x)})"
            )
        if values[0] <= self._bound:
            raise InputError(f"returns of one asset: expected numbers above {self._bound}, received {values[0]}")
        ranks = (np.cumsum(counts, dtype=np.float64) - 0.5 * (counts - 1)) / (len(x) + 1)
        last = len(values) - 1
        low = min(max(int(np.searchsorted(ranks, self.tail_fraction, side="right")) - 1, 2), last - 3)
        high = max(min(int(np.searchsorted(ranks, 1.0 - self.tail_fraction)), last - 2), low + 1)
        body = _body_indices(ranks, counts, low, high)
        self.knots_: FloatArray = values[body]
        self.probabilities_: FloatArray = ranks[body]
        self.n_observations_ = len(x)
        self.lower_tail_ = fit_gpd(self._depth(x[x < self.knots_[0]]))
        self.upper_tail_ = fit_gpd(x[x > self.knots_[-1]] - self.knots_[-1])
        return self

    @property
    def _bound(self) -> float:
        return -np.inf if self.lower_bound is None else float(self.lower_bound)

    def _depth(self, x: FloatArray) -> FloatArray:
        """How far x lies below the lower threshold, on the scale of the lower tail; +∞ at the bound and below."""
        if self.lower_bound is None:
            return np.asarray(self.knots_[0] - x)
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log(np.maximum(x - self._bound, 0.0) / (self.knots_[0] - self._bound)))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(return ≤ x), shape of x, held to [U_MIN, U_MAX]; NaN stays NaN."""
        check_fitted(self, "knots_")
        x = np.asarray(x, dtype=np.float64)
        u = np.array(np.interp(x, self.knots_, self.probabilities_))
        lower, upper = x < self.knots_[0], x > self.knots_[-1]
        u[lower] = self.probabilities_[0] * gpd_survival(self._depth(x[lower]), *self.lower_tail_)
        survival = gpd_survival(x[upper] - self.knots_[-1], *self.upper_tail_)
        u[upper] = 1.0 - (1.0 - self.probabilities_[-1]) * survival
        return np.asarray(np.clip(u, U_MIN, U_MAX))

    def ppf(self, u: ArrayLike) -> FloatArray:
        """The return whose cdf is u, shape of u."""
        check_fitted(self, "knots_")
        u = np.asarray(u, dtype=np.float64)
        x = np.array(np.interp(u, self.probabilities_, self.knots_))
        lower, upper = u < self.probabilities_[0], u > self.probabilities_[-1]
        depth = gpd_inverse_survival(u[lower] / self.probabilities_[0], *self.lower_tail_)
        threshold = self.knots_[0]
        if self.lower_bound is None:
            x[lower] = threshold - depth
        else:
            x[lower] = self._bound + (threshold - self._bound) * np.exp(-depth)
        survival = (1.0 - u[upper]) / (1.0 - self.probabilities_[-1])
        x[upper] = self.knots_[-1] + gpd_inverse_survival(survival, *self.upper_tail_)
        return x

    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log-density of the simple return at x, shape of x; −∞ at the lower bound and below."""
        check_fitted(self, "knots_")
        x = np.asarray(x, dtype=np.float64)
        log_slopes = np.log(np.diff(self.probabilities_) / np.diff(self.knots_))
        cell = np.clip(np.searchsorted(self.knots_, x, side="right") - 1, 0, len(log_slopes) - 1)
        value = np.where(np.isnan(x), np.nan, log_slopes[cell])
        lower, upper = x < self.knots_[0], x > self.knots_[-1]
        outside = x[lower] <= self._bound
        inside = np.where(outside, self.knots_[0], x[lower])
        density = np.log(self.probabilities_[0]) + gpd_logpdf(self._depth(inside), *self.lower_tail_)
        if self.lower_bound is not None:
            density -= np.log(inside - self._bound)  # Jacobian of the depth
        value[lower] = np.where(outside, -np.inf, density)
        excess = x[upper] - self.knots_[-1]
        value[upper] = np.log1p(-self.probabilities_[-1]) + gpd_logpdf(excess, *self.upper_tail_)
        return value

    def to_arrays(self) -> dict[str, AnyArray]:
        """The fitted law as one-dimensional arrays."""
        check_fitted(self, "knots_")
        return {
            "knots": self.knots_,
            "probabilities": self.probabilities_,
            "tails": np.array([*self.lower_tail_, *self.upper_tail_]),
            "settings": np.array([self.tail_fraction, self._bound, self.n_observations_]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The law that `to_arrays` wrote."""
        tail_fraction, bound, n_observations = (float(value) for value in arrays["settings"])
        law = cls(tail_fraction=tail_fraction, lower_bound=bound if np.isfinite(bound) else None)
        law.knots_ = np.asarray(arrays["knots"], dtype=np.float64)
        law.probabilities_ = np.asarray(arrays["probabilities"], dtype=np.float64)
        lower_shape, lower_scale, upper_shape, upper_scale = (float(value) for value in arrays["tails"])
        law.lower_tail_, law.upper_tail_ = (lower_shape, lower_scale), (upper_shape, upper_scale)
        law.n_observations_ = int(n_observations)
        return law


def _body_indices(ranks: FloatArray, counts: IntArray, low: int, high: int) -> IntArray:
    """Which distinct values are knots: cells of about √n days, and both sides of every value heavier than a cell.

    Among cells of n^(1/3), n^(1/2), n^0.6 and n^(2/3) days, √n gave the highest log-density on held-out days of 17 US
    stocks, with 500 and with 5,294 days to learn from.
    """
    n_days = int(counts.sum())
    n_cells = max(1, round((ranks[high] - ranks[low]) * np.sqrt(n_days)))
    even = np.searchsorted(ranks, np.linspace(ranks[low], ranks[high], n_cells + 1))
    heavy = np.flatnonzero(counts > np.sqrt(n_days))
    chosen = np.concatenate([even, heavy - 1, heavy, heavy + 1, [low, high]])
    return np.unique(chosen[(chosen >= low) & (chosen <= high)])
