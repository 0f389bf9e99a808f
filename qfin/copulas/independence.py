"""The independence copula: density one, and the Rosenblatt transform is the identity."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.contract import open_unit


class IndependenceCopula(BaseEstimator):  # type: ignore[misc]
    """Assets without dependence; the base of a pure Born copula, whose every box probability is exact."""

    def fit(self, u: FloatArray, y: None = None) -> Self:
        self.n_assets_ = as_unit_cube(u).shape[1]
        return self

    @property
    def n_params_(self) -> int:
        return 0

    def logpdf(self, u: FloatArray) -> FloatArray:
        check_fitted(self, "n_assets_")
        return np.zeros(len(as_unit_cube(u, n_columns=self.n_assets_)))

    def column_log_density(self, u: FloatArray, columns: Sequence[int]) -> FloatArray:
        """Sum of the named columns' log densities, for u (n, len(columns)): zero."""
        return np.zeros(len(u))

    def column_latent(self, u: FloatArray, columns: Sequence[int]) -> FloatArray:
        """y = Φ⁻¹(u) of the named columns, u (n, len(columns)); 0 and 1 go to ∓∞."""
        return np.asarray(ndtri(u))

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        check_fitted(self, "n_assets_")
        return as_unit_cube(u, n_columns=self.n_assets_).copy()

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        check_fitted(self, "n_assets_")
        return as_unit_cube(w, "w", n_columns=self.n_assets_).copy()

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        check_fitted(self, "n_assets_")
        return open_unit(as_generator(rng).random((n_samples, self.n_assets_)))

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "n_assets_")
        return {"n_assets": np.array(self.n_assets_)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        copula = cls()
        copula.n_assets_ = int(arrays["n_assets"])
        return copula
