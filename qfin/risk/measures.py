"""Value at risk and expected shortfall of losses; a positive loss is bad."""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin._validation import as_matrix, check_level
from qfin.exceptions import InputError

# A probability mass within this of the boundary lies on it: 1 − 0.95 is not 0.05 in floating point, and sums round.
_MASS_TOLERANCE = 1e-12


class RiskMeasure(Protocol):
    """A number for a vector of losses at a confidence level, equally likely or with their probabilities."""

    def __call__(self, losses: FloatArray, level: float, *, probabilities: ArrayLike | None = None) -> float: ...


def portfolio_losses(returns: ArrayLike, weights: ArrayLike) -> FloatArray:
    """−returns @ weights, shape (n_scenarios,): the loss per unit of wealth of a book held over one period.

    `returns` are simple returns, shape (n_scenarios, n_assets); `weights` has shape (n_assets,).
    """
    matrix = as_matrix(returns, "returns")
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (matrix.shape[1],) or not np.isfinite(vector).all():
        raise InputError(f"weights: expected {matrix.shape[1]} finite numbers, received shape {vector.shape}")
    return -(matrix @ vector)


def value_at_risk(losses: ArrayLike, level: float, *, probabilities: ArrayLike | None = None) -> float:
    """The lower `level`-quantile of the loss: the smallest loss exceeded with probability at most 1 − level.

    Of 100 equally likely losses at level 0.95 it is the sixth largest.

    Parameters
    ----------
    losses : array of shape (n_scenarios,)
    level : float
        Confidence in (0.5, 1), for instance 0.975.
    probabilities : array of shape (n_scenarios,), optional
        Probability of each scenario, with sum 1; None means equally likely.
    """
    worst_first, probability, tail = _sorted_losses(losses, level, probabilities)
    mass_before = np.cumsum(probability) - probability
    return float(worst_first[np.flatnonzero(mass_before <= tail + _MASS_TOLERANCE)[-1]])


def expected_shortfall(losses: ArrayLike, level: float, *, probabilities: ArrayLike | None = None) -> float:
    """The mean of the worst 1 − level of the probability mass, the boundary scenario counted in part.

    Written as VaR + E[max(loss − VaR, 0)]/(1 − level) (Rockafellar and Uryasev 2002, theorem 10), so it is never below
    the value at risk. Of 100 equally likely losses at level 0.95 it is the mean of the five largest. Parameters as in
    `value_at_risk`.
    """
    worst_first, probability, tail = _sorted_losses(losses, level, probabilities)
    threshold = value_at_risk(losses, level, probabilities=probabilities)
    return threshold + float(probability @ np.maximum(worst_first - threshold, 0.0)) / tail


def batch_standard_error(measure: RiskMeasure, losses: ArrayLike, level: float, *, n_batches: int = 50) -> float:
    """Standard error of `measure` on independent, equally likely losses, from its spread over equal batches."""
    vector = as_losses(losses)
    if not 2 <= n_batches <= len(vector):
        raise InputError(f"n_batches: expected 2 to {len(vector)} (the number of losses), received {n_batches}")
    size = len(vector) // n_batches
    values = [measure(batch, level) for batch in vector[: size * n_batches].reshape(n_batches, size)]
    return float(np.std(values, ddof=1) * np.sqrt(size / len(vector)))


def _sorted_losses(
    losses: ArrayLike, level: float, probabilities: ArrayLike | None
) -> tuple[FloatArray, FloatArray, float]:
    """Losses from the worst down, their probabilities, and the tail mass 1 − level."""
    tail = 1.0 - check_level(level)
    vector = as_losses(losses)
    probability = as_probabilities(probabilities, len(vector))
    order = np.argsort(-vector, kind="stable")
    order = order[probability[order] > 0.0]
    return vector[order], probability[order], tail


def as_probabilities(probabilities: ArrayLike | None, n_scenarios: int) -> FloatArray:
    """One probability per scenario with sum 1; None means equally likely."""
    if probabilities is None:
        return np.full(n_scenarios, 1.0 / n_scenarios)
    vector = np.asarray(probabilities, dtype=np.float64)
    if vector.shape != (n_scenarios,) or not (vector >= 0.0).all() or abs(vector.sum() - 1.0) > 1e-9:
        raise InputError(f"probabilities: expected {n_scenarios} non-negative numbers with sum 1")
    return vector


def as_losses(losses: ArrayLike) -> FloatArray:
    """A non-empty vector of finite losses, one per scenario."""
    vector = np.asarray(losses, dtype=np.float64)
    if vector.ndim != 1 or len(vector) == 0 or not np.isfinite(vector).all():
        raise InputError(f"losses: expected a non-empty vector of finite numbers, received shape {vector.shape}")
    return vector
