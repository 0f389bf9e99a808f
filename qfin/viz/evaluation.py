"""When a model gained on its base: the log-likelihood of the test days, added up."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qfin._types import AnyArray, FloatArray
from qfin.viz.theme import model_style, themed


def cumulative_difference_figure(dates: AnyArray, log_likelihood: Mapping[str, FloatArray], *, base: str) -> Any:
    """Running sum over the test days of each model's log-likelihood minus that of `base`.

    Parameters
    ----------
    dates : (n_days,) datetime64
    log_likelihood : nats by model, (n_days,), `base` among them
    base : the model at the zero line
    """
    figure = go.Figure()
    for name, values in log_likelihood.items():
        style = model_style(name)
        is_base = name == base
        figure.add_scatter(
            x=dates,
            y=np.cumsum(values - log_likelihood[base]),
            mode="lines",
            name=escape(style.label) + (" (base)" if is_base else ""),
            line={"color": style.color, "dash": style.dash, "width": 1.5 if is_base else 2.2},
            hovertemplate="%{x|%d %b %Y}: %{y:+.1f} nats<extra>" + escape(style.label) + "</extra>",
        )
    figure.update_xaxes(title_text="Test day")
    figure.update_yaxes(title_text="Nats gained since the first test day", tickformat=",.0f")
    return themed(figure, height=420)
