"""GARCH filters against the package arch, closed forms and their own simulations."""

import warnings

import numpy as np
import pandas as pd
import pytest
from arch import arch_model

from qfin.exceptions import InputError, NotFittedError
from qfin.marginals import GarchFilter
from qfin.marginals.garch import MAX_PERSISTENCE
from qfin.marginals.volatility import next_variance, simulate_returns

ARCH_NAMES = {"garch": ("GARCH", 0), "gjr": ("GARCH", 1), "egarch": ("EGARCH", 1)}
TRUTH = {
    "garch": [4e-4, 2e-6, 0.08, 0.0, 0.90, 6.0],
    "gjr": [4e-4, 2e-6, 0.03, 0.08, 0.90, 6.0],
    "egarch": [4e-4, -0.25, 0.15, -0.08, 0.97, 6.0],
}


def simulated(model: str, n_days: int = 3_000, n_assets: int = 2, seed: int = 1) -> pd.DataFrame:
    params = np.tile(TRUTH[model], (n_assets, 1))
    rng = np.random.default_rng(seed)
    z = rng.standard_t(6, (1, n_days + 500, n_assets)) * np.sqrt(4 / 6)
    paths = simulate_returns(model, params, z, np.full(n_assets, 1e-4), (np.zeros(n_assets), np.full(n_assets, 1.0)))
    index = pd.bdate_range("2000-01-03", periods=n_days)
    return pd.DataFrame(paths.returns[0, 500:], index=index, columns=[f"A{j}" for j in range(n_assets)])


@pytest.fixture(scope="module", params=["garch", "gjr", "egarch"])
def case(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, GarchFilter]:
    days = simulated(request.param)
    return days, GarchFilter(request.param).fit(days)


def test_filter_equals_arch_at_the_same_parameters(case: tuple[pd.DataFrame, GarchFilter]) -> None:
    days, fitted = case
    filtered = fitted.filter(days)
    name, order = ARCH_NAMES[fitted.model]
    for j in range(days.shape[1]):
        x = 100.0 * np.log1p(days.iloc[:, j].to_numpy())
        params = fitted._in_units(fitted.params_[j], 100.0)
        kept = [0, 1, 2, 4, 5] if order == 0 else [0, 1, 2, 3, 4, 5]
        fixed = arch_model(x, vol=name, p=1, o=order, q=1, dist="t", rescale=False).fix(params[kept])
        np.testing.assert_allclose(100.0 * filtered.volatilities[:, j], fixed.conditional_volatility, rtol=1e-9)
        np.testing.assert_allclose(filtered.residuals[:, j], fixed.std_resid, rtol=1e-8, atol=1e-10)


def test_fit_is_at_the_maximum_of_the_likelihood(case: tuple[pd.DataFrame, GarchFilter]) -> None:
    days, fitted = case
    assert fitted.status_ == ("fitted", "fitted")
    name, order = ARCH_NAMES[fitted.model]
    x = 100.0 * np.log1p(days["A0"].to_numpy())
    model = arch_model(x, vol=name, p=1, o=order, q=1, dist="t", rescale=False)
    kept = [0, 1, 2, 4, 5] if order == 0 else [0, 1, 2, 3, 4, 5]
    ours = model.fix(fitted._in_units(fitted.params_[0], 100.0)[kept]).loglikelihood
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours > model.fit(disp="off", show_warning=False).loglikelihood - 0.01
    truth = model.fix(fitted._in_units(np.array(TRUTH[fitted.model]), 100.0)[kept]).loglikelihood
    assert truth < ours < truth + 15.0  # twice the gain is chi-squared with 5 or 6 degrees of freedom: 30 is 4e-5


def test_simulation_undoes_the_filter(case: tuple[pd.DataFrame, GarchFilter]) -> None:
    days, fitted = case
    filtered = fitted.filter(days)
    again = fitted.simulate(filtered.residuals[None], np.sqrt(fitted.initial_variance_))
    np.testing.assert_allclose(again.returns[0], days.to_numpy(), rtol=1e-9, atol=1e-12)
    assert again.n_bounded == 0


