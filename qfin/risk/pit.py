"""Is the whole predicted law right? Tests on probability integral transforms, near 1 where losses are large."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import log_ndtr, ndtri

from qfin._random import stream
from qfin._types import FloatArray, IntArray
from qfin._validation import check_level
from qfin.exceptions import InputError
from qfin.risk._inputs import day_vector, model_draws, unit_vector
from qfin.risk.hypothesis import Detail, HypothesisTest, simulated_p_value

N_SIMULATED = 9999


def probability_integral_transform(losses: ArrayLike, draws: ArrayLike) -> FloatArray:
    """Where each day's loss lies among the model's draws of that day, shape (n_days,), strictly inside (0, 1).

    (number below + ½ number equal + ½) / (n_draws + 1), with `draws` of shape (n_days, n_draws).
    """
    loss = day_vector(losses, "losses")
    drawn = model_draws(draws, len(loss))
    below = (drawn < loss[:, None]).sum(axis=1) + 0.5 * (drawn == loss[:, None]).sum(axis=1)
    return np.asarray((below + 0.5) / (drawn.shape[1] + 1.0))


def multinomial_var(pit: ArrayLike, level: float, *, n_levels: int = 4, size: float = 0.05) -> HypothesisTest:
    """Exceedances of several VaRs at once, an implicit test of ES (Kratz, Lok and McNeil 2018).

    The levels are level + j/n_levels (1 − level), j = 0 … n_levels − 1; the days between neighbouring ones are compared
    with what they should be by Pearson's χ². The p-value is simulated from the multinomial law; `details` has the
    asymptotic one of Pearson and that of Nass (1959), which matches two moments and holds its size better.

    Parameters
    ----------
    pit : array of shape (n_days,)
        The model's distribution function at each day's loss (`probability_integral_transform`).
    level : float
        The lowest of the VaR levels; 0.975 is the paper's.
    n_levels : int
        Number of levels; the paper recommends at least 4.
    size : float
    """
    u, tail = unit_vector(pit), 1.0 - check_level(level)
    if not 1 <= n_levels <= 64:
        raise InputError(f"n_levels: expected 1 to 64, received {n_levels}")
    cells, n = cell_probabilities(tail, n_levels), len(u)
    counts = tail_counts(u[None, :], tail, n_levels)
    statistic = float(pearson_statistic(counts, cells)[0])
    p_value, mid = simulated_p_value(statistic, multinomial_null(n, tail, n_levels))
    nass, freedom = nass_correction(n, cells)
    details: dict[str, Detail] = {
        "n": n,
        "counts": " ".join(str(count) for count in counts[0]),
        "mid_p_value": float(mid),
        "pearson_p_value": float(stats.chi2.sf(statistic, n_levels)),
        "nass_statistic": nass * statistic,
        "nass_p_value": float(stats.chi2.sf(nass * statistic, freedom)),
    }
    null = f"losses exceed the VaRs at {n_levels} levels from {level:g} up with the promised probabilities"
    return HypothesisTest("multinomial_var", null, statistic, float(p_value), size, details)


def berkowitz(pit: ArrayLike, level: float, *, tail_only: bool = False, size: float = 0.05) -> HypothesisTest:
    """Likelihood ratio on normal scores z = Φ⁻¹(pit) (Berkowitz 2001).

    The full test sets z standard normal and independent against a Gaussian autoregression of order 1 (3 parameters).
    With `tail_only`, scores below that of `level` are censored and mean and variance are tested (2 parameters), so that
    only the tail of losses counts. p-values are simulated: the null law has no parameter.

    Parameters
    ----------
    pit : array of shape (n_days,)
    level : float
        Where the tail begins; only `tail_only` uses it.
    tail_only : bool
    size : float
    """
    u, confidence = unit_vector(pit), check_level(level)
    scores = ndtri(u)[None, :]
    if tail_only:
        statistic = float(tail_ratio(scores, confidence)[0])
        p_value, mid = simulated_p_value(statistic, tail_null(len(u), confidence))
        name, freedom, null = "berkowitz_tail", 2, f"beyond the {level:g} quantile the predicted law is right"
    else:
        statistic = float(autoregression_ratio(scores)[0])
        p_value, mid = simulated_p_value(statistic, autoregression_null(len(u)))
        name, freedom, null = "berkowitz", 3, "the predicted law is right and its errors are independent"
    details = {
        "n": len(u),
        "mean_score": float(scores.mean()),
        "sd_score": float(scores.std()),
        "mid_p_value": float(mid),
        "asymptotic_p_value": float(stats.chi2.sf(statistic, freedom)),
    }
    return HypothesisTest(name, null, statistic, float(p_value), size, details)


def kolmogorov_smirnov(pit: ArrayLike, *, size: float = 0.05) -> HypothesisTest:
    """Largest distance of the distribution of `pit` from the uniform one; SciPy's exact p-value."""
    u = unit_vector(pit)
    result = stats.kstest(u, "uniform")
    details = {"n": len(u), "at": float(result.statistic_location)}
    null = "probability integral transforms are uniform"
    return HypothesisTest("kolmogorov_smirnov", null, float(result.statistic), float(result.pvalue), size, details)


