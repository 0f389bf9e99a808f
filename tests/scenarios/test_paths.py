"""Paths: the value and its files, and four sources of paths against what they must reproduce."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qfin.copulas import GaussianCopula, StudentTCopula
from qfin.exceptions import InputError, NotFittedError
from qfin.marginals import GarchFilter
from qfin.marginals.volatility import simulate_returns
from qfin.scenarios import (
    BlockBootstrapPaths,
    FilteredHistoricalPaths,
    GarchCopulaPaths,
    IndependentPaths,
    ScenarioGenerator,
    ScenarioPaths,
)

ASSETS = ["AAA", "BBB", "CCC"]
DATES = pd.date_range("2021-03-01", periods=3, name="date")


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    params = np.tile([3e-4, 2e-6, 0.03, 0.08, 0.90, 6.0], (3, 1))
    rng = np.random.default_rng(1)
    z = rng.multivariate_normal(np.zeros(3), 0.5 * np.eye(3) + 0.5, size=(1, 1_500))
    bounds = (np.zeros(3), np.ones(3))
    returns = simulate_returns("gjr", params, z, np.full(3, 1e-4), bounds).returns[0]
    frame = pd.DataFrame(returns, index=pd.bdate_range("2010-01-04", periods=1_500), columns=ASSETS)
    frame.iloc[3, 1] = np.nan
    return frame


GENERATORS = {
    "independent": IndependentPaths(),
    "bootstrap": BlockBootstrapPaths(8.0),
    "fhs": FilteredHistoricalPaths(),
    "garch_copula": GarchCopulaPaths(copula=StudentTCopula(6.0)),
}


@pytest.fixture(scope="module")
def fitted(days: pd.DataFrame) -> dict[str, object]:
    return {name: generator.fit(days) for name, generator in GENERATORS.items()}


@pytest.mark.parametrize("name", GENERATORS)
def test_contract(name: str, fitted: dict[str, object]) -> None:
    generator = fitted[name]
    paths = generator.sample_paths(50, 3, rng=7, dates=DATES)
    assert paths.returns.shape == (50, 3, 3)
    assert paths.assets == tuple(ASSETS)
    assert paths.horizon == 3
    assert len(paths) == 50
    assert paths.dates is DATES
    assert paths.provenance["seed"] == 7
    assert paths.provenance["generator"] == type(generator).__name__
    again = generator.sample_paths(50, 3, rng=7)
    assert np.array_equal(paths.returns, again.returns)
    assert not np.array_equal(paths.returns, generator.sample_paths(50, 3, rng=8).returns)
    assert (paths.returns > -1.0).all()
    with pytest.raises(InputError, match="horizon"):
        generator.sample_paths(5, 0)
    with pytest.raises(InputError, match="n_samples"):
        generator.sample_paths(0, 5)
    with pytest.raises(NotFittedError):
        type(generator)().sample_paths(5, 5)


@pytest.mark.parametrize("name", GENERATORS)
def test_unnamed_columns_and_incomplete_days(name: str, days: pd.DataFrame, fitted: dict[str, object]) -> None:
    paths = type(GENERATORS[name])().fit(days.to_numpy()[:400]).sample_paths(2, 2, rng=0)
    assert paths.assets == ("asset_0", "asset_1", "asset_2")
    generator = getattr(fitted[name], "generator_", fitted[name])
    assert generator.n_incomplete_days_ == 1


def rows_of(returns: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in returns]


def test_independent_days_are_days_of_the_past(days: pd.DataFrame, fitted: dict[str, object]) -> None:
    paths = fitted["independent"].sample_paths(2_000, 2, rng=0)
    past = set(rows_of(days.dropna().to_numpy()))
    assert set(rows_of(paths.returns.reshape(-1, 3))) <= past
    correlation = np.corrcoef(np.abs(paths.returns[:, 0, 0]), np.abs(paths.returns[:, 1, 0]))[0, 1]
    assert abs(correlation) < 5.0 / np.sqrt(2_000)


def test_independent_days_of_a_fitted_model(days: pd.DataFrame) -> None:
    model = ScenarioGenerator(copula=GaussianCopula()).fit(days)
    paths = IndependentPaths.from_generator(model).sample_paths(10, 4, rng=3)
    assert np.array_equal(paths.returns.reshape(40, 3), model.sample(40, rng=3))


def test_blocks_run_on(days: pd.DataFrame, fitted: dict[str, object]) -> None:
    """A day follows its neighbour with probability 1 − 1/length + 1/(length·n), the last day the first."""
    paths = fitted["bootstrap"].sample_paths(2_000, 20, rng=0)
    past = days.dropna().to_numpy()
    place = {row: i for i, row in enumerate(rows_of(past))}
    rows = np.array([place[row] for row in rows_of(paths.returns.reshape(-1, 3))]).reshape(2_000, 20)
    follows = (rows[:, 1:] - rows[:, :-1]) % len(past) == 1
    expected = 1.0 - 1.0 / 8.0 + 1.0 / 8.0 / len(past)
    assert abs(follows.mean() - expected) < 5.0 * np.sqrt(expected * (1.0 - expected) / follows.size)


def test_the_optimal_block_is_that_of_arch(days: pd.DataFrame) -> None:
    from arch.bootstrap import optimal_block_length

    found = BlockBootstrapPaths().fit(days).block_length_
    expected = optimal_block_length(np.abs(days.dropna().to_numpy()))["stationary"].median()
    assert found == pytest.approx(expected)
    assert found > 1.0


def test_filtered_days_are_residuals_of_one_day(days: pd.DataFrame, fitted: dict[str, object]) -> None:
    generator = fitted["fhs"]
    state = 2.0 * generator.volatility_.state_
    paths = generator.sample_paths(300, 1, rng=0, state=state)
    z = (np.log1p(paths.returns[:, 0]) - generator.volatility_.params_[:, 0]) / state
    distances = np.abs(z[:, None, :] - generator.residuals_[None]).max(axis=2).min(axis=1)
    assert distances.max() < 1e-9


def test_state_carries_over_days_after_the_fit(days: pd.DataFrame) -> None:
    generator = FilteredHistoricalPaths().fit(days.iloc[:1_000])
    state = generator.volatility_.filter(days.iloc[:1_200]).state
    changed = days.copy()
    changed.iloc[1_200:] *= 3.0
    assert np.array_equal(state, generator.volatility_.filter(changed.iloc[:1_200]).state)
    calm, wild = (generator.sample_paths(2_000, 5, rng=1, state=s).returns.std() for s in (state, 3.0 * state))
    assert wild > 2.0 * calm


def test_copula_paths_have_the_copula_and_the_margins(fitted: dict[str, object]) -> None:
    generator = fitted["garch_copula"]
    paths = generator.sample_paths(4_000, 2, rng=5)
    mean = generator.volatility_.params_[:, 0]
    # Tomorrow's volatility on some paths, by the filter itself.
    states = [
        generator.volatility_.filter(path[:1], generator.volatility_.state_).state for path in paths.returns[:300]
    ]
    u = generator.marginals_.to_uniform((np.log1p(paths.returns[:300, 1]) - mean) / np.array(states))
    for j in range(3):
        assert stats.kstest(u[:, j], "uniform").pvalue > 1e-6
    first = (np.log1p(paths.returns[:, 0]) - mean) / generator.volatility_.state_
    tau = stats.kendalltau(first[:, 0], first[:, 1]).statistic
    expected = 2.0 / np.pi * np.arcsin(generator.copula_.correlation_[0, 1])
    assert abs(tau - expected) < 5.0 * np.sqrt(2.0 / 4_000)


def test_warm_start(days: pd.DataFrame, fitted: dict[str, object]) -> None:
    before = fitted["fhs"].volatility_
    for generator in (FilteredHistoricalPaths(), GarchCopulaPaths(copula=GaussianCopula())):
        warm = generator.fit(days, init_params=before.params_).volatility_
        np.testing.assert_allclose(warm.state_, before.state_, rtol=0.02)


def test_counts_of_the_filter_are_in_the_provenance(days: pd.DataFrame) -> None:
    paths = FilteredHistoricalPaths(GarchFilter("garch", "normal")).fit(days).sample_paths(3, 2, rng=0)
    assert paths.provenance["volatility"] == "garch"
    assert paths.provenance["n_fitted"] + paths.provenance["n_near_integrated"] == 3
    assert paths.provenance["n_not_converged"] == 0
    assert paths.provenance["n_bounded"] == 0


def small_paths() -> ScenarioPaths:
    returns = np.array([[[0.1, 0.0], [-0.5, 0.02]], [[0.0, 0.01], [0.2, -0.03]], [[0.03, 0.04], [0.05, 0.06]]])
    return ScenarioPaths(
        returns, ("AAA", "BBB"), DATES[:2], np.array([0.5, 0.3, 0.2]), {"generator": "hand", "seed": 1}
    )


def test_total_compounds() -> None:
    paths = small_paths()
    total = paths.total()
    assert total.returns[0] == pytest.approx([1.1 * 0.5 - 1.0, 0.02])
    assert np.array_equal(total.probabilities, paths.probabilities)
    assert total.provenance["days"] == 2
    assert paths.effective_sample_size == total.effective_sample_size == pytest.approx(1.0 / 0.38)
    assert paths.total(1).returns == pytest.approx(paths.returns[:, 0])
    assert paths.book_returns()[0] == pytest.approx([0.05, -0.24])
    assert paths.book_returns([1.0, 0.0])[0] == pytest.approx([0.1, -0.5])
    with pytest.raises(InputError, match="days: expected 1 to 2"):
        paths.total(3)
    with pytest.raises(InputError, match="2 finite numbers"):
        paths.book_returns([1.0])


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "xlsx"])
def test_files_hold_one_row_per_path_and_day(ending: str, tmp_path: Path) -> None:
    paths = small_paths()
    file = paths.save(tmp_path / f"paths.{ending}")
    read = {"parquet": pd.read_parquet, "xlsx": pd.read_excel}.get(ending, pd.read_csv)
    frame = read(file)
    assert list(frame.columns) == ["path", "day", "date", "AAA", "BBB", "probability"]
    assert frame["path"].tolist() == [1, 1, 2, 2, 3, 3]
    assert frame["day"].tolist() == [1, 2, 1, 2, 1, 2]
    assert pd.to_datetime(frame["date"]).tolist() == [*DATES[:2]] * 3
    assert frame[["AAA", "BBB"]].to_numpy().reshape(3, 2, 2) == pytest.approx(paths.returns)
    assert frame["probability"].tolist() == [0.5, 0.5, 0.3, 0.3, 0.2, 0.2]


def test_read_only_and_not_copied() -> None:
    returns = np.zeros((2, 2, 1))
    paths = ScenarioPaths(returns, ("A",))
    assert paths.returns is returns
    with pytest.raises(ValueError, match="read-only"):
        paths.returns[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"returns": np.zeros((2, 2))}, r"\(n_paths, horizon, n_assets\)"),
        ({"returns": np.full((1, 2, 2), np.nan)}, "path 0, day 1"),
        ({"assets": ("A",)}, "2 different names"),
        ({"assets": ("A", "day")}, "no asset called day"),
        ({"dates": DATES}, "expected 2 days, received 3"),
        ({"probabilities": np.array([0.5, 0.6])}, "sum 1"),
    ],
)
def test_wrong_values(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScenarioPaths(**({"returns": np.zeros((2, 2, 2)), "assets": ("A", "B")} | changes))


def test_wrong_settings(days: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="block_length"):
        BlockBootstrapPaths(0.5).fit(days)
