"""Joint losses of a pair of assets: days of the test window against draws."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import model_style, themed

CORNER_PROBABILITY = 0.1


def tail_scatter_figure(
    returns: FloatArray, draws: Mapping[str, FloatArray], *, assets: Sequence[str], narrow: bool = False
) -> Any:
    """One panel per model: the corner where both assets are below their 10 % quantile of the test window.

    Of each model as many draws are used as there are days, so that the clouds may be compared by eye; the titles count
    the points in the corner.

    Parameters
    ----------
    returns : (n_days, 2) simple returns of the test window
    draws : simple returns by model, (n_draws, 2)
    assets : the two names
    narrow : bool
        Panels below each other, for a screen of the width of a phone.
    """
    edge = np.quantile(returns, CORNER_PROBABILITY, axis=0)
    days = returns[(returns < edge).all(axis=1)]
    corners = {}
    for name, drawn in draws.items():
        compared = drawn[: len(returns)]
        corners[name] = compared[(compared < edge).all(axis=1)]
    titles = [f"{escape(model_style(name).label)}: {len(corner)} draws" for name, corner in corners.items()]
    figure, cells, height = panel_grid(titles, 1 if narrow else len(titles), row_height=330 if narrow else 380)
    lowest = np.min([points.min(axis=0) for points in (returns, *corners.values()) if len(points)], axis=0)
    for (name, corner), cell in zip(corners.items(), cells, strict=True):
        style = model_style(name)
        _add_points(figure, corner, style.label, style.color, "circle", cell)
        _add_points(figure, days, f"Test days: {len(days)} of {len(returns):,}", "#000000", "cross-thin", cell)
        for axis, title, low, high in zip("xy", assets, lowest, edge, strict=True):
            update = figure.update_xaxes if axis == "x" else figure.update_yaxes
            update(title_text=f"{escape(str(title))}, return", range=[low - 0.05 * (high - low), high], **cell)
            update(tickformat=".0%" if low < -0.04 else ".1%", **cell)
    return themed(figure, height=height + 40)


def _add_points(figure: Any, points: FloatArray, name: str, color: str, symbol: str, cell: dict[str, int]) -> None:
    is_day = symbol == "cross-thin"
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        name=escape(name),
        legendgroup="days" if is_day else name,
        showlegend=not is_day or cell == {"row": 1, "col": 1},
        marker={
            "symbol": symbol,
            "size": 7 if is_day else 6,
            "color": color,
            "opacity": 1.0 if is_day else 0.55,
            "line": {"width": 1.3 if is_day else 0, "color": color},
        },
        hovertemplate="%{x:.2%}, %{y:.2%}<extra></extra>",
        **cell,
    )
