"""Copulas given events: how likely an event is, and draws given that it happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from qfin._random import RandomLike, as_generator
from qfin._threads import one_blas_thread
from qfin._types import FloatArray, IntArray
from qfin.copulas.born import PURE_BASES, BornCopula
from qfin.copulas.contract import from_latent
from qfin.copulas.events import Box, Event, Piece, pieces_of
from qfin.copulas.reference import Reference, reference_of
from qfin.copulas.tilting import tilted_proposal
from qfin.copulas.truncated import BoxProposal, draw_in_box, systematic
from qfin.exceptions import InputError

_EVEN_SHARE = 0.05  # of the draws, spread evenly over the pieces whatever their pilots say
_MAX_ROUNDS, _ERROR_WANTED = 10, 0.03  # rounds of draws, and the relative error of P(event) at which they end


@runtime_checkable
class ConfinedMachine(Protocol):
    """A Born machine with exact masses of boxes in y, and exact draws inside them."""

    def mass(self, confinement: Mapping[int, Sequence[tuple[float, float]]]) -> float: ...

    def sample_confined(
        self, confinement: Mapping[int, Sequence[tuple[float, float]]], n_samples: int, *, rng: RandomLike = None
    ) -> FloatArray: ...


@dataclass(frozen=True)
class EventProbability:
    """P(event); `exact` says that no chance was involved, and then the standard error is zero."""

    probability: float
    standard_error: float
    exact: bool


@dataclass(frozen=True, eq=False)
class EventDraws:
    """Draws given an event.

    Attributes
    ----------
    u : array of shape (n, n_assets)
    weights : array of shape (n,) with sum 1, or None for equally likely draws
    likelihood : EventProbability
    """

    u: FloatArray
    weights: FloatArray | None
    likelihood: EventProbability

    @property
    def effective_size(self) -> float:
        """1/Σw² (Kish)."""
        return float(len(self.u)) if self.weights is None else float(1.0 / (self.weights**2).sum())

    def equal(self, n_samples: int, rng: RandomLike = None) -> FloatArray:
        """`n_samples` equally likely rows in random order: all draws, or a systematic resample of weighted ones."""
        generator = as_generator(rng)
        weights = np.full(len(self.u), 1.0 / len(self.u)) if self.weights is None else self.weights
        return np.asarray(self.u[generator.permutation(systematic(weights, n_samples, generator))])


def draws_given(
    copula: Any,
    event: Event,
    n_samples: int,
    *,
    rng: RandomLike = None,
    assets: Sequence[str] | None = None,
    given: Box | None = None,
) -> EventDraws:
    """Draws of a fitted copula given an event, and the event's probability.

    `assets` are names that the event may use for the columns. With `given`, values or intervals of columns, the draws
    meet these too; a value then enters the "probability" with its density.

    * Boxes under a pure Born copula (independence base, matrix product state): exact.
    * All else: drawn inside the boxes from the elliptical base, or from a Student t near the copula, and weighted by
      c(u)/c_base(u), which for a Born copula is |Ψ|². What no box can say (a book's loss) is met by rejection, towards
      which the draws are tilted.

    The probability is exact, or its standard error comes from the spread of independent weights.
    """
    rng = as_generator(rng)
    with one_blas_thread():
        pieces = pieces_of(event, copula.n_assets_, assets, given)
        if not pieces:
            raise InputError("event: expected one that can happen, received one that contradicts itself")
        machine = exact_machine(copula, pieces)
        if machine is not None:
            return _exact_draws(machine, copula.base_, pieces, n_samples, rng)
        return weighted_draws(reference_of(copula, rng), pieces, n_samples, rng)


def probability_of(
    copula: Any,
    event: Event,
    *,
    n_samples: int = 20_000,
    rng: RandomLike = None,
    assets: Sequence[str] | None = None,
    given: Box | None = None,
) -> EventProbability:
    """P(event) under a fitted copula: exact where `draws_given` is, else estimated from `n_samples` draws or more."""
    pieces = pieces_of(event, copula.n_assets_, assets, given)
    machine = exact_machine(copula, pieces)
    if machine is not None:
        return EventProbability(float(_masses(machine, copula.base_, pieces).sum()), 0.0, True)
    if not pieces or all(not piece.box and piece.depth is None for piece in pieces):
        return EventProbability(float(len(pieces) > 0), 0.0, True)
    rng = as_generator(rng)
    estimate = draws_given(copula, event, n_samples, rng=rng, assets=assets, given=given).likelihood
    if estimate.probability < 0.5 or given:
        return estimate
    other = draws_given(copula, ~event, n_samples, rng=rng, assets=assets).likelihood
    if other.standard_error >= estimate.standard_error:
        return estimate
    return EventProbability(1.0 - other.probability, other.standard_error, False)


def exact_machine(copula: Any, pieces: tuple[Piece, ...]) -> ConfinedMachine | None:
    """The machine of a pure Born copula, where the pieces are boxes that it can be confined to; else None."""
    if (
        all(piece.depth is None for piece in pieces)
        and isinstance(copula, BornCopula)
        and isinstance(copula.base_, PURE_BASES)
        and isinstance(copula.machine_, ConfinedMachine)
    ):
        return copula.machine_
    return None


def in_latent(box: Box, base: Any) -> dict[int, list[tuple[float, float]]]:
    """A box in u as a box in y, under the base of a pure Born copula."""
    edges = {column: base.column_latent(np.ravel(intervals)[:, None], [column]) for column, intervals in box.items()}
    return {column: [(float(a), float(b)) for a, b in values.reshape(-1, 2)] for column, values in edges.items()}


def _masses(machine: ConfinedMachine, base: Any, pieces: tuple[Piece, ...]) -> FloatArray:
    """Probability of each piece, times the base's density of the values among its intervals."""
    masses = np.array([machine.mass(in_latent(piece.box, base)) for piece in pieces])
    for k, piece in enumerate(pieces):
        points = [column for column, intervals in piece.box.items() if intervals[0][0] == intervals[0][1]]
        values = np.array([[piece.box[column][0][0] for column in points]])
        masses[k] *= np.exp(base.column_log_density(values, points)[0])
    return masses


def _exact_draws(
    machine: ConfinedMachine, base: Any, pieces: tuple[Piece, ...], n_samples: int, rng: np.random.Generator
) -> EventDraws:
    confinements = [in_latent(piece.box, base) for piece in pieces]
    masses = _masses(machine, base, pieces)
    if masses.sum() <= 0.0:
        raise InputError("event: expected a probability above zero, received one that is zero in double precision")
    counts = rng.multinomial(n_samples, masses / masses.sum())
    y = np.concatenate(
        [machine.sample_confined(c, int(k), rng=rng) for c, k in zip(confinements, counts, strict=True) if k]
    )
    likelihood = EventProbability(float(masses.sum()), 0.0, True)
    u = base.inverse_rosenblatt(from_latent(y[rng.permutation(n_samples)]))
    return EventDraws(u, None, likelihood)


def weighted_draws(
    reference: Reference, pieces: tuple[Piece, ...], n_samples: int, rng: np.random.Generator
) -> EventDraws:
    """Weighted draws in disjoint pieces, shared out among them by what their pilots found.

    Rounds of `n_samples` follow one another until the probability is known well; `n_samples` draws are kept.
    """
    pilots = [tilted_proposal(reference.law, piece, reference.log_ratio, rng) for piece in pieces]
    levels = np.array([pilot.log_mean for pilot in pilots])
    if np.isneginf(levels.max()):
        raise InputError("event: expected one that the model can reach, received one that no pilot draw came to")
    found = np.exp(levels - levels.max())
    shares = (1.0 - _EVEN_SHARE) * found / found.sum() + _EVEN_SHARE / len(pieces)
    inside: list[FloatArray] = []
    log_weights = np.empty(0)
    for _ in range(_MAX_ROUNDS):
        counts = np.bincount(systematic(shares, n_samples, rng), minlength=len(pieces))
        for piece, pilot, count, share in zip(pieces, pilots, counts, shares, strict=True):
            u, log_weight = _round(reference, piece, pilot.proposal, int(count), rng)
            inside.append(u)
            log_weights = np.append(log_weights, log_weight - np.log(share))
        likelihood = _mean_weight(log_weights)
        n_inside = sum(len(u) for u in inside)
        if n_inside >= n_samples and likelihood.standard_error <= _ERROR_WANTED * likelihood.probability:
            break
    u, kept = np.concatenate(inside), log_weights[np.isfinite(log_weights)]
    rows, weights = thinned(np.exp(kept - kept.max()), n_samples, rng)
    order = rng.permutation(len(rows))
    return EventDraws(u[rows[order]], weights[order], likelihood)


def _round(
    reference: Reference, piece: Piece, proposal: BoxProposal, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The draws inside the piece, and the log weights of all, −∞ for those outside."""
    draws = draw_in_box(proposal, count, rng)
    log_weights = draws.log_weights
    if piece.depth is not None:
        log_weights = np.where(piece.depth(draws.u) > 0.0, log_weights, -np.inf)
    within = np.isfinite(log_weights)
    log_weights[within] += reference.log_ratio(draws.u[within]) if within.any() else 0.0
    return draws.u[within], log_weights


def _mean_weight(log_weights: FloatArray) -> EventProbability:
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    probability = float(weights.mean() * np.exp(top))
    if not probability > 0.0:
        raise InputError("event: expected a probability above zero, received one that is zero in double precision")
    return EventProbability(probability, float(weights.std(ddof=1) / np.sqrt(len(weights)) * np.exp(top)), False)


def thinned(weights: FloatArray, n_kept: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """At most about `n_kept` rows and their weights with sum 1, every mean kept without bias.

    Rows above a threshold stay as they are; of the others, some are drawn (systematically, in proportion to their
    weights) and then weigh the threshold (Fearnhead & Clifford 2003, J. R. Stat. Soc. B 65(4)).
    """
    rows = np.arange(len(weights))
    if len(weights) > n_kept:
        ordered = np.sort(weights)
        light = np.cumsum(ordered)
        # With the k heaviest kept, the threshold is what the others weigh over the places left to them.
        places = n_kept - (len(weights) - 1 - rows)
        fits = (places > 0) & (light <= places * np.append(ordered[1:], np.inf))
        last = int(np.flatnonzero(fits)[0])
        threshold = light[last] / places[last]
        heavy = weights > threshold
        small = rows[~heavy]
        drawn = small[systematic(weights[small] / weights[small].sum(), n_kept - int(heavy.sum()), rng)]
        rows = np.concatenate([rows[heavy], drawn])
        weights = np.concatenate([weights[heavy], np.full(len(drawn), threshold)])
    return rows, weights / weights.sum()
