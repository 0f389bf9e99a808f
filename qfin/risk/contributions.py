"""Where does the risk of a book come from? Contributions by asset that add up, marginal and incremental risk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin._validation import as_matrix, check_level
from qfin.exceptions import InputError
from qfin.risk.measures import RiskMeasure, as_probabilities, expected_shortfall, portfolio_losses, value_at_risk


@dataclass(frozen=True)
class RiskContributions:
    """Risk of a book by asset. Arrays have shape (n_assets,).

    `contribution` adds up to `total` (Euler); `marginal` is the derivative by the asset's weight, contribution =
    weight · marginal; `incremental` is the total less the risk of the book with the asset's weight set to zero.
    """

    total: float
    contribution: FloatArray
    marginal: FloatArray
    incremental: FloatArray


def shortfall_contributions(
    returns: ArrayLike, weights: ArrayLike, level: float, *, probabilities: ArrayLike | None = None
) -> RiskContributions:
    """ES by asset: the mean of each asset's loss over the scenarios that make up the ES (Tasche 1999).

    Parameters
    ----------
    returns : array of shape (n_scenarios, n_assets)
        Simple returns.
    weights : array of shape (n_assets,)
    level : float
    probabilities : array of shape (n_scenarios,), optional
    """
    losses = portfolio_losses(returns, weights)
    probability = as_probabilities(probabilities, len(losses))
    tail = 1.0 - check_level(level)
    order = np.argsort(-losses, kind="stable")
    before = np.cumsum(probability[order]) - probability[order]
    share = np.zeros(len(losses))
    share[order] = np.clip(tail - before, 0.0, probability[order]) / tail
    return _euler(returns, weights, share, expected_shortfall, level, probability)


def value_at_risk_contributions(
    returns: ArrayLike, weights: ArrayLike, level: float, *, probabilities: ArrayLike | None = None
) -> RiskContributions:
    """VaR by asset: the mean of each asset's loss given that the book's loss is near the VaR (Tasche 1999).

    One scenario is the VaR, too few for a mean: the scenarios around it are weighted as in Harrell and Davis's (1982)
    quantile, by a Beta law of their ranks, with 1/Σ p² scenarios counted where probabilities differ. The means are
    scaled to add up to the VaR. Parameters as in `shortfall_contributions`.
    """
    from scipy.special import betainc

    losses = portfolio_losses(returns, weights)
    probability = as_probabilities(probabilities, len(losses))
    confidence, effective = check_level(level), 1.0 / float(probability @ probability)
    order = np.argsort(losses, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(probability[order])])
    a, b = (effective + 1.0) * confidence, (effective + 1.0) * (1.0 - confidence)
    share = np.zeros(len(losses))
    share[order] = np.diff(betainc(a, b, np.clip(edges / edges[-1], 0.0, 1.0)))
    return _euler(returns, weights, share, value_at_risk, level, probability)


def _euler(
    returns: ArrayLike, weights: ArrayLike, share: FloatArray, measure: RiskMeasure, level: float, p: FloatArray
) -> RiskContributions:
    matrix, vector = as_matrix(returns, "returns"), np.asarray(weights, dtype=np.float64)
    total = _value(measure, matrix, vector, level, p)
    mean = -(share @ matrix)
    whole = float(mean @ vector)
    if abs(whole) <= 1e-12 * np.abs(matrix).max():
        raise InputError("weights: expected a book with a risk other than zero, received one without")
    marginal = mean * (total / whole)
    without = np.array([_value(measure, matrix, np.delete(vector, i), level, p, drop=i) for i in range(len(vector))])
    return RiskContributions(total, vector * marginal, marginal, total - without)


def _value(
    measure: RiskMeasure, matrix: FloatArray, weights: FloatArray, level: float, p: FloatArray, drop: int | None = None
) -> float:
    kept = matrix if drop is None else np.delete(matrix, drop, axis=1)
    losses = -(kept @ weights) if kept.shape[1] else np.zeros(len(matrix))
    return measure(losses, level, probabilities=p)
