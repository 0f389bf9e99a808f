"""Means over days with block standard errors, and paired differences with bootstrap intervals."""

import numpy as np
import pytest

from qfin.evaluation import mean_log_likelihood, paired_difference
from qfin.exceptions import InputError


def autoregressive(rho: float, n_days: int, seed: int) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(n_days)
    values = np.empty(n_days)
    values[0] = shocks[0] / np.sqrt(1 - rho**2)
    for t in range(1, n_days):
        values[t] = rho * values[t - 1] + shocks[t]
    return values


def test_blocks_of_one_day_give_the_ordinary_standard_error() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, size=101)
    estimate = mean_log_likelihood(x, 1)
    assert estimate.mean == pytest.approx(x.mean())
    assert estimate.standard_error == pytest.approx(x.std(ddof=1) / np.sqrt(101))
    assert (estimate.n_days, estimate.n_blocks) == (101, 101)


def test_equal_blocks_give_the_standard_error_of_block_means() -> None:
    x = np.random.default_rng(1).normal(size=120)
    means = x.reshape(12, 10).mean(axis=1)
    assert mean_log_likelihood(x, 10).standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(12))


def test_blocks_see_serial_dependence() -> None:
    rho, n_days, n_blocks = 0.7, 40_000, 200
    estimate = mean_log_likelihood(autoregressive(rho, n_days, seed=2), n_days // n_blocks)
    assert estimate.n_blocks == n_blocks
    expected = 1 / (1 - rho) / np.sqrt(n_days)  # long-run standard deviation of AR(1) with unit shocks
    assert estimate.standard_error == pytest.approx(expected, rel=5 / np.sqrt(2 * (n_blocks - 1)))
    assert mean_log_likelihood(autoregressive(rho, n_days, seed=2), 1).standard_error < 0.5 * expected


def test_interval_of_independent_days_is_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    common, a, b = rng.normal(size=(3, 2000))
    found = paired_difference(5 * common + a + 0.1, 5 * common + b, rng=4, block_length=1.0)
    error = np.std(a - b) / np.sqrt(2000)
    assert found.mean == pytest.approx(np.mean(a - b) + 0.1)
    # Ends of a 95 % percentile interval from 2,000 resamples are themselves known to about 0.06 standard errors.
    assert found.lower == pytest.approx(found.mean - 1.96 * error, abs=5 * 0.06 * error)
    assert found.upper == pytest.approx(found.mean + 1.96 * error, abs=5 * 0.06 * error)
    assert found.lower < found.mean < found.upper


def test_block_length_chosen_from_the_data_widens_the_interval() -> None:
    x = autoregressive(0.8, 4000, seed=5)
    chosen = paired_difference(x, np.zeros(4000), rng=6)
    short = paired_difference(x, np.zeros(4000), rng=6, block_length=1.0)
    assert chosen.block_length > 5.0
    assert chosen.upper - chosen.lower > 1.5 * (short.upper - short.lower)


def test_interval_covers_zero_about_as_often_as_it_says() -> None:
    n_trials, coverage = 60, 0.8
    hits = 0
    for seed in range(n_trials):
        x = autoregressive(0.4, 600, seed=100 + seed)
        found = paired_difference(x, np.zeros(600), rng=seed, n_resamples=200, coverage=coverage)
        hits += found.lower <= 0.0 <= found.upper
    assert abs(hits / n_trials - coverage) < 5 * np.sqrt(coverage * (1 - coverage) / n_trials)


def test_equal_models_differ_by_nothing_and_order_flips_the_sign() -> None:
    x, y = np.random.default_rng(7).normal(size=(2, 300))
    same = paired_difference(x, x, rng=0)
    assert (same.mean, same.lower, same.upper) == (0.0, 0.0, 0.0)
    ahead, behind = paired_difference(x, y, rng=1), paired_difference(y, x, rng=1)
    assert (ahead.mean, ahead.lower) == pytest.approx((-behind.mean, -behind.upper))
    assert paired_difference(x, y, rng=1) == ahead


def test_wrong_input_is_refused() -> None:
    x = np.zeros(40)
    with pytest.raises(InputError, match="expected 1 to 20"):
        mean_log_likelihood(x, 21)
    with pytest.raises(InputError, match="expected 1 to 20"):
        mean_log_likelihood(x, 0)
    with pytest.raises(InputError, match="finite"):
        mean_log_likelihood(np.append(x, -np.inf))
    with pytest.raises(InputError, match="b: expected 40 days, received 39"):
        paired_difference(x, x[1:], rng=0)
    with pytest.raises(InputError, match="coverage"):
        paired_difference(x, x + 1.0, rng=0, coverage=95.0)
