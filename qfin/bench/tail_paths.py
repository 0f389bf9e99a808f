"""Training paths -> paths of a model: a conditional mean and volatility per asset, and a law of what is left.

Every choice (which assets have an autoregressive mean, which a volatility of their own, whether all paths have one
scale) is made on the training paths by one rule, the same for all models, so that they differ in the innovations alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qfin._types import FloatArray, IntArray
from qfin.copulas.born import uniform_margins_of
from qfin.marginals import EmpiricalGPD, GarchFilter, MarginalPanel, pseudo_observations
from qfin.marginals.volatility import filter_returns, simulate_returns

_SAME_SCALE = 1e-6
_MODEL = "gjr"
LAGS = 10  # days of unexpected moves that the next one is regressed on
_POOL_DAYS = 50_000  # joint innovations that paths of a copula are made of
Innovations = Callable[[int, np.random.Generator], FloatArray]


@dataclass(frozen=True, eq=False)
class PathStates:
    """What paths start from, one row a path: the variance forecast (n, n_assets), the value of the day before, and the
    moves before that the last values had not announced, (n, n_lags, n_assets)."""

    variance: FloatArray
    before: FloatArray
    moves: FloatArray

    def rows(self, index: slice | IntArray) -> "PathStates":
        return PathStates(self.variance[index], self.before[index], self.moves[index])


@dataclass(frozen=True, eq=False)
class PathFilter:
    """x_t = constant + phi·x_{t−1} + y_t per asset; y_t = Σ_k (market_k·m_{t−k} + own_k·(y_{t−k} − m_{t−k})) + σ_t·z_t
    with m the mean of y over the assets, and the recursion of `qfin.marginals.volatility` for σ.

    Attributes
    ----------
    constant, phi : arrays of shape (n_assets,), phi 0 where the training paths have no memory
    market, own : arrays of shape (n_lags,), none where the training paths have no such memory
    params : array of shape (n_assets, 6), constant volatility where the training paths have no clusters
    first_variance : array of shape (n_assets,)
    bounds : array of shape (2, n_assets), of a simulated variance
    scale : array of shape (n_assets,) or None
        The standard deviation within every path, where it is the same for all.
    """

    constant: FloatArray
    phi: FloatArray
    market: FloatArray
    own: FloatArray
    params: FloatArray
    first_variance: FloatArray
    bounds: FloatArray
    scale: FloatArray | None

    def residuals(self, x: FloatArray) -> tuple[FloatArray, PathStates]:
        """Of paths (n_paths, n_days, n_assets): standardised innovations (n_paths·(n_days − 1 − n_lags), n_assets), and
        the states that they met."""
        n_lags, n_assets = len(self.own), x.shape[2]
        y = x[:, 1:] - self.constant - self.phi * x[:, :-1]
        moves = _past_moves(y, n_lags)
        shocks = (y[:, n_lags:] - self._expected(moves)).reshape(-1, n_assets)
        filtered = filter_returns(_MODEL, self.params, shocks, self.first_variance, self.bounds[0])
        before = x[:, n_lags:-1].reshape(-1, n_assets)
        states = PathStates(np.square(filtered.volatilities), before, moves.reshape(len(before), n_lags, n_assets))
        return filtered.residuals, states

    def simulate(self, z: FloatArray, states: PathStates) -> FloatArray:
        """Paths for innovations (n_paths, n_days, n_assets), each from its state on."""
        bounds = (self.bounds[0], self.bounds[1])
        x = np.log1p(simulate_returns(_MODEL, self.params, z, states.variance, bounds).returns)
        before, moves = states.before, states.moves
        for day in range(x.shape[1]):
            if len(self.own):
                x[:, day] += self._expected(moves)
                moves = np.concatenate([moves[:, 1:], x[:, day : day + 1]], axis=1)
            before = self.constant + self.phi * before + x[:, day]
            x[:, day] = before
        return x if self.scale is None else x * (self.scale / x.std(axis=1, keepdims=True))

    def _expected(self, moves: FloatArray) -> FloatArray:
        """The move that those of the days before, (…, n_lags, n_assets) with the latest last, announce."""
        market = np.einsum("...kd,k->...", moves, (self.market - self.own)[::-1] / moves.shape[-1])
        return np.asarray(np.einsum("...kd,k->...d", moves, self.own[::-1]) + market[..., None])


def fit_filter(x: FloatArray) -> PathFilter:
    """From training paths (n_paths, n_days, n_assets) of log-returns.

    A number r counts where n·r² > ln n, the gain that the Bayesian information criterion asks for: the mean over the
    standard deviation for a constant, the lag-one autocorrelation of the values for phi, and of the absolute shocks
    (and r > 0) for a volatility. The ten lags that all assets share count where n·R² > 2·10 (Akaike's).
    """
    now, before = x[:, 1:].reshape(-1, x.shape[2]), x[:, :-1].reshape(-1, x.shape[2])
    enough = np.sqrt(np.log(len(now)) / len(now))
    r = _correlation(now, before)
    phi = np.where(np.abs(r) > enough, r, 0.0)
    constant = (1.0 - phi) * np.where(np.abs(now.mean(axis=0)) > enough * now.std(axis=0), now.mean(axis=0), 0.0)
    y = x[:, 1:] - constant - phi * x[:, :-1]
    y -= y.mean(axis=(0, 1))  # what does not count as a constant comes from neither the filter nor its residuals
    market, own = _shared_lags(y)
    first = np.zeros(x.shape[2])
    unclustered = PathFilter(constant, phi, market, own, np.zeros((0, 6)), first, np.zeros((2, 0)), None)
    moves = _past_moves(y, len(own))
    shocks = y[:, len(own) :] - unclustered._expected(moves)
    size = np.abs(shocks)
    shocks = shocks.reshape(-1, x.shape[2])
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
    return replace(
        unclustered, params=params, first_variance=first, bounds=bounds, scale=scales.mean(axis=0) if same else None
    )


def _shared_lags(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the last `LAGS` days, of the assets' mean and of what is each asset's own; none where neither
    counts."""
    market = y.mean(axis=2, keepdims=True)
    found = [_lags(market), _lags(y - market)]
    if not any(coefficients.any() for coefficients in found):
        return np.zeros(0), np.zeros(0)
    return found[0], found[1]


def _lags(y: FloatArray) -> FloatArray:
    """Least squares of each day on the `LAGS` before, one set of coefficients for all paths and assets."""
    now = y[:, LAGS:].ravel()
    past = np.stack([y[:, LAGS - k : y.shape[1] - k].ravel() for k in range(1, LAGS + 1)], axis=1)
    coefficients = np.linalg.lstsq(past, now, rcond=None)[0]
    explained = 1.0 - np.sum((now - past @ coefficients) ** 2) / np.sum(now**2)
    return np.asarray(coefficients if len(now) * explained > 2 * LAGS else np.zeros(LAGS))


def _past_moves(y: FloatArray, n_lags: int) -> FloatArray:
    """The `n_lags` days before each day from the one after them on, (n_paths, n_days − n_lags, n_lags, n_assets)."""
    if n_lags == 0:
        return np.empty((*y.shape[:2], 0, y.shape[2]))
    windows = np.lib.stride_tricks.sliding_window_view(y, n_lags, axis=1)[:, :-1]
    return np.asarray(np.moveaxis(windows, 3, 2))


def historical_innovations(z: FloatArray) -> Innovations:
    """Whole days of the training residuals, about their mean."""
    centred = z - z.mean(axis=0)
    return lambda n, rng: centred[rng.integers(len(z), size=n)]


def copula_innovations(z: FloatArray, copula: Any, n_days: int, rng: np.random.Generator) -> Innovations:
    """A copula of the ranks of the last `n_days` residuals under the empirical margins, with generalised-Pareto tails,
    of all of them.

    Innovations are days of a pool whose margins are exactly those, for every copula alike: the pool's ranks are taken.
    """
    margins = MarginalPanel(EmpiricalGPD(lower_bound=None)).fit(z - z.mean(axis=0))
    drawn = copula.fit(pseudo_observations(z[-n_days:])).sample(_POOL_DAYS, rng=rng)
    pool = np.asarray(margins.from_uniform(uniform_margins_of(drawn)))
    return lambda n, rng: pool[rng.integers(len(pool), size=n)]


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return np.asarray((a * b).mean(axis=0) / np.sqrt((a * a).mean(axis=0) * (b * b).mean(axis=0)))
