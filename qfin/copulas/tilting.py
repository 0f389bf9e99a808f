"""Where to draw for an event: tilts of the proposal, found by cross-entropy on pilot draws."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from qfin._types import FloatArray
from qfin.copulas.events import Piece
from qfin.copulas.truncated import BoxDraws, BoxProposal, Elliptical, draw_in_box

_N_PILOT = 1_000
# Pilots at most: under the law alone, where many levels may have to be climbed, and under law · ratio, which may be
# slow to evaluate.
_MAX_CLIMBS, _MAX_PILOTS = 40, 5
_GOOD_SHARE = 0.4  # of effective draws: good enough
_PATIENCE = 3  # pilots without a gain
_ELITE = 0.2  # share of the deepest draws that sets the next level
_LEAST_EFFECTIVE = 100.0  # draws that a step is learned from
_LONGEST_STEP = 1.5

LogRatio = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Tilt:
    """A proposal, and what its pilot found inside the piece: effective share, log of the mean weight (−∞: nothing)."""

    proposal: BoxProposal
    share: float
    log_mean: float


def tilted_proposal(law: Elliptical, piece: Piece, log_ratio: LogRatio, rng: np.random.Generator) -> Tilt:
    """A proposal for law · ratio inside the piece.

    Cross-entropy (Rubinstein & Kroese 2004): every shift is moved until the proposal's mean innovation is that of the
    weighted pilot draws; above levels of depth that a fair share of them reaches, as long as few lie inside the piece.
    First for the law alone, then from there for law · ratio.
    """
    start = Tilt(BoxProposal.plain(law, piece.box), -1.0, -np.inf)
    climbed = _improved(start, piece, None, _MAX_CLIMBS, rng)
    improved = _improved(replace(climbed, share=-1.0), piece, log_ratio, _MAX_PILOTS, rng)
    return improved if np.isfinite(improved.log_mean) else climbed


def _improved(start: Tilt, piece: Piece, log_ratio: LogRatio | None, max_pilots: int, rng: np.random.Generator) -> Tilt:
    """The best of the proposals that pilots passed through."""
    proposal, best, worse = start.proposal, start, 0
    for _ in range(max_pilots):
        draws = draw_in_box(proposal, _N_PILOT, rng)
        log_weights = draws.log_weights + (0.0 if log_ratio is None else log_ratio(draws.u))
        inside, learned = _inside_and_learned(draws, piece, log_weights)
        if np.isfinite(inside).any():
            share = effective_size(inside) / _N_PILOT
            worse = worse + 1 if share <= best.share else 0
            if share > best.share:
                best = Tilt(proposal, share, _log_mean(inside))
            if share > _GOOD_SHARE or worse == _PATIENCE:
                break
        weights = _tempered(learned)
        step = (draws.residual @ weights) / np.maximum(draws.variance @ weights, 0.05)
        moved = proposal.shifts[0] + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        proposal = replace(proposal, shifts=np.stack([moved, proposal.shifts[1]]))
    return best


def _inside_and_learned(draws: BoxDraws, piece: Piece, log_weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log weights with −∞ outside the piece, and with −∞ below the level that the next step learns from."""
    if piece.depth is None:
        return log_weights, log_weights
    depth = piece.depth(draws.u)
    level = float(np.quantile(depth, 1.0 - _ELITE))
    above = depth >= level if level < 0.0 else depth > 0.0
    return np.where(depth > 0.0, log_weights, -np.inf), np.where(above, log_weights, -np.inf)


def _log_mean(log_weights: FloatArray) -> float:
    top = log_weights.max()
    return float(top + np.log(np.exp(log_weights - top).mean()))


def effective_size(log_weights: FloatArray) -> float:
    """(Σw)²/Σw²."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights**2).sum())


def _tempered(log_weights: FloatArray) -> FloatArray:
    """Weights with sum 1, raised to the highest power up to 1 that leaves enough effective draws to learn from."""
    power, least = 1.0, min(_LEAST_EFFECTIVE, 0.5 * float(np.isfinite(log_weights).sum()))
    while effective_size(power * log_weights) < least and power > 1e-3:
        power *= 0.8
    weights = np.exp(power * (log_weights - log_weights.max()))
    return np.asarray(weights / weights.sum())
