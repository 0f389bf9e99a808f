"""The Born copula: a classical base copula times |Ψ|² of its Rosenblatt-transformed observations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray, IntArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.contract import from_latent, to_latent
from qfin.copulas.events import Event
from qfin.copulas.independence import IndependenceCopula
from qfin.copulas.uniform_margins import UniformMarginsBase
from qfin.exceptions import InputError

if TYPE_CHECKING:
    from qfin.copulas.conditional import ConditionalCopula, Given
    from qfin.copulas.conditioning import EventProbability

# Draws from which a resample given an event is taken at least, so that few draws asked for are still independent.
_LEAST_GIVEN = 2_000
# Rows of draws that pass through the base at a time: bounds memory whatever the number of draws.
_CHUNK = 8_192

# Bases under which all dependence is the machine's, so that boxes in u are boxes in y.
PURE_BASES = (IndependenceCopula, UniformMarginsBase)


@runtime_checkable
class MachineWithMargins(Protocol):
    """A Born machine whose registers' own densities are known in closed form."""

    def marginal_moments(self) -> FloatArray: ...


@runtime_checkable
class ShrunkMachine(Protocol):
    """A Born machine that leaves a share of its draws to the base, which draws them faster."""

    def sample_changed(self, n_samples: int, *, rng: RandomLike = None) -> tuple[IntArray, FloatArray]: ...


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
    by its ranks. On the independence base they can be made exactly uniform: see `uniformised`.
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

    def sample(
        self, n_samples: int = 1, *, rng: RandomLike = None, uniform_margins: bool = False, given: Event | None = None
    ) -> FloatArray:
        """Draws in (0, 1)^d, shape (n_samples, d); with `uniform_margins`, ranks of each column over n_samples + 1.

        With an event `given`, draws given that it happens: exact for a pure Born copula, else a systematic resample of
        weighted draws, which `qfin.copulas.draws_given` returns with their weights.
        """
        check_fitted(self, "machine_")
        if given is not None:
            from qfin.copulas.conditioning import draws_given

            rng = as_generator(rng)
            return draws_given(self, given, max(n_samples, _LEAST_GIVEN), rng=rng).equal(n_samples, rng)
        rng = as_generator(rng)
        if isinstance(self.machine_, ShrunkMachine):
            rows, y = self.machine_.sample_changed(n_samples, rng=rng)
            u: FloatArray = self.base_.sample(n_samples, rng=rng)
        else:
            y = self.machine_.sample(n_samples, rng=rng)
            rows, u = np.arange(n_samples), np.empty_like(y)
        for first in range(0, len(y), _CHUNK):
            part = slice(first, first + _CHUNK)
            u[rows[part]] = self.base_.inverse_rosenblatt(from_latent(y[part]))
        if uniform_margins:
            u = uniform_margins_of(u)
        return u

    def uniformised(self) -> Self:
        """The pure Born copula with exactly uniform margins: u_i = F_i(y_i), F_i of the register's own density.

        Density, draws, marginals, and the probabilities of boxes stay exact.
        """
        check_fitted(self, "machine_")
        if not (isinstance(self.base_, PURE_BASES) and isinstance(self.machine_, MachineWithMargins)):
            kinds = f"{type(self.machine_).__name__} on {type(self.base_).__name__}"
            raise InputError(f"uniformised: expected a matrix product state on the independence base, received {kinds}")
        return self.from_parts(UniformMarginsBase().fit(self.machine_), self.machine_)

    def probability(self, event: Event, *, n_samples: int = 20_000, rng: RandomLike = None) -> "EventProbability":
        """P(event): exact for boxes and unions of boxes under a pure Born copula, else estimated."""
        from qfin.copulas.conditioning import probability_of

        return probability_of(self, event, n_samples=n_samples, rng=rng)

    def condition(self, given: "Given") -> "ConditionalCopula":
        """The law of the other assets, given values or intervals (lower, upper) of u of some columns."""
        from qfin.copulas.conditional import ConditionalCopula

        return ConditionalCopula(self, tuple(i for i in range(self.n_assets_) if i not in given), given)

    def marginal(self, subset: Sequence[int]) -> "ConditionalCopula":
        """The law of the columns in `subset`, the others summed out."""
        from qfin.copulas.conditional import ConditionalCopula

        return ConditionalCopula(self, tuple(subset), {})

    def cdf(self, upper: FloatArray, lower: FloatArray | None = None) -> FloatArray:
        """P(lower < u ≤ upper) of each row, shape (n,): exact, for pure Born copulas (else see `probability`)."""
        return self.marginal(range(self.n_assets_)).cdf(upper, lower)

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        from qfin.copulas.persistence import nested_arrays

        check_fitted(self, "machine_")
        return nested_arrays(base=self.base_, machine=self.machine_)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray[Any, Any]]) -> Self:
        from qfin.copulas.persistence import nested_parts

        parts = nested_parts(arrays)
        return cls.from_parts(parts["base"], parts["machine"])
