"""Which forecast is better? Consistent scores of VaR and ES, and whether their differences are more than chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qfin._random import RandomLike, as_generator, integer_seed
from qfin._types import FloatArray
from qfin._validation import check_level
from qfin.exceptions import InputError
from qfin.risk._inputs import day_vector, forecast, shortfall_forecasts
from qfin.risk.hypothesis import HypothesisTest


@dataclass(frozen=True)
class ModelConfidenceSet:
    """The models that cannot be told from the best at `size`; `p_values` of all, the eliminated ones below `size`."""

    included: tuple[str, ...]
    p_values: Mapping[str, float]
    size: float
    block_length: int


def pinball_loss(losses: ArrayLike, var: ArrayLike, level: float) -> FloatArray:
    """Score of a VaR on each day, least in expectation for the true quantile: (level − 1{loss < VaR}) (loss − VaR)."""
    loss = day_vector(losses, "losses")
    gap = loss - forecast(var, "var", len(loss))
    return np.maximum(check_level(level) * gap, (level - 1.0) * gap)


def fissler_ziegel_loss(losses: ArrayLike, var: ArrayLike, es: ArrayLike, level: float) -> FloatArray:
    """FZ0 score of (VaR, ES) on each day, least in expectation for the true pair (Patton, Ziegel and Chen 2019, eq. 6).

    (VaR + max(loss − VaR, 0)/(1 − level))/ES + log ES − 1 for positive ES. Differences between models do not depend on
    the unit of money.
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail = 1.0 - check_level(level)
    return np.asarray((quantile + np.maximum(loss - quantile, 0.0) / tail) / shortfall + np.log(shortfall) - 1.0)


def diebold_mariano(scores_a: ArrayLike, scores_b: ArrayLike, *, size: float = 0.05) -> HypothesisTest:
    """Equal expected scores on the same days (Diebold and Mariano 1995); a positive statistic means b is better.

    The variance of the mean difference is Newey and West's with bandwidth 1.3 √n and the critical values are fixed-b
    (Kiefer and Vogelsang 2005, Bartlett kernel; Lazarus et al. 2018 recommend this pair): they allow for the error of
    the variance itself, which the normal approximation leaves out. With scores as heavy-tailed as `fissler_ziegel_loss`
    at 0.975 it rejects a little less than it may (3 % for 5 % at 250 days), the normal approximation more (6 %).

    Parameters
    ----------
    scores_a, scores_b : arrays of shape (n_days,)
        For instance `fissler_ziegel_loss` of two models.
    size : float
    """
    a = day_vector(scores_a, "scores_a", min_days=10)
    difference = a - day_vector(scores_b, "scores_b", n_days=len(a))
    n = len(difference)
    bandwidth = min(int(np.ceil(1.3 * np.sqrt(n))), n - 1)
    null = "both models have the same expected score"
    details = {"n": n, "mean_difference": float(difference.mean()), "bandwidth": bandwidth}
    if np.ptp(difference) == 0.0:
        raise InputError("scores_a and scores_b: expected differences that vary, received a constant difference")
    statistic = float(mean_statistic(difference[None, :], bandwidth)[0])
    p_value = float(fixed_b_p_value(np.array([statistic]), bandwidth / n)[0])
    details["normal_p_value"] = 2.0 * float(stats.norm.sf(abs(statistic)))
    return HypothesisTest("diebold_mariano", null, statistic, p_value, size, details)


def model_confidence_set(
    scores: Mapping[str, ArrayLike], *, rng: RandomLike, size: float = 0.1, n_resamples: int = 1000
) -> ModelConfidenceSet:
    """The models among which the best is, with confidence 1 − size (Hansen, Lunde and Nason 2011), by `arch`.

    Parameters
    ----------
    scores : mapping from model to array of shape (n_days,)
        Daily scores of at least two models, low is good.
    rng : Generator or int
    size : float
    n_resamples : int
        Stationary bootstrap samples. The mean block is the longest that Politis and White's rule gives for a model's
        score less the mean of all: blocks of √n days, longer than needed, dropped one of three equal models in 11 % of
        cases instead of 5 %.
    """
    vectors = {name: day_vector(values, f"scores of {name}", min_days=10) for name, values in scores.items()}
    lengths = {len(vector) for vector in vectors.values()}
    if len(vectors) < 2 or len(lengths) != 1:
        raise InputError(f"scores: expected at least 2 models with the same days, received lengths {sorted(lengths)}")
    if not 0.0 < size < 1.0:
        raise InputError(f"size: expected a probability of false alarm such as 0.1, received {size}")
    from arch.bootstrap import MCS, optimal_block_length

    # Models with the same scores on all days are one model to the test.
    matrix, place = np.unique(np.column_stack(list(vectors.values())), axis=1, return_inverse=True)
    if matrix.shape[1] == 1:
        return ModelConfidenceSet(tuple(vectors), dict.fromkeys(vectors, 1.0), size, 1)
    relative = matrix - matrix.mean(axis=1, keepdims=True)
    block = max(1, int(np.ceil(optimal_block_length(relative)["stationary"].max())))
    seed = integer_seed(as_generator(rng))
    test = MCS(matrix, size, reps=n_resamples, block_size=block, method="R", bootstrap="stationary", seed=seed)
    test.compute()
    found = {int(index): float(p) for index, p in test.pvalues["Pvalue"].items()}
    p_values = {name: found[int(column)] for name, column in zip(vectors, place, strict=True)}
    included = tuple(name for name, p in p_values.items() if p > size)
    return ModelConfidenceSet(included, p_values, size, block)


def mean_statistic(values: FloatArray, bandwidth: int) -> FloatArray:
    """Mean of each row over its Newey–West standard error (Bartlett weights 1 − j/bandwidth)."""
    n = values.shape[1]
    mean = values.mean(axis=1)
    centred = values - mean[:, None]
    variance = np.einsum("ij,ij->i", centred, centred) / n
    for lag in range(1, bandwidth):
        product = np.einsum("ij,ij->i", centred[:, lag:], centred[:, :-lag]) / n
        variance += 2.0 * (1.0 - lag / bandwidth) * product
    return np.asarray(mean / np.sqrt(np.maximum(variance, 1e-300) / n))


def fixed_b_p_value(statistic: FloatArray, b: float) -> FloatArray:
    """Two-sided p-value of a mean over its Bartlett standard error with bandwidth b · n.

    The limit's 97.5 % point is 1.96 + 2.9694 b + 0.4160 b² − 0.5324 b³ (Kiefer and Vogelsang 2005, table 1); other
    points are those of Student's t with as many degrees of freedom as give this one (p-values of 0.10 are then off by
    less than 0.01 for b up to 0.2).
    """
    critical = 1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
    low, high = 1.0, 1e6
    for _ in range(80):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if stats.t.ppf(0.975, middle) > critical else (low, middle)
    return np.asarray(2.0 * stats.t.sf(np.abs(statistic), high))
