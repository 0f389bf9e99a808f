"""Paths that begin with a crash: days drawn given an event, then days from the volatility that they leave behind."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.copulas import Event, EventProbability
from qfin.copulas.truncated import systematic
from qfin.exceptions import InputError
from qfin.marginals import GarchFilter
from qfin.marginals.volatility import next_variance, simulate_returns
from qfin.scenarios import FilteredHistoricalPaths, GarchCopulaPaths, PathGenerator, ScenarioPaths
from qfin.scenarios.event_text import parse_event
from qfin.scenarios.return_events import return_depth

_POOL_DAYS = 50_000  # joint innovations of a copula that runs of days are made of
_BATCH, _MAX_RUNS = 20_000, 400_000
_BATCH_NUMBERS = 20_000_000  # returns held at a time at most, which bounds memory
_ELITE = 0.02  # share of the runs nearest to the event, which the tilt of the next round is aimed at
_MAX_ROUNDS = 8
_UNTILTED = 0.2  # share of the runs drawn from the model as it is: bounds every weight by its inverse
LEAST_EFFECTIVE = 50.0  # equally likely runs that the event must be known by


@dataclass(frozen=True, eq=False)
class RunsGiven:
    """First days of paths given an event on their compound returns, equally likely.

    Attributes
    ----------
    returns : array of shape (n_paths, days, n_assets)
    likelihood : EventProbability of a run of so many days from today's volatilities
    effective_size : 1/Σw² of the weighted runs that these were resampled from (Kish)
    """

    returns: FloatArray
    likelihood: EventProbability
    effective_size: float


def runs_given(
    generator: PathGenerator, event: Event | str, n_paths: int, days: int, *, rng: RandomLike = None
) -> RunsGiven:
    """Runs of `days` days from today's volatilities whose compound returns meet the event.

    `book` is the return of a book of equal weights at the start that is left alone. Likely events are met by
    rejection. For rare ones the innovations are tilted, p ∝ exp(θ·z) on every day, towards the runs that come nearest
    to the event (cross-entropy method, Rubinstein 1999), and the runs are weighted back; a fifth of them is drawn
    untilted.
    """
    source, rng = _filtered(generator), as_generator(rng)
    if days < 1:
        raise InputError(f"days: expected at least 1, received {days}")
    volatility, pool = source.volatility_, _innovations(source, _POOL_DAYS, rng)
    event = parse_event(event, volatility.assets_) if isinstance(event, str) else event
    batch = max(1_000, min(_BATCH, _BATCH_NUMBERS // (days * pool.shape[1])))
    log_tilt = _tilt(volatility, pool, event, (batch, days), rng)
    runs: list[FloatArray] = []
    weights = np.empty(0)
    while len(weights) < _MAX_RUNS:
        rows = rng.integers(len(pool), size=(batch, days))
        weight = np.ones(batch)
        if log_tilt is not None:
            tilted = rng.random(batch) >= _UNTILTED
            chances = np.exp(log_tilt) / len(pool)
            rows[tilted] = rng.choice(len(pool), size=(int(tilted.sum()), days), p=chances / chances.sum())
            weight = 1.0 / (_UNTILTED + (1.0 - _UNTILTED) * np.exp(log_tilt[rows].sum(axis=1)))
        returns = volatility.simulate(pool[rows]).returns
        inside = return_depth(event, _compound(returns), volatility.assets_) > 0.0
        runs.append(returns[inside])
        weights = np.append(weights, np.where(inside, weight, 0.0))
        if _effective(weights) >= n_paths:
            break
    effective = _effective(weights)
    if effective < LEAST_EFFECTIVE:
        raise InputError(
            f"event: expected one that the paths meet within {days} days, received one known by "
            f"{effective:.0f} effective of {len(weights):,} drawn runs (at least {LEAST_EFFECTIVE:.0f})"
        )
    found, kept = np.concatenate(runs), weights[weights > 0.0]
    chosen = rng.permutation(systematic(kept / kept.sum(), n_paths, rng))
    error = float(weights.std() / np.sqrt(len(weights)))
    return RunsGiven(found[chosen], EventProbability(float(weights.mean()), error, False), effective)


def paths_after(generator: PathGenerator, first: FloatArray, horizon: int, *, rng: RandomLike = None) -> ScenarioPaths:
    """Paths of `horizon` days that begin with `first`, simple returns of shape (n_paths, n_days, n_assets).

    The generator's filter takes those days as the ones after its fit: each path goes on from a volatility of its own,
    within the bounds that its simulations keep to.
    """
    source, rng = _filtered(generator), as_generator(rng)
    volatility = source.volatility_
    n_assets = len(volatility.assets_)
    if first.ndim != 3 or first.shape[2] != n_assets or not (first > -1.0).all():
        raise InputError(
            f"first: expected returns above −1, shape (n_paths, n_days, {n_assets}), received {first.shape}"
        )
    n_paths, n_first, _ = first.shape
    if horizon < n_first:
        raise InputError(f"horizon: expected at least the {n_first} days of the event, received {horizon}")
    provenance: dict[str, str | int | float] = {"generator": type(generator).__name__, "given_days": n_first}
    if horizon == n_first:
        return ScenarioPaths(first, volatility.assets_, provenance=provenance)
    variance = np.broadcast_to(np.square(volatility.state_), (n_paths, n_assets))
    for day in range(n_first):
        shock = (np.log1p(first[:, day]) - volatility.params_[:, 0]) / np.sqrt(variance)
        variance = np.clip(next_variance(volatility.model, volatility.params_, variance, shock), *volatility.bounds_)
    n_later = horizon - n_first
    z = _innovations(source, n_paths * n_later, rng).reshape(n_paths, n_later, n_assets)
    bounds = (volatility.bounds_[0], volatility.bounds_[1])
    later = simulate_returns(volatility.model, volatility.params_, z, variance, bounds)
    provenance["n_bounded"] = later.n_bounded
    return ScenarioPaths(np.concatenate([first, later.returns], axis=1), volatility.assets_, provenance=provenance)


def _filtered(generator: PathGenerator) -> GarchCopulaPaths | FilteredHistoricalPaths:
    if not isinstance(generator, GarchCopulaPaths | FilteredHistoricalPaths):
        raise InputError(
            f"event: expected paths of garch or fhs, which react to a shock, received {type(generator).__name__}"
        )
    return generator


def _innovations(source: GarchCopulaPaths | FilteredHistoricalPaths, n: int, rng: np.random.Generator) -> FloatArray:
    if isinstance(source, FilteredHistoricalPaths):
        return np.asarray(source.residuals_[rng.integers(len(source.residuals_), size=n)])
    return source.innovations(n, rng)


def _compound(returns: FloatArray) -> FloatArray:
    return np.asarray(np.expm1(np.log1p(returns).sum(axis=1)))


def _effective(weights: FloatArray) -> float:
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0.0 else 0.0


def _tilt(
    volatility: GarchFilter, pool: FloatArray, event: Event, size: tuple[int, int], rng: np.random.Generator
) -> FloatArray | None:
    """Log ratio of tilted to plain probability of each innovation of the pool; None where rejection will do.

    θ = Σ⁻¹(mean innovation of the elite − mean of the pool), which under a normal law moves the mean there.
    """
    inverse = np.linalg.pinv(np.cov(pool, rowvar=False).reshape(pool.shape[1], -1))
    theta = np.zeros(pool.shape[1])
    for _ in range(_MAX_ROUNDS):
        chances = softmax(pool @ theta)
        rows = rng.choice(len(pool), size=size, p=chances)
        depth = return_depth(event, _compound(volatility.simulate(pool[rows]).returns), volatility.assets_)
        if np.mean(depth > 0.0) >= _ELITE:
            return None if not theta.any() else np.log(chances * len(pool))
        elite = depth >= np.quantile(depth, 1.0 - _ELITE)
        theta = inverse @ (pool[rows[elite]].mean(axis=(0, 1)) - pool.mean(axis=0))
    return np.asarray(np.log(softmax(pool @ theta) * len(pool)))
