"""Risk measures beyond VaR and ES: spectral measures and expectiles of losses."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin._validation import check_level
from qfin.exceptions import InputError
from qfin.risk.measures import as_losses, as_probabilities

CumulativeSpectrum = Callable[[FloatArray], FloatArray]


def spectral_risk(losses: ArrayLike, spectrum: CumulativeSpectrum, *, probabilities: ArrayLike | None = None) -> float:
    """Weighted mean of the quantiles of the loss, larger losses weighing more (Acerbi 2002).

    Parameters
    ----------
    losses : array of shape (n_scenarios,)
    spectrum : function
        The *cumulative* weight of the quantiles below p, for an array of p in [0, 1]: from 0 to 1, convex. Cumulative,
        so that a scenario's weight is exact, not a value at one point. `exponential_spectrum` and `shortfall_spectrum`
        make two; any other convex function does.
    probabilities : array of shape (n_scenarios,), optional
        Probability of each scenario, with sum 1; None means equally likely.
    """
    vector = as_losses(losses)
    order = np.argsort(vector, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(as_probabilities(probabilities, len(vector))[order])])
    _check_spectrum(spectrum)
    return float(np.diff(spectrum(np.minimum(edges / edges[-1], 1.0))) @ vector[order])


def exponential_spectrum(aversion: float) -> CumulativeSpectrum:
    """Weights proportional to exp(aversion · p): Acerbi's example; 0+ is the mean, ∞ the worst loss."""
    if not 0.0 < aversion < 700.0:
        raise InputError(f"aversion: expected a number between 0 and 700, received {aversion}")
    return lambda p: np.expm1(aversion * np.asarray(p)) / np.expm1(aversion)


def shortfall_spectrum(level: float) -> CumulativeSpectrum:
    """Equal weights beyond `level`: the spectral form of expected shortfall."""
    confidence = check_level(level)
    return lambda p: np.maximum(np.asarray(p) - confidence, 0.0) / (1.0 - confidence)


def expectile(losses: ArrayLike, level: float, *, probabilities: ArrayLike | None = None) -> float:
    """The e with level · E[max(loss − e, 0)] = (1 − level) · E[max(e − loss, 0)]: coherent and elicitable.

    Its level is not a probability: at 0.99855 a normal law's expectile is near its 99 % quantile (Bellini and Di
    Bernardino 2017). Parameters as in `value_at_risk`.
    """
    from scipy.stats import expectile as scipy_expectile

    vector = as_losses(losses)
    weights = as_probabilities(probabilities, len(vector))
    return float(scipy_expectile(vector, alpha=check_level(level), weights=weights))


def _check_spectrum(spectrum: CumulativeSpectrum) -> None:
    values = np.asarray(spectrum(np.linspace(0.0, 1.0, 101)), dtype=np.float64)
    convex = values.shape == (101,) and (np.diff(values, 2) >= -1e-9).all() and (np.diff(values) >= -1e-12).all()
    if not convex or abs(values[0]) > 1e-9 or abs(values[-1] - 1.0) > 1e-9:
        raise InputError(
            "spectrum: expected a convex increasing function from 0 at 0 to 1 at 1 (the cumulative weight)"
        )