def anderson_darling(pit: ArrayLike, *, size: float = 0.05) -> HypothesisTest:
    """Weighted squared distance of the distribution of `pit` from the uniform one, heavy in both tails; simulated p."""
    u = unit_vector(pit)
    statistic = float(anderson_darling_statistic(u[None, :])[0])
    p_value, mid = simulated_p_value(statistic, anderson_darling_null(len(u)))
    null = "probability integral transforms are uniform"
    details = {"n": len(u), "mid_p_value": float(mid)}
    return HypothesisTest("anderson_darling", null, statistic, float(p_value), size, details)


def cell_probabilities(tail: float, n_levels: int) -> FloatArray:
    """Probabilities of no exceedance and of each of the `n_levels` equal slices of the tail."""
    return np.append(1.0 - tail, np.full(n_levels, tail / n_levels))


def tail_counts(pit: FloatArray, tail: float, n_levels: int) -> IntArray:
    """Days per cell for rows of transforms; a transform equal to a level is no exceedance of it."""
    place = np.searchsorted(1.0 - tail + np.arange(n_levels) * tail / n_levels, pit, side="left")
    return np.stack([(place == cell).sum(axis=-1) for cell in range(n_levels + 1)], axis=-1)


def pearson_statistic(counts: IntArray, cells: FloatArray) -> FloatArray:
    expected = counts.sum(axis=-1, keepdims=True) * cells
    return np.asarray(((counts - expected) ** 2 / expected).sum(axis=-1))


def nass_correction(n: int, cells: FloatArray) -> tuple[float, float]:
    """Factor and degrees of freedom so that factor · Pearson has the mean and variance of a χ² (Nass 1959)."""
    k = len(cells) - 1
    variance = 2.0 * k - (k**2 + 4.0 * k + 1.0) / n + np.sum(1.0 / cells) / n
    factor = 2.0 * k / variance
    return float(factor), float(factor * k)


def autoregression_ratio(scores: FloatArray) -> FloatArray:
    """−2 log likelihood ratio of independent N(0, 1) against N(a + b z₋₁, s²), given the first score of each row."""
    past, now = scores[:, :-1], scores[:, 1:]
    n = now.shape[1]
    past_mean, now_mean = past.mean(axis=1, keepdims=True), now.mean(axis=1, keepdims=True)
    covariance = ((past - past_mean) * (now - now_mean)).mean(axis=1)
    spread = ((past - past_mean) ** 2).mean(axis=1)
    variance = ((now - now_mean) ** 2).mean(axis=1) - covariance**2 / spread
    return np.asarray((now**2).sum(axis=1) - n * (1.0 + np.log(variance)))


