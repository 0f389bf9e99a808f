"""Where gradients vanish: their variance against the number of qubits, one panel per loss, one line per start."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qfin._files import write_whole
from qfin.viz._panels import panel_grid
from qfin.viz.html import figure_div, plotly_script
from qfin.viz.theme import model_style, themed

_LOSSES = {
    "nll": "Log-likelihood of days",
    "kl": "KL divergence",
    "mmd narrow": "MMD, bandwidth 0.5",
    "mmd middle": "MMD, bandwidth √d/2",
    "mmd wide": "MMD, bandwidth √d",
    "lqf": "Local infidelity",
    "fidelity": "Global infidelity",
}
# label, colour, dash and marker: told apart without colour too
_STARTS = {
    "mps": ("Mapped chain", model_style("mps").color, "solid", "circle"),
    "identity": ("Identity", model_style("circuit").color, "dash", "square"),
    "gaussian": ("Small Gaussian angles", model_style("independence").color, "dashdot", "diamond"),
    "random": ("Random blocks", model_style("student_t").color, "dot", "x"),
}


def plateau_figure(rows: Sequence[dict[str, Any]], *, n_columns: int = 2) -> Any:
    """Logarithmic axes of `grad_var` against `qubits`; a straight fall is an exponential one.

    Parameters
    ----------
    rows : with start, loss, qubits, grad_var, as `bench_plateau` returns them
    n_columns : panels side by side
    """
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    figure, cells, height = panel_grid([_LOSSES.get(loss, loss) for loss in losses], n_columns, panel_height=230)
    for loss, cell in zip(losses, cells, strict=True):
        for start in dict.fromkeys(row["start"] for row in rows if row["loss"] == loss):
            points = sorted((r["qubits"], r["grad_var"]) for r in rows if (r["loss"], r["start"]) == (loss, start))
            style = model_style(start)
            label, color, dash, symbol = _STARTS.get(start, (style.label, style.color, style.dash, "circle"))
            figure.add_scatter(
                x=[n for n, _ in points],
                y=[variance for _, variance in points],
                mode="lines+markers",
                name=label,
                legendgroup=start,
                showlegend=loss == losses[0],
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"{label}, %{{x}} qubits: %{{y:.2e}}<extra></extra>",
                **cell,
            )
        figure.update_xaxes(title_text="Qubits", dtick=2, **cell)
        figure.update_yaxes(title_text="Variance", type="log", **cell)
    return themed(figure, height=height + 140)


def write_plateau_page(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """The figure as an HTML file that asks nothing of any server."""
    wide, narrow = plateau_figure(rows), plateau_figure(rows, n_columns=1)
    description = "Variance of the gradient against the number of qubits for each start and loss."
    page = "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{description}</title><script>{plotly_script()}</script></head><body>",
            figure_div(wide, div_id="plateau", description=description, narrow=narrow),
            "</body></html>",
        ]
    )
    return write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))
