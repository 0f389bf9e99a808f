"""A Born copula whose columns may stand in any order: inside they are laid along a chain."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator

from qfin._random import RandomLike
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.born import BornCopula
from qfin.copulas.elliptical import StudentTCopula
from qfin.copulas.order import chain_order

_CIRCUIT_STEPS = 200  # fewer than in the main job, for training stops early on the days of a filter's window


class ChainCopula(BaseEstimator):  # type: ignore[misc]
    """A matrix product state on a Student-t base, the assets in the order of `chain_order`.

    Parameters
    ----------
    max_steps : int
        Of the matrix product state; training stops on its held-out days, mostly long before.
    circuit : bool
        Whether the first five registers are a circuit: mapped from the chain and trained on.
    seed : int

    Attributes
    ----------
    order_ : array of shape (n_assets,), the column of each register
    copula_ : BornCopula of the ordered columns
    """

    def __init__(self, max_steps: int = 600, *, circuit: bool = False, seed: int = 0) -> None:
        self.max_steps = max_steps
        self.circuit = circuit
        self.seed = seed

    def fit(self, u: FloatArray, y: None = None) -> Self:
        from qfin.born import MPSBornMachine

        u = as_unit_cube(u)
        self.order_: AnyArray = chain_order(u)
        ordered = u[:, self.order_]
        machine = MPSBornMachine(max_steps=self.max_steps, seed=self.seed)
        self.copula_: BornCopula = BornCopula(StudentTCopula(), machine).fit(ordered)
        if self.circuit:
            self.copula_ = self.with_circuit(u, seed=self.seed).copula_
        return self

    def with_circuit(self, u: FloatArray, *, seed: int) -> Self:
        """The same chain with a circuit at its head, trained on the days u that the chain was fitted to."""
        from qfin.born.hybrid import circuit_on_chain

        check_fitted(self, "copula_")
        chain, y = self.copula_.machine_, self.copula_.latent(as_unit_cube(u)[:, self.order_])
        machine = circuit_on_chain(chain, y, max_steps=_CIRCUIT_STEPS, seed=seed)
        copula = type(self)(self.max_steps, circuit=True, seed=seed)
        copula.order_, copula.copula_ = self.order_, BornCopula.from_parts(self.copula_.base_, machine)
        return copula

    def logpdf(self, u: FloatArray) -> FloatArray:
        check_fitted(self, "copula_")
        return self.copula_.logpdf(as_unit_cube(u, n_columns=len(self.order_))[:, self.order_])

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Draws in (0, 1)^d, shape (n_samples, d), in the columns' own order."""
        check_fitted(self, "copula_")
        u = np.empty((n_samples, len(self.order_)))
        u[:, self.order_] = self.copula_.sample(n_samples, rng=rng)
        return u
