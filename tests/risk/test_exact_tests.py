"""Coverage tests: exact p-values by listing every sequence, and the waits and regressions a second way."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from qfin.exceptions import InputError
from qfin.risk import (
    HypothesisTest,
    christoffersen_coverage,
    christoffersen_independence,
    dynamic_quantile,
    kupiec,
    traffic_light,
    tuff,
    weibull_duration,
)
from qfin.risk.duration import weibull_ratio

Test = Callable[..., HypothesisTest]
N, LEVEL = 10, 0.8
SEQUENCES = np.array(list(product([0, 1], repeat=N)))
PROBABILITY = 0.2 ** SEQUENCES.sum(axis=1) * 0.8 ** (N - SEQUENCES.sum(axis=1))


@pytest.mark.parametrize("test", [kupiec, tuff, christoffersen_coverage, traffic_light])
def test_p_value_is_the_probability_of_a_statistic_at_least_as_large(test: Test) -> None:
    results = [test(sequence, LEVEL) for sequence in SEQUENCES]
    statistics = np.array([result.statistic for result in results])
    for result in results[::37]:
        at_least = PROBABILITY[statistics >= result.statistic - 1e-9].sum()
        above = PROBABILITY[statistics > result.statistic + 1e-9].sum()
        assert result.p_value == pytest.approx(at_least, abs=1e-12)
        assert result.details["mid_p_value"] == pytest.approx(0.5 * (at_least + above), abs=1e-12)
    p_values = np.array([result.p_value for result in results])
    for size in (0.01, 0.05, 0.1):
        assert PROBABILITY[p_values <= size].sum() <= size + 1e-12


def test_independence_is_exact_given_the_number_of_exceedances() -> None:
    results = np.array([christoffersen_independence(sequence, LEVEL) for sequence in SEQUENCES])
    counts = SEQUENCES.sum(axis=1)
    for count in range(N + 1):
        group = results[counts == count]
        statistics = np.array([result.statistic for result in group])
        for result in group[::11]:
            assert result.p_value == pytest.approx(np.mean(statistics >= result.statistic - 1e-9), abs=1e-12)


@pytest.mark.parametrize("test", [kupiec, tuff, christoffersen_coverage, christoffersen_independence])
def test_random_ties_have_the_nominal_size(test: Test) -> None:
    results = [test(sequence, LEVEL) for sequence in SEQUENCES]
    uniform = (np.arange(50) + 0.5) / 50
    shares = [np.mean([result.random_ties_p_value(u) <= 0.05 for u in uniform]) for result in results]
    # The grid of 50 uniform numbers is off by at most one of them.
    assert PROBABILITY @ shares == pytest.approx(0.05, abs=1 / 50)


def test_the_decision_is_taken_at_the_size() -> None:
    hits = np.arange(250) < 8
    test = kupiec(hits, 0.99, size=0.01)
    assert 0.001 < test.p_value < 0.01
    assert test.reject
    assert not kupiec(hits, 0.99, size=0.001).reject
    row = test.as_row()
    assert (row["test"], row["reject"], row["exceedances"]) == ("kupiec", True, 8)
    with pytest.raises(InputError, match="size"):
        kupiec(hits, 0.99, size=1.5)


@pytest.mark.parametrize("edges", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_weibull_fit_is_that_of_scipy(edges: tuple[int, int]) -> None:
    rng = np.random.default_rng(11)
    hits = rng.random(400) < 0.06
    hits[0], hits[-1] = edges
    days = np.flatnonzero(hits)
    waits = np.diff(days).astype(float)
    censored = [float(days[0] + 1)] * (1 - edges[0]) + [float(399 - days[-1])] * (1 - edges[1])
    data = stats.CensoredData(uncensored=waits, right=censored)
    shape, _, scale = stats.weibull_min.fit(data, floc=0)

    def log_likelihood(b: float, a: float) -> float:
        law = stats.weibull_min(b, scale=a)
        return float(law.logpdf(waits).sum() + law.logsf(censored).sum())

    mean = (waits.sum() + sum(censored)) / len(waits)
    expected = 2.0 * (log_likelihood(shape, scale) - log_likelihood(1.0, mean))
    test = weibull_duration(hits, 0.94)
    assert test.details["shape"] == pytest.approx(shape, rel=2e-3)
    assert test.statistic == pytest.approx(expected, abs=1e-5)


def test_weibull_p_value_among_all_arrangements() -> None:
    days = np.array([[i, j, k] for i in range(12) for j in range(i + 1, 12) for k in range(j + 1, 12)])
    ratios = weibull_ratio(days, 12)[0]
    for row in (3, 50, 150):
        hits = np.isin(np.arange(12), days[row])
        exact = np.mean(ratios >= ratios[row] - 1e-9)
        simulated = weibull_duration(hits, 0.75)
        assert simulated.p_value == pytest.approx(exact, abs=5 * np.sqrt(0.25 / 1999))


def test_clusters_are_found_and_few_exceedances_say_nothing() -> None:
    clusters = np.zeros(500, dtype=bool)
    clusters[[100, 101, 103, 104, 300, 301, 302, 306]] = True
    assert weibull_duration(clusters, 0.99).reject
    assert float(weibull_duration(clusters, 0.99).details["shape"]) < 0.7
    assert dynamic_quantile(clusters, 0.99).reject
    assert christoffersen_independence(clusters, 0.99).reject
    for count in (0, 1):
        assert weibull_duration(np.arange(300) < count, 0.99).p_value == 1.0


@pytest.mark.parametrize("with_var", [True, False])
def test_dynamic_quantile_is_a_regression(with_var: bool) -> None:
    rng = np.random.default_rng(4)
    n, tail, lags = 300, 0.05, 4
    var = 1.0 + rng.random(n)
    hits = rng.random(n) < 0.07
    hit = hits - tail
    columns = [np.ones(n - lags), *(hit[lags - k : n - k] for k in range(1, lags + 1))]
    x = np.column_stack([*columns, var[lags:]] if with_var else columns)
    fitted = x @ np.linalg.lstsq(x, hit[lags:], rcond=None)[0]
    test = dynamic_quantile(hits, 0.95, var=var if with_var else None)
    assert test.statistic == pytest.approx(fitted @ fitted / (tail * 0.95))
    assert test.details["degrees_of_freedom"] == x.shape[1]
    assert test.p_value == dynamic_quantile(hits, 0.95, var=var if with_var else None).p_value


def test_dynamic_quantile_sees_a_var_that_predicts_exceedances() -> None:
    rng = np.random.default_rng(8)
    high = rng.random(600) < 0.5
    hits = rng.random(600) < np.where(high, 0.0, 0.1)
    var = np.where(high, 2.0, 1.0)
    assert dynamic_quantile(hits, 0.95, var=var).reject
    assert not dynamic_quantile(hits, 0.95).reject


def test_tuff_is_small_at_the_expected_wait() -> None:
    best = minimize_scalar(lambda p: -np.log(p) - 19 * np.log1p(-p), bounds=(0.001, 0.999), method="bounded")
    hits = np.arange(100) == 19
    assert tuff(hits, 1.0 - best.x).statistic == pytest.approx(0.0, abs=1e-6)
    late = tuff(np.zeros(100, dtype=bool), 0.95)
    assert late.details["first_exceedance"] is None
    assert late.p_value == pytest.approx(0.95**100, rel=1e-9)


@pytest.mark.parametrize("hits", [[1], [0, 2, 1], [[0, 1], [1, 0]], [0.5, 1.0]])
def test_wrong_exceedances_are_refused(hits: list[float]) -> None:
    with pytest.raises(InputError, match="exceedances"):
        kupiec(hits, 0.95)


def test_wrong_levels_and_lags_are_refused() -> None:
    with pytest.raises(InputError, match="level"):
        kupiec([0, 1, 0], 0.05)
    with pytest.raises(InputError, match="n_lags"):
        dynamic_quantile(np.zeros(20, dtype=bool), 0.95, n_lags=9)
    hits = np.arange(40) % 13 == 3
    assert dynamic_quantile(hits, 0.95, var=np.zeros(40)).statistic == dynamic_quantile(hits, 0.95).statistic
    with pytest.raises(InputError, match="var: expected 20 days"):
        dynamic_quantile(np.arange(20) == 3, 0.95, var=np.ones(19), n_lags=2)
