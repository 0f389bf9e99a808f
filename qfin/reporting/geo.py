"""An optimisation's folder -> tables, figures and report.html, for the command line, the page and the dashboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qfin.experiments.run_folder import RunFolder
from qfin.reporting.figures import FigureBlock
from qfin.reporting.numbers import DASH, count, percent, seconds
from qfin.viz import plotly_script
from qfin.viz.portfolio import best_so_far_figure, frontier_figure, pool_figure, weights_figure

_TEMPLATES = Path(__file__).parent / "templates"
FOUND_BY = {
    "seeds": "the seeds: random portfolios and, where the objective is convex, its relaxation",
    "random": "a portfolio drawn at random",
    "mutation": "one exchange in a good portfolio",
    "generator": "the Born machine",
    "guide": "the gradient's guess of the best exchange",
}


def geo_facts(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(label, value, what it means) of the portfolio."""
    best = record["portfolio"]
    gap = "not convex, so there is none" if best["bound"] is None else "to the optimum without a limit on names"
    return [
        (record["risk_word"], percent(best["risk"], 3), f"{len(best['rows'])} names held"),
        ("Mean return", percent(best["mean"], 4), "of a period, in the data"),
        ("Gap to the bound", DASH if best["gap"] is None else percent(best["gap"], 2), gap),
        ("Found by", record["found_by"].capitalize(), f"{FOUND_BY[record['found_by']]}; {count(record['n_calls'])} "
         "portfolios solved"),
    ]  # fmt: skip


def weight_rows(record: dict[str, Any]) -> list[list[str]]:
    """Name and weight, the largest first."""
    return [[row["asset"], percent(row["weight"], 2)] for row in record["portfolio"]["rows"]]


def frontier_rows(record: dict[str, Any]) -> list[list[str]]:
    """Least mean return asked, mean and risk reached, gap, number and names held."""
    return [
        [
            percent(row["target_return"], 4),
            percent(row["mean"], 4),
            percent(row["risk"], 3),
            percent(row["gap"], 2),
            count(len(row["assets"])),
            ", ".join(row["assets"]),
        ]
        for row in record["frontier"]
    ]


def rival_table(record: dict[str, Any]) -> list[list[str]]:
    """Solver, its best value, how far it is behind the best of all, portfolios solved, seconds; the lowest first."""
    own = {"label": "GEO", "value": record["portfolio"]["value"], "n_calls": record["n_calls"]}
    rows = sorted(
        [
            own | {"seconds": record["timings"]["search_s"]},
            *(row for row in record["rivals"] if row["value"] is not None),
        ],
        key=lambda row: float(row["value"]),
    )
    best = float(rows[0]["value"])
    return [
        [
            row["label"],
            f"{row['value']:.6g}",
            percent((row["value"] - best) / abs(best), 2) if best else DASH,
            count(row["n_calls"]),
            seconds(row["seconds"]),
        ]
        for row in rows
    ]


RIVAL_HEADINGS = ("Solver", "Best value", "Behind the best", "Portfolios solved", "Time")
FRONTIER_HEADINGS = ("Least mean return", "Mean", "Risk", "Gap to the bound", "Held", "Names")


def geo_figures(record: dict[str, Any]) -> Iterator[FigureBlock]:
    """Frontier (where one was searched), best so far, weights."""
    best, rows = record["portfolio"], record["frontier"]
    if rows:
        yield FigureBlock(
            "frontier",
            "The frontier",
            "Least risk at rising mean returns with few names, and what could be had without a limit on their number: "
            "the price of holding few.",
            "Curve of risk and mean return of portfolios of few names, with the unlimited ones and the chosen one.",
            frontier_figure(
                (_column(rows, "risk"), _column(rows, "mean")),
                (_column(rows, "relaxed_risk"), _column(rows, "relaxed_mean")),
                (best["risk"], best["mean"]),
                risk=record["risk_word"],
                held=[", ".join(row["assets"]) for row in rows],
            ),
        )
    searches = {"GEO": history_of(record)} | {row["label"]: history_of(row) for row in record.get("rivals", [])}
    yield FigureBlock(
        "best",
        "How the search came to it",
        "Best value known after so many different portfolios were solved exactly; lower is better."
        + (" The others see values alone, GEO starts from the relaxation too." if len(searches) > 1 else ""),
        "Steps of the best value by the number of portfolios solved.",
        best_so_far_figure(
            searches,
            bound=best["bound"],
        ),
    )
    if record.get("pool"):
        yield FigureBlock(
            "pool",
            "How the pool moved",
            "Share of the best portfolios known, after so many were solved, that hold a name: what the search settled "
            "on, and when.",
            "Map of how often each name is held among the best portfolios, as the search went on.",
            pool_figure(record["pool"]),
        )
    yield FigureBlock(
        "weights",
        "The portfolio",
        "Weights of the names held; they sum to 100%.",
        "Bars of the weights, the largest on top.",
        weights_figure([row["asset"] for row in best["rows"]], np.array([row["weight"] for row in best["rows"]])),
    )


def history_of(row: dict[str, Any]) -> tuple[Any, Any]:
    """Number of portfolios solved at every new best value, and at the end, with the values."""
    calls, values = row["history"]["calls"], row["history"]["values"]
    return np.array([*calls, row["n_calls"]]), np.array([*values, *values[-1:]])


def _column(rows: list[dict[str, Any]], name: str) -> Any:
    return np.array([row[name] for row in rows if row[name] is not None], dtype=np.float64)


def build_geo_report(folder: RunFolder) -> Path:
    """Write `report.html` of an optimisation; the page needs no network."""
    record = folder.record
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("geo.html.j2").render(
        record=record,
        plotly_script=Markup(plotly_script()),
        style=Markup((_TEMPLATES / "style.css").read_text()),
        facts=geo_facts(record),
        weights=weight_rows(record),
        headings=FRONTIER_HEADINGS,
        frontier=frontier_rows(record),
        figures=list(geo_figures(record)),
    )
    return folder.write_text("report.html", page)
