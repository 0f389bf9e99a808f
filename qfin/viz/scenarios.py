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
    returns: FloatArray,
    draws: Mapping[str, FloatArray],
    *,
    assets: Sequence[str],
    opposite: bool = False,
    narrow: bool = False,
) -> Any:
    """One panel per model: the corner where both assets are below their 10% quantile of the test window.

    Of each model as many draws are used as there are days, so that the clouds may be compared by eye; the titles count
    the points in the corner. Where a quantile has the wrong sign, the corner ends at zero.

    Parameters
    ----------
    returns : (n_days, 2) simple returns of the test window
    draws : simple returns by model, (n_draws, 2)
    assets : the two names
    opposite : bool
        For assets that move against each other: the corner where the first falls and the second rises.
    narrow : bool
        Panels below each other, for a screen of the width of a phone.
    """
    signs = np.array([-1.0, 1.0 if opposite else -1.0])
    edge = np.maximum(np.quantile(signs * returns, 1.0 - CORNER_PROBABILITY, axis=0), 0.0)
    days = _corner(signs * returns, edge)
    corners = {name: _corner(signs * drawn[: len(returns)], edge) for name, drawn in draws.items()}
    titles = [f"{escape(model_style(name).label)}: {len(corner)} draws" for name, corner in corners.items()]
    figure, cells, height = panel_grid(titles, 1 if narrow else len(titles), panel_height=270)
    farthest = np.concatenate([days, *corners.values(), 2.0 * edge[None]]).max(axis=0)
    for (name, corner), cell in zip(corners.items(), cells, strict=True):
        style = model_style(name)
        _add_points(figure, corner, style.label, style.color, cell)
        _add_points(figure, days, f"Test days: {len(days)} of {len(returns):,}", None, cell)
        figure.update_xaxes(**_axis(f"{assets[0]}, return", signs[0], edge[0], farthest[0]), **cell)
        title = f"{assets[1]}, return" if cell["col"] == 1 else ""
        figure.update_yaxes(**_axis(title, signs[1], edge[1], farthest[1]), **cell)
    return themed(figure, height=height + 130 + (80 if narrow else 0))


def _corner(moves: FloatArray, edge: FloatArray) -> FloatArray:
    """Rows in which both assets move further than the edge."""
    return moves[(moves > edge).all(axis=1)]


def _add_points(figure: Any, moves: FloatArray, name: str, color: str | None, cell: dict[str, int]) -> None:
    """Sizes of the moves of both assets: draws as dots of the model's colour, days (no colour) as rings."""
    is_day = color is None
    figure.add_scatter(
        x=moves[:, 0],
        y=moves[:, 1],
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
        hovertemplate="moves of %{x:.2%} and %{y:.2%}<extra></extra>",
        **cell,
    )


def _axis(title: str, sign: float, edge: float, farthest: float) -> dict[str, Any]:
    """A logarithmic axis of the size of a move, labelled as returns; falls grow to the left and downward."""
    ends = [np.log10(max(edge, 1e-4)), np.log10(1.08 * farthest)] if farthest > 0.0 else None
    return {
        "title_text": escape(title),
        "type": "log",
        "range": ends[::-1] if ends and sign < 0.0 else ends,
        "tickvals": _TICKS,
        "ticktext": [f"{'−' if sign < 0.0 else '+'}{100 * tick:g}%" for tick in _TICKS],
    }
