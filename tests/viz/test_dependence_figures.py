"""Tail dependence by level, and returns before and after an event."""

import json

import numpy as np
import pytest

from qfin.copulas import EventProbability
from qfin.evaluation import tail_dependence
from qfin.experiments.figures import TAIL_LEVELS, tail_dependence_by_level
from qfin.scenarios import ScenarioSet
from qfin.scenarios.stress import StressResult, weighted_quantile
from qfin.viz import conditional_figure, model_style, tail_dependence_figure

BAD_NAME = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("narrow", [False, True])
def test_tail_dependence_draws_both_tails_of_every_model(narrow: bool) -> None:
    levels, rng = np.array([0.01, 0.05, 0.2]), np.random.default_rng(0)
    data, errors, model = rng.uniform(0.2, 0.6, (2, 3)), np.full((2, 3), 0.02), rng.uniform(0.2, 0.7, (2, 3))
    figure = tail_dependence_figure(levels, data, errors, {"mps": model, BAD_NAME: model}, narrow=narrow)
    lines = [trace for trace in figure.data if trace.line.color == model_style("mps").color]
    assert [trace.showlegend for trace in lines] == [True, False]
    for trace, values in zip(lines, model, strict=True):
        np.testing.assert_array_equal(trace.x, levels)
        np.testing.assert_array_equal(trace.y, values)
    bands = [trace for trace in figure.data if trace.name == "band"]
    for band, values in zip(bands, data, strict=True):
        np.testing.assert_allclose(band.y[:3], values + 0.04)
        np.testing.assert_allclose(band.y[3:], (values - 0.04)[::-1])
    days = [trace for trace in figure.data if trace.name.startswith("Test days")]
    np.testing.assert_array_equal([trace.y for trace in days], data)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    assert figure.layout.yaxis.range[1] > max(model.max(), data.max() + 0.04)
    assert len({trace.yaxis for trace in figure.data}) == 2
    text = json.dumps(figure.to_plotly_json(), default=lambda array: array.tolist())
    assert "<img" not in text
    assert "&lt;img" in text


def test_tail_dependence_by_level_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(1)
    common = rng.standard_normal((4_000, 1))
    days = common + rng.standard_normal((4_000, 4))
    u = (days.argsort(0).argsort(0) + 1.0) / 4_001
    curves = tail_dependence_by_level(days)
    assert curves.shape == (4, len(TAIL_LEVELS))
    pairs = np.triu_indices(4, 1)
    for j in (5, 12, 20):
        lower, upper = tail_dependence(u, float(TAIL_LEVELS[j]))
        # A day at the very edge of a tail may be counted by one and not by the other.
        assert curves[:2, j] == pytest.approx(
            [lower[pairs].mean(), upper[pairs].mean()], abs=2 / (4_000 * TAIL_LEVELS[j])
        )
    assert np.all(curves[2:] > 0)
    independent = tail_dependence_by_level(rng.random((4_000, 4)))
    # Six pairs, each beyond q on both sides on a share q² of the days: a standard error of about 1/√(6 n).
    assert np.all(np.abs(independent[:2] - TAIL_LEVELS) < 5 / np.sqrt(6 * 4_000))


def test_returns_before_and_after_are_weighted_quantiles() -> None:
    rng = np.random.default_rng(2)
    names = ("AAA", BAD_NAME)
    weights = rng.exponential(size=500)
    weights /= weights.sum()
    after = ScenarioSet(rng.normal(-0.03, 0.01, (500, 2)), names, weights)
    before = ScenarioSet(rng.normal(0.0, 0.01, (400, 2)), names)
    figure = conditional_figure(StressResult("AAA < -2%", EventProbability(0.01, 0.0, True), after, before))
    medians = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert set(medians) == {"Any day", "Given the event"}
    np.testing.assert_allclose(medians["Any day"].x[1:], np.median(before.returns, axis=0))
    book = after.returns.mean(axis=1)
    expected = [weighted_quantile(values, 0.5, weights) for values in (book, *after.returns.T)]
    np.testing.assert_allclose(medians["Given the event"].x, expected)
    thin = next(trace for trace in figure.data if trace.name == "Given the event" and trace.line.width == 1.5)
    ends = np.array(thin.x, dtype=float).reshape(3, 3)
    np.testing.assert_allclose(ends[1, :2], [weighted_quantile(after.returns[:, 0], q, weights) for q in (0.05, 0.95)])
    assert np.isnan(ends[:, 2]).all()
    assert list(figure.layout.yaxis.ticktext)[:2] == ["Book", "AAA"]
    assert medians["Any day"].marker.line.color != medians["Given the event"].marker.line.color
    text = json.dumps(figure.to_plotly_json(), default=lambda array: array.tolist())
    assert "<img" not in text
