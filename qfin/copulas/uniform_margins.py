"""Uniform margins for a pure Born copula, exactly: each column through the distribution function of its register."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.basis.hermite import hermite_functions
from qfin.born.conditionals import distribution_and_density, draw_coordinate
from qfin.copulas.contract import from_latent, open_unit

_TINY = np.finfo(float).tiny


class UniformMarginsBase(BaseEstimator):  # type: ignore[misc]
    """The base on which a machine with margins F_i has uniform ones: u_i = F_i(y_i) instead of Φ(y_i).

    As density Π φ(y_i)/f_i(y_i): columns are independent and not uniform, in just the way that the machine undoes. F_i
    and f_i are those of the one-register reduced density matrices, a normal density times a polynomial.

    Attributes
    ----------
    moments_ : (d, M) a_m of every register's density φ(y) Σ_m a_m h_m(y)
    """

    def fit(self, machine: Any, y: None = None) -> Self:
        """Take over the margins of a fitted Born machine."""
        self.moments_ = machine.marginal_moments()
        return self

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "moments_")
        return len(self.moments_)

    @property
    def n_params_(self) -> int:
        """None: the margins are the machine's own."""
        return 0

    def logpdf(self, u: FloatArray) -> FloatArray:
        return self.column_log_density(as_unit_cube(u, n_columns=self.n_assets_), range(self.n_assets_))

    def column_log_density(self, u: FloatArray, columns: Sequence[int]) -> FloatArray:
        """Sum of the named columns' log densities, for u (n, len(columns))."""
        y = self.column_latent(u, columns)
        total = np.zeros(len(u))
        for value, column in zip(y.T, columns, strict=True):
            moments = self.moments_[column]
            total -= np.log(np.maximum(hermite_functions(value, len(moments)) @ moments, _TINY))
        return total

    def column_latent(self, u: FloatArray, columns: Sequence[int]) -> FloatArray:
        """y = F_i⁻¹(u) of the named columns, u (n, len(columns)); 0 and 1 go to ∓∞."""
        y = ndtri(u)
        for j, column in enumerate(columns):
            inside = np.isfinite(y[:, j])
            y[inside, j] = draw_coordinate(self._repeated(column, int(inside.sum())), u[inside, j])
        return np.asarray(y)

    def _repeated(self, column: int, n: int) -> FloatArray:
        return np.repeat(self.moments_[column][:, None], n, axis=1)

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        u = as_unit_cube(u, n_columns=self.n_assets_)
        return from_latent(self.column_latent(u, range(self.n_assets_)))

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        y = ndtri(as_unit_cube(w, "w", n_columns=self.n_assets_))
        u = np.empty_like(y)
        for column in range(self.n_assets_):
            u[:, column] = distribution_and_density(self._repeated(column, len(y)), y[:, column])[0]
        return open_unit(u)

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        check_fitted(self, "moments_")
        return self.inverse_rosenblatt(open_unit(as_generator(rng).random((n_samples, self.n_assets_))))

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "moments_")
        return {"moments": self.moments_}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        base = cls()
        base.moments_ = np.asarray(arrays["moments"], dtype=np.float64)
        return base
