"""Block lengths: how many days in a row keep what returns remember."""

import numpy as np
from numpy.typing import ArrayLike

from qfin.marginals.panel import returns_matrix


def stationary_block_length(returns: ArrayLike) -> float:
    """Mean block length of the stationary bootstrap, the median over assets (Politis & White 2004, by arch).

    Taken of absolute returns, whose memory is far longer than that of returns; at least one day.
    """
    from arch.bootstrap import optimal_block_length

    matrix, _ = returns_matrix(returns)
    lengths = optimal_block_length(np.abs(matrix[~np.isnan(matrix).any(axis=1)]))["stationary"]
    return max(1.0, float(np.median(lengths)))
