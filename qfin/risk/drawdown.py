"""Drawdowns of paths of returns: how far below its peak has wealth been?"""

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.risk.measures import expected_shortfall


def drawdowns(returns: ArrayLike) -> FloatArray:
    """1 − wealth/peak after each period of simple `returns`, compounded; the start counts as a peak. Time is the last
    axis, so that (n_paths, n_periods) gives the drawdowns of every path.
    """
    array = np.asarray(returns, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] == 0 or not np.isfinite(array).all() or (array < -1.0).any():
        raise InputError("returns: expected finite simple returns not below −1 with time as the last axis")
    wealth = np.cumprod(1.0 + array, axis=-1)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=-1), 1.0)
    return np.asarray(1.0 - wealth / peak)


def max_drawdown(returns: ArrayLike) -> FloatArray:
    """The deepest drawdown of each path (one number for one path)."""
    return np.asarray(drawdowns(returns).max(axis=-1))


def conditional_drawdown_at_risk(returns: ArrayLike, level: float, *, probabilities: ArrayLike | None = None) -> float:
    """CDaR: expected shortfall of the drawdowns at `level` (Chekhlov, Uryasev and Zabarankin 2005).

    `returns` is one path, shape (n_periods,), or many, shape (n_paths, n_periods), whose drawdowns are taken together;
    `probabilities` are then those of the paths.
    """
    depth = drawdowns(returns)
    if depth.ndim == 1:
        return expected_shortfall(depth, level, probabilities=probabilities)
    if probabilities is None:
        return expected_shortfall(depth.ravel(), level)
    weights = np.asarray(probabilities, dtype=np.float64)
    if weights.shape != depth.shape[:1]:
        raise InputError(f"probabilities: expected one for each of {depth.shape[0]} paths, received {weights.shape}")
    return expected_shortfall(depth.ravel(), level, probabilities=np.repeat(weights, depth.shape[1]) / depth.shape[1])
