"""A back-test: forecasts beside what came, running differences of scores, and the forecasts' own ranks of the losses.

Every function takes the record that `qfin.backtest.run_backtest` writes; `qfin.backtest.record` has its layout.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qfin._files import write_whole
from qfin.viz._panels import panel_grid
from qfin.viz.html import figure_div, plotly_script
from qfin.viz.theme import INK, MUTED, model_style, themed

# colour and dash by model; those of the report where it has the model
_LINES = {
    "hs": (model_style("historical").color, "dot"),
    "fhs": (model_style("independence").color, "solid"),
    "gaussian": (model_style("gaussian").color, "dash"),
    "student_t": (model_style("student_t").color, "dot"),
    "garch_t": (model_style("student_t").color, "solid"),
    "vine": (model_style("vine").color, "dashdot"),
    "mps": (model_style("mps").color, "solid"),
    "circuit": (model_style("circuit").color, "dash"),
}
_FIRST_SHOWN = ("fhs", "mps")
_N_BINS = 20
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1f2430;max-width:1100px;margin:0 auto;padding:16px}"
    "table{border-collapse:collapse;font-size:13px;width:100%}td,th{padding:3px 8px;text-align:right;"
    "border-bottom:1px solid #e4e7ec;white-space:nowrap}td:first-child,th:first-child{text-align:left}"
    ".wide{overflow-x:auto}"
)


def forecast_fan_figure(record: Mapping[str, Any], level: float) -> Any:
    """The book's losses with each model's VaR (line) and ES (thin line) at a level, and the days beyond the VaR.

    One or two models are drawn at first; a click on the legend shows the others.
    """
    dates, losses, key = record["dates"], np.array(record["losses"]), f"{level:g}"
    figure = go.Figure()
    figure.add_bar(x=dates, y=losses, name="Loss", marker={"color": "#b8bec9", "line": {"width": 0}})
    shown = [model["name"] for model in record["models"] if model["name"] in _FIRST_SHOWN]
    for model in record["models"]:
        name, label = model["name"], escape(model["label"])
        color, dash = _LINES.get(name, (MUTED, "longdash"))
        measures = record["forecasts"][name][key]
        var = np.array(measures["var"])
        common = {"x": dates, "legendgroup": name, "visible": True if name in shown or not shown else "legendonly"}
        line = {"color": color, "dash": dash, "width": 1.4}
        figure.add_scatter(y=var, mode="lines", name=f"{label}, VaR", line=line, **common)
        thin = {"color": color, "dash": "dot", "width": 0.8}
        figure.add_scatter(y=measures["es"], mode="lines", name="ES", line=thin, showlegend=False, **common)
        hits = losses > var
        figure.add_scatter(
            x=np.array(dates)[hits],
            y=losses[hits],
            mode="markers",
            name="exceedance",
            marker={"color": color, "size": 6, "symbol": "x", "line": {"width": 1, "color": "#ffffff"}},
            legendgroup=name,
            visible=common["visible"],
            showlegend=False,
        )
    figure.update_xaxes(title_text=_first_day(record))
    figure.update_yaxes(title_text=f"Loss of the book, VaR and ES at {100.0 * level:.4g}%", tickformat=".1%")
    return themed(figure, height=500)


def score_difference_figure(record: Mapping[str, Any], level: float, *, reference: str = "fhs") -> Any:
    """Running sum of each model's Fissler–Ziegel loss less that of the reference: a falling line gains on it.

    Without the reference among the models the first one takes its place. Models that do not filter volatility fall so
    far behind that they are drawn only after a click on the legend, where there are others to see.
    """
    key, names = f"{level:g}", [model["name"] for model in record["models"]]
    base = reference if reference in names else names[0]
    scores = {name: np.array(record["forecasts"][name][key]["score"]) for name in names}
    all_shown = sum(model["filtered"] for model in record["models"]) < 2
    figure = go.Figure()
    for model in record["models"]:
        name = model["name"]
        color, dash = _LINES.get(name, (MUTED, "longdash"))
        figure.add_scatter(
            x=record["dates"],
            y=np.cumsum(scores[name] - scores[base]),
            mode="lines",
            name=escape(model["label"]) + (" (reference)" if name == base else ""),
            visible=True if model["filtered"] or all_shown else "legendonly",
            line={"color": color, "dash": dash, "width": 1.8},
        )
    figure.update_xaxes(title_text=_first_day(record))
    figure.update_yaxes(title_text=f"FZ loss at {100.0 * level:.4g}% above the reference")
    return themed(figure, height=440)


def transform_figure(record: Mapping[str, Any], *, n_columns: int = 4) -> Any:
    """Histogram of where the losses lie in each model's forecast: level at one where the forecasts are right."""
    titles = [escape(model["label"]) for model in record["models"]]
    figure, cells, height = panel_grid(titles, n_columns, panel_height=170)
    for model, cell in zip(record["models"], cells, strict=True):
        pit = record["forecasts"][model["name"]]["pit"]
        density, edges = np.histogram(pit, bins=_N_BINS, range=(0.0, 1.0), density=True)
        color = _LINES.get(model["name"], (MUTED, ""))[0]
        figure.add_bar(x=0.5 * (edges[1:] + edges[:-1]), y=density, width=1 / _N_BINS, marker={"color": color}, **cell)
        figure.add_hline(y=1.0, line={"color": INK, "width": 1, "dash": "dot"}, **cell)
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1])
    figure.update_yaxes(rangemode="tozero")
    return themed(figure, height=height + 100, legend=False)


def write_backtest_page(record: Mapping[str, Any], path: str | Path) -> Path:
    """Verdict, tables and figures as an HTML file that asks nothing of any server."""
    level = min(record["levels"], key=lambda value: abs(value - 0.975))
    title = f"Back-test: {record['dates'][0]} to {record['dates'][-1]}"
    source = f"{record['source']}: {len(record['assets'])} assets, {len(record['dates']):,} forecasts"
    figures = [
        ("Forecasts and losses", forecast_fan_figure(record, level), None),
        ("Scores beside the reference", score_difference_figure(record, level), None),
        ("Ranks of the losses in the forecasts", transform_figure(record), transform_figure(record, n_columns=1)),
    ]
    page = "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>',
            f"<style>{_STYLE}</style><script>{plotly_script()}</script></head><body>",
            f"<h1>{escape(title)}</h1><p>{escape(source)}</p>",
            _list(record["verdict"]),
            f"<h2>Tests and scores</h2>{_table(record['rows'])}",
            *(
                f"<h2>{words}</h2>{figure_div(figure, div_id=f'figure-{i}', description=words, narrow=narrow)}"
                for i, (words, figure, narrow) in enumerate(figures)
            ),
            f"<h2>Coverage by regime</h2>{_table(_regime_table(record))}",
            f"<h2>How it was made</h2>{_list(record['notes'])}",
            _list([f"{model['label']}: {model['refitted']}." for model in record["models"]]),
            "</body></html>",
        ]
    )
    return write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))


def _first_day(record: Mapping[str, Any]) -> str:
    return "Day" if record["horizon"] == 1 else f"First of {record['horizon']} days"


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _regime_table(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line per regime and model, a column per level: how many losses were beyond the VaR, of how many expected."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in record["regimes"]:
        line = lines.setdefault((row["regime"], row["model"]), {key: row[key] for key in ("regime", "model", "n")})
        line[f"beyond {row['level']:g}"] = f"{row['exceedances']} of {row['expected']:.1f}"
    return list(lines.values())


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))
