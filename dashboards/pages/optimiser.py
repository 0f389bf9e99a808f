"""Optimiser: rules -> a search in the background, and the portfolio, frontier and way of every finished one."""

import secrets
from datetime import UTC, datetime
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages.market import source_path
from dashboards.pages.training import live_figure
from dashboards.parts import card, empty, facts, failure, figure, options, page_header, table
from qfin.exceptions import InputError
from qfin.experiments.geo_problem import OBJECTIVES
from qfin.experiments.jobs import Job
from qfin.experiments.library import open_run, run_ids
from qfin.reporting.geo import FRONTIER_HEADINGS, frontier_rows, geo_facts, geo_figures, weight_rows
from qfin.reporting.numbers import count

_LOOK_EVERY = 1_000  # milliseconds
_INSTANCES = (("port1", 31), ("port2", 85), ("port3", 89), ("port4", 98), ("port5", 225))
_MOST_CALLS = 100_000
_THIS_RUN = "run"


def layout(context: Context, run: str | None, query: Query) -> Any:
    known = _finished(context)
    ids = [item["value"] for item in known]
    asked = query.get("geo")
    return html.Div(
        [
            page_header("Optimiser", "The best portfolio of few names, what holding few costs, and who found it."),
            _form(context, run),
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


def _form(context: Context, run: str | None) -> Any:
    assets = [] if run is None else context.run(run).record["market"]["assets"]
    of_run = [] if run is None else [(_THIS_RUN, f"The {len(assets)} assets of this run")]
    instances = [(name, f"OR-Library {name}: {n} assets, variance") for name, n in _INSTANCES]
    wide, narrow = {"base": "100%", "sm": 300}, {"base": "47%", "sm": 150}
    return card(
        "New search",
        dmc.Group(
            [
                dmc.Select(
                    id="optimiser-data",
                    label="Data",
                    data=options([*of_run, *instances]),
                    value=_THIS_RUN if of_run else "port1",
                    allowDeselect=False,
                    w=wide,
                ),
                dmc.MultiSelect(
                    id="optimiser-assets",
                    label="Only these assets",
                    data=options((a, a) for a in assets),
                    placeholder="All",
                    searchable=True,
                    clearable=True,
                    w=wide,
                ),
                dmc.Select(
                    id="optimiser-objective",
                    label="Objective",
                    data=options((name, text.capitalize()) for name, text in OBJECTIVES.items()),
                    value="variance",
                    allowDeselect=False,
                    w=wide,
                ),
            ],
            align="end",
        ),
        dmc.Group(
            [
                _number("held", "Names held", max(1, min(5, len(assets) - 1)) if assets else 10, 1, 100, narrow),
                _number("highest", "Highest weight, %", 100, 1, 100, narrow),
                _number("budget", "Portfolios to solve", 300, 10, _MOST_CALLS, narrow),
                _number("seed", "Seed", 7, 0, 2**31 - 1, narrow),
                dmc.Button("Start", id="optimiser-start"),
            ],
            align="end",
        ),
        html.Div(id="optimiser-answer"),
        note="From the days that the run learned from; the others stay unseen. It runs in the background and goes on "
        "when this page is closed. Sectors, turnover and target returns: see qfin geo --help.",
    )


def _number(name: str, label: str, value: int, low: int, high: int, width: dict[str, Any]) -> Any:
    return dmc.NumberInput(
        id=f"optimiser-{name}", label=label, value=value, min=low, max=high, allowDecimal=False, w=width
    )


def start_search(
    context: Context,
    run: str | None,
    data: str,
    assets: list[str] | None,
    objective: str,
    numbers: dict[str, Any],
) -> str:
    """Queue `qfin geo` of checked words alone and return the job's id; `numbers`: held, highest, budget, seed."""
    if objective not in OBJECTIVES:
        raise InputError(f"objective: expected one of {', '.join(OBJECTIVES)}, received {objective!r}")
    sizes = dict(_INSTANCES)
    if data == _THIS_RUN and run is not None:
        arguments, n_assets = _data_arguments(context, run, assets or [])
    elif data in sizes:
        arguments, n_assets = ["--instance", data], sizes[data]
        if objective != "variance":
            raise InputError(f"objective: expected variance for an OR-Library instance, received {objective}")
    else:
        raise InputError(f"data: expected this run or one of {', '.join(sizes)}, received {data!r}")
    limits = {"held": (1, n_assets), "highest": (1, 100), "budget": (10, _MOST_CALLS), "seed": (0, 2**31 - 1)}
    for name, (low, high) in limits.items():
        value = numbers.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{name}: expected a whole number from {low} to {high:,}, received {value!r}")
    lowest = min(1, numbers["highest"])
    if numbers["held"] * numbers["highest"] < 100:
        raise InputError(
            f"highest: expected weights of {numbers['held']} names that can sum to 100%, received at most "
            f"{numbers['highest']}% each"
        )
    search_id = f"geo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    arguments = ["geo", *arguments, "--cardinality", str(numbers["held"]), "--objective", objective]
    arguments += ["--bounds", f"{lowest}%,{numbers['highest']}%", "--budget", str(numbers["budget"])]
    arguments += ["--seed", str(numbers["seed"]), "--out", str(context.runs / search_id)]
    return context.jobs.submit(f"Portfolio {search_id}", arguments)


def _data_arguments(context: Context, run: str, assets: list[str]) -> tuple[list[str], int]:
    """The run's own prices, training days and assets."""
    market, settings = (context.run(run).record[key] for key in ("market", "config"))
    unknown = [asset for asset in assets if asset not in market["assets"]]
    if unknown:
        raise InputError(f"assets: expected names of the run's assets, received {unknown[0]!r}")
    chosen = assets or market["assets"]
    if len(chosen) < 2:
        raise InputError(f"assets: expected at least 2, received {len(chosen)}")
    words = ["--prices", source_path(context, f"run:{run}"), f"--assets={','.join(chosen)}"]
    words += ["--start", market["train"][0], "--end", market["train"][1]]
    kind = settings["market"]["kind"]
    return [*words, *(["--kind", kind] if kind else [])], len(chosen)


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
    parts.append(card(blocks["best"].title, _drawn(blocks["best"]), note=blocks["best"].caption))
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
        State("optimiser-data", "value"),
        State("optimiser-assets", "value"),
        State("optimiser-objective", "value"),
        *(State(f"optimiser-{name}", "value") for name in ("held", "highest", "budget", "seed")),
        prevent_initial_call=True,
    )
    def start(_: int, run: str | None, data: str, assets: list[str] | None, objective: str, *numbers: Any) -> Any:
        named = dict(zip(("held", "highest", "budget", "seed"), numbers, strict=True))
        try:
            start_search(context, run, data, assets, objective, named)
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
