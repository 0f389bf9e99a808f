"""Checks of what the tests take: exceedances, losses with their forecasts, draws of a model."""

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import BoolArray, FloatArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError


def day_vector(values: ArrayLike, name: str, *, n_days: int | None = None, min_days: int = 2) -> FloatArray:
    """`values` as finite numbers, one a day."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or len(vector) < min_days or not np.isfinite(vector).all():
        raise InputError(f"{name}: expected a vector of at least {min_days} finite numbers, received {_shape(vector)}")
    if n_days is not None and len(vector) != n_days:
        raise InputError(f"{name}: expected {n_days} days, received {len(vector)}")
    return vector


def exceedance_vector(exceedances: ArrayLike) -> BoolArray:
    """One truth value a day: the loss was strictly above the VaR."""
    vector = np.asarray(exceedances)
    if vector.ndim != 1 or len(vector) < 2 or not np.isin(vector, (0, 1)).all():
        raise InputError(f"exceedances: expected a vector of at least 2 zeros and ones, received {_shape(vector)}")
    return vector.astype(np.bool_)


def forecast(values: ArrayLike, name: str, n_days: int) -> FloatArray:
    """A forecast of a day each, or one for all days, as a vector."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(n_days, float(array))
    return day_vector(array, name, n_days=n_days)


def shortfall_forecasts(losses: ArrayLike, var: ArrayLike, es: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Losses, VaR and ES as vectors of equal length with 0 < ES and VaR <= ES."""
    loss = day_vector(losses, "losses")
    quantile, shortfall = forecast(var, "var", len(loss)), forecast(es, "es", len(loss))
    if (shortfall <= 0.0).any() or (quantile > shortfall).any():
        day = int(np.argmax((shortfall <= 0.0) | (quantile > shortfall)))
        raise InputError(
            f"es: expected positive values not below var, received var {quantile[day]:.6g} and es {shortfall[day]:.6g} "
            f"on day {day}"
        )
    return loss, quantile, shortfall


def model_draws(draws: ArrayLike, n_days: int) -> FloatArray:
    """Losses that the model drew for each day, shape (n_days, n_draws)."""
    matrix = as_matrix(draws, "draws")
    if matrix.shape[0] != n_days or matrix.shape[1] < 19:
        raise InputError(
            f"draws: expected losses of shape ({n_days} days, at least 19 draws), received shape {matrix.shape}"
        )
    return matrix


def unit_vector(pit: ArrayLike) -> FloatArray:
    """Probability integral transforms: the model's distribution function at the realised loss, inside (0, 1)."""
    vector = day_vector(pit, "pit")
    if (vector <= 0.0).any() or (vector >= 1.0).any():
        raise InputError("pit: expected values strictly between 0 and 1")
    return vector


def _shape(array: np.ndarray) -> str:
    return f"shape {array.shape}" if array.ndim != 1 else f"{len(array)} values"
