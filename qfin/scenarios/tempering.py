"""Tempering: draws of a model weighted towards the losses of a book."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import softmax

from qfin._random import RandomLike
from qfin._types import FloatArray
from qfin.copulas import EventProbability
from qfin.exceptions import InputError
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.historical import HistoricalGenerator
from qfin.scenarios.scenario_set import ScenarioSet
from qfin.scenarios.stress import StressResult

_DOUBLINGS = 60


def tempered_scenarios(
    generator: ScenarioGenerator | HistoricalGenerator,
    n_scenarios: int,
    *,
    mean_loss: float | None = None,
    effective_share: float | None = None,
    weights: ArrayLike | None = None,
    rng: RandomLike = None,
) -> StressResult:
    """Draws weighted by p_t ∝ p·exp(t·loss), t ≥ 0 such that one target is met.

    Parameters
    ----------
    mean_loss : the book's mean loss under the weights (0.05: 5 %)
    effective_share : effective sample size over the number of draws, in (0, 1)
    weights : the book; None weighs all assets equally

    Notes
    -----
    Of all laws with that mean loss this one is nearest to the model (least relative entropy; Csiszár 1975).
    """
    if (mean_loss is None) == (effective_share is None):
        raise InputError("tempering: expected mean_loss or effective_share, received both or neither")
    baseline = generator.sample_set(n_scenarios, rng=rng)
    losses = baseline.losses(weights)
    if mean_loss is not None:
        t = tilt_for_mean(losses, mean_loss)
        words = f"tempered to a mean loss of {mean_loss:.2%}"
    else:
        t = _tilt_for_share(losses, float(effective_share or 0.0))
        words = f"tempered to {effective_share:.1%} effective draws"
    provenance = {**baseline.provenance, "event": words, "tilt": t}
    scenarios = ScenarioSet(baseline.returns, baseline.assets, softmax(t * losses), provenance)
    return StressResult(words, EventProbability(1.0, 0.0, True), scenarios, baseline)


def tilt_for_mean(losses: FloatArray, target: float, probabilities: FloatArray | None = None) -> float:
    """t at which the mean loss under p·exp(t·loss), which grows with t, is `target`; equal p for None."""
    log_p = np.full(len(losses), -np.log(len(losses))) if probabilities is None else np.log(probabilities)
    mean = float(softmax(log_p) @ losses)  # to the bit what the search starts from
    if not mean <= target < losses.max():
        raise InputError(
            f"mean loss: expected one from the draws' own mean, {mean:.4%}, to below their largest loss, "
            f"{losses.max():.2%}, received {target:.2%}"
        )
    return _root(lambda t: float(softmax(t * losses + log_p) @ losses) - target, losses)


def _tilt_for_share(losses: FloatArray, target: float) -> float:
    """t at which the effective share, which falls from 1 as t grows, is `target`."""
    if not 1.0 / len(losses) < target < 1.0:
        raise InputError(f"effective share: expected a number between 1/n and 1, received {target:g}")
    return _root(lambda t: target - 1.0 / float(np.sum(softmax(t * losses) ** 2)) / len(losses), losses)


def _root(function: Callable[[float], float], losses: FloatArray) -> float:
    high = 1.0 / max(float(losses.std()), 1e-12)
    for _ in range(_DOUBLINGS):
        if function(high) > 0.0:
            return float(brentq(function, 0.0, high, rtol=1e-12))
        high *= 2.0
    raise InputError("tempering: expected a target that some tilt meets, received one beyond the largest loss alone")
