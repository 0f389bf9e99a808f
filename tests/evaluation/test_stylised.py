"""Stylised facts against closed forms, and the report against what its draws were made to lack."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qfin.evaluation import QualityRow, quality_rows, stylised
from qfin.evaluation.stylised import (
    LAGS,
    autocorrelation,
    classifier_auc,
    cross_lagged,
    energy_distance,
    hill_index,
    spread_excess,
)
from qfin.exceptions import InputError
from qfin.scenarios import BlockBootstrapPaths, HistoricalGenerator, IndependentPaths, ScenarioPaths, ScenarioSet


def autoregressive(n_segments: int, n_days: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    x = np.empty((n_segments, n_days, 1))
    x[:, 0] = rng.standard_normal((n_segments, 1)) / np.sqrt(1.0 - phi**2)
    for day in range(1, n_days):
        x[:, day] = phi * x[:, day - 1] + rng.standard_normal((n_segments, 1))
    return x


@pytest.mark.parametrize("shape", [(1, 50_000), (2_000, 25)])
def test_autocorrelation_of_an_autoregression(shape: tuple[int, int]) -> None:
    """φ^k, for one long segment and for many short ones alike."""
    found = autocorrelation(autoregressive(*shape, 0.5, np.random.default_rng(0)))[:, 0]
    # Bartlett: the variance of r_k is at most (1 + φ²)/(1 − φ²)/n; pairs are fewer in short segments.
    pairs = shape[0] * (shape[1] - LAGS)
    assert (np.abs(found - 0.5**LAGS) < 5.0 * np.sqrt(1.25 / 0.75 / pairs)).all()


def test_cross_lagged_correlation_by_numpy() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 20_000, 2))
    y = np.roll(x, 3, axis=1) + rng.standard_normal(x.shape)  # follows x by three days
    found = cross_lagged(x, y, np.array([1, 3]))
    expected = [np.corrcoef(x[0, :-lag, 1], y[0, lag:, 1])[0, 1] for lag in (1, 3)]
    assert found[:, 1] == pytest.approx(expected, abs=1e-3)
    assert found[1, 0] == pytest.approx(1.0 / np.sqrt(2.0), abs=5.0 / np.sqrt(20_000))


def test_hill_index_of_a_pareto_law() -> None:
    x = stats.pareto(3.0).rvs((40_000, 2), random_state=np.random.default_rng(2))
    found = hill_index(x)
    assert (np.abs(found - 1 / 3) < 5.0 / 3.0 / np.sqrt(2_000)).all()
    ordered = np.sort(x[:, 0])[::-1]
    assert found[0] == pytest.approx(np.mean(np.log(ordered[:2_000])) - np.log(ordered[2_000]))
    with pytest.raises(InputError, match="positive tail"):
        hill_index(-x)


def test_spread_of_normal_and_student_laws() -> None:
    n = 100_000
    rng = np.random.default_rng(3)
    # Of a quantile q: sqrt(q(1 − q)/n)/density; for the normal law's q99 − q01 that is 0.017, of 4.65.
    assert abs(spread_excess(rng.standard_normal((n, 1)))[0]) < 5.0 * 0.006
    law = stats.t(4)
    exact = (2 * law.ppf(0.99)) / (2 * law.ppf(0.75)) / (2 * stats.norm.ppf(0.99) / (2 * stats.norm.ppf(0.75))) - 1.0
    assert spread_excess(rng.standard_t(4, (n, 1)))[0] == pytest.approx(exact, abs=0.05)


def test_energy_distance_of_shifted_normals() -> None:
    """E|N(δ, 2)| = √(4/π)·exp(−δ²/4) + δ(1 − 2Φ(−δ/√2)); zero in the mean for equal laws."""
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2_000, 1)), rng.standard_normal((2_000, 1)) + 1.0
    between = np.sqrt(4 / np.pi) * np.exp(-0.25) + 1.0 - 2.0 * stats.norm.cdf(-1.0 / np.sqrt(2.0))
    expected = 2.0 * between - 2.0 * np.sqrt(4 / np.pi)
    assert energy_distance(a, b, 0) == pytest.approx(expected, abs=5.0 * 2.0 / np.sqrt(2_000))
    equal = [energy_distance(*rng.standard_normal((2, 100, 2))) for _ in range(200)]
    assert abs(np.mean(equal)) < 5.0 * np.std(equal) / np.sqrt(200)


def test_the_classifier_tells_what_can_be_told() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 800, 3))
    error = np.sqrt(1601 / 12 / 800**2)  # of the Mann–Whitney statistic
    assert abs(classifier_auc(a, b, 0) - 0.5) < 5.0 * error
    best = stats.norm.cdf(1.0 / np.sqrt(2.0))  # of any classifier of laws one standard deviation apart
    b[:, 0] += 1.0
    assert best - 0.1 < classifier_auc(a, b, 0) < best + 5.0 * error


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick two-sample tests, where they are not what is looked at."""
    monkeypatch.setattr(stylised, "MAX_ROWS", 150)


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    """A common volatility that clusters and rises after falls."""
    rng = np.random.default_rng(6)
    shocks = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], size=3_000)
    log_volatility, days = 0.0, np.empty((3_000, 2))
    for day, z in enumerate(shocks):
        days[day] = 0.01 * np.exp(log_volatility) * z
        log_volatility = 0.96 * log_volatility - 0.08 * z.mean() + 0.15 * rng.standard_normal()
    return pd.DataFrame(days, columns=["AAA", "BBB"])


