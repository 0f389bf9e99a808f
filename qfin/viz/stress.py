"""Returns of the book and of every asset on any day, and on the days of an event."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.scenarios import ScenarioSet
from qfin.scenarios.stress import StressResult
from qfin.viz.theme import MUTED, themed

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_BEFORE, _AFTER = "#0072b2", "#d55e00"
_SHIFT, _ROW_HEIGHT = 0.17, 34
# Of the ways to lose, the likeliest first; told apart by shape as well as by colour.
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")
_COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#5b6372")


def conditional_figure(result: StressResult) -> Any:
    """One row for the equal-weight book and each asset: the middle 90 %, the middle half and the median of its returns.

    Given the event with the weights of its scenarios, and without it beside that.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    names = ["Book", *(escape(name) for name in result.scenarios.assets)]
    places = np.arange(len(names), dtype=float)
    for words, scenarios, color, shift in (
        ("Any day", result.baseline, _BEFORE, -_SHIFT),
        ("Given the event", result.scenarios, _AFTER, _SHIFT),
    ):
        _add_law(figure, words, _quantiles(scenarios), places + shift, color, names)
    figure.add_vline(x=0.0, line={"color": MUTED, "width": 1})
    figure.update_xaxes(
        title_text="Return: middle 90% (thin),<br>middle half (thick), median (ring)", tickformat=".1~%"
    )
    figure.update_yaxes(tickvals=places, ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False)
    return themed(figure, height=150 + _ROW_HEIGHT * len(names))


def reverse_figure(assets: Sequence[str], moves: FloatArray, shares: FloatArray) -> Any:
    """Returns of every asset, (n_modes, n_assets), in the likeliest ways to lose; `shares` (n_modes,) of the first."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = [escape(name) for name in assets]
    places = np.arange(len(names), dtype=float)
    shift = np.linspace(-0.25, 0.25, len(moves)) if len(moves) > 1 else np.zeros(1)
    for number, (move, share) in enumerate(zip(moves, shares, strict=True)):
        words = f"Way {number + 1}" + (f", {share:.0%} as likely" if number else "")
        figure.add_scatter(
            x=move,
            y=places + shift[number],
            mode="markers",
            name=words,
            marker={"symbol": _SYMBOLS[number], "size": 9, "color": _COLORS[number]},
            customdata=names,
            hovertemplate="%{customdata}: %{x:.2%}<extra>" + words + "</extra>",
        )
    figure.add_vline(x=0.0, line={"color": MUTED, "width": 1})
    figure.update_xaxes(title_text="Return on such a day", tickformat=".1~%")
    figure.update_yaxes(tickvals=places, ticktext=names, range=[len(names) - 0.5, -0.5])
    return themed(figure, height=150 + _ROW_HEIGHT * len(names))


def _quantiles(scenarios: ScenarioSet) -> FloatArray:
    """(n_levels, 1 + n_assets), the book first."""
    returns, weights = scenarios.returns, scenarios.probabilities
    columns = [returns.mean(axis=1), *returns.T]
    if weights is None:
        return np.stack([np.quantile(column, _LEVELS) for column in columns], axis=1)
    laws = [np.quantile(column, _LEVELS, weights=weights, method="inverted_cdf") for column in columns]
    return np.stack(laws, axis=1)


def _add_law(
    figure: Any, words: str, quantiles: FloatArray, places: FloatArray, color: str, names: Sequence[str]
) -> None:
    for low, high, width in ((0, 4, 1.5), (1, 3, 6.0)):
        ends = np.stack([quantiles[low], quantiles[high], np.full(len(places), np.nan)], axis=1)
        figure.add_scatter(
            x=ends.ravel(),
            y=np.repeat(places, 3),
            mode="lines",
            line={"color": color, "width": width},
            legendgroup=words,
            showlegend=False,
            hoverinfo="skip",
            name=words,
        )
    figure.add_scatter(
        x=quantiles[2],
        y=places,
        mode="markers",
        marker={"color": "#ffffff", "size": 7, "line": {"color": color, "width": 2}},
        legendgroup=words,
        name=words,
        customdata=np.column_stack([names, *(np.char.mod("%.2f%%", 100.0 * row) for row in quantiles)]),
        hovertemplate="%{customdata[0]}: median %{customdata[3]}, half of the days %{customdata[2]} to "
        "%{customdata[4]}, 90% of them %{customdata[1]} to %{customdata[5]}<extra>" + words + "</extra>",
    )
