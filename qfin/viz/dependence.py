"""How strongly assets fall and rise together, the further out the more of it is tail: data against models."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import model_style, themed

_TITLES = ("Falling together", "Rising together")
_TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_SPREAD = 2.0  # standard errors of the band around the data


def tail_dependence_figure(
    levels: FloatArray,
    data: FloatArray,
    errors: FloatArray,
    models: Mapping[str, FloatArray],
    *,
    narrow: bool = False,
) -> Any:
    """Lower and upper tail dependence as functions of the level, in two panels.

    Parameters
    ----------
    levels : (n_levels,) q in (0, 0.5], ascending
    data : (2, n_levels) chance that an asset is beyond its quantile at q, given that another is; lower, upper
    errors : (2, n_levels) standard errors of `data`, which give a band of two to either side
    models : the same as `data` by model
    narrow : bool
        Panels below each other, for a screen of the width of a phone.
    """
    figure, cells, height = panel_grid(_TITLES, 1 if narrow else 2, panel_height=260)
    for tail, cell in enumerate(cells):
        first = tail == 0
        _add_band(figure, levels, data[tail], errors[tail], cell)
        for name, values in models.items():
            _add_line(figure, name, model_style(name).label, levels, values[tail], first, cell)
        _add_line(figure, "realised", "Test days, with two standard errors", levels, data[tail], first, cell)
        figure.update_xaxes(
            title_text="Share of days counted as tail",
            type="log",
            range=np.log10([levels[0], levels[-1]]).tolist(),
            tickvals=_TICKS,
            ticktext=[f"{100 * tick:g}%" for tick in _TICKS],
            **cell,
        )
        words = "Chance that one asset is in the tail<br>when another is" if narrow or first else ""
        figure.update_yaxes(title_text=words, tickformat=".0%", range=[0.0, _top(data, errors, models)], **cell)
    return themed(figure, height=height + 130 + (80 if narrow else 0))


def _top(data: FloatArray, errors: FloatArray, models: Mapping[str, FloatArray]) -> float:
    """One scale for both tails."""
    return float(min(1.0, 1.08 * max((data + _SPREAD * errors).max(), *(values.max() for values in models.values()))))


def _add_band(figure: Any, levels: FloatArray, values: FloatArray, errors: FloatArray, cell: dict[str, int]) -> None:
    edges = np.concatenate([values + _SPREAD * errors, (values - _SPREAD * errors)[::-1]])
    figure.add_scatter(
        x=np.concatenate([levels, levels[::-1]]),
        y=np.maximum(edges, 0.0),
        mode="lines",
        fill="toself",
        fillcolor="rgba(0, 0, 0, 0.10)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        name="band",
        **cell,
    )


def _add_line(
    figure: Any, name: str, label: str, levels: FloatArray, values: FloatArray, in_legend: bool, cell: dict[str, int]
) -> None:
    style = model_style(name)
    figure.add_scatter(
        x=levels,
        y=values,
        mode="lines",
        name=escape(label),
        legendgroup=escape(name),
        showlegend=in_legend,
        line={"color": style.color, "dash": style.dash, "width": 2},
        hovertemplate="worst or best %{x:.1%}: %{y:.1%}<extra>" + escape(label) + "</extra>",
        **cell,
    )