def test_future_changes_nothing_and_states_join(case: tuple[pd.DataFrame, GarchFilter]) -> None:
    days, fitted = case
    whole = fitted.filter(days)
    head = fitted.filter(days.iloc[:2_000])
    tail = fitted.filter(days.iloc[2_000:], head.state)
    assert np.array_equal(whole.volatilities[:2_000], head.volatilities)
    np.testing.assert_allclose(np.vstack([head.residuals, tail.residuals]), whole.residuals, rtol=1e-10)
    assert np.array_equal(whole.state, fitted.state_)


def test_variance_of_paths_goes_to_its_level() -> None:
    """E σ² after h days is level + persistence^h·(σ²₀ − level): no square root of time anywhere."""
    fitted = GarchFilter("gjr", "normal").fit(simulated("gjr", seed=4))
    level = fitted.params_[:, 1] / (1.0 - fitted.params_[:, 2] - 0.5 * fitted.params_[:, 3] - fitted.params_[:, 4])
    start = 2.0 * level
    z = np.random.default_rng(3).standard_normal((20_000, 40, 2))
    paths = np.log1p(fitted.simulate(z, np.sqrt(start)).returns) - fitted.params_[:, 0]
    persistence = fitted.params_[:, 2] + 0.5 * fitted.params_[:, 3] + fitted.params_[:, 4]
    for day in (0, 9, 39):
        squares = np.square(paths[:, day])
        expected = level + persistence**day * (start - level)
        error = squares.std(axis=0) / np.sqrt(len(squares))
        assert (np.abs(squares.mean(axis=0) - expected) < 5.0 * error).all()


def test_egarch_step_by_hand() -> None:
    params = np.array([[0.0, -0.2, 0.1, -0.05, 0.97, 5.0]])
    found = next_variance("egarch", params, np.array([1e-4]), np.array([-2.0]))
    expected = np.exp(-0.2 + 0.1 * (2.0 - np.sqrt(2 / np.pi)) + 0.1 + 0.97 * np.log(1e-4))
    assert found[0] == pytest.approx(expected, rel=1e-12)


def test_warm_start_reaches_the_same_fit(case: tuple[pd.DataFrame, GarchFilter]) -> None:
    days, fitted = case
    warm = GarchFilter(fitted.model).fit(days, init_params=fitted.params_)
    np.testing.assert_allclose(warm.filter(days).volatilities, fitted.filter(days).volatilities, rtol=0.02)


def test_units_do_not_matter() -> None:
    days = np.log1p(simulated("gjr", 1_500))
    small = GarchFilter().fit(np.expm1(0.01 * days))
    large = GarchFilter().fit(np.expm1(days))
    np.testing.assert_allclose(small.state_, 0.01 * large.state_, rtol=1e-3)


def test_near_integrated_fits_are_lowered_and_counted() -> None:
    rng = np.random.default_rng(5)
    volatility = 0.01 * np.exp(np.cumsum(0.05 * rng.standard_normal(1_500)))  # wanders without a level
    days = pd.DataFrame({"wandering": np.expm1(volatility * rng.standard_normal(1_500))})
    fitted = GarchFilter("garch").fit(days)
    assert fitted.status_ == ("near_integrated",)
    assert fitted.counts == {"fitted": 0, "near_integrated": 1, "not_converged": 0}
    assert fitted.params_[0, 2] + fitted.params_[0, 4] == pytest.approx(MAX_PERSISTENCE)
    level = fitted.params_[0, 1] / (1.0 - MAX_PERSISTENCE)
    assert level == pytest.approx(np.log1p(days["wandering"]).var(ddof=0), rel=1e-9)


