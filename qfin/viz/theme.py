"""One look for all figures: a fixed label, colour and dash per model, one layout.

The colours are those of Okabe and Ito (2008), told apart by every common kind of colour vision.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

INK = "#1f2430"
MUTED = "#5b6372"
GRID = "#e4e7ec"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Low to high around an even middle: blue, white, vermilion.
DIVERGING = [[0.0, "#0b4f7a"], [0.25, "#6fb1db"], [0.5, "#f7f7f7"], [0.75, "#f2a46b"], [1.0, "#a84300"]]


@dataclass(frozen=True)
class ModelStyle:
    """How one model looks in every figure and is called in every table."""

    label: str
    color: str
    dash: str


_STYLES = {
    "historical": ModelStyle("Historical simulation", "#7f7f7f", "dot"),
    "independence": ModelStyle("Independence copula", "#e69f00", "dashdot"),
    "gaussian": ModelStyle("Gaussian copula", "#56b4e9", "dash"),
    "student_t": ModelStyle("Student-t copula", "#0072b2", "solid"),
    "drifting_t": ModelStyle("Drifting Student t", "#332288", "longdash"),
    "vine": ModelStyle("Vine copula", "#cc79a7", "dashdot"),
    "mps": ModelStyle("MPS Born machine", "#009e73", "solid"),
    "circuit": ModelStyle("Circuit Born machine", "#d55e00", "dash"),
    "realised": ModelStyle("Realised, test window", "#000000", "solid"),
}


def model_style(name: str) -> ModelStyle:
    """The style of a model; a name without one of its own is shown as it is, in grey."""
    return _STYLES.get(name) or ModelStyle(name, "#9a9a9a", "longdash")


def themed(figure: Any, *, height: int, legend: bool = True) -> Any:
    """The figure in the common layout, `height` pixels high and as wide as its container; the legend goes below."""
    figure.layout.template = _template()
    figure.update_layout(
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        height=height,
        autosize=True,
        margin={"l": 56, "r": 20, "t": 52 if figure.layout.annotations else 28, "b": 48},
        showlegend=legend,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "xanchor": "left", "x": 0},
        hoverlabel={"bgcolor": "white", "font": {"family": FONT, "size": 12, "color": INK}},
    )
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


@lru_cache(maxsize=1)
def _template() -> Any:
    """What the axes share; made once, for checking it takes longer than drawing most figures."""
    from plotly.graph_objects import layout

    axis = {
        "gridcolor": GRID,
        "linecolor": "#aab1bd",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#aab1bd",
        "zeroline": False,
        "automargin": True,
        "exponentformat": "power",
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    return layout.Template(layout={"xaxis": axis, "yaxis": axis})
