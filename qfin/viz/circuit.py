"""A circuit as it is applied, and where along it gradients are large."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from qfin._types import FloatArray, IntArray
from qfin.viz.theme import GRID, INK, MUTED, model_style, themed

_WIRE = 20  # pixels
# label, colour, dash and marker: told apart without colour too
_STARTS = {
    "kept": ("The run's circuit", model_style("circuit").color, "solid", "circle"),
    "identity": ("Identity: the classical base", model_style("student_t").color, "dash", "square"),
    "random": ("Random blocks", model_style("independence").color, "dot", "x"),
}


def circuit_figure(
    registers: Sequence[str], n_qubits: int, pairs: IntArray, columns: IntArray, entangling: FloatArray
) -> Any:
    """Wires of the qubits, register by register, and every two-qubit block at its time step.

    `pairs` (n_blocks, 2), `columns` (n_blocks,) the time steps, `entangling` (n_blocks,) from 0 to 3/4: the darker a
    block, the more it entangles.
    """
    import plotly.graph_objects as go

    size = n_qubits // len(registers)
    last = int(columns.max()) if len(columns) else 0
    figure = go.Figure()
    for qubit in range(n_qubits):
        figure.add_shape(
            type="line", x0=-0.7, x1=last + 0.7, y0=qubit, y1=qubit, line={"color": GRID, "width": 1.2}, layer="below"
        )
    for edge in range(size, n_qubits, size):
        figure.add_hline(y=edge - 0.5, line={"color": MUTED, "width": 0.6, "dash": "dot"}, layer="below")
    # Blocks of one step whose wires cross stand side by side.
    shifts = _shifts(pairs, columns)
    upright: list[list[Any]] = [[], []]
    for (first, second), column, shift in zip(pairs, columns, shifts, strict=True):
        upright[0] += [column + shift, column + shift, None]
        upright[1] += [int(first), int(second), None]
    figure.add_scatter(
        x=upright[0], y=upright[1], mode="lines", line={"color": INK, "width": 1.4}, hoverinfo="skip", showlegend=False
    )
    names = [f"{escape(registers[q // size])}, qubit {q % size + 1}" for q in range(n_qubits)]
    figure.add_scatter(
        x=np.repeat(columns + shifts, 2),
        y=np.asarray(pairs).ravel(),
        mode="markers",
        marker={
            "symbol": "square",
            "size": 10,
            "color": np.repeat(entangling, 2),
            "cmin": 0.0,
            "cmax": 0.75,
            "colorscale": "Oranges",
            "line": {"color": INK, "width": 1},
            "colorbar": {"title": {"text": "Entangling"}, "thickness": 12},
        },
        text=[f"Gate {n + 1}: {names[a]} and {names[b]}" for n, (a, b) in enumerate(pairs) for _ in range(2)],
        hovertemplate="%{text}<br>entangling %{marker.color:.3f}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(title_text="Time step", range=[-0.8, last + 0.8], showgrid=False)
    figure.update_yaxes(
        tickvals=[size * r + (size - 1) / 2 for r in range(len(registers))],
        ticktext=[escape(name) for name in registers],
        range=[n_qubits - 0.4, -0.6],
        showgrid=False,
    )
    return themed(figure, height=120 + _WIRE * n_qubits, legend=False)


def _shifts(pairs: IntArray, columns: IntArray) -> FloatArray:
    """A little to the right for each block that would be drawn across another one of its time step."""
    shifts = np.zeros(len(pairs))
    for column in np.unique(columns):
        taken: list[tuple[int, int, int]] = []
        for place in np.flatnonzero(columns == column):
            low, high = (int(end) for end in np.sort(pairs[place]))
            lane = 0
            while any(own == lane and low <= up and down <= high for down, up, own in taken):
                lane += 1
            taken.append((low, high, lane))
            shifts[place] = 0.22 * lane
    return shifts


def gradient_figure(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Mean square derivative of the likelihood by the angles of each gate, logarithmic, one line a start.

    `rows` with `start` (kept, identity or random) and `by_block`, as `gradient_rows` gives them.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for row in rows:
        label, color, dash, symbol = _STARTS[row["start"]]
        figure.add_scatter(
            x=np.arange(1, len(row["by_block"]) + 1),
            y=row["by_block"],
            mode="lines+markers",
            name=label,
            line={"color": color, "dash": dash, "width": 1.4},
            marker={"symbol": symbol, "size": 6},
            hovertemplate=f"{label}, gate %{{x}}: %{{y:.2e}}<extra></extra>",
        )
    figure.update_xaxes(title_text="Gate, in order of application")
    figure.update_yaxes(title_text="Variance of the gradient", type="log")
    return themed(figure, height=380)


def start_label(name: str) -> str:
    """What a start of `gradient_figure` is called."""
    return _STARTS[name][0]
