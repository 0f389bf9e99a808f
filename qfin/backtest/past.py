"""The one door to the past: what is known at the end of a day, and the book's loss that came after."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from qfin._types import FloatArray
from qfin.exceptions import InputError


@dataclass(frozen=True, eq=False)
class PastView:
    """Simple returns (n_days, n_assets) up to and including one day, never later; read-only.

    A forecast is a function of a view, so that no later return can change it, bit for bit.
    """

    returns: FloatArray

    @classmethod
    def until(cls, returns: FloatArray, day: int) -> Self:
        """What is known at the end of row `day` of `returns`."""
        if not 0 <= day < len(returns):
            raise InputError(f"day: expected a row from 0 to {len(returns) - 1}, received {day}")
        known = np.array(returns[: day + 1], dtype=np.float64)
        known.setflags(write=False)
        return cls(known)

    def last(self, n_days: int) -> FloatArray:
        """The last `n_days` of it."""
        if not 1 <= n_days <= len(self.returns):
            raise InputError(f"n_days: expected 1 to {len(self.returns)} days of the past, received {n_days}")
        return self.returns[-n_days:]


def book_losses(paths: FloatArray, weights: FloatArray) -> FloatArray:
    """Loss of a book bought with `weights` and held over the days of each path (n_paths, horizon, n_assets)."""
    losses = np.zeros(len(paths))
    for asset, weight in enumerate(weights):  # asset by asset: a BLAS product's last bit depends on where memory lies
        grown = paths[:, 0, asset] if paths.shape[1] == 1 else np.prod(1.0 + paths[:, :, asset], axis=1) - 1.0
        losses -= weight * grown
    return losses


def realised_losses(returns: FloatArray, weights: FloatArray, horizon: int) -> FloatArray:
    """The book's loss over the `horizon` days from each row on, shape (n_days − horizon + 1,); they overlap."""
    windows = np.lib.stride_tricks.sliding_window_view(returns, horizon, axis=0)
    return book_losses(np.swapaxes(windows, 1, 2), weights)
