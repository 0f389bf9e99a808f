"""Scores are least for the truth; comparisons against statsmodels, and models that differ on purpose."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from qfin.exceptions import InputError
from qfin.risk import (
    diebold_mariano,
    fissler_ziegel_loss,
    model_confidence_set,
    pinball_loss,
    pnl_attribution,
)
from qfin.risk.scoring import fixed_b_p_value, mean_statistic

LEVEL = 0.975
VAR = float(stats.norm.ppf(LEVEL))
ES = float(stats.norm.pdf(VAR)) / 0.025


def test_scores_are_least_in_expectation_for_the_truth() -> None:
    losses = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    best = fissler_ziegel_loss(losses, VAR, ES, LEVEL).mean()
    for var, es in ((VAR * 1.05, ES * 1.05), (VAR * 0.95, ES), (VAR, ES * 1.05), (VAR, ES * 0.95)):
        assert fissler_ziegel_loss(losses, var, es, LEVEL).mean() > best + 1e-5
    lowest = pinball_loss(losses, VAR, LEVEL).mean()
    assert all(pinball_loss(losses, VAR + d, LEVEL).mean() > lowest + 1e-5 for d in (-0.1, 0.1))
    # FZ0 at the truth is log ES: the pseudo-loss has mean ES.
    assert best == pytest.approx(np.log(ES), abs=1e-3)


def test_scores_by_hand_and_without_a_unit() -> None:
    np.testing.assert_allclose(pinball_loss([1.0, 3.0], 2.0, 0.9), [0.1, 0.9])
    np.testing.assert_allclose(fissler_ziegel_loss([1.0, 3.0], 2.0, 2.5, 0.9), np.array([0.8, 4.8]) + np.log(2.5) - 1.0)
    losses = np.random.default_rng(0).standard_normal(50)
    a, b = (fissler_ziegel_loss(losses, VAR, es, LEVEL) for es in (ES, 1.2 * ES))
    c, d = (fissler_ziegel_loss(100 * losses, 100 * VAR, 100 * es, LEVEL) for es in (ES, 1.2 * ES))
    np.testing.assert_allclose(a - b, c - d)


def test_statistic_is_the_hac_t_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    values = np.convolve(rng.standard_normal(305), np.ones(6), "valid")[None, :] + 0.3
    fit = sm.OLS(values[0], np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": 22, "use_correction": False})
    assert mean_statistic(values, 23)[0] == pytest.approx(fit.tvalues[0])


@pytest.mark.parametrize("b", [0.02, 0.08, 0.2])
def test_fixed_b_points_of_kiefer_and_vogelsang(b: float) -> None:
    """Their table 1 for the Bartlett kernel at 95 % one-sided and 97.5 %."""
    point = 1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
    lower = 1.6449 + 2.1859 * b + 0.3142 * b**2 - 0.3427 * b**3
    assert fixed_b_p_value(np.array([point]), b)[0] == pytest.approx(0.05, abs=1e-6)
    assert fixed_b_p_value(np.array([lower]), b)[0] == pytest.approx(0.10, abs=0.01)


def test_better_model_wins() -> None:
    rng = np.random.default_rng(2)
    losses = rng.standard_normal(2000)
    factors = 0.5, *np.exp(0.1 * rng.standard_normal((2, 2000)))
    wrong, right, same = (fissler_ziegel_loss(losses, k * VAR, k * ES, LEVEL) for k in factors)
    test = diebold_mariano(wrong, right)
    assert test.statistic > 0
    assert test.reject
    assert diebold_mariano(right, wrong).statistic == pytest.approx(-test.statistic)
    chosen = model_confidence_set({"wrong": wrong, "right": right, "same": same}, rng=3, n_resamples=200)
    assert set(chosen.included) == {"right", "same"}
    assert chosen.p_values["wrong"] < 0.1
    again = model_confidence_set({"wrong": wrong, "right": right, "same": same}, rng=3, n_resamples=200)
    assert again == chosen


def test_models_with_equal_scores_are_one_model() -> None:
    a, c = np.random.default_rng(5).standard_normal((2, 200))
    chosen = model_confidence_set({"a": a, "twin": a, "c": c + 1.0}, rng=1, n_resamples=100)
    assert chosen.p_values["a"] == chosen.p_values["twin"] == 1.0
    assert chosen.included == ("a", "twin")
    assert model_confidence_set({"a": a, "twin": a}, rng=1).included == ("a", "twin")


def test_attribution_zones() -> None:
    rng = np.random.default_rng(4)
    desk = rng.standard_normal(250)
    good = pnl_attribution(desk, desk + 0.05 * rng.standard_normal(250))
    assert (good.zone, good.n) == ("green", 250)
    assert good.spearman == pytest.approx(stats.spearmanr(desk, desk + 0.0).statistic, abs=0.02)
    assert pnl_attribution(desk, rng.standard_normal(250)).spearman_zone == "red"
    doubled = pnl_attribution(desk, 2.0 * desk)
    assert (doubled.spearman_zone, doubled.distance_zone, doubled.zone) == ("green", "red", "red")


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(InputError, match="scores_b: expected 20 days"):
        diebold_mariano(np.zeros(20), np.zeros(19))
    with pytest.raises(InputError, match="constant difference"):
        diebold_mariano(np.zeros(20), np.ones(20))
    with pytest.raises(InputError, match="at least 2 models"):
        model_confidence_set({"a": np.zeros(20)}, rng=0)
    with pytest.raises(InputError, match="size: expected"):
        model_confidence_set({"a": np.zeros(20), "b": np.ones(20)}, rng=0, size=5.0)
    with pytest.raises(InputError, match="P&L that varies"):
        pnl_attribution(np.zeros(20), np.arange(20.0))
