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
_POOL_ROW = 18
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


def best_so_far_figure(searches: Mapping[str, tuple[FloatArray, FloatArray]], *, bound: float | None = None) -> Any:
    """Best value known after so many unique portfolios, by search, as steps."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (name, (calls, values)) in enumerate(searches.items()):
        figure.add_scatter(
            x=calls,
            y=values,
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


def pool_figure(pool: Mapping[str, Any]) -> Any:
    """Share of the best portfolios known that hold a name: names down, portfolios solved to the right.

    `pool`: `calls` (n_looks,), `assets`, and `share` with one list of length n_looks an asset.
    """
    import plotly.graph_objects as go

    order = np.argsort([shares[-1] for shares in pool["share"]], kind="stable")  # the last row is drawn on top
    figure = go.Figure()
    figure.add_heatmap(
        x=list(pool["calls"]),
        y=[escape(pool["assets"][place]) for place in order],
        z=[pool["share"][place] for place in order],
        zmin=0.0,
        zmax=1.0,
        colorscale="Blues",
        colorbar={"tickformat": ".0%", "title": {"text": "Held by"}, "thickness": 12},
        hovertemplate="%{y} after %{x:,} portfolios: in %{z:.0%} of the best<extra></extra>",
    )
    figure.update_xaxes(title_text="Portfolios solved")
    figure.update_yaxes(type="category", dtick=1)
    return themed(figure, height=170 + _POOL_ROW * len(order), legend=False)


def _level_range(searches: Mapping[str, tuple[FloatArray, FloatArray]], bound: float | None) -> list[float] | None:
    """A range around one level, of which plotly would show −1 to 1 more; None where there are several."""
    levels = {float(value) for _, values in searches.values() for value in values} | ({bound} - {None})
    if len(levels) != 1:
        return None
    level = levels.pop()
    return [level - 0.1 * abs(level), level + 0.1 * abs(level)] if level else None


def weights_figure(assets: Sequence[str], weights: FloatArray) -> Any:
    """A bar for every asset held, the largest weight on top."""
    return _bars(assets, weights, "Weight", 1)


def pool_now_figure(assets: Sequence[str], share: FloatArray) -> Any:
    """Share of the best portfolios known that hold each asset, the most frequent on top."""
    return _bars(assets, share, "Share of the best portfolios known that hold it", 0)


def _bars(assets: Sequence[str], shares: FloatArray, title: str, digits: int) -> Any:
    import plotly.graph_objects as go

    order = np.argsort(shares, kind="stable")
    names = [escape(assets[place]) for place in order]
    figure = go.Figure()
    figure.add_bar(
        x=np.asarray(shares)[order],
        y=names,
        orientation="h",
        name=title,
        marker={"color": _FEW},
        text=[f"{100.0 * shares[place]:.{digits}f}%" for place in order],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    figure.update_xaxes(title_text=title, tickformat=".0%", range=[0.0, 1.18 * float(np.max(shares))])
    figure.update_yaxes(type="category")
    return themed(figure, height=110 + _ROW_HEIGHT * len(names), legend=False)
