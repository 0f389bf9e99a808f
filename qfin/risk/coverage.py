"""Do exceedances of the VaR come as often as promised, and without memory? Exact p-values from the Bernoulli null."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gammaln, xlogy

from qfin._types import FloatArray, IntArray
from qfin._validation import check_level
from qfin.risk._inputs import exceedance_vector
from qfin.risk.hypothesis import HypothesisTest, enumerated_p_value

# Numbers of exceedances less likely than this are left out of an enumeration.
_NEGLIGIBLE = 1e-14
# Multiplier of the capital requirement after 0, 1, … exceedances in 250 days at 99 %; 2.00 from 10 on. Basel Committee,
# MAR99 table 2 (the 1996 framework had 3 plus 0 | 0.40 0.50 0.65 0.75 0.85 | 1.00).
BASEL_MULTIPLIERS = (1.5, 1.5, 1.5, 1.5, 1.5, 1.70, 1.76, 1.83, 1.88, 1.92, 2.00)


def kupiec(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """Proportion of failures (Kupiec 1995): the likelihood ratio of 1 − level against the observed frequency.

    The p-value is exact: the probability of all numbers of exceedances whose ratio is at least as large. There are few
    such numbers (at 99 % and 250 days: 0 to about 9), so the size of the decision is below the nominal one (1.5 % of
    5 % there, 4 % at 95 %); the χ²(1) p-value, in `details`, rejects a true model up to twice as often as it says. A
    decision of exactly nominal size needs chance: `HypothesisTest.random_ties_p_value`.

    Parameters
    ----------
    exceedances : array of shape (n_days,)
        True where the loss was strictly above the VaR.
    level : float
        Confidence of the VaR, for instance 0.99.
    size : float
        Probability of false alarm at which `reject` decides.
    """
    hits, tail = exceedance_vector(exceedances), 1.0 - check_level(level)
    n, count = len(hits), int(hits.sum())
    counts = np.arange(n + 1)
    statistic = float(_coverage_ratio(n, np.array([count]), tail)[0])
    p_value, mid = enumerated_p_value(statistic, _coverage_ratio(n, counts, tail), stats.binom.pmf(counts, n, tail))
    details = {
        "n": n,
        "exceedances": count,
        "expected": n * tail,
        "mid_p_value": mid,
        "asymptotic_p_value": float(stats.chi2.sf(statistic, 1)),
    }
    null = "the loss exceeds the VaR with probability 1 − level on every day, independently"
    return HypothesisTest("kupiec", null, statistic, p_value, size, details)


def tuff(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """Time until first failure (Kupiec 1995): is the first exceedance too early or too late for 1 − level?

    The p-value is exact under the geometric law, cut at the end of the series. An exceedance on the first day is the
    likeliest of all, so that the test hardly ever rejects at 95 % (size 0.3 %); at 97.5 and 99 % its size is 3 to 4 %
    of nominal 5 %. Parameters as in `kupiec`.
    """
    hits, tail = exceedance_vector(exceedances), 1.0 - check_level(level)
    n = len(hits)
    first = int(np.argmax(hits)) + 1 if hits.any() else n + 1
    days = np.arange(1, n + 1)
    # The last entry stands for "no exceedance in n days".
    ratios = np.append(_first_failure_ratio(days, tail), -2.0 * n * np.log1p(-tail))
    probabilities = np.append(tail * (1.0 - tail) ** (days - 1), (1.0 - tail) ** n)
    statistic = float(ratios[first - 1])
    p_value, mid = enumerated_p_value(statistic, ratios, probabilities)
    details = {
        "n": n,
        "first_exceedance": first if first <= n else None,
        "mid_p_value": mid,
        "asymptotic_p_value": float(stats.chi2.sf(statistic, 1)),
    }
    null = "the wait for the first exceedance is geometric with probability 1 − level"
    return HypothesisTest("tuff", null, statistic, p_value, size, details)


def christoffersen_independence(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """Independence against a first-order Markov chain (Christoffersen 1998).

    The p-value is exact given the number of exceedances (all their arrangements are then equally likely, whatever the
    probability of one), so it holds for a VaR of wrong coverage too. Given that number the statistic has few values,
    so that its size is 1 to 3 % of nominal 5 %. `level` is taken for the uniform form of the tests; the result does
    not depend on it. Parameters as in `kupiec`.
    """
    hits = exceedance_vector(exceedances)
    check_level(level)
    transitions = _transitions(hits)
    statistic = float(_independence_ratio(transitions[None, :])[0])
    ratios, log_weights = _arrangements(len(hits), int(hits.sum()))
    weights = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    p_value, mid = enumerated_p_value(statistic, ratios, weights)
    details = {
        "n": len(hits),
        **{name: int(count) for name, count in zip(("n00", "n01", "n10", "n11"), transitions, strict=True)},
        "mid_p_value": mid,
        "asymptotic_p_value": float(stats.chi2.sf(statistic, 1)),
    }
    null = "whether today's loss exceeds the VaR does not depend on whether yesterday's did"
    return HypothesisTest("christoffersen_independence", null, statistic, p_value, size, details)


def christoffersen_coverage(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """Conditional coverage (Christoffersen 1998): the ratio of `kupiec` plus that of independence, exact p-value.

    Parameters as in `kupiec`.
    """
    hits, tail = exceedance_vector(exceedances), 1.0 - check_level(level)
    n, count = len(hits), int(hits.sum())
    coverage = float(_coverage_ratio(n, np.array([count]), tail)[0])
    independence = float(_independence_ratio(_transitions(hits)[None, :])[0])
    statistic = coverage + independence
    p_value, mid = enumerated_p_value(statistic, *_conditional_coverage_law(n, tail))
    details = {
        "n": n,
        "exceedances": count,
        "coverage_statistic": coverage,
        "independence_statistic": independence,
        "mid_p_value": mid,
        "asymptotic_p_value": float(stats.chi2.sf(statistic, 2)),
    }
    null = "exceedances have probability 1 − level on every day and are independent"
    return HypothesisTest("christoffersen_coverage", null, statistic, p_value, size, details)


def traffic_light(exceedances: ArrayLike, level: float, *, size: float = 0.05) -> HypothesisTest:
    """The supervisor's zones: yellow from a cumulative binomial probability of 95 % on, red from 99.99 % on.

    The p-value is P(as many exceedances or more); the decision is that of the one-sided binomial test, the zone is in
    `details`, with the multiplier for 250 days at 99 % (None elsewhere: the standard defines none). Parameters as in
    `kupiec`. Source: Basel Committee, MAR99
    ("Supervisory framework for the interpretation of backtesting results").
    """
    hits, tail = exceedance_vector(exceedances), 1.0 - check_level(level)
    n, count = len(hits), int(hits.sum())
    cumulative = float(stats.binom.cdf(count, n, tail))
    p_value = float(stats.binom.sf(count - 1, n, tail))
    standard = n == 250 and abs(tail - 0.01) < 1e-12
    details = {
        "n": n,
        "exceedances": count,
        "zone": "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red",
        "cumulative_probability": cumulative,
        "multiplier": BASEL_MULTIPLIERS[min(count, 10)] if standard else None,
        "mid_p_value": p_value - 0.5 * float(stats.binom.pmf(count, n, tail)),
    }
    null = "the loss exceeds the VaR with probability at most 1 − level"
    return HypothesisTest("traffic_light", null, float(count), p_value, size, details)


def _coverage_ratio(n: int, counts: IntArray, tail: float) -> FloatArray:
    """−2 log likelihood ratio of probability `tail` against counts/n."""
    share = counts / n
    best = xlogy(counts, share) + xlogy(n - counts, 1.0 - share)
    return np.asarray(2.0 * (best - xlogy(counts, tail) - xlogy(n - counts, 1.0 - tail)))


def _first_failure_ratio(days: IntArray, tail: float) -> FloatArray:
    best = -np.log(days) + xlogy(days - 1, 1.0 - 1.0 / days)
    return np.asarray(2.0 * (best - np.log(tail) - (days - 1) * np.log1p(-tail)))


def _transitions(hits: np.ndarray) -> IntArray:
    """How often 0→0, 0→1, 1→0, 1→1."""
    return np.bincount(2 * hits[:-1].astype(np.int64) + hits[1:], minlength=4).astype(np.int64)


def _independence_ratio(transitions: IntArray) -> FloatArray:
    """−2 log likelihood ratio of independence against a Markov chain, per row (n00, n01, n10, n11)."""
    n00, n01, n10, n11 = transitions.T.astype(np.float64)
    total = n00 + n01 + n10 + n11
    share = (n01 + n11) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        after_0 = np.where(n00 + n01 > 0, n01 / (n00 + n01), 0.0)
        after_1 = np.where(n10 + n11 > 0, n11 / (n10 + n11), 0.0)
    markov = xlogy(n00, 1 - after_0) + xlogy(n01, after_0) + xlogy(n10, 1 - after_1) + xlogy(n11, after_1)
    return np.asarray(2.0 * (markov - xlogy(n00 + n10, 1.0 - share) - xlogy(n01 + n11, share)))


@lru_cache(maxsize=4096)
def _arrangements(n: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Independence ratios of all arrangements of `count` ones among n, and the log number of arrangements of each.

    Arrangements are grouped by their runs: r runs of ones and s of zeros, |r − s| <= 1, can be filled in
    C(count − 1, r − 1) · C(n − count − 1, s − 1) ways (once for each of the two orders where r = s).
    """
    zeros = n - count
    if count == 0 or zeros == 0:
        return np.zeros(1), np.zeros(1)
    runs = np.arange(1, min(count, zeros + 1) + 1)
    rows, logs = [], []
    for starts_with_one, ends_with_one in ((0, 0), (0, 1), (1, 0), (1, 1)):
        zero_runs = runs + 1 - starts_with_one - ends_with_one
        fits = (zero_runs >= 1) & (zero_runs <= zeros)
        r, s = runs[fits], zero_runs[fits]
        rows.append(np.column_stack([zeros - s, r - starts_with_one, r - ends_with_one, count - r]))
        logs.append(_log_choose(count - 1, r - 1) + _log_choose(zeros - 1, s - 1))
    return _independence_ratio(np.concatenate(rows)), np.concatenate(logs)


@lru_cache(maxsize=64)
def _conditional_coverage_law(n: int, tail: float) -> tuple[FloatArray, FloatArray]:
    """Values of the conditional-coverage ratio and their probabilities under independent exceedances."""
    counts = np.arange(n + 1)
    likely = counts[stats.binom.pmf(counts, n, tail) > _NEGLIGIBLE]
    coverage = _coverage_ratio(n, likely, tail)
    values, probabilities = [], []
    for count, ratio in zip(likely, coverage, strict=True):
        independence, log_weights = _arrangements(n, int(count))
        values.append(ratio + independence)
        probabilities.append(np.exp(log_weights + count * np.log(tail) + (n - count) * np.log1p(-tail)))
    return np.concatenate(values), np.concatenate(probabilities)


def _log_choose(n: int, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
