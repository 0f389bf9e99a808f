"""Spectral measures, expectiles, drawdowns and contributions against closed forms, skfolio and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from skfolio.measures import cdar as skfolio_cdar
from skfolio.measures import get_drawdowns
from skfolio.measures import max_drawdown as skfolio_max_drawdown

from qfin.exceptions import InputError
from qfin.risk import (
    conditional_drawdown_at_risk,
    drawdowns,
    expected_shortfall,
    expectile,
    exponential_spectrum,
    max_drawdown,
    portfolio_losses,
    shortfall_contributions,
    shortfall_spectrum,
    spectral_risk,
    value_at_risk,
    value_at_risk_contributions,
)

LOSSES = hnp.arrays(np.float64, st.integers(1, 40), elements=st.integers(-50, 50).map(lambda k: k / 8))
RETURNS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.integers(-8, 8).map(lambda k: k / 10))


@settings(max_examples=100, deadline=None)
@given(losses=LOSSES, data=st.data())
def test_shortfall_is_a_spectral_measure(losses: np.ndarray, data: st.DataObject) -> None:
    counts = data.draw(hnp.arrays(np.int64, len(losses), elements=st.integers(1, 5)))
    weights = counts / counts.sum()
    for probabilities in (None, weights):
        assert spectral_risk(losses, shortfall_spectrum(0.9), probabilities=probabilities) == pytest.approx(
            expected_shortfall(losses, 0.9, probabilities=probabilities), abs=1e-9
        )
    repeated = np.repeat(losses, counts)
    for aversion in (0.5, 20.0):
        spectrum = exponential_spectrum(aversion)
        value = spectral_risk(losses, spectrum, probabilities=weights)
        assert value == pytest.approx(spectral_risk(repeated, spectrum), abs=1e-9)
        assert losses @ weights - 1e-9 <= value <= losses.max() + 1e-9


@pytest.mark.parametrize("aversion", [0.1, 5.0, 40.0])
def test_exponential_spectrum_of_a_uniform_loss(aversion: float) -> None:
    losses = (np.arange(100_000) + 0.5) / 100_000
    expected = 1.0 / -np.expm1(-aversion) - 1.0 / aversion
    assert spectral_risk(losses, exponential_spectrum(aversion)) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(losses=LOSSES, level=st.sampled_from([0.6, 0.9, 0.99]))
def test_expectile_balances_what_lies_beyond(losses: np.ndarray, level: float) -> None:
    e = expectile(losses, level)
    above, below = np.maximum(losses - e, 0.0).mean(), np.maximum(e - losses, 0.0).mean()
    assert level * above == pytest.approx((1.0 - level) * below, abs=1e-7)


def test_expectile_with_probabilities() -> None:
    losses, counts = np.array([1.0, 2.0, 5.0]), np.array([3, 2, 1])
    assert expectile(losses, 0.8, probabilities=counts / 6) == pytest.approx(expectile(np.repeat(losses, counts), 0.8))


@settings(max_examples=100, deadline=None)
@given(returns=RETURNS)
def test_drawdowns_agree_with_skfolio(returns: np.ndarray) -> None:
    theirs = get_drawdowns(returns, compounded=True)
    np.testing.assert_allclose(drawdowns(returns), -theirs, atol=1e-12)
    assert max_drawdown(returns) == pytest.approx(skfolio_max_drawdown(theirs), abs=1e-12)
    for level in (0.8, 0.95):
        assert conditional_drawdown_at_risk(returns, level) == pytest.approx(skfolio_cdar(theirs, beta=level), abs=1e-9)


def test_drawdowns_of_many_paths() -> None:
    paths = np.array([[0.1, -0.5, 0.2], [-0.1, 0.0, 0.3]])
    np.testing.assert_allclose(drawdowns(paths), [[0.0, 0.5, 0.4], [0.1, 0.1, 0.0]], atol=1e-12)
    np.testing.assert_allclose(max_drawdown(paths), [0.5, 0.1])
    assert conditional_drawdown_at_risk(paths, 0.8) == pytest.approx((0.5 + 0.2 * 0.4) / 1.2)
    assert conditional_drawdown_at_risk(paths, 0.8, probabilities=[0.0, 1.0]) == pytest.approx(0.1)
    with pytest.raises(InputError, match="one for each of 2 paths"):
        conditional_drawdown_at_risk(paths, 0.8, probabilities=[1.0])
    with pytest.raises(InputError, match="not below"):
        drawdowns([0.1, -1.5])


def book(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(12)
    mix = np.array([[1.0, 0.3, 0.0, 0.2], [0.0, 0.8, 0.5, 0.0], [0.0, 0.0, 0.6, -0.4], [0.0, 0.0, 0.0, 0.9]])
    return rng.standard_normal((n, 4)) @ mix * 0.01, np.array([0.4, 0.3, 0.2, -0.1]), mix.T @ mix * 1e-4


@pytest.mark.parametrize("weighted", [False, True])
def test_contributions_add_up_and_are_derivatives(weighted: bool) -> None:
    returns, weights, _ = book()
    p = np.random.default_rng(1).random(len(returns)) if weighted else np.ones(len(returns))
    p /= p.sum()
    for function, measure in (
        (shortfall_contributions, expected_shortfall),
        (value_at_risk_contributions, value_at_risk),
    ):
        result = function(returns, weights, 0.95, probabilities=p)
        assert result.total == measure(portfolio_losses(returns, weights), 0.95, probabilities=p)
        assert result.contribution.sum() == pytest.approx(result.total)
        np.testing.assert_allclose(result.contribution, weights * result.marginal)
        without = np.array([0.4, 0.0, 0.2, -0.1])
        alone = measure(portfolio_losses(returns, without), 0.95, probabilities=p)
        assert result.incremental[1] == pytest.approx(result.total - alone)
    step = 1e-7
    for i in range(4):
        up, down = weights + step * np.eye(4)[i], weights - step * np.eye(4)[i]
        slope = [expected_shortfall(portfolio_losses(returns, w), 0.95, probabilities=p) for w in (up, down)]
        expected = (slope[0] - slope[1]) / (2 * step)
        assert shortfall_contributions(returns, weights, 0.95, probabilities=p).marginal[i] == pytest.approx(
            expected, rel=1e-5
        )


def test_contributions_of_a_normal_book() -> None:
    returns, weights, covariance = book(200_000)
    sd = np.sqrt(weights @ covariance @ weights)
    q = float(stats.norm.ppf(0.95))
    for function, factor in (
        (value_at_risk_contributions, q),
        (shortfall_contributions, float(stats.norm.pdf(q)) / 0.05),
    ):
        expected = factor * weights * (covariance @ weights) / sd
        # The mean of a tail of 10,000 scenarios; the VaR's rests on fewer, about √(n · 0.95 · 0.05) · 2.5 of them.
        tolerance = 5 * 0.01 * np.abs(weights) / np.sqrt(10_000 if factor > q else 240)
        assert (np.abs(function(returns, weights, 0.95).contribution - expected) < tolerance).all()


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(InputError, match="convex"):
        spectral_risk([1.0, 2.0], lambda p: np.sqrt(p))
    with pytest.raises(InputError, match="aversion"):
        exponential_spectrum(-1.0)
    with pytest.raises(InputError, match="sum 1"):
        expectile([1.0, 2.0], 0.9, probabilities=[0.5, 0.6])
    with pytest.raises(InputError, match="risk other than zero"):
        shortfall_contributions(np.ones((5, 2)), [0.0, 0.0], 0.9)
