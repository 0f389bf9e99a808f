"""Conditional variances that follow the past alone: GARCH, GJR and EGARCH recursions for all assets at once.

Parameters are rows (mean, omega, alpha, gamma, beta, nu), one per asset, for log-returns x = mean + σ·z:

* garch, gjr:  σ²' = omega + (alpha + gamma·1[z < 0])·σ²z² + beta·σ²   (gamma = 0 for garch)
* egarch:      ln σ²' = omega + alpha·(|z| − √(2/π)) + gamma·z + beta·ln σ²

as in Bollerslev (1986), Glosten, Jagannathan & Runkle (1993) and Nelson (1991), with the signs of the package arch.
"""

from dataclasses import dataclass

import numpy as np

from qfin._types import FloatArray

MODELS = ("garch", "gjr", "egarch")
_MEAN_ABS_NORMAL = np.sqrt(2.0 / np.pi)


@dataclass(frozen=True, eq=False)
class FilteredReturns:
    """What a filter with fixed parameters makes of returns, shape (n_days, n_assets) each.

    Attributes
    ----------
    residuals : standardised, NaN where there was no return
    volatilities : of the log-return, known the day before
    state : array of shape (n_assets,)
        Volatility of the day after the last one.
    n_bounded : int
        Forecasts that were raised to the lower bound on volatility.
    """

    residuals: FloatArray
    volatilities: FloatArray
    state: FloatArray
    n_bounded: int


@dataclass(frozen=True, eq=False)
class SimulatedReturns:
    """Simple returns, shape (n_paths, horizon, n_assets), and how many forecasts met a bound on volatility."""

    returns: FloatArray
    n_bounded: int


def next_variance(model: str, params: FloatArray, variance: FloatArray, z: FloatArray) -> FloatArray:
    """Tomorrow's variance from today's and today's innovation; arrays of shape (…, n_assets)."""
    _, omega, alpha, gamma, beta, _ = params.T
    if model == "egarch":
        log_variance = omega + alpha * (np.abs(z) - _MEAN_ABS_NORMAL) + gamma * z + beta * np.log(variance)
        return np.asarray(np.exp(np.minimum(log_variance, 100.0)))  # any bound on the variance is far below e^100
    shock = np.square(z)
    shock *= np.where(z < 0.0, alpha + gamma, alpha)
    shock += beta
    shock *= variance
    shock += omega
    return shock


def filter_returns(
    model: str, params: FloatArray, x: FloatArray, variance: FloatArray, min_variance: FloatArray | float = 0.0
) -> FilteredReturns:
    """Residuals and volatilities of log-returns x, from the first day's variance on; a day without a return (NaN)
    leaves the asset's variance as it is."""
    residuals, volatilities = np.empty_like(x), np.empty_like(x)
    mean, n_bounded = params[:, 0], 0
    for day, row in enumerate(x):
        volatilities[day] = np.sqrt(variance)
        z = (row - mean) / volatilities[day]
        residuals[day] = z
        known = ~np.isnan(row)
        following = next_variance(model, params, variance, np.where(known, z, 0.0))
        n_bounded += int((known & (following < min_variance)).sum())
        variance = np.where(known, np.maximum(following, min_variance), variance)
    return FilteredReturns(residuals, volatilities, np.sqrt(variance), n_bounded)


def simulate_returns(
    model: str, params: FloatArray, z: FloatArray, variance: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> SimulatedReturns:
    """Simple returns for innovations z of shape (n_paths, horizon, n_assets), from the first day's variance on.

    A variance outside `bounds` is moved to the nearer one, and counted.
    """
    returns = np.empty_like(z)
    current = np.broadcast_to(variance, (len(z), z.shape[2]))
    n_bounded = 0
    for day in range(z.shape[1]):
        today = z[:, day]
        returns[:, day] = np.expm1(params[:, 0] + np.sqrt(current) * today)
        if day + 1 < z.shape[1]:
            following = next_variance(model, params, current, today)
            n_bounded += int(((following < bounds[0]) | (following > bounds[1])).sum())
            current = np.clip(following, *bounds)
    return SimulatedReturns(returns, n_bounded)
