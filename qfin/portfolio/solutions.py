"""What an inner problem answers: values, weights and how exact they are."""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Solutions:
    """Answers for a batch of supports.

    Attributes
    ----------
    values : array of shape (n_supports,)
        The objective, to be minimised; +inf where no weights exist on this support.
    weights : array of shape (n_supports, n_assets)
        Zero off the support; NaN where the value is +inf.
    residuals : array of shape (n_supports,)
        Largest violation of the optimality conditions, relative to the size of the gradient (a duality gap for the
        linear programmes); NaN where the value is +inf or where no optimum is claimed.
    """

    values: FloatArray
    weights: FloatArray
    residuals: FloatArray

    def __post_init__(self) -> None:
        none = np.isinf(self.values)
        weights = np.where(none[:, None], np.nan, self.weights)
        residuals = np.where(none, np.nan, self.residuals)
        for name, array in (("values", self.values.copy()), ("weights", weights), ("residuals", residuals)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)


def spread_weights(supports: BoolArray, weights: FloatArray) -> FloatArray:
    """Weights (n_supports, k) of supports that all hold k assets, as (n_supports, n_assets)."""
    full = np.zeros(supports.shape)
    full[supports] = weights.ravel()
    return full


def held_columns(supports: BoolArray) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Columns held by supports that all hold k assets, shape (n_supports, k), ascending."""
    columns = np.nonzero(supports)[1]
    return columns.reshape(len(supports), -1)
