"""The state of the Born machine: what its bonds carry, and how close the circuit comes to it."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qfin._types import FloatArray
from qfin.viz.theme import model_style, themed


def entanglement_figure(entropies: Sequence[float] | FloatArray, *, assets: Sequence[str]) -> Any:
    """Entropy (nats) of each cut of the chain, drawn between the two assets it separates.

    Parameters
    ----------
    entropies : (n_assets − 1,) entropy of cut i, between assets i and i + 1
    assets : names in the order of the chain
    """
    values = np.asarray(entropies, dtype=np.float64)
    names = [escape(str(name)) for name in assets]
    style = model_style("mps")
    figure = go.Figure()
    figure.add_bar(
        x=np.arange(len(values)) + 0.5,
        y=values,
        width=0.62,
        marker={"color": style.color},
        text=[f"{before} | {after}" for before, after in pairwise(names)],
        textposition="none",
        hovertemplate="%{text}: %{y:.4f} nats<extra></extra>",
    )
    figure.update_xaxes(
        title_text="Assets along the chain, most systemic first",
        tickvals=np.arange(len(names)),
        ticktext=names,
        range=[-0.5, len(names) - 0.5],
        showgrid=False,
    )
    figure.update_yaxes(title_text="Entropy (nats)", rangemode="tozero")
    return themed(figure, height=380, legend=False)


def fidelity_figure(fidelity_by_layer: Sequence[float] | FloatArray) -> Any:
    """|⟨MPS|circuit⟩|² after each layer of gates, 1 being the same state."""
    values = np.asarray(fidelity_by_layer, dtype=np.float64)
    style = model_style("circuit")
    figure = go.Figure()
    figure.add_scatter(
        x=np.arange(1, len(values) + 1),
        y=values,
        mode="lines+markers",
        line={"color": style.color, "width": 2},
        marker={"size": 9},
        hovertemplate="%{x} layers: %{y:.4f}<extra></extra>",
    )
    figure.update_xaxes(title_text="Layers of two-qubit gates", dtick=1 if len(values) <= 12 else None)
    lowest = min(0.9, float(values.min()))
    room = 0.05 * (1.0 - lowest)
    figure.update_yaxes(title_text="Fidelity (1: the same state)", range=[lowest - room, 1.0 + room])
    return themed(figure, height=380, legend=False)
