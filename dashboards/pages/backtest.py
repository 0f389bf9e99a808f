"""Back-test: what each model forecast day by day beside what came, its tests, and a new one in the background."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages import backtest_rules
from dashboards.pages.market import source_path
from dashboards.parts import card, empty, facts, failure, figure, options, page_header, queued, table
from qfin.backtest.models import MODELS
from qfin.exceptions import InputError
from qfin.experiments.library import open_run, run_ids
from qfin.market import list_bundled
from qfin.reporting.numbers import DASH, count, fixed, percent
from qfin.viz.backtest import forecast_fan_figure, score_difference_figure, transform_figure

_FIRST_LEVEL = "0.975"
_OPENING = ("hs", "fhs", "student_t", "mps")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def layout(context: Context, run: str | None, query: Query) -> Any:
    known = _finished(context)
    ids = [item["value"] for item in known]
    asked = query.get("backtest")
    return html.Div(
        [
            page_header("Back-test", "Forecasts of the book's losses made from the past alone, beside what came."),
            card(
                "Finished back-tests",
                dmc.Group(
                    [
                        dmc.Select(
                            id="backtest-shown",
                            label="Back-test",
                            data=known,
                            value=asked if asked in ids else (ids[0] if ids else None),
                            allowDeselect=False,
                            placeholder="None yet",
                            w={"base": "100%", "sm": 560},
                        ),
                        dmc.Select(
                            id="backtest-level",
                            label="Level",
                            data=[],
                            value=query.get("level"),
                            allowDeselect=False,
                            w={"base": "47%", "sm": 120},
                        ),
                    ],
                    align="end",
                ),
            ),
            dcc.Loading(html.Div(id="backtest-result", **{"aria-live": "polite"}), type="dot", delay_show=300),
            _form(context, run),
            backtest_rules.rules_part(context, run, query),
        ]
    )


def _form(context: Context, run: str | None) -> Any:
    sources = [] if run is None else [(f"run:{run}", "The assets of this run")]
    return card(
        "New back-test",
        dmc.Group(
            [
                dmc.Select(
                    id="backtest-source",
                    label="Data",
                    data=options([*sources, *((item.name, f"{item.name}: {item.title}") for item in list_bundled())]),
                    value=sources[0][0] if sources else "fx-usd",
                    allowDeselect=False,
                    w={"base": "100%", "sm": 340},
                ),
                dmc.MultiSelect(
                    id="backtest-models",
                    label="Models",
                    data=options((name, model.label) for name, model in MODELS.items()),
                    value=list(_OPENING),
                    w={"base": "100%", "sm": 480},
                ),
            ],
            align="end",
        ),
        dmc.Group(
            [
                dmc.TextInput(
                    id="backtest-start", label="First day", placeholder="2015-01-01", w={"base": "47%", "sm": 150}
                ),
                dmc.TextInput(
                    id="backtest-end", label="Last day", placeholder="2015-12-31", w={"base": "47%", "sm": 150}
                ),
                dmc.NumberInput(
                    id="backtest-window",
                    label="Days learned from",
                    value=1_000,
                    min=250,
                    max=5_000,
                    allowDecimal=False,
                    w={"base": "47%", "sm": 150},
                ),
                dmc.Button("Start", id="backtest-go"),
            ],
            align="end",
        ),
        html.Div(id="backtest-answer"),
        note="Every day of the span is forecast from the days before it. A year of a few models takes minutes, the "
        "Born machines and the vine longest; follow it on the page Training.",
    )


def start_backtest(
    context: Context, source: str, models: list[str] | None, start: str | None, end: str | None, window: Any
) -> str:
    """Queue `qfin backtest` of checked words alone and return the job's id."""
    if not models or any(name not in MODELS for name in models):
        raise InputError(f"models: expected some of {', '.join(MODELS)}, received {', '.join(models or []) or 'none'}")
    for day in (start, end):
        if day and not _DATE.fullmatch(day):
            raise InputError(f"first and last day: expected dates such as 2015-01-01, received {day!r}")
    if isinstance(window, bool) or not isinstance(window, int) or not 250 <= window <= 5_000:
        raise InputError(f"days learned from: expected a whole number from 250 to 5,000, received {window!r}")
    search_id = f"backtest-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    arguments = ["backtest", "--prices", source_path(context, source), "--models", ",".join(models)]
    arguments += ["--window", str(window), "--workers", "1", "--out", str(context.runs / search_id), "--resume"]
    if source.startswith("run:"):
        record = context.run(source.removeprefix("run:")).record
        arguments.append(f"--assets={','.join(record['market']['assets'])}")
        kind = record["config"]["market"]["kind"]
        arguments += ["--kind", kind] if kind else []
    for option, day in (("--start", start), ("--end", end)):
        arguments += [option, day] if day else []
    return context.jobs.submit(f"Back-test {search_id}", arguments)


