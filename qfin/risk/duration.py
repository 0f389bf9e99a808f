"""Do exceedances of the VaR cluster in time? Tests on waits and on past exceedances, with simulated null laws."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qfin._random import stream
from qfin._types import BoolArray, FloatArray
from qfin._validation import check_level
from qfin.exceptions import InputError
from qfin.risk._inputs import exceedance_vector, forecast
from qfin.risk.hypothesis import HypothesisTest, simulated_p_value

# Draws of a null law. They come from named streams, so the same data have the same p-value every time.
N_SIMULATED = 1999
# Shapes of the Weibull law that are searched.
_SHAPES = (0.05, 20.0)


def weibull_duration(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """Waits between exceedances have no memory: exponential (shape 1) against Weibull (Christoffersen, Pelletier 2004).

    The wait before the first exceedance and after the last are censored. A shape below 1 means clusters. The p-value is
    simulated given the number of exceedances (all their arrangements are then equally likely), so it needs no
    asymptotics and holds for a VaR of wrong coverage too; `level` is taken for the uniform form of the tests. With
    fewer than two exceedances (29 % of cases at 99 % and 250 days, where the size is 3 % for 5 %) there is no wait:
    statistic 0, p-value 1.

    Parameters
    ----------
    exceedances : array of shape (n_days,)
    level : float
    size : float
        Probability of false alarm at which `reject` decides.
    """
    hits = exceedance_vector(exceedances)
    check_level(level)
    n, count = len(hits), int(hits.sum())
    null = "the wait for the next exceedance does not depend on the time since the last"
    if count < 2:
        return HypothesisTest("weibull_duration", null, 0.0, 1.0, size, {"n": n, "exceedances": count, "shape": None})
    ratio, shape = weibull_ratio(np.flatnonzero(hits)[None, :], n)
    p_value, mid = simulated_p_value(ratio[0], duration_null(n, count))
    details = {
        "n": n,
        "exceedances": count,
        "shape": float(shape[0]),
        "mid_p_value": float(mid),
        "asymptotic_p_value": float(stats.chi2.sf(ratio[0], 1)),
    }
    return HypothesisTest("weibull_duration", null, float(ratio[0]), float(p_value), size, details)


def dynamic_quantile(
    exceedances: ArrayLike,
    level: float,
    *,
    var: ArrayLike | None = None,
    n_lags: int = 4,
    size: float = 0.05,
) -> HypothesisTest:
    """Dynamic quantile test (Engle and Manganelli 2004): past exceedances and the VaR itself predict nothing.

    The exceedance less 1 − level is regressed on a constant, its own `n_lags` past values and, if given, the day's
    `var`; the statistic is hit'X(X'X)⁻¹X'hit / (level (1 − level)), asymptotically χ² with as many degrees of freedom
    as X has rank. The p-value is simulated with independent exceedances and the VaR as it was.

    Parameters
    ----------
    exceedances : array of shape (n_days,)
    level : float
    var : array of shape (n_days,), optional
        The forecasts; leave them out where they are constant.
    n_lags : int
    size : float
    """
    hits, tail = exceedance_vector(exceedances), 1.0 - check_level(level)
    if not 1 <= n_lags < len(hits) // 4:
        raise InputError(f"n_lags: expected 1 to {len(hits) // 4 - 1} for {len(hits)} days, received {n_lags}")
    extra = None if var is None else forecast(var, "var", len(hits))
    statistic, rank = dynamic_quantile_statistic(hits[None, :], tail, extra, n_lags)
    if extra is None:
        simulated = dynamic_quantile_null(len(hits), tail, n_lags)
    else:
        draws = stream(len(hits), "risk", "dynamic_quantile").random((N_SIMULATED, len(hits))) < tail
        simulated = dynamic_quantile_statistic(draws, tail, extra, n_lags)[0]
    p_value, mid = simulated_p_value(statistic[0], simulated)
    details = {
        "n": len(hits),
        "degrees_of_freedom": int(rank[0]),
        "mid_p_value": float(mid),
        "asymptotic_p_value": float(stats.chi2.sf(statistic[0], rank[0])),
    }
    null = "neither past exceedances nor the VaR predict whether today's loss exceeds it"
    return HypothesisTest("dynamic_quantile", null, float(statistic[0]), float(p_value), size, details)


def weibull_ratio(days: np.ndarray, n: int) -> tuple[FloatArray, FloatArray]:
    """−2 log likelihood ratio of shape 1, and the best shape, for rows of sorted exceedance days in 0 … n − 1.

    With m = count − 1 complete waits, and scale profiled out, the log-likelihood of shape b is
    m log(m b) − m log Σ D^b + (b − 1) Σ log D − m, where the first sum has the censored waits too; it is concave in b.
    """
    first, last = days[:, :1] + 1.0, n - 1.0 - days[:, -1:]
    waits = np.concatenate([np.diff(days, axis=1).astype(np.float64), np.where(days[:, :1] > 0, first, 0.0), last], 1)
    present = waits > 0.0
    logs = np.log(np.where(present, waits, 1.0))
    m = days.shape[1] - 1
    total = logs[:, :m].sum(axis=1)

    def sums(shape: FloatArray) -> tuple[FloatArray, FloatArray]:
        powers = np.where(present, np.exp(shape[:, None] * (logs - logs.max(axis=1, keepdims=True))), 0.0)
        return powers.sum(axis=1), (powers * logs).sum(axis=1)

    low, high = (np.full(len(days), np.log(bound)) for bound in _SHAPES)
    for _ in range(30):
        middle = 0.5 * (low + high)
        shape = np.exp(middle)
        power, weighted = sums(shape)
        rising = m / shape + total - m * weighted / power > 0.0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    shape = np.exp(0.5 * (low + high))

    def log_likelihood(b: FloatArray) -> FloatArray:
        log_sum = np.log(sums(b)[0]) + b * logs.max(axis=1)
        return np.asarray(m * np.log(m * b) - m * log_sum + (b - 1.0) * total - m)

    return np.maximum(2.0 * (log_likelihood(shape) - log_likelihood(np.ones(len(days)))), 0.0), shape


@lru_cache(maxsize=1024)
def duration_null(n: int, count: int) -> FloatArray:
    """Weibull ratios of `count` exceedances on days chosen at random among n."""
    keys = stream(n, "risk", "duration", str(count)).random((N_SIMULATED, n), dtype=np.float32)
    days = np.sort(np.argpartition(keys, count - 1, axis=1)[:, :count], axis=1)
    return weibull_ratio(days, n)[0]


def dynamic_quantile_statistic(
    hits: BoolArray, tail: float, known: FloatArray | None, n_lags: int
) -> tuple[FloatArray, FloatArray]:
    """The statistic and the rank of its regressors for rows of exceedances, shape (n_rows, n_days); `known` are what
    was known before each day, such as the VaR, shape (n_days,) or (n_days, n_known)."""
    others = np.empty((hits.shape[1], 0)) if known is None else known.reshape(hits.shape[1], -1)
    others = others / np.maximum(np.abs(others).max(axis=0), np.finfo(float).tiny)
    n_rows, n = hits.shape
    statistic, rank = np.empty(n_rows), np.empty(n_rows)
    for start in range(0, n_rows, 256):
        hit = hits[start : start + 256] - tail
        columns = [np.ones((len(hit), n - n_lags)), *(hit[:, n_lags - lag : n - lag] for lag in range(1, n_lags + 1))]
        columns += [np.broadcast_to(column[n_lags:], (len(hit), n - n_lags)) for column in others.T]
        x = np.stack(columns, axis=1)
        gram = x @ x.transpose(0, 2, 1)
        moment = (x @ hit[:, n_lags:, None])[:, :, 0]
        inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
        statistic[start : start + 256] = np.einsum("ri,rij,rj->r", moment, inverse, moment) / (tail * (1.0 - tail))
        rank[start : start + 256] = np.linalg.matrix_rank(gram, hermitian=True, rtol=1e-10)
    return statistic, rank


@lru_cache(maxsize=64)
def dynamic_quantile_null(n: int, tail: float, n_lags: int) -> FloatArray:
    """Statistics of independent exceedances, no VaR among the regressors."""
    rng = stream(n, "risk", "dynamic_quantile")
    parts = [dynamic_quantile_statistic(rng.random((N_SIMULATED, n)) < tail, tail, None, n_lags)[0] for _ in range(5)]
    return np.concatenate(parts)
