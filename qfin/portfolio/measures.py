"""Value at risk, expected shortfall and drawdown of many books at once."""

import numpy as np

from qfin._types import FloatArray

_MASS_TOLERANCE = 1e-12  # as in qfin.risk: a mass this near the boundary lies on it


def tail_measures(losses: FloatArray, level: float, probabilities: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Value at risk and expected shortfall of every row of `losses` (n_rows, n_scenarios), as in `qfin.risk`."""
    n_scenarios = losses.shape[1]
    tail = 1.0 - level
    if probabilities is None:
        # Only the worst 1 + floor(tail·n) losses matter where all are equally likely.
        n_worst = min(int(np.floor(tail * n_scenarios + 1e-9)) + 1, n_scenarios)
        worst = -np.partition(-losses, n_worst - 1, axis=1)[:, :n_worst]
        threshold = worst.min(axis=1)
        return threshold, threshold + (worst - threshold[:, None]).sum(axis=1) / (n_scenarios * tail)
    order = np.argsort(-losses, axis=1, kind="stable")
    sorted_losses, mass = np.take_along_axis(losses, order, axis=1), probabilities[order]
    before = np.cumsum(mass, axis=1) - mass
    place = np.where(before <= tail + _MASS_TOLERANCE, np.arange(n_scenarios), 0).max(axis=1)
    threshold = np.take_along_axis(sorted_losses, place[:, None], axis=1)[:, 0]
    excess = (mass * np.maximum(sorted_losses - threshold[:, None], 0.0)).sum(axis=1)
    return threshold, threshold + excess / tail


def maximum_drawdown(returns: FloatArray) -> FloatArray:
    """Largest fall of wealth from an earlier peak, as a share of the peak; the start counts as a peak.

    `returns` has time on its first axis, which the answer lacks.
    """
    wealth = np.ones(returns.shape[1:])
    peak, least = wealth.copy(), wealth.copy()
    for period in returns:
        wealth = wealth + wealth * period
        np.maximum(peak, wealth, out=peak)
        np.minimum(least, wealth / peak, out=least)
    return np.asarray(1.0 - least)
