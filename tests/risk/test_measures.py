"""Value at risk and expected shortfall against closed forms, one another's definition, and skfolio."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from skfolio.measures import cvar as skfolio_cvar
from skfolio.measures import value_at_risk as skfolio_value_at_risk

from qfin.exceptions import InputError
from qfin.risk import batch_standard_error, expected_shortfall, portfolio_losses, value_at_risk

LEVELS = st.sampled_from([0.6, 0.75, 0.9, 0.95, 0.975, 0.99])
LOSSES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-50, 50).map(lambda k: k / 8))


def test_hundred_losses_at_95_percent() -> None:
    losses = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    assert value_at_risk(losses, 0.95) == 95.0  # the sixth largest
    assert expected_shortfall(losses, 0.95) == pytest.approx(98.0)  # the mean of the five largest


def test_fraction_of_the_boundary_loss_is_counted() -> None:
    # 2.5 % of 50 days are 1.25 days: the worst, and a quarter of the second.
    losses = np.arange(50.0)
    assert value_at_risk(losses, 0.975) == 48.0
    assert expected_shortfall(losses, 0.975) == pytest.approx((49.0 + 0.25 * 48.0) / 1.25)


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
@pytest.mark.parametrize("nu", [np.inf, 4.0])
def test_closed_forms_of_normal_and_student_losses(level: float, nu: float) -> None:
    n = 400_000
    law = stats.norm if np.isinf(nu) else stats.t(nu)
    losses = law.rvs(size=n, random_state=np.random.default_rng(7))
    quantile, tail = law.ppf(level), 1.0 - level
    density = law.pdf(quantile)
    shortfall = density / tail if np.isinf(nu) else (nu + quantile**2) / (nu - 1.0) * density / tail
    var_error = np.sqrt(level * tail / n) / density
    # Variance of the estimate: that of the excess over the VaR, divided by n tail² (Manistre and Hancock 2005).
    es_error = np.std(np.maximum(losses - quantile, 0.0)) / tail / np.sqrt(n)
    assert abs(value_at_risk(losses, level) - quantile) < 5 * var_error
    assert abs(expected_shortfall(losses, level) - shortfall) < 5 * es_error
    if np.isinf(nu):
        assert batch_standard_error(value_at_risk, losses, level, n_batches=200) == pytest.approx(var_error, rel=0.26)
        assert batch_standard_error(expected_shortfall, losses, level, n_batches=200) == pytest.approx(
            es_error, rel=0.26
        )


@settings(max_examples=200, deadline=None)
@given(losses=LOSSES, level=LEVELS)
def test_equal_weights_agree_with_skfolio(losses: np.ndarray, level: float) -> None:
    assert value_at_risk(losses, level) == pytest.approx(skfolio_value_at_risk(-losses, beta=level), abs=1e-12)
    assert expected_shortfall(losses, level) == pytest.approx(skfolio_cvar(-losses, beta=level), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), losses=LOSSES, level=LEVELS)
def test_probabilities_agree_with_skfolio(data: st.DataObject, losses: np.ndarray, level: float) -> None:
    size = len(losses)
    counts = data.draw(hnp.arrays(np.int64, size, elements=st.integers(0, 5)).filter(lambda c: c.sum() > 0))
    weights = counts / counts.sum()
    var, shortfall = (measure(losses, level, probabilities=weights) for measure in (value_at_risk, expected_shortfall))
    assert var == pytest.approx(skfolio_value_at_risk(-losses, beta=level, sample_weight=weights), abs=1e-12)
    assert shortfall == pytest.approx(skfolio_cvar(-losses, beta=level, sample_weight=weights), abs=1e-9)
    repeated = np.repeat(losses, counts)
    assert var == value_at_risk(repeated, level)
    assert shortfall == pytest.approx(expected_shortfall(repeated, level), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(losses=LOSSES, level=LEVELS, shift=st.floats(-3, 3), scale=st.floats(0.1, 10))
def test_order_translation_scale_and_monotonicity(losses: np.ndarray, level: float, shift: float, scale: float) -> None:
    var, shortfall = value_at_risk(losses, level), expected_shortfall(losses, level)
    assert var <= shortfall <= losses.max() + 1e-12
    assert value_at_risk(scale * losses + shift, level) == pytest.approx(scale * var + shift, abs=1e-9)
    assert expected_shortfall(scale * losses + shift, level) == pytest.approx(scale * shortfall + shift, abs=1e-9)
    assert expected_shortfall(losses + np.abs(np.sin(losses)), level) >= shortfall - 1e-12
    assert np.mean(losses > var) <= 1.0 - level + 1e-12


@settings(max_examples=100, deadline=None)
@given(data=st.data(), level=LEVELS)
def test_shortfall_of_a_sum_is_at_most_the_sum_of_shortfalls(data: st.DataObject, level: float) -> None:
    a = data.draw(LOSSES)
    b = data.draw(hnp.arrays(np.float64, len(a), elements=st.floats(-5, 5)))
    assert expected_shortfall(a + b, level) <= expected_shortfall(a, level) + expected_shortfall(b, level) + 1e-9


def test_shortfall_is_the_mean_of_the_quantiles_above() -> None:
    losses = np.random.default_rng(5).gamma(2.0, size=37)
    levels = 0.9 + 0.1 * (np.arange(20_000) + 0.5) / 20_000
    mean = np.mean([value_at_risk(losses, level) for level in levels])
    assert expected_shortfall(losses, 0.9) == pytest.approx(mean, abs=1e-3)


def test_portfolio_losses_are_minus_the_weighted_returns() -> None:
    returns = np.array([[0.1, -0.2], [0.0, 0.05]])
    np.testing.assert_allclose(portfolio_losses(returns, [0.25, 0.75]), [0.125, -0.0375])


@pytest.mark.parametrize("losses", [[], [[1.0, 2.0]], [1.0, np.nan], [np.inf]])
def test_wrong_losses_are_refused(losses: list[float]) -> None:
    with pytest.raises(InputError, match="losses"):
        value_at_risk(losses, 0.95)


def test_wrong_levels_weights_and_batches_are_refused() -> None:
    with pytest.raises(InputError, match=r"such as 0\.975, received 0\.05"):
        expected_shortfall([1.0, 2.0], 0.05)
    for probabilities in ([0.5, 0.6], [1.5, -0.5], [1.0], [np.nan, 1.0]):
        with pytest.raises(InputError, match="sum 1"):
            value_at_risk([1.0, 2.0], 0.95, probabilities=probabilities)
    with pytest.raises(InputError, match="expected 2 finite numbers"):
        portfolio_losses(np.ones((3, 2)), [1.0])
    with pytest.raises(InputError, match="n_batches"):
        batch_standard_error(value_at_risk, [1.0, 2.0], 0.95)
