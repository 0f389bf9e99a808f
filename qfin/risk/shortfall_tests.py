"""Is the expected shortfall right? Acerbi and Székely's tests, by the model's own simulated null or a tabulated one."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betainc

from qfin._random import stream
from qfin._types import FloatArray
from qfin._validation import check_level
from qfin.exceptions import InputError
from qfin.risk._inputs import day_vector, model_draws, shortfall_forecasts
from qfin.risk.hypothesis import Detail, HypothesisTest, simulated_p_value
from qfin.risk.pit import probability_integral_transform

N_SIMULATED = 9999
# Critical values of Z2 for 250 days at level 0.975, nearly the same for all laws with a finite variance: significance
# 5 % and 0.01 % (Acerbi and Székely 2014, table 5, and the traffic light they propose).
Z2_YELLOW, Z2_RED = -0.70, -1.80


def acerbi_szekely_z1(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    draws: ArrayLike | None = None,
    size: float = 0.05,
) -> HypothesisTest:
    """Z1 = 1 − mean of loss/ES over the exceedances: are losses beyond the VaR larger than the ES says?

    Zero is expected, a negative value means that ES is too small; it says nothing about how many exceedances there
    are. Null laws as in `acerbi_szekely_z2`, given at least one exceedance; without one statistic 0, p-value 1.
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail = 1.0 - check_level(level)
    statistic = float(z1_statistic(loss, quantile, shortfall))
    null = "losses beyond the VaR are on average as large as the ES"
    if np.isnan(statistic):
        return HypothesisTest("acerbi_szekely_z1", null, 0.0, 1.0, size, {"n": len(loss), "exceedances": 0})
    if draws is None:
        simulated, source = reference_nulls(len(loss), tail, np.inf)[0], "normal law"
    else:
        simulated = z1_statistic(model_draws(draws, len(loss)).T, quantile, shortfall)
        source = "the model's draws"
    p_value, mid = simulated_p_value(-statistic, -simulated[~np.isnan(simulated)])
    details: dict[str, Detail] = {
        "n": len(loss),
        "exceedances": int((loss > quantile).sum()),
        "null_law": source,
        "mid_p_value": float(mid),
    }
    return HypothesisTest("acerbi_szekely_z1", null, statistic, float(p_value), size, details)


def acerbi_szekely_z2(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    draws: ArrayLike | None = None,
    degrees_of_freedom: float = np.inf,
    size: float = 0.05,
) -> HypothesisTest:
    """Z2 = 1 − Σ loss/ES over the exceedances, divided by n (1 − level): frequency and size of the losses at once.

    Zero is expected; at twice the ES-weighted losses it is −1. Acerbi and Székely 2014 call yellow below −0.70 and red
    below −1.8 (250 days, level 0.975); this zone is in `details` where it is defined.

    Parameters
    ----------
    losses, var, es : arrays of shape (n_days,)
        Realised losses and the forecasts made for them; positive is bad. One number as a forecast holds for all days.
    level : float
        Confidence of VaR and ES, for instance 0.975.
    draws : array of shape (n_days, n_draws), optional
        Losses that the model draws for each day: the null is then the model's own law, as the authors mean it. Without
        draws it is a normal law centred at 0, or Student's t with `degrees_of_freedom` (for 3: more lenient).
    size : float
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail, n = 1.0 - check_level(level), len(loss)
    statistic = float(z2_statistic(loss, quantile, shortfall, tail))
    if draws is None:
        simulated = reference_nulls(n, tail, degrees_of_freedom)[1]
        source = "normal law" if np.isinf(degrees_of_freedom) else f"Student's t, {degrees_of_freedom:g} degrees"
    else:
        simulated = z2_statistic(model_draws(draws, n).T, quantile, shortfall, tail)
        source = "the model's draws"
    p_value, mid = simulated_p_value(-statistic, -simulated)
    zone = "green" if statistic > Z2_YELLOW else "yellow" if statistic > Z2_RED else "red"
    details: dict[str, Detail] = {
        "n": n,
        "exceedances": int((loss > quantile).sum()),
        "null_law": source,
        "zone": zone if n == 250 and abs(tail - 0.025) < 1e-12 else None,
        "mid_p_value": float(mid),
    }
    null = "VaR and ES are right: losses beyond the VaR add up to n (1 − level) times the ES"
    return HypothesisTest("acerbi_szekely_z2", null, statistic, float(p_value), size, details)


def acerbi_szekely_z3(
    losses: ArrayLike, var: ArrayLike, es: ArrayLike, level: float, *, draws: ArrayLike, size: float = 0.05
) -> HypothesisTest:
    """Z3: the ES that the realised ranks would have had under each day's law, against the one expected there.

    The mean over days of 1 − ES(F_t⁻¹(u_1 … u_n))/E[ES(F_t⁻¹(v_1 … v_n))], with u the ranks of the losses among the
    model's draws and v uniform; F_t⁻¹ are quantiles of the day's draws, so draws are needed. `var` and `es` are taken
    for the uniform form of the tests; the result does not depend on them. Parameters as in `acerbi_szekely_z2`.
    """
    loss = day_vector(losses, "losses")
    drawn, tail, n = model_draws(draws, len(loss)), 1.0 - check_level(level), len(loss)
    if int(n * tail + 1e-9) < 1:
        raise InputError(f"losses: expected at least {int(np.ceil(1.0 / tail))} days at level {level}, received {n}")
    quantiles = np.sort(drawn, axis=1)
    if (expected_tail_mean(quantiles, n, tail) <= 0.0).any():
        raise InputError("draws: expected laws whose worst losses are positive on every day, received others")
    statistic = float(z3_statistic(probability_integral_transform(loss, drawn)[None, :], quantiles, tail)[0])
    simulated = z3_statistic(stream(n, "risk", "z3").random((999, n)), quantiles, tail)
    p_value, mid = simulated_p_value(-statistic, -simulated)
    null = "the predicted law is right where the largest losses lie"
    return HypothesisTest(
        "acerbi_szekely_z3", null, statistic, float(p_value), size, {"n": n, "mid_p_value": float(mid)}
    )


def acerbi_szekely_minimal_bias(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    draws: ArrayLike | None = None,
    size: float = 0.05,
) -> HypothesisTest:
    """The minimally biased test, relative form (Acerbi and Székely 2017): by what share of it is the ES too large?

    The mean of 1 − (VaR + max(loss − VaR, 0)/(1 − level))/ES; negative means too small. An error of the VaR changes it
    to second order only. Parameters and null laws as in `acerbi_szekely_z2`.
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail, n = 1.0 - check_level(level), len(loss)
    statistic = float(minimal_bias_statistic(loss, quantile, shortfall, tail))
    if draws is None:
        simulated, source = reference_nulls(n, tail, np.inf)[2], "normal law"
    else:
        simulated = minimal_bias_statistic(model_draws(draws, n).T, quantile, shortfall, tail)
        source = "the model's draws"
    p_value, mid = simulated_p_value(-statistic, -simulated)
    details: dict[str, Detail] = {"n": n, "null_law": source, "mid_p_value": float(mid)}
    null = "the ES is right: VaR plus the mean excess over it, divided by 1 − level"
    return HypothesisTest("acerbi_szekely_minimal_bias", null, statistic, float(p_value), size, details)


