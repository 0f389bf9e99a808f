"""Joint losses of a pair of assets: days of the test window against draws."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import model_style, themed

CORNER_PROBABILITY = 0.1
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)


def tail_scatter_figure(
    returns: FloatArray, draws: Mapping[str, FloatArray], *, assets: Sequence[str], narrow: bool = False
) -> Any:
    """One panel per model: the corner where both assets are below their 10% quantile of the test window.

    Of each model as many draws are used as there are days, so that the clouds may be compared by eye; the titles count
    the points in the corner. Where a quantile is a gain, the corner ends at zero.

    Parameters
    ----------
    returns : (n_days, 2) simple returns of the test window
    draws : simple returns by model, (n_draws, 2)
    assets : the two names
    narrow : bool
        Panels below each other, for a screen of the width of a phone.
    """
    edge = np.minimum(np.quantile(returns, CORNER_PROBABILITY, axis=0), 0.0)
    days = returns[(returns < edge).all(axis=1)]
    corners = {}
    for name, drawn in draws.items():
        compared = drawn[: len(returns)]
        corners[name] = compared[(compared < edge).all(axis=1)]
    titles = [f"{escape(model_style(name).label)}: {len(corner)} draws" for name, corner in corners.items()]
    figure, cells, height = panel_grid(titles, 1 if narrow else len(titles), panel_height=270)
    lowest = np.concatenate([days, *corners.values(), 2.0 * edge[None]]).min(axis=0)
    for (name, corner), cell in zip(corners.items(), cells, strict=True):
        style = model_style(name)
        _add_points(figure, corner, style.label, style.color, cell)
        _add_points(figure, days, f"Test days: {len(days)} of {len(returns):,}", None, cell)
        _set_axes(figure, assets, lowest, edge, cell)
    return themed(figure, height=height + 130 + (80 if narrow else 0))


def _add_points(figure: Any, points: FloatArray, name: str, color: str | None, cell: dict[str, int]) -> None:
    """Losses of both assets: draws as dots of the model's colour, days (no colour) as rings."""
    is_day = color is None
    figure.add_scatter(
        x=-points[:, 0],
        y=-points[:, 1],
        mode="markers",
        name=escape(name),
        legendgroup="days" if is_day else escape(name),
        showlegend=not is_day or cell == {"row": 1, "col": 1},
        marker={
            "symbol": "circle-open" if is_day else "circle",
            "size": 7 if is_day else 6,
            "color": color or "#000000",
            "opacity": 0.85 if is_day else 0.7,
            "line": {"width": 1.2 if is_day else 0},
        },
        hovertemplate="lost %{x:.2%} and %{y:.2%}<extra></extra>",
        **cell,
    )


def _set_axes(figure: Any, assets: Sequence[str], lowest: FloatArray, edge: FloatArray, cell: dict[str, int]) -> None:
    """Logarithmic axes of the loss, the worst days at the lower left, labelled as returns."""
    first, second = (f"{escape(str(asset))}, return" for asset in assets)
    for update, title, low, high in (
        (figure.update_xaxes, first, lowest[0], edge[0]),
        (figure.update_yaxes, second if cell["col"] == 1 else None, lowest[1], edge[1]),
    ):
        update(
            title_text=title,
            type="log",
            range=[np.log10(-1.08 * low), np.log10(max(-high, 1e-4))] if low < 0.0 else None,
            tickvals=_TICKS,
            ticktext=[f"−{100 * tick:g}%" for tick in _TICKS],
            **cell,
        )