@pytest.mark.parametrize("model", ["gjr", "egarch"])
def test_fits_that_do_not_converge_are_counted(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    days = simulated("gjr", 500)
    monkeypatch.setattr(GarchFilter, "_estimate", lambda self, x, start: None)
    fitted = GarchFilter(model).fit(days)
    assert fitted.counts["not_converged"] == 2
    volatilities = fitted.filter(days).volatilities
    assert volatilities.mean(axis=0) == pytest.approx(np.log1p(days).std(ddof=0).to_numpy(), rel=0.5)


def test_a_failed_warm_start_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    days = simulated("gjr", 600)
    cold = GarchFilter().fit(days)
    whole = GarchFilter._estimate
    monkeypatch.setattr(GarchFilter, "_estimate", lambda self, x, s: None if s is not None else whole(self, x, s))
    warm = GarchFilter().fit(days, init_params=cold.params_)
    assert np.array_equal(warm.params_, cold.params_)


def test_gaps_use_the_own_days_of_each_asset() -> None:
    days = simulated("gjr", 1_000)
    holed = days.copy()
    holed.iloc[:200, 1] = np.nan
    holed.iloc[500:503, 1] = np.nan
    fitted = GarchFilter().fit(holed)
    alone = GarchFilter().fit(holed[["A1"]].dropna())
    assert fitted.state_[1] == pytest.approx(alone.state_[0], rel=1e-9)
    filtered = fitted.filter(holed)
    assert np.isnan(filtered.residuals[500:503, 1]).all()
    assert len(set(filtered.volatilities[500:504, 1])) == 1


def test_bounded_volatilities_are_counted() -> None:
    fitted = GarchFilter("gjr").fit(simulated("gjr", 1_000))
    z = np.zeros((1, 3, 2))
    z[0, 0, 0] = -500.0
    paths = fitted.simulate(z)
    assert paths.n_bounded == 1  # the day after the shock
    assert np.isfinite(paths.returns).all()
    assert paths.returns[0, 0, 0] < -0.9


def test_saved_and_loaded() -> None:
    days = simulated("egarch", 600)
    fitted = GarchFilter("egarch").fit(days)
    loaded = GarchFilter.from_arrays(fitted.to_arrays())
    assert loaded.status_ == fitted.status_
    assert np.array_equal(loaded.filter(days).residuals, fitted.filter(days).residuals)
    z = np.ones((2, 3, 2))
    assert np.array_equal(loaded.simulate(z).returns, fitted.simulate(z).returns)


def test_wrong_input() -> None:
    days = simulated("gjr", 300)
    with pytest.raises(InputError, match="model: expected one of garch, gjr, egarch"):
        GarchFilter("figarch").fit(days)
    with pytest.raises(InputError, match="innovations"):
        GarchFilter("gjr", "cauchy").fit(days)
    with pytest.raises(InputError, match="column A0: expected at least 100 returns that differ, received 50"):
        GarchFilter().fit(days.iloc[:50])
    with pytest.raises(InputError, match="above -1"):
        GarchFilter().fit(days - 1.0)
    with pytest.raises(InputError, match="init_params"):
        GarchFilter().fit(days, init_params=np.zeros((1, 6)))
    with pytest.raises(NotFittedError):
        GarchFilter().filter(days)
    fitted = GarchFilter("garch", "normal").fit(days)
    with pytest.raises(InputError, match="2 columns"):
        fitted.filter(days[["A0"]])
    with pytest.raises(InputError, match="columns A0, A1, received A1, A0"):
        fitted.filter(days[["A1", "A0"]])
    with pytest.raises(InputError, match="state"):
        fitted.filter(days, np.array([0.0, 1.0]))
    with pytest.raises(InputError, match=r"\(n_paths, horizon, 2\)"):
        fitted.simulate(np.zeros((2, 2)))


def test_a_recursion_that_runs_away_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An EGARCH whose volatility falls with the size of a shock has residuals that grow without end."""
    days = simulated("egarch", 500)
    wild = np.array([0.0, -0.2, -0.6, -0.3, 0.99, 8.0])
    monkeypatch.setattr(GarchFilter, "_estimate", lambda self, x, start: wild)
    fitted = GarchFilter("egarch").fit(days)
    assert fitted.counts["not_converged"] == 2
    assert np.square(fitted.filter(days).residuals).mean() == pytest.approx(1.0, abs=0.5)


def test_filtering_other_days_keeps_to_the_lower_bound() -> None:
    days = simulated("egarch", 500)
    fitted = GarchFilter("egarch").fit(days)
    assert fitted.filter(days).n_bounded == 0
    fitted.params_[:] = [0.0, -0.2, -0.6, -0.3, 0.99, 8.0]
    filtered = fitted.filter(days)
    assert filtered.n_bounded > 0
    assert np.isfinite(filtered.residuals).all()