def by_name(rows: list[QualityRow]) -> dict[str, QualityRow]:
    return {row.metric: row for row in rows}


def test_history_is_no_distance_from_itself(history: pd.DataFrame) -> None:
    paths = ScenarioPaths(history.to_numpy().copy()[None], ("AAA", "BBB"))
    rows = by_name(quality_rows(paths, history, rng=1))
    assert len(rows) == 20
    for row in rows.values():
        if row.history is not None:
            assert row.distance < 1e-12
            assert row.history == pytest.approx(row.model)
            assert row.floor > 1e-5
            assert row.ratio == row.distance / row.floor
    assert abs(rows["energy distance"].distance) < rows["energy distance"].floor + 0.01


@pytest.mark.usefixtures("few_rows")
def test_independent_days_lack_what_blocks_keep(history: pd.DataFrame) -> None:
    found = {
        name: by_name(quality_rows(generator.fit(history).sample_paths(100, 250, rng=2), history, rng=1))
        for name, generator in {"independent": IndependentPaths(), "blocks": BlockBootstrapPaths(60.0)}.items()
    }
    for metric, sign in (
        ("autocorrelation of absolute returns, lags 1–20", 1.0),
        ("leverage effect, lags 1–10", -1.0),
    ):
        independent, blocks = found["independent"][metric], found["blocks"][metric]
        assert sign * independent.history > 0.03
        assert abs(independent.model) < 0.01
        assert blocks.distance < 0.5 * independent.distance
    assert found["independent"]["correlation"].distance < 0.03
    assert found["independent"]["non-normality of 20-day returns"].model < 0.2


@pytest.mark.usefixtures("few_rows")
def test_days_alone_have_no_facts_about_time(history: pd.DataFrame) -> None:
    drawn = HistoricalGenerator().fit(history).sample_set(3_000, rng=1)
    rows = by_name(quality_rows(drawn, history, rng=1))
    assert len(rows) == 14
    assert not any("lag" in name or "-day returns" in name for name in rows)
    assert rows["lower tail dependence, 5.0%"].distance < 0.15


@pytest.mark.usefixtures("few_rows")
def test_weights_count(history: pd.DataFrame) -> None:
    returns = np.vstack([history.to_numpy(), 10.0 * history.to_numpy()])
    weights = np.repeat([1.0, 0.0], len(history)) / len(history)
    row = by_name(quality_rows(ScenarioSet(returns, ("AAA", "BBB"), weights), history, rng=1))["volatility"]
    assert row.model == pytest.approx(row.history, rel=0.1)


@pytest.mark.usefixtures("few_rows")
def test_same_seed_same_rows(history: pd.DataFrame) -> None:
    drawn = HistoricalGenerator().fit(history).sample_set(500, rng=1)
    assert quality_rows(drawn, history, rng=1) == quality_rows(drawn, history, rng=1)


def test_wrong_history(history: pd.DataFrame) -> None:
    drawn = HistoricalGenerator().fit(history).sample_set(500, rng=1)
    with pytest.raises(InputError, match="the columns AAA, BBB in that order"):
        quality_rows(drawn, history[["BBB", "AAA"]])
    with pytest.raises(InputError, match="at least 500 complete days, received 499"):
        quality_rows(drawn, history.iloc[:499])
