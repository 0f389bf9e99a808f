"""Tail-GAN's metric: rules and statistics by hand, the synthetic law, filters, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from qfin.bench.tail_paths import copula_innovations, fit_filter, historical_innovations
from qfin.bench.tail_strategies import (
    TAIL,
    eigen_weights,
    held,
    moving_average,
    relative_errors,
    static_weights,
    strategies,
    tail_statistics,
)
from qfin.bench.tail_worlds import SyntheticLaw, prices, stock_worlds, synthetic_world
from qfin.bench.tails import bench_tails
from qfin.cli.bench_tails import tails
from qfin.copulas import StudentTCopula
from qfin.exceptions import InputError


def as_signal(*values: float) -> np.ndarray:
    return np.array(values)[None, :, None]


def test_positions_open_at_a_threshold_and_close_at_zero() -> None:
    signal = as_signal(0.0, 0.5, 1.5, 0.5, -0.1, -2.0, -0.5, 0.2, 2.0)
    reversion = held(signal, -1.0, 1.0, short_above=True)[0, :, 0]
    assert reversion.tolist() == [0, 0, -1, -1, 0, 1, 1, 0, -1]
    assert held(signal, -1.0, 1.0, short_above=False)[0, :, 0].tolist() == (-reversion).tolist()


def test_a_signal_that_starts_beyond_a_threshold_opens_nothing() -> None:
    assert not held(as_signal(2.0, 2.5, 3.0), -1.0, 1.0, short_above=True).any()


def test_a_moving_average_without_a_full_window_is_the_price() -> None:
    averages = moving_average(as_signal(1.0, 2.0, 6.0, 1.0), 3)[0, :, 0]
    assert averages == pytest.approx([1.0, 2.0, 3.0, 3.0])


def test_profits_are_positions_times_moves() -> None:
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((50, 20, 3))
    path = prices(x, True)
    rules = strategies(path, static_weights(3, rng))
    pnl = rules.pnl(path)
    assert pnl.shape == (50, 3 + 50 + 3 + 3)
    assert pnl[:, :3] == pytest.approx(x.sum(axis=1))
    assert np.abs(rules.weights).sum(axis=0) == pytest.approx(np.ones(53))
    # One path by hand: mean reversion on the first asset, day by day.
    signal = path[7, :, 0] - path[7, :3, 0].mean()
    low, high = rules.reversion
    position, total = 0, 0.0
    for day in range(1, 20):
        crossed = signal[day - 1] * signal[day] < 0
        position = 0 if crossed else position
        if signal[day - 1] < high <= signal[day]:
            position = -1
        if signal[day - 1] > low >= signal[day]:
            position = 1
        total += position * (path[7, day + 1, 0] - path[7, day, 0])
    assert pnl[7, 53] == pytest.approx(total)


def test_statistics_of_a_hundred_and_one_numbers() -> None:
    pnl = np.arange(101.0)[:, None]
    assert tail_statistics(pnl)[:, 0] == pytest.approx([100 * TAIL, 2.5])
    truth = np.array([[10.0], [-5.0]])
    assert relative_errors(pnl, truth)[:, 0] == pytest.approx([0.5, 1.5])


def test_eigen_portfolios_are_uncorrelated_on_the_days_they_come_from() -> None:
    rng = np.random.default_rng(1)
    returns = rng.standard_normal((500, 4)) @ rng.standard_normal((4, 4))
    correlation = np.corrcoef(returns @ eigen_weights(returns), rowvar=False)
    assert correlation == pytest.approx(np.eye(4), abs=1e-9)


def test_the_synthetic_law_is_the_published_one() -> None:
    law = SyntheticLaw.draw(np.random.default_rng(2))
    x = law.paths(400, np.random.default_rng(3))
    deviation = np.sqrt(np.diag(law.covariance))
    assert x.shape == (400, 100, 5)
    assert (deviation > 0.3 / np.sqrt(25_000)).all()
    assert (deviation < 0.5 / np.sqrt(25_000)).all()
    assert x.std(axis=1) == pytest.approx(np.tile(deviation, (400, 1)))
    z = x / deviation
    memory = (z[:, 1:] * z[:, :-1]).mean(axis=(0, 1))
    # Five standard errors of an autocorrelation of 39,600 pairs, and what the mean of a path of 100 days takes off.
    assert memory == pytest.approx([0.0, 0.5, -0.12, 0.0, 0.0], abs=5 / np.sqrt(39_600) + 0.02)
    kurtosis = (z**4).mean(axis=(0, 1))
    assert kurtosis[3] > kurtosis[4] > 3.2


def test_the_filter_finds_what_the_series_have() -> None:
    law = SyntheticLaw.draw(np.random.default_rng(2))
    x = law.paths(300, np.random.default_rng(3))
    found = fit_filter(x)
    assert found.phi[[0, 3, 4]].tolist() == [0.0, 0.0, 0.0]
    assert found.phi[[1, 2]] == pytest.approx([0.5, -0.12], abs=5 / np.sqrt(29_700) + 0.02)
    assert (found.params[:, [2, 3, 4]] == 0.0).all()
    assert found.scale == pytest.approx(np.sqrt(np.diag(law.covariance)))


def test_simulation_undoes_the_filter() -> None:
    rng = np.random.default_rng(4)
    volatility = np.exp(np.cumsum(0.2 * rng.standard_normal(1500)) * 0.3)[:, None]
    x = 0.01 * np.clip(volatility, 0.3, 3.0)[None] * rng.standard_normal((1, 1500, 2))
    found = fit_filter(x)
    assert (found.params[:, 4] > 0.0).all()
    z, states = found.residuals(x)
    again = found.simulate(z[None, 500:520], states.rows(slice(500, 501)))
    first = 501 + len(found.own)
    assert again[0] == pytest.approx(x[0, first : first + 20])


def test_moves_that_come_back_are_found_and_undone() -> None:
    """The assets' mean goes on for a day, what is each asset's own comes back after three."""
    rng = np.random.default_rng(7)
    shocks = 0.01 * rng.standard_normal((1, 4_000, 8))
    x = np.zeros_like(shocks)
    for day in range(4_000):
        lag1, lag3 = x[0, max(day - 1, 0)], x[0, max(day - 3, 0)]
        x[0, day] = 0.15 * lag1.mean() - 0.2 * (lag3 - lag3.mean()) + shocks[0, day]
    found = fit_filter(x)
    # Five standard errors of a coefficient: of one series of 4,000 days, and of eight less their mean.
    assert found.market[[0, 2]] == pytest.approx([0.15, 0.0], abs=5 / np.sqrt(4_000) + 0.02)
    assert found.own[[0, 2]] == pytest.approx([0.0, -0.2], abs=5 / np.sqrt(7 * 4_000) + 0.02)
    z, states = found.residuals(x)
    again = found.simulate(z[None, 500:520], states.rows(slice(500, 501)))
    assert again[0] == pytest.approx(x[0, 511:531])
    paths = found.simulate(z[rng.integers(len(z), size=(4_000, 20))], states.rows(rng.integers(len(z), size=4_000)))
    own = [(p - p.mean(axis=2, keepdims=True)).sum(axis=1).var() for p in (paths, x[0].reshape(200, 20, 8))]
    assert own[0] == pytest.approx(own[1], rel=5 * np.sqrt(2 / (7 * 200)))


def test_the_filter_has_no_shared_lags_without_memory() -> None:
    x = 0.01 * np.random.default_rng(8).standard_normal((1, 3_000, 3))
    assert len(fit_filter(x).own) == 0


def test_innovations_have_the_law_of_the_residuals() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_t(6, (2_000, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    for law in (historical_innovations(z), copula_innovations(z, StudentTCopula(), 2_000, rng)):
        drawn = law(20_000, rng)
        assert np.quantile(drawn, 0.05, axis=0) == pytest.approx(np.quantile(z - z.mean(axis=0), 0.05, axis=0), rel=0.1)
        # Five standard errors of a correlation on 2,000 days.
        assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(np.corrcoef(z.T)[0, 1], abs=5 / np.sqrt(2_000))


def test_more_draws_from_the_truth_err_less() -> None:
    world = synthetic_world(2_000, 100, 0)
    errors = [
        np.mean([relative_errors(world.floor(n, np.random.default_rng(i)), world.truth) for i in range(4)])
        for n in (50, 1_250)
    ]
    assert errors[1] < 0.5 * errors[0]  # 1/5 but for the error of the truth itself


def test_command_writes_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qfin.bench import tails as bench

    monkeypatch.setattr(bench_tails, "__kwdefaults__", bench_tails.__kwdefaults__ | {"n_paths": 1_500, "n_fitted": 60})
    assert bench.bench_tails is bench_tails
    tails("synthetic", "floor,historical,filtered_hs,student_t", 2, seed=0, json=str(tmp_path / "tails.json"))
    content = json.loads((tmp_path / "tails.json").read_text())
    assert [row["model"] for row in content["rows"]] == ["floor", "historical", "filtered_hs", "student_t"]
    assert all(0.0 < row["re"] < 0.2 and row["re_sd"] > 0.0 for row in content["rows"])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="--sets"):
        bench_tails(["moon"])
    with pytest.raises(InputError, match="--models"):
        bench_tails(["synthetic"], ["luck"])
    with pytest.raises(InputError, match="repetitions"):
        bench_tails(["synthetic"], ["floor"], n_repetitions=1)


def test_the_stocks_after_the_training_days_change_no_rule() -> None:
    shorter, longer = (stock_worlds(0, "1994-12-31", last)[1] for last in ("1996-06-30", "1996-12-31"))
    assert np.array_equal(shorter.strategies.weights, longer.strategies.weights)
    assert shorter.strategies.reversion == longer.strategies.reversion
    assert shorter.strategies.trend == longer.strategies.trend
    assert np.array_equal(shorter.training, longer.training)
    # Every path starts after a day that is known: what is known ends where the last window begins.
    assert shorter.known is not None
    assert longer.known is not None
    assert np.array_equal(longer.known[: len(shorter.known)], shorter.known)
    assert len(longer.known) - longer.n_starts == len(shorter.known) - shorter.n_starts == longer.training.shape[1]


def test_a_split_with_too_few_days_is_refused() -> None:
    for train_end in ("1991-12-31", "2022-11-30"):
        with pytest.raises(InputError, match="at least 1,020 days up to it and 100 after it, received"):
            stock_worlds(0, train_end)
