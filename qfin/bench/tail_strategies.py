"""Profit and loss of the strategies of Tail-GAN on price paths, and the tail statistics that they are compared by.

Rules, thresholds and statistics as in Cont, Cucuringu, Xu & Zhang, "Tail-GAN: learning to simulate tail risk
scenarios" (arXiv 2203.01664) and the authors' programs: one unit of money a position, prices that start at one, moving
averages over a tenth and a fifth of the path, thresholds at the 31st and 69th percentile of the training signals.
"""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray

TAIL = 0.05
N_RANDOM = 50
_PERCENTILES = (31.0, 69.0)
_DENSITY = 0.9  # share of the assets that a random portfolio holds


@dataclass(frozen=True, eq=False)
class Strategies:
    """Weights of static portfolios and thresholds of the two trading rules, from training data alone.

    Attributes
    ----------
    weights : array of shape (n_assets, n_portfolios), each column with Σ|w| = 1
    window : days of the shorter moving average
    reversion, trend : (lower, upper) thresholds of the signals
    """

    weights: FloatArray
    window: int
    reversion: tuple[float, float]
    trend: tuple[float, float]

    def pnl(self, prices: FloatArray) -> FloatArray:
        """Shape (n_paths, n_strategies) for prices (n_paths, n_days + 1, n_assets): static portfolios, then mean
        reversion and trend on each asset."""
        static = (prices[:, -1] - prices[:, 0]) @ self.weights
        signal = reversion_signal(prices, self.window)
        reversion = held(signal, *self.reversion, short_above=True)
        signal = trend_signal(prices, self.window)
        trend = held(signal, *self.trend, short_above=False)
        moves = np.diff(prices, axis=1)
        traded = [np.einsum("ptj,ptj->pj", position[:, :-1], moves) for position in (reversion, trend)]
        return np.concatenate([static, *traded], axis=1)


def strategies(training_prices: FloatArray, weights: FloatArray) -> Strategies:
    """Thresholds from price paths of the training data (all assets together, as the authors have it)."""
    window = max(1, (training_prices.shape[1] - 1) // 10)
    low, high = np.percentile(reversion_signal(training_prices, window), _PERCENTILES)
    falling, rising = np.percentile(trend_signal(training_prices, window), _PERCENTILES)
    return Strategies(weights, window, (float(low), float(high)), (float(falling), float(rising)))


def static_weights(n_assets: int, rng: np.random.Generator) -> FloatArray:
    """Each asset alone, and fifty random long–short portfolios; shape (n_assets, n_assets + 50)."""
    random = rng.standard_normal((n_assets, N_RANDOM)) * (rng.random((n_assets, N_RANDOM)) < _DENSITY)
    return np.concatenate([np.eye(n_assets), random / np.abs(random).sum(axis=0)], axis=1)


def eigen_weights(returns: FloatArray) -> FloatArray:
    """Eigenvectors of the correlation matrix over the standard deviations (Avellaneda & Lee 2010), Σ|w| = 1."""
    vectors = np.linalg.eigh(np.corrcoef(returns, rowvar=False))[1][:, ::-1]
    scaled = vectors / returns.std(axis=0)[:, None]
    return np.asarray(scaled / np.abs(scaled).sum(axis=0))


def reversion_signal(prices: FloatArray, window: int) -> FloatArray:
    """Price less the mean of its first `window` + 1 values."""
    return np.asarray(prices - prices[:, : window + 1].mean(axis=1, keepdims=True))


def trend_signal(prices: FloatArray, window: int) -> FloatArray:
    """Moving average over `window` days less the one over twice as many; a day without a full window has its price."""
    return moving_average(prices, window) - moving_average(prices, 2 * window)


def moving_average(prices: FloatArray, window: int) -> FloatArray:
    sums = np.cumsum(prices, axis=1)
    averages = prices.copy()
    averages[:, window - 1] = sums[:, window - 1] / window
    averages[:, window:] = (sums[:, window:] - sums[:, :-window]) / window
    return averages


def held(signal: FloatArray, low: float, high: float, *, short_above: bool) -> FloatArray:
    """Positions after each day, shape of `signal`, each until the signal crosses zero.

    Mean reversion (`short_above`) sells when the signal rises to `high` and buys when it falls to `low`; a trend rule
    buys at `high` and sells at `low`. A signal that starts beyond a threshold opens nothing until it comes back.
    """
    before, now = signal[:, :-1], signal[:, 1:]
    closes = ((before < 0) & (now >= 0)) | ((before > 0) & (now <= 0))
    above = _open((before < high) & (now >= high), closes)
    below = _open((before > low) & (now <= low), closes)
    return (below - above) if short_above else (above - below)


def _open(opens: BoolArray, closes: BoolArray) -> FloatArray:
    """1 from each opening until the next close, an opening on the day of a close wins; (n_paths, n_days + 1, …)."""
    days = np.arange(1, opens.shape[1] + 1).reshape(1, -1, 1)
    opened = np.maximum.accumulate(np.where(opens, days, 0), axis=1)
    closed = np.maximum.accumulate(np.where(closes, days, 0), axis=1)
    state = np.zeros((opens.shape[0], opens.shape[1] + 1, opens.shape[2]))
    state[:, 1:] = (opened > 0) & (opened >= closed)
    return state


def tail_statistics(pnl: FloatArray) -> FloatArray:
    """VaR and ES at 5 % of each strategy as signed P&L, shape (2, n_strategies): the percentile with linear
    interpolation, and the mean of what does not exceed it."""
    quantile = np.percentile(pnl, 100.0 * TAIL, axis=0)
    below = pnl <= quantile
    return np.stack([quantile, np.where(below, pnl, 0.0).sum(axis=0) / below.sum(axis=0)])


def relative_errors(pnl: FloatArray, truth: FloatArray) -> FloatArray:
    """|estimate − true|/|true| of `tail_statistics`, shape (2, n_strategies)."""
    return np.asarray(np.abs(tail_statistics(pnl) - truth) / np.abs(truth))