def minimal_bias_statistic(losses: FloatArray, var: FloatArray, es: FloatArray, tail: float) -> FloatArray:
    """Mean of 1 − (VaR + max(loss − VaR, 0)/tail)/ES over the last axis."""
    return np.asarray(1.0 - ((var + np.maximum(losses - var, 0.0) / tail) / es).mean(axis=-1))


def z1_statistic(losses: FloatArray, var: FloatArray, es: FloatArray) -> FloatArray:
    """Z1 over the last axis; not a number where nothing exceeds the VaR."""
    beyond = losses > var
    count = beyond.sum(axis=-1)
    total = np.where(beyond, losses / es, 0.0).sum(axis=-1)
    return np.where(count > 0, 1.0 - total / np.maximum(count, 1), np.nan)


def z2_statistic(losses: FloatArray, var: FloatArray, es: FloatArray, tail: float) -> FloatArray:
    """Z2 over the last axis."""
    total = np.where(losses > var, losses / es, 0.0).sum(axis=-1)
    return np.asarray(1.0 - total / (losses.shape[-1] * tail))


def z3_statistic(pit: FloatArray, quantiles: FloatArray, tail: float) -> FloatArray:
    """Z3 of rows of transforms, given each day's sorted draws, shape (n_days or 1, n_draws); 1: every day's law.

    The k = ⌊n tail⌋ largest transforms of a row are read off every day's law; `expected_tail_mean` is the denominator.
    """
    n_rows, n = pit.shape
    k, n_draws = int(n * tail + 1e-9), quantiles.shape[1]
    expected = expected_tail_mean(quantiles, n, tail)
    ranks = np.partition(pit, n - k, axis=1)[:, n - k :]
    column = np.minimum((ranks * n_draws).astype(np.int64), n_draws - 1)
    ratio = np.zeros(n_rows)
    for day, law in enumerate(quantiles):
        ratio += law[column].mean(axis=1) / expected[day]
    return np.asarray(1.0 - ratio / len(quantiles))


def expected_tail_mean(quantiles: FloatArray, n: int, tail: float) -> FloatArray:
    """Expected mean of the k = ⌊n tail⌋ largest of n losses under each day's sorted draws, shape (n_days,).

    The k largest of n uniform numbers have, together, density n/k I_v(n − k, k) at v, which makes the expectation a
    weighted mean of the draws (Acerbi and Székely 2014, equation 8).
    """
    k, n_draws = int(n * tail + 1e-9), quantiles.shape[1]
    places = (np.arange(n_draws) + 0.5) / n_draws
    return np.asarray(quantiles @ betainc(n - k, k, places) * n / k / n_draws)


@lru_cache(maxsize=64)
def reference_nulls(n: int, tail: float, degrees_of_freedom: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Z1, Z2 and minimal bias of n independent losses with a normal or Student law whose VaR and ES are known.

    Only exceedances matter: their number is binomial and their sizes are drawn from beyond the VaR.
    """
    if not degrees_of_freedom > 1.0:
        raise InputError(f"degrees_of_freedom: expected a number above 1, received {degrees_of_freedom}")
    law = stats.norm if np.isinf(degrees_of_freedom) else stats.t(degrees_of_freedom)
    quantile = float(law.ppf(1.0 - tail))
    factor = 1.0 if np.isinf(degrees_of_freedom) else (degrees_of_freedom + quantile**2) / (degrees_of_freedom - 1.0)
    shortfall = factor * float(law.pdf(quantile)) / tail
    rng = stream(n, "risk", "acerbi_szekely")
    counts = rng.binomial(n, tail, N_SIMULATED)
    sizes = law.isf(tail * rng.random(counts.sum())) / shortfall
    totals = np.bincount(np.repeat(np.arange(N_SIMULATED), counts), weights=sizes, minlength=N_SIMULATED)
    z1 = np.where(counts > 0, 1.0 - totals / np.maximum(counts, 1), np.nan)
    ratio = quantile / shortfall
    return z1, 1.0 - totals / (n * tail), 1.0 - ratio - (totals - counts * ratio) / (n * tail)
