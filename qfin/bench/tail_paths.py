"""Training paths -> paths of a model: a conditional mean and volatility per asset, and a law of what is left.

Every choice (which assets have an autoregressive mean, which a volatility of their own, whether all paths have one
scale) is made on the training paths by one rule, the same for all models, so that they differ in the innovations alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.marginals import EmpiricalGPD, GarchFilter, MarginalPanel, pseudo_observations
from qfin.marginals.volatility import filter_returns, simulate_returns

_SAME_SCALE = 1e-6
_MODEL = "gjr"
MAX_COPULA_DAYS = 50_000  # that a copula is fitted to; margins and filters see all
Innovations = Callable[[int, np.random.Generator], FloatArray]


@dataclass(frozen=True, eq=False)
class PathFilter:
    """x_t = constant + phi·x_{t−1} + σ_t·z_t per asset, with the recursion of `qfin.marginals.volatility` for σ.

    Attributes
    ----------
    constant, phi : arrays of shape (n_assets,), phi 0 where the training paths have no memory
    params : array of shape (n_assets, 6), constant volatility where the training paths have no clusters
    first_variance : array of shape (n_assets,)
    bounds : array of shape (2, n_assets), of a simulated variance
    scale : array of shape (n_assets,) or None
        The standard deviation within every path, where it is the same for all.
    """

    constant: FloatArray
    phi: FloatArray
    params: FloatArray
    first_variance: FloatArray
    bounds: FloatArray
    scale: FloatArray | None

    def residuals(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of paths (n_paths, n_days, n_assets): standardised innovations, and the states that they met: the variance
        forecast and the value of the day before; each (n_paths·(n_days − 1), n_assets)."""
        before = x[:, :-1].reshape(-1, x.shape[2])
        shocks = x[:, 1:].reshape(-1, x.shape[2]) - self.constant - self.phi * before
        filtered = filter_returns(_MODEL, self.params, shocks, self.first_variance, self.bounds[0])
        return filtered.residuals, np.square(filtered.volatilities), before

    def simulate(self, z: FloatArray, variance: FloatArray, before: FloatArray) -> FloatArray:
        """Paths for innovations (n_paths, n_days, n_assets), from a variance and a value of the day before on."""
        shocks = simulate_returns(_MODEL, self.params, z, variance, (self.bounds[0], self.bounds[1])).returns
        x = np.log1p(shocks)
        for day in range(x.shape[1]):
            before = self.constant + self.phi * before + x[:, day]
            x[:, day] = before
        return x if self.scale is None else x * (self.scale / x.std(axis=1, keepdims=True))


def fit_filter(x: FloatArray) -> PathFilter:
    """From training paths (n_paths, n_days, n_assets) of log-returns.

    A number r counts where n·r² > ln n, the gain that the Bayesian information criterion asks for: the mean over the
    standard deviation for a constant, the lag-one autocorrelation of the values for phi, and of the absolute shocks
    (and r > 0) for a volatility.
    """
    now, before = x[:, 1:].reshape(-1, x.shape[2]), x[:, :-1].reshape(-1, x.shape[2])
    enough = np.sqrt(np.log(len(now)) / len(now))
    r = _correlation(now, before)
    phi = np.where(np.abs(r) > enough, r, 0.0)
    constant = (1.0 - phi) * np.where(np.abs(now.mean(axis=0)) > enough * now.std(axis=0), now.mean(axis=0), 0.0)
    shocks = now - constant - phi * before
    size = np.abs(shocks).reshape(len(x), -1, x.shape[2])
    shocks -= shocks.mean(axis=0)  # what does not count as a constant comes from neither the filter nor its residuals
    clusters = _correlation(size[:, 1:].reshape(-1, x.shape[2]), size[:, :-1].reshape(-1, x.shape[2])) > enough
    params = np.zeros((x.shape[2], 6))
    params[:, 1] = shocks.var(axis=0)
    first, bounds = params[:, 1].copy(), np.stack([params[:, 1], params[:, 1]])
    if clusters.any():
        garch = GarchFilter(_MODEL).fit(np.expm1(shocks[:, clusters]))
        params[clusters], first[clusters] = garch.params_, garch.initial_variance_
        bounds[:, clusters] = garch.bounds_
    scales = x.std(axis=1)
    same = len(x) > 1 and bool((np.ptp(scales, axis=0) < _SAME_SCALE * scales.mean(axis=0)).all())
    return PathFilter(constant, phi, params, first, bounds, scales.mean(axis=0) if same else None)


def historical_innovations(z: FloatArray) -> Innovations:
    """Whole days of the training residuals, about their mean."""
    centred = z - z.mean(axis=0)
    return lambda n, rng: centred[rng.integers(len(z), size=n)]


def copula_innovations(z: FloatArray, copula: Any) -> Innovations:
    """A copula of the residuals' ranks under empirical margins with generalised-Pareto tails."""
    margins = MarginalPanel(EmpiricalGPD(lower_bound=None)).fit(z - z.mean(axis=0))
    fitted = copula.fit(pseudo_observations(z[:MAX_COPULA_DAYS]))
    return lambda n, rng: np.asarray(margins.from_uniform(fitted.sample(n, rng=rng)))


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return np.asarray((a * b).mean(axis=0) / np.sqrt((a * a).mean(axis=0) * (b * b).mean(axis=0)))
