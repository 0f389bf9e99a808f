"""One marginal per asset: a table of returns <-> a table of pseudo-observations."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from qfin._types import AnyArray, FloatArray, IntArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.exceptions import InputError
from qfin.marginals.contract import Marginal
from qfin.marginals.empirical_gpd import EmpiricalGPD

# Laws that a saved panel may hold: a new one is one file and one row.
MARGINALS: dict[str, type[Marginal]] = {"EmpiricalGPD": EmpiricalGPD}


class MarginalPanel(BaseEstimator):  # type: ignore[misc]
    """A copy of one marginal, fitted to each asset on all of that asset's own days.

    Parameters
    ----------
    marginal : Marginal or None
        The law to copy; None means `EmpiricalGPD()`.

    Attributes
    ----------
    marginals_ : list of Marginal
    n_observations_ : array of shape (n_assets,)
        Days used per asset: late listings and gaps (NaN) make them differ.
    assets_ : tuple of str
        Column names of a DataFrame, else asset_0, asset_1, …
    """

    def __init__(self, marginal: Marginal | None = None) -> None:
        self.marginal = marginal

    def fit(self, returns: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        """Learn from simple returns, shape (n_days, n_assets), NaN where an asset has no return."""
        matrix, names = returns_matrix(returns)
        prototype = EmpiricalGPD() if self.marginal is None else self.marginal
        self.marginals_: list[Marginal] = []
        for j in range(matrix.shape[1]):
            own_days = matrix[~np.isnan(matrix[:, j]), j]
            try:
                self.marginals_.append(clone(prototype).fit(own_days))
            except InputError as error:
                raise InputError(f"column {names[j]}: {error}") from None
        self.n_observations_: IntArray = np.sum(~np.isnan(matrix), axis=0)
        self.assets_: tuple[str, ...] = names
        return self

    def to_uniform(self, returns: ArrayLike | pd.DataFrame) -> FloatArray:
        """u = F(return), shape (n_days, n_assets), in [U_MIN, U_MAX]; NaN stays NaN."""
        return self._by_asset(self._matrix_of_fitted_assets(returns), lambda law, column: law.cdf(column))

    def from_uniform(self, u: ArrayLike) -> FloatArray:
        """Simple returns with cdf u, shape (n_samples, n_assets)."""
        check_fitted(self, "marginals_")
        matrix = as_unit_cube(u, n_columns=len(self.marginals_))
        return self._by_asset(matrix, lambda law, column: law.ppf(column))

    def logpdf(self, returns: ArrayLike | pd.DataFrame) -> FloatArray:
        """Log-density of each return under its asset's law, shape (n_days, n_assets); NaN stays NaN."""
        return self._by_asset(self._matrix_of_fitted_assets(returns), lambda law, column: law.logpdf(column))

    def _by_asset(self, matrix: FloatArray, function: Callable[[Marginal, FloatArray], FloatArray]) -> FloatArray:
        columns = np.ascontiguousarray(matrix.T)
        return np.stack([function(law, column) for law, column in zip(self.marginals_, columns, strict=True)], axis=1)

    def _matrix_of_fitted_assets(self, returns: ArrayLike | pd.DataFrame) -> FloatArray:
        check_fitted(self, "marginals_")
        matrix, names = returns_matrix(returns)
        if matrix.shape[1] != len(self.assets_):
            raise InputError(f"returns: expected {len(self.assets_)} columns, received {matrix.shape[1]}")
        if isinstance(returns, pd.DataFrame) and names != self.assets_:
            j = next(j for j, name in enumerate(names) if name != self.assets_[j])
            raise InputError(f"returns: expected {self.assets_[j]} as column {j}, received {names[j]}")
        return matrix

    def to_arrays(self) -> dict[str, AnyArray]:
        """The fitted panel; the arrays of all assets are laid end to end, with their lengths beside them."""
        check_fitted(self, "marginals_")
        tables = [law.to_arrays() for law in self.marginals_]
        arrays: dict[str, AnyArray] = {
            "assets": np.array(self.assets_),
            "marginal": np.array(type(self.marginals_[0]).__name__),
            "n_observations": self.n_observations_,
        }
        for key in tables[0]:
            arrays[f"{key}_values"] = np.concatenate([table[key] for table in tables])
            arrays[f"{key}_lengths"] = np.array([len(table[key]) for table in tables])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The panel that `to_arrays` wrote."""
        kind = str(arrays["marginal"])
        if kind not in MARGINALS:
            raise InputError(f"saved panel: expected a marginal among {sorted(MARGINALS)}, received {kind}")
        panel = cls()
        panel.assets_ = tuple(str(name) for name in arrays["assets"])
        panel.n_observations_ = np.asarray(arrays["n_observations"], dtype=np.int64)
        tables: list[dict[str, AnyArray]] = [{} for _ in panel.assets_]
        for name in arrays:
            if name.endswith("_lengths"):
                key = name.removesuffix("_lengths")
                pieces = np.split(arrays[f"{key}_values"], np.cumsum(arrays[name])[:-1])
                for table, piece in zip(tables, pieces, strict=True):
                    table[key] = piece
        panel.marginals_ = [MARGINALS[kind].from_arrays(table) for table in tables]
        return panel


def returns_matrix(returns: ArrayLike | pd.DataFrame) -> tuple[FloatArray, tuple[str, ...]]:
    """Returns as a float64 matrix, NaN allowed and ±∞ not, with the names of its columns."""
    try:
        matrix: Any = np.asarray(returns, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"returns: expected numbers ({error})") from None
    if matrix.ndim != 2:
        raise InputError(f"returns: expected a table (days, assets), received {matrix.ndim} dimension(s)")
    columns = returns.columns if isinstance(returns, pd.DataFrame) else [f"asset_{j}" for j in range(matrix.shape[1])]
    names = tuple(str(name) for name in columns)
    if np.isinf(matrix).any():
        row, column = np.argwhere(np.isinf(matrix))[0]
        raise InputError(f"returns: expected finite numbers or NaN, received an infinity in {names[column]}, row {row}")
    return matrix, names
