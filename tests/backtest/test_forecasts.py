"""Forecasts come from the past alone and say of their draws what `qfin.risk` says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qfin.backtest import (
    MODELS,
    BacktestInputs,
    BacktestPlan,
    LossForecast,
    PastView,
    book_losses,
    forecast_span,
    realised_losses,
)
from qfin.exceptions import InputError
from qfin.risk import expected_shortfall, probability_integral_transform, value_at_risk


def test_a_view_ends_with_its_day_and_cannot_be_written() -> None:
    returns = np.arange(12.0).reshape(6, 2)
    view = PastView.until(returns, 3)
    assert view.returns.shape == (4, 2)
    assert view.last(1).tolist() == [[6.0, 7.0]]
    with pytest.raises(ValueError, match="read-only"):
        view.returns[0, 0] = 1.0
    with pytest.raises(InputError, match="day: expected a row from 0 to 5, received 6"):
        PastView.until(returns, 6)
    with pytest.raises(InputError, match="n_days: expected 1 to 4 days of the past, received 5"):
        view.last(5)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_future_changes_no_forecast(fx_inputs: Any, name: str) -> None:
    """Every return from a day on is replaced: what was forecast for that day and before stays, bit for bit."""
    inputs = fx_inputs(name)
    span, day = inputs.days[:21], inputs.days[13]  # blocks begin on days 0, 10 and 20
    changed = inputs.returns.copy()
    changed[day:] = 0.05 * np.random.default_rng(1).standard_t(3, changed[day:].shape).clip(-10, 10)
    before, after = (
        next(forecast_span(returns, inputs.weights, inputs.plan, span))[1] for returns in (inputs.returns, changed)
    )
    assert np.array_equal(before.var[:14], after.var[:14])
    assert np.array_equal(before.es[:14], after.es[:14])
    assert np.array_equal(before.draws[:14], after.draws[:14])
    assert np.array_equal(before.pit[:13], after.pit[:13])
    assert (before.var[20] != after.var[20]).all()  # the changed days are seen, once they are past


def test_the_future_changes_no_forecast_of_paths(fx_inputs: Any) -> None:
    inputs = fx_inputs("hs", "fhs", "garch_t", horizon=5)
    span, day = inputs.days[:20], inputs.days[13]
    changed = inputs.returns.copy()
    changed[day:] *= -3.0
    pairs = zip(
        forecast_span(inputs.returns, inputs.weights, inputs.plan, span),
        forecast_span(changed, inputs.weights, inputs.plan, span),
        strict=True,
    )
    for (name, before), (_, after) in pairs:
        assert np.array_equal(before.var[:14], after.var[:14]), name
        assert np.array_equal(before.draws[:14], after.draws[:14]), name
        assert (before.var[14:] != after.var[14:]).any(), name


def test_a_model_does_not_depend_on_those_beside_it(fx_inputs: Any) -> None:
    inputs = fx_inputs("gaussian", "garch_t", "vine")
    span = inputs.days[:20]
    together = dict(forecast_span(inputs.returns, inputs.weights, inputs.plan, span))
    alone = dict(forecast_span(inputs.returns, inputs.weights, replace(inputs.plan, models=("vine",)), span))
    assert np.array_equal(together["vine"].var, alone["vine"].var)


@pytest.mark.parametrize("n_draws", [99, 100, 1_000])
def test_measures_are_those_of_the_risk_package(n_draws: int) -> None:
    draws = np.round(np.random.default_rng(2).standard_t(4, n_draws), 1)  # rounded: with ties
    forecast, levels = LossForecast(np.sort(draws), draws), (0.9, 0.95, 0.975, 0.99)
    var, es = forecast.measures(levels)
    assert var.tolist() == [value_at_risk(draws, level) for level in levels]
    np.testing.assert_allclose(es, [expected_shortfall(draws, level) for level in levels], rtol=1e-12)
    for loss in (draws[0], -10.0, 10.0, 0.123):
        expected = probability_integral_transform([loss, loss], np.stack([draws, draws]))[0]
        assert forecast.transform(loss) == pytest.approx(expected, rel=1e-12)


def test_historical_simulation_is_the_window_itself(fx_inputs: Any) -> None:
    inputs = fx_inputs("hs")
    found = next(forecast_span(inputs.returns, inputs.weights, inputs.plan, inputs.days[:20]))[1]
    for place, day in enumerate(inputs.days[:20]):
        window = -inputs.returns[day - 400 : day].mean(axis=1)
        assert found.var[place, 0] == pytest.approx(value_at_risk(window, 0.9), rel=1e-12)
        assert found.es[place, 1] == pytest.approx(expected_shortfall(window, 0.95), rel=1e-12)


def test_filtered_forecasts_follow_the_volatility(fx_inputs: Any) -> None:
    """The first day's draws are the window's residuals times today's volatility, asset by asset."""
    from qfin.marginals import GarchFilter

    inputs = fx_inputs("fhs")
    found = next(forecast_span(inputs.returns, inputs.weights, inputs.plan, inputs.days[:20]))[1]
    first = inputs.days[0]
    window = inputs.returns[first - 400 : first]
    volatility = GarchFilter().fit(window)
    filtered = volatility.filter(window)
    returns = np.expm1(volatility.params_[:, 0] + filtered.state * filtered.residuals)
    assert found.var[0, 1] == pytest.approx(value_at_risk(-returns.mean(axis=1), 0.95), rel=1e-9)


