"""Portfolios of few names: the frontier, how the search came to its best, and the weights."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz.theme import MUTED, themed

_FEW, _ALL, _CHOSEN = "#0072b2", "#5b6372", "#d55e00"
_SOLVERS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#5b6372")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_ROW_HEIGHT = 26


def frontier_figure(
    points: tuple[FloatArray, FloatArray],
    relaxed: tuple[FloatArray, FloatArray],
    chosen: tuple[float, float],
    *,
    risk: str,
    held: Sequence[str] = (),
) -> Any:
    """Risk against mean return of a period, both as shares.

    Parameters
    ----------
    points, relaxed : (risks, means) of the frontier, and of the one without a limit on the number held (may be empty)
    chosen : risk and mean of the portfolio
    risk : what the risk is
    held : names of each point, for the pointer
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    if len(relaxed[0]):
        figure.add_scatter(
            x=relaxed[0],
            y=relaxed[1],
            mode="lines",
            name="Without a limit on the number held",
            line={"color": _ALL, "dash": "dash", "width": 1.5},
            hovertemplate="risk %{x:.3%}, mean %{y:.4%}<extra></extra>",
        )
    figure.add_scatter(
        x=points[0],
        y=points[1],
        mode="lines+markers",
        name="Few names",
        line={"color": _FEW, "width": 2},
        marker={"size": 7},
        customdata=[escape(names) for names in held] or [""] * len(points[0]),
        hovertemplate="risk %{x:.3%}, mean %{y:.4%}<br>%{customdata}<extra></extra>",
    )
    figure.add_scatter(
        x=[chosen[0]],
        y=[chosen[1]],
        mode="markers",
        name="The portfolio",
        marker={"symbol": "star", "size": 15, "color": _CHOSEN},
        hovertemplate="risk %{x:.3%}, mean %{y:.4%}<extra></extra>",
    )
    figure.update_xaxes(title_text=escape(risk), tickformat=".2~%")
    figure.update_yaxes(title_text="Mean return of a period", tickformat=".3~%")
    return themed(figure, height=400)


def best_so_far_figure(
    searches: Mapping[str, tuple[FloatArray, FloatArray]], *, bound: float | None = None, n_calls: int | None = None
) -> Any:
    """Best value known after so many unique portfolios, by search, as steps; the last reaches to `n_calls`."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (name, (calls, values)) in enumerate(searches.items()):
        ends = [] if n_calls is None or len(calls) == 0 or n_calls <= calls[-1] else [n_calls]
        figure.add_scatter(
            x=[*calls, *ends],
            y=[*values, *(values[-1:] if ends else [])],
            mode="lines",
            name=escape(name),
            line={"shape": "hv", "color": _SOLVERS[number % 6], "dash": _DASHES[number % 6], "width": 2},
            hovertemplate="%{x:,} portfolios: %{y:.6g}<extra>" + escape(name) + "</extra>",
        )
    if bound is not None:
        figure.add_hline(y=bound, line={"color": MUTED, "dash": "dot"}, annotation_text="Bound: no limit on names")
    figure.update_xaxes(title_text="Portfolios solved", rangemode="tozero")
    figure.update_yaxes(title_text="Best value so far", tickformat=".4~g", range=_level_range(searches, bound))
    return themed(figure, height=320, legend=len(searches) > 1)


def _level_range(searches: Mapping[str, tuple[FloatArray, FloatArray]], bound: float | None) -> list[float] | None:
    """A range around one level, of which plotly would show −1 to 1 more; None where there are several."""
    levels = {float(value) for _, values in searches.values() for value in values} | ({bound} - {None})
    if len(levels) != 1:
        return None
    level = levels.pop()
    return [level - 0.1 * abs(level), level + 0.1 * abs(level)] if level else None


def weights_figure(assets: Sequence[str], weights: FloatArray) -> Any:
    """A bar for every asset held, the largest weight on top."""
    import plotly.graph_objects as go

    order = np.argsort(weights, kind="stable")
    names = [escape(assets[place]) for place in order]
    figure = go.Figure()
    figure.add_bar(
        x=np.asarray(weights)[order],
        y=names,
        orientation="h",
        name="Weight",
        marker={"color": _FEW},
        text=[f"{100.0 * weights[place]:.1f}%" for place in order],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    figure.update_xaxes(title_text="Weight", tickformat=".0%", range=[0.0, 1.18 * float(np.max(weights))])
    figure.update_yaxes(type="category")
    return themed(figure, height=110 + _ROW_HEIGHT * len(names), legend=False)