def _finished(context: Context) -> list[dict[str, str]]:
    return options((i, _title(open_run(context.runs, i).record, i)) for i in run_ids(context.runs, "backtest"))


def _title(record: dict[str, Any], name: str) -> str:
    return f"{record['dates'][0]} to {record['dates'][-1]}, {len(record['assets'])} assets ({name})"


def backtest_view(record: dict[str, Any], level: str) -> list[Any]:
    """Everything of one back-test at a level, such as "0.975"."""
    place = float(level)
    labels = {model["name"]: model["label"] for model in record["models"]}
    rows = [row for row in record["rows"] if f"{row['level']:g}" == level]
    chosen = record["confidence_sets"].get(level)
    return [
        facts(
            [
                ("Days forecast", count(len(record["dates"])), f"{record['dates'][0]} to {record['dates'][-1]}"),
                ("Expected exceedances", fixed(rows[0]["expected"], 1), f"of the VaR at {percent(place, 1)}"),
                (
                    "Lowest loss of the forecast",
                    labels[min(rows, key=lambda row: float(row["fz_loss"]))["model"]],
                    "Fissler–Ziegel",
                ),
                (
                    "Model Confidence Set",
                    DASH if chosen is None else count(len(chosen["included"])),
                    "one model alone" if chosen is None else f"of {len(rows)} models cannot be told from the best",
                ),
            ]
        ),
        card("Verdict", dmc.List([dmc.ListItem(sentence) for sentence in record["verdict"]], size="sm")),
        card(
            "Forecasts and losses",
            figure(
                "backtest-fan",
                forecast_fan_figure(record, place),
                description="Daily losses of the book with each model's VaR and ES, and the days beyond the VaR",
            ),
            note="Crosses: days that lost more than the VaR. The legend shows and hides models.",
        ),
        card("Tests", _tests(record, rows, labels, level), note=_TESTS_NOTE),
        card("Model Confidence Set", *_confidence_set(chosen, labels)),
        card(
            "Coverage by regime",
            table(
                ["Regime", "Model", "Days", "Exceedances", "Expected", "Kupiec p", "Fissler–Ziegel loss"],
                [
                    [
                        row["regime"],
                        labels[row["model"]],
                        count(row["n"]),
                        count(row["exceedances"]),
                        fixed(row["expected"], 1),
                        fixed(row["kupiec_p"], 3),
                        fixed(row["fz_loss"], 3),
                    ]
                    for row in record["regimes"]
                    if f"{row['level']:g}" == level
                ],
                name="regimes",
            ),
        ),
        card(
            "Scores beside the reference",
            figure(
                "backtest-scores",
                score_difference_figure(record, place),
                description="Running sum of each model's Fissler–Ziegel loss less the reference's",
            ),
            note="A falling line gains on the reference.",
        ),
        card(
            "Ranks of the losses in the forecasts",
            figure(
                "backtest-ranks",
                transform_figure(record),
                description="Histograms of the ranks by model",
                narrow=transform_figure(record, n_columns=1),
            ),
            note="Level at one where the forecasts are right; high ends where losses were larger than forecast.",
        ),
        card("How it was made", dmc.List([dmc.ListItem(sentence) for sentence in record["notes"]], size="sm")),
    ]


