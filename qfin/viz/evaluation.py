"""When a model gained on its base: the log-likelihood of the test days, added up."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qfin._types import AnyArray, FloatArray
from qfin.viz.theme import model_style, themed

_ALWAYS_SHOWN = ("mps", "circuit")
_FAR_BEHIND = 3.0  # times what these span: curves that fall deeper would flatten them


def cumulative_difference_figure(dates: AnyArray, log_likelihood: Mapping[str, FloatArray], *, base: str) -> Any:
    """Running sum over the test days of each model's log-likelihood minus that of `base`.

    The first view always holds the Born machines. A classical model that falls behind by more than three times what
    these span runs out of it at the bottom, and its name says where it ends.

    Parameters
    ----------
    dates : (n_days,) datetime64
    log_likelihood : nats by model, (n_days,), `base` among them
    base : the model at the zero line
    """
    curves = {name: np.cumsum(values - log_likelihood[base]) for name, values in log_likelihood.items()}
    always = [curves[name] for name in _ALWAYS_SHOWN if name in curves] or list(curves.values())
    span = float(np.max(always) - np.min(always))
    shown = [*always, *(curve for curve in curves.values() if curve.min() >= -_FAR_BEHIND * span)]
    low, high = float(np.min(shown)), float(np.max(shown))
    room = 0.06 * (high - low)
    figure = go.Figure()
    for name, curve in curves.items():
        style = model_style(name)
        note = " (base)" if name == base else f" (ends at {curve[-1]:,.0f})" if curve.min() < low else ""
        figure.add_scatter(
            x=dates,
            y=curve,
            mode="lines",
            name=escape(style.label) + note.replace("-", "−"),
            line={"color": style.color, "dash": style.dash, "width": 1.5 if name == base else 2.2},
            hovertemplate="%{x|%d %b %Y}: %{y:+.1f} nats<extra>" + escape(style.label) + "</extra>",
        )
    figure.update_xaxes(title_text="Test day")
    figure.update_yaxes(
        title_text="Nats gained since the first test day",
        tickformat=",.5~g",
        range=[low - room, high + room] if room > 0.0 else None,
    )
    return themed(figure, height=420)
