"""How likely were days the model had not seen: means over time with the uncertainty that serial dependence leaves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.exceptions import InputError


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over days and its standard error from `n_blocks` blocks of neighbouring days."""

    mean: float
    standard_error: float
    n_days: int
    n_blocks: int


@dataclass(frozen=True)
class DifferenceEstimate:
    """A mean difference over days with a two-sided interval of the given `coverage`."""

    mean: float
    lower: float
    upper: float
    coverage: float
    block_length: float


def mean_log_likelihood(log_density_per_day: ArrayLike, block_length: int = 20) -> MeanEstimate:
    """Mean log-density per day in nats, with a standard error that allows for dependence within blocks.

    The days are cut into n_days // block_length blocks of (nearly) equal length; with S_b the sum of the deviations of
    block b from the mean, the variance of the mean is B/(B−1) Σ S_b²/n².

    Parameters
    ----------
    log_density_per_day : array of shape (n_days,), in order of time
    block_length : int
        Days per block, long enough that blocks are nearly independent (20: a month).
    """
    values = _day_vector(log_density_per_day, "log_density_per_day")
    n_blocks = len(values) // block_length if block_length >= 1 else 0
    if n_blocks < 2:
        raise InputError(f"block_length: expected 1 to {len(values) // 2} (half the days), received {block_length}")
    mean = float(values.mean())
    sums = np.array([block.sum() for block in np.array_split(values - mean, n_blocks)])
    standard_error = float(np.sqrt(n_blocks / (n_blocks - 1) * np.sum(sums**2))) / len(values)
    return MeanEstimate(mean, standard_error, len(values), n_blocks)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    rng: RandomLike,
    n_resamples: int = 2000,
    coverage: float = 0.95,
    block_length: float | None = None,
) -> DifferenceEstimate:
    """Mean of a − b on the same days, with a percentile interval from the stationary bootstrap.

    Positive: `a` is ahead. Pairing takes out what both models find hard. Blocks have a geometric length (Politis and
    Romano 1994) with mean `block_length`; None chooses it from the data (Patton, Politis and White 2009), at least 1.
    """
    difference = _day_vector(a, "a") - _day_vector(b, "b", n_days=len(np.asarray(a)))
    if not 0.0 < coverage < 1.0 or n_resamples < 100:
        raise InputError("expected 0 < coverage < 1 and n_resamples >= 100")
    mean = float(difference.mean())
    if np.ptp(difference) == 0.0:
        return DifferenceEstimate(mean, mean, mean, coverage, 1.0)
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    if block_length is None:
        block_length = max(1.0, float(optimal_block_length(difference)["stationary"].iloc[0]))
    bootstrap = StationaryBootstrap(block_length, difference, seed=as_generator(rng))
    means = bootstrap.apply(np.mean, n_resamples)[:, 0]
    lower, upper = np.quantile(means, [(1.0 - coverage) / 2.0, (1.0 + coverage) / 2.0])
    return DifferenceEstimate(mean, float(lower), float(upper), coverage, float(block_length))


def _day_vector(values: ArrayLike, name: str, *, n_days: int | None = None) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or len(vector) < 2 or not np.isfinite(vector).all():
        raise InputError(f"{name}: expected a vector of at least 2 finite numbers, received shape {vector.shape}")
    if n_days is not None and len(vector) != n_days:
        raise InputError(f"{name}: expected {n_days} days, received {len(vector)}")
    return vector
