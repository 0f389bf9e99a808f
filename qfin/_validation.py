"""Checks at the door: each returns the value in its canonical form or raises one clear `InputError`."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin.exceptions import InputError, NotFittedError


def as_matrix(values: ArrayLike, name: str, *, n_columns: int | None = None, min_rows: int = 1) -> FloatArray:
    """`values` as a finite float64 matrix (rows, columns), or an `InputError` that says what is wrong and where."""
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers, received {type(values).__name__} ({error})") from None
    if matrix.ndim != 2:
        raise InputError(f"{name}: expected a matrix (rows, columns), received {matrix.ndim} dimension(s)")
    if n_columns is not None and matrix.shape[1] != n_columns:
        raise InputError(f"{name}: expected {n_columns} columns, received {matrix.shape[1]}")
    if matrix.shape[0] < min_rows:
        raise InputError(f"{name}: expected at least {min_rows} rows, received {matrix.shape[0]}")
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InputError(
            f"{name}: expected finite numbers, received {matrix[row, column]} at row {row}, column {column}"
        )
    return matrix


def as_unit_cube(u: ArrayLike, name: str = "u", *, n_columns: int | None = None) -> FloatArray:
    """`u` as a matrix with every entry strictly inside (0, 1)."""
    matrix = as_matrix(u, name, n_columns=n_columns)
    outside = (matrix <= 0.0) | (matrix >= 1.0)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        received = f"{matrix[row, column]} at row {row}, column {column}"
        raise InputError(f"{name}: expected values strictly between 0 and 1, received {received}")
    return matrix


def check_level(level: float) -> float:
    """A confidence level of VaR or ES, in (0.5, 1); 0.05 is refused because 0.95 is meant."""
    if not 0.5 < level < 1.0:
        raise InputError(f"level: expected a confidence between 0.5 and 1 such as 0.975, received {level}")
    return float(level)


def check_fitted(estimator: Any, attribute: str) -> None:
    """Raise `NotFittedError` unless `estimator` carries the learned `attribute`."""
    if not hasattr(estimator, attribute):
        raise NotFittedError(f"{type(estimator).__name__}: call fit before this method")
