"""Maximum mean discrepancy between two samples of values, with several Gaussian bandwidths.

MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y) with k the mean of exp(−|x − y|²/2σ²) over the bandwidths σ; zero if and
only if the two laws agree (Gretton et al. 2012, JMLR 13, lemma 6 for the unbiased estimate).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist

from qfin._types import FloatArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError

_BLOCK_ROWS = 512


def median_bandwidths(y: ArrayLike, n_scales: int = 5, *, max_rows: int = 1000) -> FloatArray:
    """The median distance between rows of y times 2^{…, −1, 0, 1, …}, `n_scales` of them, ascending.

    Of more than `max_rows` rows, as many evenly spaced ones are used.
    """
    values = as_matrix(y, "y", min_rows=2)
    rows = np.unique(np.linspace(0, len(values) - 1, min(max_rows, len(values))).astype(np.int64))
    median = float(np.median(pdist(values[rows])))
    if median <= 0.0:
        raise InputError("y: expected rows that differ, received a median distance of 0")
    bandwidths: FloatArray = median * np.exp2(np.arange(n_scales, dtype=np.float64) - n_scales // 2)
    return bandwidths


def mean_kernel(x: ArrayLike, y: ArrayLike, bandwidths: ArrayLike) -> float:
    """Mean of k over all pairs of a row of x and a row of y."""
    x = as_matrix(x, "x")
    y = as_matrix(y, "y", n_columns=x.shape[1])
    scales = _scales(bandwidths)
    total = sum(_kernel_sum(x[i : i + _BLOCK_ROWS], y, scales) for i in range(0, len(x), _BLOCK_ROWS))
    return total / (len(x) * len(y))


def mean_kernel_within(x: ArrayLike, bandwidths: ArrayLike) -> float:
    """Mean of k over all pairs of different rows of x (the unbiased estimate of E k(x, x'))."""
    x = as_matrix(x, "x", min_rows=2)
    scales = _scales(bandwidths)
    total = 0.0
    for i in range(0, len(x), _BLOCK_ROWS):
        block, after = x[i : i + _BLOCK_ROWS], x[i + _BLOCK_ROWS :]
        total += _kernel_sum(block, block, scales) - len(block) + 2.0 * _kernel_sum(block, after, scales)
    return total / (len(x) * (len(x) - 1))


def mmd_squared(x: ArrayLike, y: ArrayLike, bandwidths: ArrayLike, *, within_y: float | None = None) -> float:
    """Unbiased estimate of MMD² between the laws of x (n, d) and y (m, d); it may be negative.

    `within_y` is `mean_kernel_within(y, bandwidths)` where many samples are compared with the same y.
    """
    if within_y is None:
        within_y = mean_kernel_within(y, bandwidths)
    return mean_kernel_within(x, bandwidths) + within_y - 2.0 * mean_kernel(x, y, bandwidths)


def _scales(bandwidths: ArrayLike) -> FloatArray:
    scales = np.atleast_1d(np.asarray(bandwidths, dtype=np.float64))
    if not (np.isfinite(scales) & (scales > 0.0)).all() or scales.size == 0:
        raise InputError(f"bandwidths: expected positive numbers, received {scales}")
    return scales


def _kernel_sum(x: FloatArray, y: FloatArray, scales: FloatArray) -> float:
    """Σ k over all pairs; memory len(x) · len(y)."""
    distances = cdist(x, y, "sqeuclidean")
    return float(sum(np.exp(distances * (-0.5 / (s * s))).sum() for s in scales) / len(scales))