def tail_ratio(scores: FloatArray, level: float) -> FloatArray:
    """−2 log likelihood ratio of N(0, 1) against N(μ, σ²) with scores below that of `level` censored, per row.

    In h = 1/σ and d = μ/σ the log-likelihood is concave (Olsen 1978): Newton steps, halved where they fail to climb.
    """
    cut = float(ndtri(level))
    beyond = scores > cut
    count, n = beyond.sum(axis=1).astype(np.float64), scores.shape[1]
    first = np.where(beyond, scores, 0.0).sum(axis=1)
    second = np.where(beyond, scores**2, 0.0).sum(axis=1)
    censored = n - count

    def log_likelihood(h: FloatArray, d: FloatArray) -> FloatArray:
        inside = 0.5 * (h**2 * second - 2.0 * h * d * first + count * d**2)
        return np.asarray(censored * log_ndtr(h * cut - d) + count * np.log(h) - inside)

    null = log_likelihood(np.ones(len(scores)), np.zeros(len(scores)))
    # Rows without a score in the tail stay where they are: their supremum is 1, at μ = −∞.
    censored = np.where(count > 0.0, censored, 0.0)
    h, d = np.ones(len(scores)), np.zeros(len(scores))
    best = np.where(count > 0.0, null, 0.0)
    for _ in range(60):
        gap = h * cut - d
        hazard = np.exp(-0.5 * gap**2 - 0.5 * np.log(2.0 * np.pi) - log_ndtr(gap))
        bend = hazard * (hazard + gap)
        slope_h = censored * hazard * cut + count / h - h * second + d * first
        slope_d = -censored * hazard + h * first - count * d
        hh = censored * bend * cut**2 + count / h**2 + second
        hd = -censored * bend * cut - first
        dd = censored * bend + count
        determinant = np.maximum(hh * dd - hd**2, 1e-300)
        step_h = (dd * slope_h - hd * slope_d) / determinant
        step_d = (hh * slope_d - hd * slope_h) / determinant
        length = np.ones(len(scores))
        for _ in range(25):
            trial_h = h + length * step_h
            value = np.where(trial_h > 1e-6, log_likelihood(np.maximum(trial_h, 1e-6), d + length * step_d), -np.inf)
            length = np.where(value >= best, length, 0.5 * length)
            if (value >= best).all():
                break
        climbs = value > best
        h, d = np.where(climbs, h + length * step_h, h), np.where(climbs, d + length * step_d, d)
        gain = np.where(climbs, value - best, 0.0)
        best += gain
        if gain.max() < 1e-10:
            break
    return 2.0 * (best - null)


def anderson_darling_statistic(pit: FloatArray) -> FloatArray:
    """A² of rows of transforms: −n − Σ (2i − 1)/n [log u₍ᵢ₎ + log(1 − u₍ₙ₊₁₋ᵢ₎)]."""
    ordered = np.sort(pit, axis=1)
    n = ordered.shape[1]
    weights = (2.0 * np.arange(1, n + 1) - 1.0) / n
    return np.asarray(-n - (np.log(ordered) + np.log1p(-ordered[:, ::-1])) @ weights)


@lru_cache(maxsize=64)
def multinomial_null(n: int, tail: float, n_levels: int) -> FloatArray:
    cells = cell_probabilities(tail, n_levels)
    return pearson_statistic(stream(n, "risk", "multinomial").multinomial(n, cells, N_SIMULATED), cells)


@lru_cache(maxsize=64)
def autoregression_null(n: int) -> FloatArray:
    return np.concatenate([autoregression_ratio(chunk) for chunk in _normal_chunks(n, "berkowitz")])


@lru_cache(maxsize=64)
def tail_null(n: int, level: float) -> FloatArray:
    return np.concatenate([tail_ratio(chunk, level) for chunk in _normal_chunks(n, "berkowitz_tail")])


@lru_cache(maxsize=64)
def anderson_darling_null(n: int) -> FloatArray:
    rng = stream(n, "risk", "anderson_darling")
    return np.concatenate([anderson_darling_statistic(rng.random((1111, n))) for _ in range(9)])


def _normal_chunks(n: int, name: str) -> list[FloatArray]:
    rng = stream(n, "risk", name)
    return [rng.standard_normal((1111, n)) for _ in range(9)]
