"""Drawdowns of trading rules over synthetic paths, with history's mark on each."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qfin._files import write_whole
from qfin._types import FloatArray
from qfin.viz.html import figure_div, plotly_script
from qfin.viz.theme import INK, MUTED, themed

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_N_POINTS = 200


class Drawdowns(Protocol):
    """What a figure needs of `StrategyPaths`, or of what was stored of them."""

    @property
    def rule(self) -> str: ...

    @property
    def max_drawdown(self) -> FloatArray: ...


def drawdown_figure(pairs: Sequence[tuple[Drawdowns, Drawdowns | None]], *, ruin_level: float | None = None) -> Any:
    """Share of paths with a maximum drawdown beyond x, one curve a rule; a diamond marks the worst window of history.

    A diamond high on its curve: many paths fell further than history ever did.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (paths, history) in enumerate(pairs):
        color, name = _COLORS[number % len(_COLORS)], escape(paths.rule)
        depth = np.sort(paths.max_drawdown)
        share = 1.0 - np.arange(len(depth)) / len(depth)  # of the paths that fell at least so far
        shown = np.unique(len(depth) - np.geomspace(1, len(depth), _N_POINTS).astype(int))  # dense in the tail
        figure.add_scatter(
            x=depth[shown],
            y=share[shown],
            mode="lines",
            name=name,
            legendgroup=name,
            line={"color": color, "width": 2},
            hovertemplate="%{y:.1%} of the paths fell by %{x:.1%} or more<extra>" + name + "</extra>",
        )
        if history is not None:
            worst = float(history.max_drawdown.max())
            figure.add_scatter(
                x=[worst],
                y=[max(float(np.mean(depth > worst)), 1.0 / len(depth))],
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"symbol": "diamond", "size": 11, "color": color, "line": {"color": INK, "width": 1.5}},
                hovertemplate="History's worst: %{x:.1%}; %{y:.1%} of the paths fell further<extra>"
                + name
                + "</extra>",
            )
    if ruin_level is not None:
        figure.add_vline(x=ruin_level, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="Maximum drawdown<br>(diamond: worst window of history)", tickformat=".0%")
    figure.update_yaxes(title_text="Share of paths", type="log", tickformat="~%")
    return themed(figure, height=460)


def write_drawdown_page(
    pairs: Sequence[tuple[Drawdowns, Drawdowns | None]], path: str | Path, *, ruin_level: float | None = None
) -> Path:
    """The figure as an HTML file that asks nothing of any server."""
    description = "Share of paths with a maximum drawdown beyond a given one, by trading rule, with history's worst."
    figure = drawdown_figure(pairs, ruin_level=ruin_level)
    page = "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{description}</title><script>{plotly_script()}</script></head><body>",
            figure_div(figure, div_id="drawdown", description=description),
            "</body></html>",
        ]
    )
    return write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))
