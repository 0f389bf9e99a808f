"""The Born copula: a classical base copula times |Ψ|² of its Rosenblatt-transformed observations."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike
from qfin._types import FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.contract import from_latent, to_latent


def uniform_margins_of(u: FloatArray) -> FloatArray:
    """Each column of draws replaced by its ranks over n + 1: margins exactly uniform, dependence kept."""
    ranks = u.argsort(axis=0).argsort(axis=0) + 1.0
    return np.asarray(ranks / (len(u) + 1.0))


class BornCopula(BaseEstimator):  # type: ignore[misc]
    """c(u) = c0(u) · |Ψ(y(u))|², y = Φ⁻¹ of the Rosenblatt transform of the base c0.

    Parameters
    ----------
    base : Copula, optional
        The classical model that |0…0⟩ stands for; Student t by default. Independence gives the pure Born copula.
    machine : Born machine, optional
        With `fit(y)`, `log_ratio(y)`, `sample(n_samples, rng=)`; an `MPSBornMachine()` by default.

    Notes
    -----
    The density integrates to one on the cube, but its margins are only as uniform as the training made them: see
    `qfin.evaluation.margin_deviation`, and `sample(..., uniform_margins=True)`, which replaces each column of the draws
    by its ranks.
    """

    def __init__(self, base: Any = None, machine: Any = None):
        self.base = base
        self.machine = machine

    def fit(self, u: FloatArray, y: None = None) -> Self:
        from qfin.born import MPSBornMachine
        from qfin.copulas.elliptical import StudentTCopula

        u = as_unit_cube(u)
        self.base_ = (StudentTCopula() if self.base is None else clone(self.base)).fit(u)
        self.machine_ = MPSBornMachine() if self.machine is None else clone(self.machine)
        self.machine_.fit(self.latent(u))
        return self

    @classmethod
    def from_parts(cls, base: Any, machine: Any) -> Self:
        """A Born copula of an already fitted base and an already fitted machine."""
        copula = cls(base, machine)
        copula.base_, copula.machine_ = base, machine
        return copula

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "base_")
        return int(self.base_.n_assets_)

    @property
    def n_params_(self) -> int:
        return int(self.base_.n_params_ + self.machine_.n_params_)

    def latent(self, u: FloatArray) -> FloatArray:
        """Latent normals y of observations u, shape (n, d); standard normal and independent under the base."""
        check_fitted(self, "base_")
        return to_latent(self.base_.rosenblatt(u))

    def logpdf(self, u: FloatArray) -> FloatArray:
        u = as_unit_cube(u, n_columns=self.n_assets_)
        log_density: FloatArray = self.base_.logpdf(u) + self.machine_.log_ratio(self.latent(u))
        return log_density

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None, uniform_margins: bool = False) -> FloatArray:
        """Draws in (0, 1)^d, shape (n_samples, d); with `uniform_margins`, ranks of each column over n_samples + 1."""
        check_fitted(self, "machine_")
        y = self.machine_.sample(n_samples, rng=rng)
        u: FloatArray = self.base_.inverse_rosenblatt(from_latent(y))
        if uniform_margins:
            u = uniform_margins_of(u)
        return u

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        from qfin.copulas.persistence import nested_arrays

        check_fitted(self, "machine_")
        return nested_arrays(base=self.base_, machine=self.machine_)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray[Any, Any]]) -> Self:
        from qfin.copulas.persistence import nested_parts

        parts = nested_parts(arrays)
        return cls.from_parts(parts["base"], parts["machine"])
