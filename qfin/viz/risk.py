"""How often the book loses more than a given amount: models against the realised test window."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qfin._types import FloatArray
from qfin.viz.theme import MUTED, model_style, themed

_MIN_SCENARIOS = 10  # beyond the last point drawn: the curve is noise further out
_N_POINTS = 240
_TICKS = (0.5, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001, 0.0005, 0.0001)


def loss_distribution_figure(
    losses: Mapping[str, FloatArray],
    realised: FloatArray,
    measures: Mapping[str, tuple[float | None, float | None]],
    *,
    level: float = 0.975,
) -> Any:
    """Share of days with a loss above x on a logarithmic axis, with VaR and ES of each model.

    Parameters
    ----------
    losses : losses of the equal-weight book by model, (n_scenarios,), as fractions, positive when money is lost
    realised : (n_days,) losses of the test window
    measures : (VaR, ES) at `level` by model, "realised" among them; None where a model has none
    level : confidence of VaR and ES
    """
    figure = go.Figure()
    for name, values in losses.items():
        _add_curve(figure, name, *survival_curve(values, _MIN_SCENARIOS, _N_POINTS))
    ordered = np.sort(realised)[::-1][: max(1, len(realised) // 2)]
    _add_curve(figure, "realised", ordered, (np.arange(len(ordered)) + 1.0) / len(realised), shape="hv")
    figure.add_hline(y=1.0 - level, line={"color": MUTED, "width": 1, "dash": "dot"})
    for words, symbol, place in (("VaR", "circle", 0), ("ES", "diamond", 1)):
        points = {name: pair[place] for name, pair in measures.items() if pair[place] is not None}
        _add_markers(figure, f"{words} {level:.1%}", symbol, points, {**losses, "realised": realised}, level)
    figure.update_xaxes(title_text="Loss of the equal-weight book over one day", tickformat=".2~%", rangemode="tozero")
    figure.update_yaxes(
        title_text="Share of days with a larger loss",
        type="log",
        tickvals=_TICKS,
        ticktext=[f"{100 * tick:g}%" for tick in _TICKS],
    )
    return themed(figure, height=470)


def survival_curve(losses: FloatArray, min_scenarios: int, n_points: int) -> tuple[FloatArray, FloatArray]:
    """Losses and the probability of a larger one, from one half down to `min_scenarios` of the scenarios."""
    smallest = min(0.5, min_scenarios / len(losses))
    probability = np.geomspace(0.5, smallest, n_points)
    return np.quantile(losses, 1.0 - probability), probability


def _add_curve(figure: Any, name: str, x: FloatArray, y: FloatArray, shape: str = "linear") -> None:
    style = model_style(name)
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=escape(style.label),
        line={"color": style.color, "dash": style.dash, "width": 2, "shape": shape},
        hovertemplate="%{y:.2%} of days lose more than %{x:.2%}<extra>" + escape(style.label) + "</extra>",
    )


def _add_markers(
    figure: Any, words: str, symbol: str, points: dict[str, Any], losses: Mapping[str, FloatArray], level: float
) -> None:
    """VaR lies on the line of its own probability, ES on the curve of its model."""
    heights = [
        1.0 - level if words.startswith("VaR") else float(np.mean(losses[name] > value))
        for name, value in points.items()
    ]
    styles = [model_style(name) for name in points]
    figure.add_scatter(
        x=list(points.values()),
        y=heights,
        mode="markers",
        name=words,
        marker={
            "symbol": symbol,
            "size": 10,
            "color": [style.color for style in styles],
            "line": {"width": 1.5, "color": "#ffffff"},
        },
        text=[escape(style.label) for style in styles],
        hovertemplate="%{text}<br>" + words + ": %{x:.2%}<extra></extra>",
    )