def test_a_book_is_held_over_the_horizon() -> None:
    returns = np.array([[0.1, 0.0], [-0.5, 0.2], [0.2, 0.0]])
    weights = np.array([0.5, 0.5])
    losses = realised_losses(returns, weights, 2)
    np.testing.assert_allclose(losses, [-(0.5 * (1.1 * 0.5 - 1) + 0.5 * 0.2), -(0.5 * (0.5 * 1.2 - 1) + 0.5 * 0.2)])
    np.testing.assert_allclose(realised_losses(returns, weights, 1), -(returns @ weights))
    np.testing.assert_allclose(book_losses(returns[None, :2], weights), losses[:1])


def test_plans_and_inputs_that_cannot_be_are_refused(fx_returns: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"models: expected names among hs, fhs, .*, received prophet"):
        BacktestPlan(("hs", "prophet"))
    with pytest.raises(InputError, match="each once"):
        BacktestPlan(("hs", "hs"))
    with pytest.raises(InputError, match="levels: expected confidences in rising order"):
        BacktestPlan(("hs",), levels=(0.99, 0.95))
    with pytest.raises(InputError, match="window: expected a whole number of at least 250, received 100"):
        BacktestPlan(("hs",), window=100)
    plan = BacktestPlan(("hs",), window=400)
    with pytest.raises(InputError, match=r"start: expected 2008-.* or later, with 400 complete days before it"):
        BacktestInputs.of(fx_returns, plan, start="2007-03-01")
    with pytest.raises(InputError, match="start, end: expected at least 20 days to forecast"):
        BacktestInputs.of(fx_returns, plan, start="2008-09-01", end="2008-09-10")
    with pytest.raises(InputError, match="start: expected a date such as 2010-12-31, received 'spring'"):
        BacktestInputs.of(fx_returns, plan, start="spring")
    with pytest.raises(InputError, match=r"book: expected finite weights, not all zero, of EURUSD, .*, received GOLD"):
        BacktestInputs.of(fx_returns, plan, book={"GOLD": 1.0})
    with pytest.raises(InputError, match="window: expected at least 400 days to learn from"):
        BacktestInputs.of(fx_returns.iloc[:410], plan)


def test_days_without_every_return_are_left_out_and_counted(fx_returns: pd.DataFrame) -> None:
    gaps = fx_returns.copy()
    gaps.iloc[[5, 450], 1] = np.nan
    inputs = BacktestInputs.of(gaps, BacktestPlan(("hs",), window=400))
    assert inputs.n_incomplete_days == 2
    assert len(inputs.returns) == len(fx_returns) - 2
    assert inputs.days[0] == 400


def test_spans_are_whole_numbers_of_blocks_near_a_year() -> None:
    plan = BacktestPlan(("hs",))
    days = range(1000, 1700)
    spans = plan.spans(days)
    assert plan.span == 240
    assert [len(span) for span in spans] == [240, 240, 220]
    assert [day for span in spans for block in plan.blocks(span) for day in block] == list(days)
    assert all(len(block) <= 20 for span in spans for block in plan.blocks(span))
