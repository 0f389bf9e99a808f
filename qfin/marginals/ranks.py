"""Pseudo-observations by ranks, without a model of the margins."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from qfin._types import FloatArray
from qfin.exceptions import InputError


def pseudo_observations(x: ArrayLike) -> FloatArray:
    """Column by column rank/(n + 1) with average ranks for ties, shape (n_days, n_assets), in (0, 1).

    NaN stays NaN, and n counts the other days of its column.
    """
    matrix = np.asarray(x, dtype=np.float64)
    if matrix.ndim != 2:
        raise InputError(f"x: expected a matrix (days, assets), received {matrix.ndim} dimension(s)")
    ranks = rankdata(matrix, method="average", axis=0, nan_policy="omit")
    return np.asarray(ranks / (np.sum(~np.isnan(matrix), axis=0) + 1.0))
