"""A panel of returns before anything is learned from it: drawdowns, and how closely assets move together."""

from typing import Any

import plotly.graph_objects as go

from qfin._types import AnyArray, FloatArray
from qfin.viz.theme import themed

_FALL, _TOGETHER = "#d55e00", "#0072b2"


def returns_figure(dates: AnyArray, returns: FloatArray) -> Any:
    """Simple returns of one book or asset day by day, (n_days,)."""
    figure = go.Figure()
    figure.add_scatter(
        x=dates,
        y=returns,
        mode="lines",
        name="Return",
        line={"color": _TOGETHER, "width": 0.8},
        hovertemplate="%{x|%d %b %Y}: %{y:.2%}<extra></extra>",
    )
    figure.update_yaxes(title_text="Return of a day", tickformat=".0%")
    return themed(figure, height=260, legend=False)


def drawdown_figure(dates: AnyArray, drawdown: FloatArray) -> Any:
    """Loss since the highest value so far of one book, (n_days,), zero or negative, as an area hanging from zero."""
    figure = go.Figure()
    figure.add_scatter(
        x=dates,
        y=drawdown,
        mode="lines",
        name="Drawdown",
        line={"color": _FALL, "width": 1.2},
        fill="tozeroy",
        hovertemplate="%{x|%d %b %Y}: %{y:.1%}<extra></extra>",
    )
    figure.update_yaxes(title_text="Below the highest so far", tickformat=".0%")
    return themed(figure, height=260, legend=False)


def correlation_figure(dates: AnyArray, correlation: FloatArray, *, window: int) -> Any:
    """Mean pairwise correlation, (n_days,), NaN where a window of `window` days is not full."""
    figure = go.Figure()
    figure.add_scatter(
        x=dates,
        y=correlation,
        mode="lines",
        name="Mean correlation",
        line={"color": _TOGETHER, "width": 1.8},
        hovertemplate="%{x|%d %b %Y}: %{y:.2f}<extra></extra>",
    )
    figure.update_yaxes(title_text=f"Mean correlation, {window} days")
    return themed(figure, height=260, legend=False)
