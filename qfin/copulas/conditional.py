"""The law of some assets of a copula, given what others do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray, IntArray
from qfin._validation import as_unit_cube
from qfin.basis import HermiteBasis
from qfin.born import MPSBornMachine
from qfin.born.intervals import box_matrices, masses, point_matrices, site_matrix
from qfin.copulas.conditioning import EventProbability, draws_given, exact_machine, in_latent, probability_of
from qfin.copulas.events import And, Box, Depth, Event, Interval, Not, Or
from qfin.exceptions import InputError

# Rows worked on at a time.
_CHUNK = 2_000

# What is known of an asset: its u, or the interval in which it lies.
Given = Mapping[int, float | tuple[float, float]]


@dataclass(frozen=True, eq=False)
class ConditionalCopula:
    """The law of the assets `kept` of a fitted copula, given values or intervals of u of any others; u is (n, n_kept).

    Exact for a pure Born copula; otherwise from weighted draws, see `qfin.copulas.conditioning.draws_given`. Margins
    are uniform for a marginal law (nothing given) only.
    """

    copula: Any
    kept: tuple[int, ...]
    given: Given

    def __post_init__(self) -> None:
        known = set(range(self.copula.n_assets_))
        if not self.kept or not set(self.kept) <= known or len(set(self.kept)) != len(self.kept):
            raise InputError(f"kept: expected different columns from 0 to {len(known) - 1}, received {self.kept}")
        if not set(self.given) <= known:
            raise InputError(f"given: expected columns from 0 to {len(known) - 1}, received {sorted(self.given)}")
        for column, value in self.given.items():
            lower, upper = value if isinstance(value, tuple) else (value, value)
            if not (0.0 <= lower <= upper <= 1.0 and (lower < upper or 0.0 < lower < 1.0)):
                raise InputError(f"given: expected u or an interval inside (0, 1) for asset {column}, received {value}")

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Equally likely draws; a systematic resample of twice as many weighted ones where the law is not exact."""
        n_drawn = n_samples if self._confined() is not None else max(2 * n_samples, 1_000)
        rng = as_generator(rng)
        draws = draws_given(self.copula, And(()), n_drawn, rng=rng, given=self._box)
        return draws.equal(n_samples, rng)[:, self.kept]

    def probability(self, event: Event, *, n_samples: int = 20_000, rng: RandomLike = None) -> EventProbability:
        """P(event | given); the event names columns of `kept` by their place."""
        rng = as_generator(rng)
        moved = self._in_place(event)
        joint = probability_of(self.copula, moved, n_samples=n_samples, rng=rng, given=self._box)
        if not self.given:
            return joint
        condition = probability_of(self.copula, And(()), n_samples=n_samples, rng=rng, given=self._box)
        if condition.probability <= 0.0:
            raise InputError("given: expected something possible, received an event of probability zero")
        ratio = joint.probability / condition.probability
        error = np.hypot(joint.standard_error, ratio * condition.standard_error) / condition.probability
        return EventProbability(ratio, float(error), joint.exact and condition.exact)

    def cdf(self, upper: FloatArray, lower: FloatArray | None = None) -> FloatArray:
        """P(lower < u ≤ upper | given) of each row, shape (n,); exact, for pure Born copulas."""
        upper = np.asarray(upper, dtype=np.float64)
        lower = np.zeros_like(upper) if lower is None else np.asarray(lower, dtype=np.float64)
        inside = (lower >= 0.0) & (lower <= upper) & (upper <= 1.0)
        if upper.ndim != 2 or upper.shape[1] != len(self.kept) or not inside.all():
            expected = f"0 <= lower <= upper <= 1 of shape (n, {len(self.kept)})"
            raise InputError(f"boxes: expected {expected}, received others of shape {upper.shape}")
        edges = [self._latent(bound) for bound in (lower, upper)]
        return self._ratios(lambda basis, rows: box_matrices(basis, edges[0][rows], edges[1][rows]), len(upper))

    def logpdf(self, u: FloatArray) -> FloatArray:
        """Log density of each row, shape (n,), nats; exact, for pure Born copulas."""
        u = as_unit_cube(u, n_columns=len(self.kept))
        y = self._latent(u)
        ratios = self._ratios(lambda basis, rows: point_matrices(basis, y[rows]), len(y))
        return np.asarray(np.log(ratios) + self.copula.base_.column_log_density(u, self.kept))

    def _latent(self, u: FloatArray) -> FloatArray:
        if not isinstance(self._confined(), MPSBornMachine):
            raise InputError("this law: expected a pure Born copula")
        return np.asarray(self.copula.base_.column_latent(u, self.kept))

    def _ratios(self, matrices_of: Any, n_rows: int) -> FloatArray:
        machine = self._confined()
        if set(self.given) & set(self.kept):
            raise InputError("this law: expected nothing given of the assets kept")
        tensors = machine.tensors_
        basis = HermiteBasis(tensors[0].shape[1])
        matrices: list[FloatArray | None] = [None] * len(tensors)
        for column, intervals in in_latent(self._box, self.copula.base_).items():
            matrices[column] = site_matrix(basis, intervals)[None]
        condition = masses(tensors, matrices)[0]
        result = np.empty(n_rows)
        for first in range(0, n_rows, _CHUNK):
            rows: IntArray = np.arange(first, min(first + _CHUNK, n_rows))
            for place, column in enumerate(self.kept):
                matrices[column] = matrices_of(basis, rows)[place]
            result[rows] = masses(tensors, matrices) / condition
        return result

    def _confined(self) -> Any:
        return exact_machine(self.copula, ())

    @property
    def _box(self) -> Box:
        """The condition as a box; a value is an interval of no length."""
        return {c: ((value if isinstance(value, tuple) else (value, value)),) for c, value in self.given.items()}

    def _in_place(self, event: Event) -> Event:
        """The event in the columns of the whole copula."""
        if isinstance(event, Not):
            return Not(self._in_place(event.event))
        if isinstance(event, And | Or):
            return type(event)(tuple(self._in_place(part) for part in event.events))
        if isinstance(event, Depth):
            return Depth(lambda u: event.depth(u[:, self.kept]))
        if isinstance(event, Interval) and isinstance(event.asset, int) and 0 <= event.asset < len(self.kept):
            return Interval(self.kept[event.asset], event.lower, event.upper)
        raise InputError(f"event: expected columns from 0 to {len(self.kept) - 1}, received {event}")
