"""What qubits and shots buy: the error of a finer measurement grid, and calls for a rare event's probability."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qfin._files import write_whole
from qfin.viz._panels import panel_grid
from qfin.viz.html import figure_div, plotly_script
from qfin.viz.theme import model_style, themed

_ERRORS = {
    "tv": "Total variation",
    "tail_error": "Joint 5 % tail, relative error",
    "correlation_error": "Correlation, absolute error",
}
# colour, dash and marker: told apart without colour too
_LINES = [
    (model_style("circuit").color, "solid", "circle"),
    (model_style("mps").color, "dash", "square"),
    (model_style("student_t").color, "dot", "diamond"),
    (model_style("vine").color, "dashdot", "x"),
]


def grid_figure(rows: Sequence[dict[str, Any]], *, n_columns: int = 3) -> Any:
    """Each error of `bench_grid` against the extra qubits per register, logarithmic, one line per state."""
    figure, cells, height = panel_grid(list(_ERRORS.values()), n_columns, panel_height=260)
    states = list(dict.fromkeys(row["state"] for row in rows))
    for name, cell in zip(_ERRORS, cells, strict=True):
        for position, state in enumerate(states):
            points = sorted((row["extra"], row[name]) for row in rows if row["state"] == state)
            color, dash, symbol = _LINES[position % len(_LINES)]
            figure.add_scatter(
                x=[extra for extra, _ in points],
                y=[error for _, error in points],
                mode="lines+markers",
                name=state,
                legendgroup=state,
                showlegend=name == "tv",
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"{state}, %{{x}} extra qubits: %{{y:.2e}}<extra></extra>",
                **cell,
            )
        figure.update_xaxes(title_text="Extra qubits per asset", dtick=1, **cell)
        figure.update_yaxes(type="log", **cell)
    return themed(figure, height=height + 140)


def calls_figure(rows: Sequence[dict[str, Any]]) -> Any:
    """Calls of the circuit and calls of classical Monte Carlo at equal error, per method of `bench_amplitude`."""
    from plotly.graph_objects import Figure

    labels = [f"{row['method']}, {row['task']}" for row in rows]
    figure = Figure()
    series = (
        ("preparation_calls", "Circuit with amplification", *_LINES[0]),
        ("mc_calls_equal_error", "Monte Carlo at equal error", *_LINES[2]),
    )
    for key, label, color, _, symbol in series:
        figure.add_scatter(
            x=[row[key] for row in rows],
            y=labels,
            mode="markers",
            name=label,
            marker={"color": color, "symbol": symbol, "size": 11},
            hovertemplate=f"{label}: %{{x:,.0f}} calls<extra></extra>",
        )
    figure.update_xaxes(title_text="Calls of the state preparation", type="log")
    figure.update_yaxes(autorange="reversed")
    return themed(figure, height=170 + 34 * len(rows))


def write_grid_page(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """`grid_figure` as an HTML file that asks nothing of any server."""
    return _write_page(lambda n: grid_figure(rows, n_columns=n), (3, 1), "Error of decoded shots on finer grids.", path)


def write_calls_page(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """`calls_figure` as an HTML file that asks nothing of any server."""
    text = "Calls for a rare event by amplitude amplification and by Monte Carlo."
    return _write_page(lambda _: calls_figure(rows), (1, 1), text, path)


def _write_page(figure: Callable[[int], Any], columns: tuple[int, int], description: str, path: str | Path) -> Path:
    page = "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{description}</title><script>{plotly_script()}</script></head><body>",
            figure_div(figure(columns[0]), div_id="figure", description=description, narrow=figure(columns[1])),
            "</body></html>",
        ]
    )
    return write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))
