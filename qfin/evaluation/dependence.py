"""Dependence of draws against dependence of data: Kendall's tau and joint tails, pair by pair."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from qfin._types import FloatArray
from qfin._validation import as_matrix, as_unit_cube
from qfin.exceptions import InputError

MAX_ROWS = 20_000  # of Kendall's tau per pair: a standard error below 0.005


def kendall_matrix(u: ArrayLike, *, max_rows: int = MAX_ROWS) -> FloatArray:
    """Kendall's tau-b of all pairs of columns, shape (n_assets, n_assets), in O(n log n) per pair.

    Of more than `max_rows` rows, `max_rows` evenly spaced ones are used.
    """
    matrix = as_matrix(u, "u", min_rows=2)
    if len(matrix) > max_rows:
        matrix = matrix[np.linspace(0, len(matrix) - 1, max_rows).round().astype(np.int64)]
    columns = np.ascontiguousarray(matrix.T)
    tau = np.eye(len(columns))
    for i, j in zip(*np.triu_indices(len(columns), k=1), strict=True):
        tau[i, j] = tau[j, i] = kendalltau(columns[i], columns[j]).statistic
    return tau


def kendall_error(u_model: ArrayLike, u_data: ArrayLike, *, max_rows: int = MAX_ROWS) -> float:
    """Mean absolute difference of Kendall's tau over all pairs of assets."""
    n_assets = as_matrix(u_data, "u_data").shape[1]
    model = kendall_matrix(as_matrix(u_model, "u_model", n_columns=n_assets), max_rows=max_rows)
    return _mean_over_pairs(np.abs(model - kendall_matrix(u_data, max_rows=max_rows)))


def tail_dependence(u: ArrayLike, tail_probability: float = 0.05) -> tuple[FloatArray, FloatArray]:
    """Empirical lower and upper tail dependence at q = `tail_probability`, each of shape (n_assets, n_assets).

    Lower: P(u_i ≤ q, u_j ≤ q)/q; upper: P(u_i ≥ 1 − q, u_j ≥ 1 − q)/q. Independence gives q, comonotone assets 1. Use
    pseudo-observations of the window itself, else a shift of the margins is read as dependence.
    """
    matrix = as_unit_cube(u)
    if not 0.0 < tail_probability <= 0.5:
        raise InputError(f"tail_probability: expected a number in (0, 0.5], received {tail_probability}")
    in_tail = [(matrix <= tail_probability), (matrix >= 1.0 - tail_probability)]
    lower, upper = (
        tail.T.astype(np.float64) @ tail.astype(np.float64) / (len(matrix) * tail_probability) for tail in in_tail
    )
    return lower, upper


def tail_dependence_error(u_model: ArrayLike, u_data: ArrayLike, tail_probability: float = 0.05) -> float:
    """Mean absolute difference of tail dependence over all pairs of assets and both tails."""
    n_assets = as_matrix(u_data, "u_data").shape[1]
    model = tail_dependence(as_matrix(u_model, "u_model", n_columns=n_assets), tail_probability)
    data = tail_dependence(u_data, tail_probability)
    return float(np.mean([_mean_over_pairs(np.abs(m - d)) for m, d in zip(model, data, strict=True)]))


def _mean_over_pairs(matrix: FloatArray) -> float:
    if len(matrix) < 2:
        raise InputError(f"u: expected at least 2 columns, received {len(matrix)}")
    return float(matrix[np.triu_indices(len(matrix), k=1)].mean())