_TESTS_NOTE = (
    "p-values: small ones speak against the model. Kupiec: the number of exceedances; coverage: their number and "
    "whether they cluster; dynamic quantile: whether they can be foreseen; Z2: the size of the losses beyond the VaR. "
    "Zones are the supervisor's, by the number of exceedances."
)


def _tests(record: dict[str, Any], rows: list[dict[str, Any]], labels: dict[str, str], level: str) -> Any:
    return table(
        ["Model", "Exceedances", "Expected", "Zone", "Kupiec p", "Coverage p", "Dynamic quantile p", "Z2 p", "Loss"],
        [
            [
                labels[row["model"]],
                count(row["exceedances"]),
                fixed(row["expected"], 1),
                _zone(record["tests"][row["model"]][level]),
                *(fixed(row[key], 3) for key in ("kupiec_p", "cc_p", "dq_p", "z2_p")),
                fixed(row["fz_loss"], 3),
            ]
            for row in rows
        ],
        name="tests",
    )


def _zone(tests: list[dict[str, Any]]) -> Any:
    zone = next((test["zone"] for test in tests if test["test"] == "traffic_light"), None)
    return DASH if zone is None else html.Span(zone, className=f"qfin-zone qfin-{zone}")


def _confidence_set(chosen: dict[str, Any] | None, labels: dict[str, str]) -> list[Any]:
    if chosen is None:
        return [dmc.Text("One model alone; compare at least two.", size="sm")]
    values = sorted(chosen["p_values"].items(), key=lambda item: -item[1])
    rows = [[labels[name], fixed(value, 3), "yes" if name in chosen["included"] else "no"] for name, value in values]
    caption = f"Models that cannot be told from the best by their loss, at a size of {percent(chosen['size'], 0)}"
    return [table(["Model", "p-value", "In the set"], rows, name="confidence set", caption=caption)]


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("backtest-level", "data"),
        Output("backtest-level", "value"),
        Input("backtest-shown", "value"),
        State("backtest-level", "value"),
    )
    def levels(chosen: str | None, level: str | None) -> Any:
        if chosen is None:
            return [], None
        known = [f"{value:g}" for value in open_run(context.runs, chosen).record["levels"]]
        asked = level if level in known else _FIRST_LEVEL
        return options((name, percent(float(name), 1)) for name in known), asked if asked in known else known[0]

    @app.callback(
        Output("backtest-result", "children"), Input("backtest-level", "value"), Input("backtest-shown", "value")
    )
    def show(level: str | None, chosen: str | None) -> Any:
        if chosen is None:
            return empty(
                "No back-test yet",
                "Start one below, or on a terminal:",
                "qfin backtest --prices fx-usd --start 2015-01-01 --out reports/backtest-fx",
            )
        record = open_run(context.runs, chosen).record
        if level not in {f"{value:g}" for value in record["levels"]}:
            return dash.no_update  # the levels of this back-test come in a moment
        return html.Div(backtest_view(record, level), **{"data-backtest": f"{chosen} {level}"})

    @app.callback(
        Output("backtest-answer", "children"),
        Input("backtest-go", "n_clicks"),
        *(State(f"backtest-{name}", "value") for name in ("source", "models", "start", "end", "window")),
        prevent_initial_call=True,
    )
    def start(_: int, source: str, models: list[str] | None, first: str | None, last: str | None, window: Any) -> Any:
        try:
            return queued(start_backtest(context, source, models, first, last, window))
        except InputError as error:
            return failure(error)

    backtest_rules.register(app, context)

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfBacktest"),
        Output("addressed", "data", allow_duplicate=True),
        Input("backtest-shown", "value"),
        Input("backtest-level", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/backtest", "Back-test", "Forecasts and rules", layout, register, needs_run=False)
