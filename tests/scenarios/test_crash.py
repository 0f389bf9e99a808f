"""Synthetic crashes: tempered, seeded by an episode, reverse, shocked and with views, each by a second way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import ndtri, softmax
from sklearn.base import BaseEstimator

from qfin.copulas import GaussianCopula, StudentTCopula
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel
from qfin.scenarios import (
    EPISODES,
    HistoricalGenerator,
    ScenarioGenerator,
    episode_paths,
    episode_stress,
    factor_scenarios,
    pooled_scenarios,
    read_shocks,
    reverse_stress,
    shock_scenarios,
    tempered_scenarios,
)

ASSETS = ["AAA", "BBB", "CCC"]


class LogStudent(BaseEstimator):
    """Log-returns of 1 % times a Student t; infinite degrees of freedom by default."""

    def __init__(self, degrees: float = np.inf) -> None:
        self.degrees = degrees

    def fit(self, x: np.ndarray) -> Self:
        self.law_ = stats.norm(scale=0.01) if np.isinf(self.degrees) else stats.t(self.degrees, scale=0.01)
        return self

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return self.law_.cdf(np.log1p(x))

    def ppf(self, u: np.ndarray) -> np.ndarray:
        return np.expm1(self.law_.ppf(u))

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return self.law_.logpdf(np.log1p(x)) - np.log1p(x)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        return cls()


def gaussian_days(correlation: float, n_days: int = 1_500, n_assets: int = 3, seed: int = 0) -> pd.DataFrame:
    covariance = correlation * np.ones((n_assets, n_assets)) + (1.0 - correlation) * np.eye(n_assets)
    normal = np.random.default_rng(seed).multivariate_normal(np.zeros(n_assets), covariance, size=n_days)
    index = pd.bdate_range("2004-01-05", periods=n_days, name="date")
    return pd.DataFrame(np.expm1(0.01 * normal), index=index, columns=ASSETS[:n_assets])


def model(correlation: float, degrees: float = np.inf, n_assets: int = 3) -> ScenarioGenerator:
    days = gaussian_days(correlation, n_assets=n_assets)
    generator = ScenarioGenerator(MarginalPanel(LogStudent(degrees)), GaussianCopula()).fit(days)
    return generator


@pytest.fixture(scope="module")
def gaussian() -> ScenarioGenerator:
    return model(0.6)


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    days = gaussian_days(0.6)
    days.loc["2008-09-29"] = [-0.02, -0.03, -0.001]
    days.loc["2008-09-30"] = [0.01, 0.01, 0.02]
    days.loc["2008-09-17", "BBB"] = np.nan
    return days


# Tempering


def test_tempering_meets_the_mean_loss_with_exponential_weights(gaussian: ScenarioGenerator) -> None:
    result = tempered_scenarios(gaussian, 20_000, mean_loss=0.01, rng=1)
    drawn = result.scenarios
    losses = drawn.losses()
    assert drawn.probabilities @ losses == pytest.approx(0.01, rel=1e-9)
    slope, _, correlation, *_ = stats.linregress(losses, np.log(drawn.probabilities))
    assert slope == pytest.approx(drawn.provenance["tilt"])
    assert correlation == pytest.approx(1.0)
    # A normal loss of standard deviation s moves by t·s² under exp(t·loss).
    assert drawn.provenance["tilt"] == pytest.approx((0.01 - losses.mean()) / losses.var(), rel=0.1)
    assert result.likelihood.probability == 1.0
    assert result.asset_rows()[0]["mean"] < result.asset_rows()[0]["mean_before"]


def test_tempering_meets_the_effective_share() -> None:
    generator = HistoricalGenerator().fit(gaussian_days(0.6))
    result = tempered_scenarios(generator, 5_000, effective_share=0.2, weights=[1.0, 0.0, 0.0], rng=1)
    assert result.scenarios.effective_sample_size == pytest.approx(1_000, rel=1e-6)
    assert result.asset_rows()[0]["mean"] < -0.01


def test_tempering_refuses_what_it_cannot_meet(gaussian: ScenarioGenerator) -> None:
    with pytest.raises(InputError, match="below their largest loss"):
        tempered_scenarios(gaussian, 1_000, mean_loss=0.5, rng=1)
    with pytest.raises(InputError, match="effective share"):
        tempered_scenarios(gaussian, 1_000, effective_share=1.0, rng=1)
    with pytest.raises(InputError, match="both or neither"):
        tempered_scenarios(gaussian, 1_000, rng=1)


def test_tempering_to_the_mean_that_is_there_changes_nothing(gaussian: ScenarioGenerator) -> None:
    losses = gaussian.sample_set(1_000, rng=1).losses()
    result = tempered_scenarios(gaussian, 1_000, mean_loss=float(softmax(np.zeros(1_000)) @ losses), rng=1)
    assert result.scenarios.provenance["tilt"] == 0.0


# Episodes


def test_an_episode_seeds_draws_as_bad_as_its_worst_day(gaussian: ScenarioGenerator, days: pd.DataFrame) -> None:
    found = episode_stress(gaussian, days, "2008-09", 3_000, rng=1)
    assert str(found.worst_day.date()) == "2008-09-29"
    assert found.book_return == pytest.approx(-0.017)
    assert (found.stress.scenarios.returns.mean(axis=1) < -0.017).all()
    assert "2008-09-29" in found.stress.event
    assert len(found.replay) == 11  # twelve sessions, one without BBB
    rows = found.rows()
    assert [row["led"] for row in rows] == [False, True, False]
    assert rows[0]["worst_day"] == -0.02
    assert rows[0]["episode"] == pytest.approx((1.0 + found.replay["AAA"]).prod() - 1.0)
    chances = [row["leads"] for row in rows]
    assert sum(chances) == pytest.approx(1.0)
    assert min(chances) > 0.25  # all three names are alike
    free = gaussian.sample(200_000, rng=2).mean(axis=1)
    share = float((free < -0.017).mean())
    error = np.hypot(found.stress.likelihood.standard_error, np.sqrt(share / len(free)))
    assert abs(found.stress.likelihood.probability - share) < 5.0 * error


@pytest.mark.parametrize("worst_book", [-0.017, -0.04])
def test_runs_of_days_as_bad_as_the_worst_run(worst_book: float, days: pd.DataFrame) -> None:
    """Probability and means of weighted runs against rejection from independent days."""
    generator = ScenarioGenerator(copula=StudentTCopula(4.0)).fit(days)
    changed = days.copy()
    changed.loc["2008-09-29"] *= worst_book / -0.017
    found = episode_paths(generator, changed, "2008-09", 2_000, 3, rng=1)
    book = changed.dropna().loc["2008-09-15":"2008-09-30"].mean(axis=1)
    assert found.book_return == pytest.approx((1.0 + book).rolling(3).apply(np.prod).min() - 1.0)
    assert len(found.replay) == 3
    assert found.paths.returns.shape == (2_000, 3, 3)
    compound = (1.0 + found.paths.book_returns()).prod(axis=1) - 1.0
    assert (compound <= found.book_return + 1e-12).all()
    free = generator.sample(900_000, rng=2).reshape(-1, 3, 3)
    inside = (1.0 + free.mean(axis=2)).prod(axis=1) - 1.0 <= found.book_return
    share = float(inside.mean())
    error = np.hypot(found.likelihood.standard_error, np.sqrt(share / len(inside)))
    assert abs(found.likelihood.probability - share) < 5.0 * error
    means = [row["mean_given"] for row in found.rows()]
    expected = (1.0 + free[inside]).prod(axis=1) - 1.0
    weights = found.paths.probabilities
    total = found.paths.total().returns
    spread = np.sqrt(np.cov(total, rowvar=False, aweights=weights).diagonal())
    errors = spread * np.sqrt((weights**2).sum() + 1.0 / len(expected))
    assert (np.abs(means - expected.mean(axis=0)) < 5.0 * errors).all()


def test_runs_that_cannot_be(gaussian: ScenarioGenerator, days: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="days: expected 2 to 11"):
        episode_paths(gaussian, days, "2008-09", 100, 12, rng=1)
    rising = days.abs() + 0.001
    with pytest.raises(InputError, match="the book lost over 3 days"):
        episode_paths(gaussian, rising, "2008-09", 100, 3, rng=1)
    with pytest.raises(InputError, match="the book lost on some day"):
        episode_stress(gaussian, rising, "2008-09", 100, rng=1)
    with pytest.raises(InputError, match="received none for CCC"):
        episode_stress(gaussian, days[["AAA", "BBB"]], "2008-09", 100, rng=1)
    with pytest.raises(InputError, match="weights: expected 3 finite numbers"):
        episode_stress(gaussian, days, "2008-09", 100, weights=np.ones(2), rng=1)


def test_episodes_that_the_data_lack(gaussian: ScenarioGenerator, days: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"the data cover \(2008-09\), received 1987-10"):
        episode_stress(gaussian, days, "1987-10", 100, rng=1)
    with pytest.raises(InputError, match="expected one of 1987-10, 1998-08"):
        episode_stress(gaussian, days, "1929-10", 100, rng=1)


def test_episodes_are_in_order_and_begin_in_their_month() -> None:
    assert list(EPISODES) == sorted(EPISODES)
    for name, episode in EPISODES.items():
        assert episode.first <= episode.last
        assert f"{episode.last:%Y-%m}" >= name >= f"{episode.first:%Y-%m}"


# Shocks


def test_shocks_condition_on_exact_values(gaussian: ScenarioGenerator) -> None:
    result = shock_scenarios(gaussian, {"BBB": -0.03}, 20_000, rng=1)
    returns, weights = result.scenarios.returns, result.scenarios.probabilities
    assert (returns[:, 1] == -0.03).all()
    score = np.log(0.97) / 0.01
    rho = gaussian.copula_.correlation_[1, [0, 2]]
    logs = np.log1p(returns[:, [0, 2]]) / 0.01
    means = np.average(logs, axis=0, weights=weights)
    spread = np.sqrt((1.0 - rho**2) / result.scenarios.effective_sample_size)
    assert (np.abs(means - rho * score) < 5.0 * spread).all()
    sds = np.sqrt(np.average((logs - means) ** 2, axis=0, weights=weights))
    assert sds == pytest.approx(np.sqrt(1.0 - rho**2), rel=5.0 / np.sqrt(2 * result.scenarios.effective_sample_size))
    assert result.likelihood.probability == 0.0


def test_shocks_under_a_student_t_fatten_the_rest() -> None:
    generator = ScenarioGenerator(copula=StudentTCopula(4.0)).fit(gaussian_days(0.6))
    result = shock_scenarios(generator, {"AAA": -0.05, "BBB": -0.04}, 5_000, rng=1)
    rows = {row["asset"]: row for row in result.asset_rows()}
    assert rows["CCC"]["mean"] < -0.015
    assert rows["CCC"]["q95"] - rows["CCC"]["q05"] > 1.2 * (rows["CCC"]["q95_before"] - rows["CCC"]["q05_before"])


def test_factor_shocks_by_betas() -> None:
    rng = np.random.default_rng(3)
    index = pd.bdate_range("2010-01-04", periods=800)
    factors = pd.DataFrame(0.01 * rng.standard_normal((800, 3)), index=index, columns=["OIL", "RATES", "GOLD"])
    noise = 0.002 * rng.standard_normal((800, 2))
    returns = pd.DataFrame(
        factors[["OIL", "RATES"]].to_numpy() @ np.array([[0.5, -0.2], [0.0, 1.0]]) + noise,
        index=index,
        columns=["AAA", "BBB"],
    )
    result = factor_scenarios(returns, factors, {"OIL": -0.2, "RATES": 0.05}, 20_000, rng=1)
    means = result.scenarios.returns.mean(axis=0)
    errors = 0.2 * 0.002 / 0.01 / np.sqrt(800) + 0.002 / np.sqrt(20_000)
    assert np.abs(means - [-0.1, 0.04 + 0.05]).max() < 5.0 * errors
    assert result.scenarios.returns.std(axis=0) == pytest.approx([0.002, 0.002], rel=0.15)
    with pytest.raises(InputError, match="factors among OIL, RATES, GOLD, received TIN"):
        factor_scenarios(returns, factors, {"TIN": 0.1}, 10)
    with pytest.raises(InputError, match="at least 20 days"):
        factor_scenarios(returns.iloc[:5], factors, {"OIL": 0.1}, 10)
    with pytest.raises(InputError, match="falls by 100%, received them for AAA"):
        factor_scenarios(returns, factors, {"OIL": -2.5}, 10)
    twins = factors.assign(OIL2=2.0 * factors["OIL"])
    with pytest.raises(InputError, match="collinear"):
        factor_scenarios(returns, twins, {"OIL": 0.1, "OIL2": 0.2}, 10)


def test_reading_shocks(tmp_path: Path) -> None:
    file = tmp_path / "shocks.csv"
    file.write_text("asset,shock\nAAA,-5%\nBBB, -0.03\n")
    assert read_shocks(file) == {"AAA": pytest.approx(-0.05), "BBB": -0.03}
    file.write_text("factor,shock\nOIL,-20%\n")
    assert read_shocks(file) == {"OIL": pytest.approx(-0.2)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asset,move\nAAA,1\n", "expected the columns asset"),
        ("", "no rows"),
        ("asset,shock\nAAA,down\n", "line 2: expected a shock such as"),
        ("asset,shock\nAAA,-120%\n", "above -100%"),
        ("asset,shock\nAAA,-1%\nAAA,-2%\n", "line 3: expected each name once"),
        ("asset,shock\nAAA\n", "line 2: expected a shock"),
    ],
)
def test_shocks_files_that_are_wrong(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "shocks.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_shocks(file)


def test_shocks_of_unknown_assets(gaussian: ScenarioGenerator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="among AAA, BBB, CCC, received ZZZ"):
        shock_scenarios(gaussian, {"ZZZ": -0.1}, 10)
    with pytest.raises(InputError, match="without a shock"):
        shock_scenarios(gaussian, dict.fromkeys(ASSETS, -0.1), 10)
    empirical = ScenarioGenerator().fit(gaussian_days(0.6))
    with pytest.raises(InputError, match=r"can tell from larger ones, received -99\.99% for AAA"):
        shock_scenarios(empirical, {"AAA": -0.9999}, 10)
    with pytest.raises(InputError, match="expected a CSV file"):
        read_shocks(tmp_path / "none.csv")


# Views


def test_views_are_met_and_nearest(gaussian: ScenarioGenerator) -> None:
    drawn = gaussian.sample_set(4_000, rng=1)
    viewed = pooled_scenarios(drawn, {"mean": ["AAA == -0.01", "BBB <= -0.002"]})
    means = viewed.probabilities @ viewed.returns
    assert means[0] == pytest.approx(-0.01, abs=1e-6)
    assert means[1] < -0.002
    # One mean view alone tilts exponentially in that asset, as tempering of a book of that asset does.
    alone = pooled_scenarios(drawn, {"mean": ["AAA == -0.01"]})
    tempered = tempered_scenarios(gaussian, 4_000, mean_loss=0.01, weights=[1.0, 0.0, 0.0], rng=1).scenarios
    np.testing.assert_allclose(alone.probabilities, tempered.probabilities, rtol=1e-3)
    assert alone.provenance["relative_entropy"] == pytest.approx(
        np.sum(alone.probabilities * np.log(alone.probabilities * 4_000)), abs=1e-6
    )


def test_views_start_from_the_probabilities_of_the_draws(gaussian: ScenarioGenerator) -> None:
    drawn = tempered_scenarios(gaussian, 2_000, mean_loss=0.005, rng=1).scenarios
    held = pooled_scenarios(drawn, {"mean": ["AAA <= 0.5"]})
    np.testing.assert_allclose(held.probabilities, drawn.probabilities, rtol=1e-4)


def test_views_that_cannot_be(gaussian: ScenarioGenerator) -> None:
    drawn = gaussian.sample_set(500, rng=1)
    with pytest.raises(InputError, match="expected kinds among mean, variance"):
        pooled_scenarios(drawn, {"median": ["AAA == 0"]})
    with pytest.raises(InputError, match="the draws can meet"):
        pooled_scenarios(drawn, {"mean": ["ZZZ == 0"]})
    with pytest.raises(InputError, match="the draws can meet"):
        pooled_scenarios(drawn, {"mean": ["AAA == -0.9"]})


# Reverse stress


def boundary_optima(generator: ScenarioGenerator, level: float) -> list[tuple[np.ndarray, float]]:
    """Local maxima of the density of log-returns on the line where two assets lose exactly `level`, by scanning it."""
    second = np.linspace(-0.06, 0.0, 60_001)
    moves = np.stack([-2.0 * level - second, second], axis=1)
    density = generator.score_samples(pd.DataFrame(moves, columns=ASSETS[:2])) + np.log1p(moves).sum(axis=1)
    places = np.flatnonzero((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])) + 1
    return [(moves[i], float(density[i])) for i in places]


@pytest.mark.parametrize(("correlation", "degrees", "n_modes"), [(0.6, np.inf, 1), (0.0, 5.0, 2)])
def test_modes_are_those_of_a_scan(correlation: float, degrees: float, n_modes: int) -> None:
    """Normal assets fall together; independent heavy-tailed ones one at a time, either as likely as the other."""
    generator = model(correlation, degrees, n_assets=2)
    expected = sorted(boundary_optima(generator, 0.03), key=lambda top: top[0][0])
    found = reverse_stress(generator, 0.03, rng=1)
    assert len(found.modes) == len(expected) == n_modes
    for mode, (returns, density) in zip(sorted(found.modes, key=lambda m: m.returns[0]), expected, strict=True):
        assert mode.loss == pytest.approx(0.03, rel=1e-6)
        assert mode.returns == pytest.approx(returns, abs=2e-3)
        assert mode.log_density == pytest.approx(density, abs=0.02)
        assert mode.contributions == pytest.approx(-0.5 * mode.returns)
    assert found.modes[0].share == 1.0
    assert found.n_converged == found.n_starts


def test_normal_assets_fall_along_their_covariance() -> None:
    """Mahalanobis: the likeliest loss of a book w of nearly linear normal assets is −X·Σw/(w'Σw)."""
    generator = model(0.6)
    weights = np.array([0.5, 0.3, 0.2])
    mode = reverse_stress(generator, 0.01, weights=weights, rng=1).modes[0]
    direction = generator.copula_.correlation_ @ weights
    assert np.log1p(mode.returns) == pytest.approx(-0.01 * direction / (weights @ direction), rel=0.02)
    assert mode.scores == pytest.approx(np.log1p(mode.returns) / 0.01, abs=0.02)


def test_probability_of_the_loss_and_nearest_day(days: pd.DataFrame) -> None:
    generator = ScenarioGenerator(copula=StudentTCopula(5.0)).fit(days)
    found = reverse_stress(generator, 0.02, history=days, rng=1)
    free = generator.sample(200_000, rng=3).mean(axis=1)
    share = float((free < -0.02).mean())
    error = np.hypot(found.likelihood.standard_error, np.sqrt(share / len(free)))
    assert abs(found.likelihood.probability - share) < 5.0 * error
    mode = found.modes[0]
    scores = ndtri(generator.marginals_.to_uniform(days.dropna()))
    inverse = np.linalg.inv(np.cov(scores, rowvar=False))
    distances = [np.sqrt((row - mode.scores) @ inverse @ (row - mode.scores)) for row in scores]
    assert mode.nearest_distance == pytest.approx(min(distances))
    nearest = days.dropna().iloc[int(np.argmin(distances))]
    assert mode.nearest_day == nearest.name
    assert mode.nearest_book_return == pytest.approx(nearest.mean())


def test_reverse_stress_refuses() -> None:
    generator = model(0.6)
    with pytest.raises(InputError, match="between 0 and 1"):
        reverse_stress(generator, 10.0)
    with pytest.raises(InputError, match="a model with a copula"):
        reverse_stress(HistoricalGenerator().fit(gaussian_days(0.5)), 0.05)
    with pytest.raises(InputError, match="history"):
        reverse_stress(generator, 0.01, history=gaussian_days(0.5).iloc[:1], rng=1)
    with pytest.raises(InputError, match="weights: expected 3 finite numbers"):
        reverse_stress(generator, 0.01, weights=[0.5, 0.5], rng=1)


def test_the_nearest_day_of_a_history_shorter_than_the_assets_are_many() -> None:
    history = gaussian_days(0.6).iloc[:3]  # a covariance of rank two
    mode = reverse_stress(model(0.6), 0.01, history=history, rng=1).modes[0]
    assert mode.nearest_day in history.index
    assert np.isfinite(mode.nearest_distance)
