"""Density of a pair of assets: models beside the days they had not seen, and the corner of joint losses enlarged."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import DIVERGING, model_style, themed

CORNER = 0.1
# Whether each axis shows its upper end; None: all of both.
Corner = tuple[bool, bool] | None


def pair_density_figure(
    u: FloatArray,
    grid: FloatArray,
    densities: Mapping[str, FloatArray],
    *,
    assets: Sequence[str],
    opposite: bool = False,
    narrow: bool = False,
) -> Any:
    """Days as points and copula densities as contours of log2; a second row enlarges the corner of joint bad days.

    Parameters
    ----------
    u : (n_days, 2) pseudo-observations of the pair
    grid : (G,) ascending values of u
    densities : copula density by model, (G, G), entry [i, j] at u1 = grid[i], u2 = grid[j]
    assets : the two names
    opposite : bool
        For assets that move against each other: the corner where the first falls and the second rises.
    narrow : bool
        One model per row with its corner beside it, for a screen of the width of a phone.
    """
    limit = _color_limit(densities)
    names = ["data", *densities]
    panels = [(name, corner) for name in names for corner in (None, (False, opposite))]
    if not narrow:
        panels.sort(key=lambda panel: panel[1] is not None)
    titles = ["Corner" if corner else _title(name) for name, corner in panels]
    figure, cells, height = panel_grid(titles, 2 if narrow else len(names), panel_height=130 if narrow else 190)
    for (name, corner), cell in zip(panels, cells, strict=True):
        if name != "data":
            _add_contours(figure, grid, densities[name], limit, corner, cell)
        if name == "data" or corner:
            _add_days(figure, u, corner, cell)
        _set_axes(figure, assets, corner, cell)
    figure.update_layout(coloraxis=_color_axis(limit, narrow))
    return themed(figure, height=height + (190 if narrow else 110), legend=False)


def _title(name: str) -> str:
    return "Test days" if name == "data" else escape(model_style(name).label)


def _color_limit(densities: Mapping[str, FloatArray]) -> int:
    """Doublings of the density that the colours span to either side of 1, the same for all models."""
    spread = np.quantile(np.abs(np.concatenate([_log2(density).ravel() for density in densities.values()])), 0.95)
    return int(np.clip(np.ceil(spread), 1, 4))


def _log2(density: FloatArray) -> FloatArray:
    return np.log2(np.maximum(density, np.finfo(np.float64).tiny))


def _add_contours(
    figure: Any, grid: FloatArray, density: FloatArray, limit: int, corner: Corner, cell: dict[str, int]
) -> None:
    first, second = (_near_corner(grid, upper) for upper in corner or (None, None))
    values = density[first, second].T
    figure.add_contour(
        x=grid[first],
        y=grid[second],
        z=_log2(values),
        customdata=values,
        coloraxis="coloraxis",
        contours={"start": -limit, "end": limit, "size": 0.5, "coloring": "fill"},
        line={"width": 0.6, "color": "rgba(31, 36, 48, 0.4)"},
        hovertemplate="u = (%{x:.3f}, %{y:.3f})<br>density %{customdata:.3g}<extra></extra>",
        **cell,
    )


def _near_corner(grid: FloatArray, upper: bool | None) -> slice:
    """The part of the grid that a corner needs, one value beyond its edge so that contours reach it."""
    if upper is None:
        return slice(None)
    if upper:
        return slice(max(0, int(np.searchsorted(grid, 1.0 - CORNER, side="right")) - 1), None)
    return slice(int(np.searchsorted(grid, CORNER)) + 1)


def _add_days(figure: Any, u: FloatArray, corner: Corner, cell: dict[str, int]) -> None:
    inside = np.ones(len(u), dtype=bool)
    for column, upper in zip(u.T, corner or (), strict=False):
        inside &= column > 1.0 - CORNER if upper else column < CORNER
    figure.add_scatter(
        x=u[inside, 0],
        y=u[inside, 1],
        mode="markers",
        marker={"size": 4.5 if corner else 3, "color": "#000000", "opacity": 0.75 if corner else 0.3},
        hovertemplate="test day, u = (%{x:.3f}, %{y:.3f})<extra></extra>",
        **cell,
    )


def _set_axes(figure: Any, assets: Sequence[str], corner: Corner, cell: dict[str, int]) -> None:
    titles = f"{assets[0]}, rank u", f"{assets[1]}, rank u" if cell["col"] == 1 else ""
    updates = figure.update_xaxes, figure.update_yaxes
    for update, title, upper in zip(updates, titles, corner or (None, None), strict=True):
        low, high = (0.0, 1.0) if upper is None else (1.0 - CORNER, 1.0) if upper else (0.0, CORNER)
        update(
            title_text=escape(title),
            title_standoff=4,
            range=[low, high],
            tickvals=[low, (low + high) / 2.0, high],
            constrain="domain",
            showgrid=False,
            **cell,
        )
    x_axis = next(figure.select_xaxes(**cell)).plotly_name.removeprefix("xaxis")
    figure.update_yaxes(scaleanchor=f"x{x_axis}", constraintoward="top", **cell)


def _color_axis(limit: int, narrow: bool) -> dict[str, Any]:
    powers = [-limit, 0, limit] if narrow else list(range(-limit, limit + 1))
    ticks = [str(2**p) if p >= 0 else f"1/{2**-p}" for p in powers]
    bar: dict[str, Any] = {
        "title": {"text": "Density (1: as if<br>independent)", "side": "top", "font": {"size": 12}},
        "tickvals": powers,
        "ticktext": [f"≤ 1/{2**limit}", *ticks[1:-1], f"≥ {2**limit}"],
        "thickness": 12,
        "outlinewidth": 0,
    }
    if narrow:
        bar |= {"orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom", "len": 0.9}
        bar["title"]["text"] = "Density (1: as if independent)"
    return {"colorscale": DIVERGING, "cmin": -limit, "cmax": limit, "colorbar": bar}
