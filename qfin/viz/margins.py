"""Margins: quantiles of the days against those of the fitted margin, one panel per asset."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import MUTED, themed

_SERIES = {"train": ("Days learned from", "#56b4e9", "circle-open"), "test": ("Test days", "#000000", "circle")}


def margin_figure(
    levels: FloatArray,
    fitted: FloatArray,
    observed: Mapping[str, FloatArray],
    *,
    assets: Sequence[str],
    narrow: bool = False,
) -> Any:
    """Points on the diagonal are quantiles that came as the margin says.

    Parameters
    ----------
    levels : (n_levels,) probabilities, ascending
    fitted : (n_levels, n_assets) returns at these under the margins
    observed : the same of the days, by "train" and "test"
    """
    figure, cells, height = panel_grid([escape(a) for a in assets], 1 if narrow else len(assets), panel_height=300)
    for place, cell in enumerate(cells):
        ends = np.array([fitted[:, place].min(), fitted[:, place].max()])
        figure.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip", name="equal",
            showlegend=False, **cell,
        )  # fmt: skip
        for name, values in observed.items():
            label, color, symbol = _SERIES[name]
            figure.add_scatter(
                x=fitted[:, place],
                y=values[:, place],
                mode="markers",
                name=label,
                legendgroup=name,
                showlegend=place == 0,
                marker={"color": color, "symbol": symbol, "size": 6},
                customdata=levels,
                hovertemplate="quantile at %{customdata:.1%}: %{y:.2%}, by the margin %{x:.2%}<extra>"
                + f"{label}</extra>",
                **cell,
            )
        figure.update_xaxes(title_text="Return by the fitted margin", tickformat=".1~%", **cell)
        figure.update_yaxes(title_text="Return of the days" if cell["col"] == 1 else "", tickformat=".1~%", **cell)
    return themed(figure, height=height + 110)
