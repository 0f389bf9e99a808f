"""Every asset's return on any day and on the days of an event."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz.theme import MUTED, themed

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_BEFORE, _AFTER = "#0072b2", "#d55e00"
_SHIFT, _ROW_HEIGHT = 0.17, 34


def conditional_distribution_figure(
    before: FloatArray, after: FloatArray, *, assets: Sequence[str], weights: FloatArray | None = None
) -> Any:
    """One row per asset: the middle 90 % and the middle half of its returns and their median, before and after.

    Parameters
    ----------
    before : (n, n_assets) simple returns without the event
    after : (m, n_assets) simple returns given the event
    assets : their names
    weights : (m,) probabilities of the rows of `after`, with sum 1; equal by default
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    places = np.arange(len(assets), dtype=float)
    for words, returns, mass, color, shift in (
        ("Any day", before, None, _BEFORE, -_SHIFT),
        ("Given the event", after, weights, _AFTER, _SHIFT),
    ):
        _add_law(figure, words, _quantiles(returns, mass), places + shift, color, [escape(name) for name in assets])
    figure.add_vline(x=0.0, line={"color": MUTED, "width": 1})
    figure.update_xaxes(title_text="Return: middle 90% (thin), middle half (thick), median (dot)", tickformat=".1~%")
    figure.update_yaxes(
        tickvals=places,
        ticktext=[escape(name) for name in assets],
        range=[len(assets) - 0.5, -0.5],
        showgrid=False,
    )
    return themed(figure, height=150 + _ROW_HEIGHT * len(assets))


def _quantiles(returns: FloatArray, weights: FloatArray | None) -> FloatArray:
    """(n_levels, n_assets)."""
    if weights is None:
        return np.asarray(np.quantile(returns, _LEVELS, axis=0))
    columns = [np.quantile(column, _LEVELS, weights=weights, method="inverted_cdf") for column in returns.T]
    return np.stack(columns, axis=1)


def _add_law(
    figure: Any, words: str, quantiles: FloatArray, places: FloatArray, color: str, assets: Sequence[str]
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
        customdata=np.column_stack([assets, *(np.char.mod("%.2f%%", 100.0 * row) for row in quantiles)]),
        hovertemplate="%{customdata[0]}: median %{customdata[3]}, half of the days %{customdata[2]} to %{customdata[4]}, "
        "90% of them %{customdata[1]} to %{customdata[5]}<extra>" + words + "</extra>",
    )
