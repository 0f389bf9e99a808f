"""Optimiser, second half: a search at work, and the portfolio, frontier and way of every finished one."""

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages.optimiser_form import FIELDS, form, start_search
from dashboards.pages.training import live_figure
from dashboards.parts import card, empty, facts, failure, figure, options, page_header, table
from qfin.exceptions import InputError
from qfin.experiments.jobs import Job
from qfin.experiments.library import open_run, run_ids
from qfin.reporting.geo import (
    FRONTIER_HEADINGS,
    RIVAL_HEADINGS,
    frontier_rows,
    geo_facts,
    geo_figures,
    rival_table,
    weight_rows,
)
from qfin.reporting.numbers import count

_LOOK_EVERY = 1_000  # milliseconds


def layout(context: Context, run: str | None, query: Query) -> Any:
    known = _finished(context)
    ids = [item["value"] for item in known]
    asked = query.get("geo")
    return html.Div(
        [
            page_header("Optimiser", "The best portfolio of few names, what holding few costs, and who found it."),
            form(context, run),
            html.Div(id="optimiser-live", **{"aria-live": "polite"}),
            dcc.Interval(id="optimiser-clock", interval=_LOOK_EVERY),
            card(
                "Finished searches",
                dmc.Select(
                    id="optimiser-shown",
                    label="Search",
                    data=known,
                    value=asked if asked in ids else (ids[0] if ids else None),
                    allowDeselect=False,
                    placeholder="None yet",
                    w={"base": "100%", "sm": 560},
                ),
            ),
            html.Div(id="optimiser-result", **{"aria-live": "polite"}),
        ]
    )


def _finished(context: Context) -> list[dict[str, str]]:
    ids = run_ids(context.runs, "geo")
    return options((i, f"{open_run(context.runs, i).record['title']} ({i})") for i in ids)


def _searches(context: Context) -> list[Job]:
    return [job for job in context.jobs.jobs() if job.arguments[:1] == ("geo",)]


def _live(context: Context, job: Job) -> Any:
    """A search at work, or one that ended without a portfolio."""
    progress = job.progress
    done = 100.0 * progress.get("done", 0.0)
    return card(
        f"{job.title}: {job.state}",
        dmc.Text(progress.get("description") or "Waiting for its turn", size="sm"),
        dmc.Progress(value=done, size="lg", **{"aria-label": "How far the search is"}),
        live_figure("optimiser-best", progress.get("curves") or {}),
        html.Pre(context.jobs.log(job.job_id) or "Nothing found yet.", className="qfin-log", tabIndex="0"),
        dmc.Anchor("Cancel it, or start it again, on the page Training", href=f"/training?job={job.job_id}", size="sm"),
    )


def search_view(record: dict[str, Any]) -> list[Any]:
    """Everything of one finished search."""
    rows = frontier_rows(record)
    blocks = {block.name: block for block in geo_figures(record)}
    parts = [facts(geo_facts(record))]
    parts.append(
        card(
            record["title"],
            _drawn(blocks["weights"]),
            table(["Name", "Weight"], weight_rows(record), name="portfolio"),
            note=f"{_data_words(record)} Mean and risk are those of one period of the data.",
        )
    )
    if "frontier" in blocks:
        parts.append(
            card(
                blocks["frontier"].title,
                _drawn(blocks["frontier"]),
                table(FRONTIER_HEADINGS, rows, name="frontier"),
                note=blocks["frontier"].caption,
            )
        )
    best = [_drawn(blocks["best"])]
    if record.get("rivals"):
        best.append(table(RIVAL_HEADINGS, rival_table(record), name="solvers"))
    parts.append(card(blocks["best"].title, *best, note=blocks["best"].caption))
    if "pool" in blocks:
        parts.append(card(blocks["pool"].title, _drawn(blocks["pool"]), note=blocks["pool"].caption))
    return parts


def _data_words(record: dict[str, Any]) -> str:
    market = record["market"]
    if market["period"] is None:
        return f"{count(len(market['assets']))} assets of {market['source']}, weekly."
    first, last = market["period"]
    return f"{count(len(market['assets']))} assets, {count(market['n_days'])} days from {first} to {last}."


def _drawn(block: Any) -> Any:
    return figure(f"optimiser-{block.name}-figure", block.figure, description=block.description)


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("optimiser-answer", "children"),
        Output("optimiser-clock", "disabled"),
        Input("optimiser-start", "n_clicks"),
        State("run", "value"),
        *(State(f"optimiser-{name}", "value") for name in FIELDS),
        prevent_initial_call=True,
    )
    def start(_: int, run: str | None, *values: Any) -> Any:
        try:
            start_search(context, run, dict(zip(FIELDS, values, strict=True)))
        except InputError as error:
            return failure(error), dash.no_update
        return None, False

    @app.callback(
        Output("optimiser-live", "children"),
        Output("optimiser-shown", "data"),
        Output("optimiser-shown", "value"),
        Output("optimiser-clock", "disabled", allow_duplicate=True),
        Input("optimiser-clock", "n_intervals"),
        State("optimiser-shown", "data"),
        prevent_initial_call=True,
    )
    def look(_: int | None, shown: list[dict[str, str]] | None) -> Any:
        searches, known = _searches(context), _finished(context)
        newest = searches[0] if searches else None
        is_news = known and known[0] not in (shown or [])
        live = html.Div() if newest is None or newest.state == "done" else _live(context, newest)
        return live, known, known[0]["value"] if is_news else dash.no_update, all(job.is_over for job in searches)

    @app.callback(Output("optimiser-result", "children"), Input("optimiser-shown", "value"))
    def show(chosen: str | None) -> Any:
        if chosen is None:
            return empty("No portfolio yet", "Press Start above, or on a terminal:", "qfin geo --instance port1")
        try:
            return html.Div(search_view(open_run(context.runs, chosen).record), **{"data-geo": chosen})
        except InputError as error:
            return failure(error)

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfPortfolio"),
        Output("addressed", "data", allow_duplicate=True),
        Input("optimiser-shown", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/optimiser", "Optimiser", "Few names, least risk", layout, register, needs_run=False)
