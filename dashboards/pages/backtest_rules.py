"""Back-test, second half: trading rules over paths that begin with a crash, beside the same rules over history."""

import secrets
from datetime import UTC, datetime
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Query
from dashboards.pages.crash import MODELS, answered, opening_event, probability_words
from dashboards.parts import card, empty, facts, failure, figure, options, queued, table
from qfin.backtest.rules import BUILT_IN
from qfin.exceptions import InputError
from qfin.experiments.library import open_run, run_ids
from qfin.experiments.strategy import stored_drawdowns
from qfin.reporting.numbers import DASH, count, percent
from qfin.viz import model_style
from qfin.viz.strategy import drawdown_figure

# Those that react to the crash of the first day.
_PATHS = (("garch", "GARCH and Student-t copula"), ("fhs", "Filtered historical simulation"))
_LIMITS = {
    "horizon": ("days of a path", 2, 1_000),
    "paths": ("paths", 100, 10_000),
    "every": ("days between trades", 1, 250),
    "ruin": ("ruin", 1, 99),
}
_MOST_COST = 500.0  # basis points


def rules_part(context: Context, run: str | None, query: Query) -> Any:
    """Finished comparisons of rules, and the form of a new one."""
    known = _finished(context)
    ids = [item["value"] for item in known]
    asked = query.get("rules")
    return html.Section(
        [
            dmc.Title("Trading rules on crashes", order=2, size="h3", mb="xs", id="rules"),
            card(
                "Finished comparisons",
                dmc.Select(
                    id="rules-shown",
                    label="Rules and crash",
                    data=known,
                    value=asked if asked in ids else (ids[0] if ids else None),
                    allowDeselect=False,
                    placeholder="None yet",
                    w={"base": "100%", "sm": 560},
                ),
                note="What a rule would have done on crashes that have not happened, beside what it did in history: "
                "which rules look safe on what came, and are not.",
            ),
            dcc.Loading(html.Div(id="rules-result", **{"aria-live": "polite"}), type="dot", delay_show=300),
            _form(context, run),
        ]
    )


def _form(context: Context, run: str | None) -> Any:
    if run is None:
        return html.Div()
    record = context.run(run).record
    models = [name for name in MODELS if any(row["model"] == name for row in record["rows"])]
    wide, narrow = {"base": "100%", "sm": 300}, {"base": "47%", "sm": 150}
    return card(
        "New comparison",
        dmc.Group(
            [
                dmc.MultiSelect(
                    id="rules-chosen",
                    label="Rules",
                    data=options((name, name) for name in BUILT_IN),
                    value=list(BUILT_IN),
                    w={"base": "100%", "sm": 480},
                ),
                dmc.TextInput(id="rules-event", label="First day of every path", value=opening_event(record), w=wide),
            ],
            align="end",
        ),
        dmc.Group(
            [
                dmc.Select(
                    id="rules-model",
                    label="Model of the first day",
                    data=options((m, model_style(m).label) for m in models),
                    value=models[0],
                    allowDeselect=False,
                    w=wide,
                ),
                dmc.Select(
                    id="rules-generator",
                    label="Days after it",
                    data=options(_PATHS),
                    value="garch",
                    allowDeselect=False,
                    w=wide,
                ),
            ],
            align="end",
        ),
        dmc.Group(
            [
                _number("horizon", "Days of a path", 250, narrow),
                _number("paths", "Paths", 1_000, narrow),
                _number("every", "Days between trades", 5, narrow),
                dmc.NumberInput(
                    id="rules-cost", label="Cost, bp of a trade", value=10, min=0, max=_MOST_COST, step=1, w=narrow
                ),
                _number("ruin", "Ruin: a loss of, %", 30, narrow),
                dmc.Button("Start", id="rules-go"),
            ],
            align="end",
        ),
        html.Div(id="rules-answer"),
        note="Built-in rules on the assets of this run. Rules of your own are Python files and run on the command "
        "line alone: qfin strategy --rule mine.py. A minute or two in the background.",
    )


def _number(name: str, label: str, value: int, width: dict[str, Any]) -> Any:
    _, low, high = _LIMITS[name]
    return dmc.NumberInput(id=f"rules-{name}", label=label, value=value, min=low, max=high, allowDecimal=False, w=width)


def start_rules(
    context: Context,
    run: str,
    rules: list[str] | None,
    event: str | None,
    model: str,
    generator: str,
    numbers: dict[str, Any],
) -> str:
    """Queue `qfin strategy` of checked words alone and return the job's id; `numbers`: horizon, paths, every, cost (in
    basis points) and ruin (in percent). The event is tried first, so that a wrong one is told at once."""
    if not rules or any(name not in BUILT_IN for name in rules):
        raise InputError(f"rules: expected some of {', '.join(BUILT_IN)}, received {', '.join(rules or []) or 'none'}")
    if generator not in dict(_PATHS):
        raise InputError(f"days after it: expected one of {', '.join(dict(_PATHS))}, received {generator!r}")
    for name, (words, low, high) in _LIMITS.items():
        value = numbers.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{words}: expected a whole number from {low} to {high:,}, received {value!r}")
    cost = numbers.get("cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= _MOST_COST:
        raise InputError(f"cost: expected 0 to {_MOST_COST:g} basis points, received {cost!r}")
    event = (event or "").strip()
    answered(context, run, model, event)
    name = f"rules-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    arguments = ["strategy", "--paths", str(context.run(run).path), *(f"--rule=builtin:{rule}" for rule in rules)]
    arguments += [f"--event={event}", "--event-model", model, "--model", generator]
    arguments += ["--horizon", str(numbers["horizon"]), "--n", str(numbers["paths"]), "--every", str(numbers["every"])]
    arguments += ["--cost", f"{cost / 10_000:g}", "--ruin", f"{numbers['ruin']}%", "--out", str(context.runs / name)]
    return context.jobs.submit(f"Rules {name}", arguments)


def _finished(context: Context) -> list[dict[str, str]]:
    ids = run_ids(context.runs, "strategy")
    return options((i, f"{open_run(context.runs, i).record['title']} ({i})") for i in ids)


def rules_view(context: Context, chosen: str) -> list[Any]:
    """Everything of one comparison."""
    folder = open_run(context.runs, chosen)
    record = folder.record
    rows = record["rows"]
    ruin = percent(record["ruin_level"], 0)
    unsafe = [row for row in rows if row["history_ruin"] == 0.0 and "not safe" in row["verdict"]]
    probability, days = record["event_probability"], record.get("event_days", 1)
    span = "a day" if days == 1 else f"the first {days} days"
    return [
        facts(
            [
                ("Paths", count(rows[0]["n_paths"]), f"of {count(record['horizon'])} days, {_beginning(record)}"),
                (
                    "The event's chance",
                    DASH if probability is None else probability_words(probability),
                    "without an event"
                    if probability is None
                    else f"{span}, under {model_style(record['event_model']).label}",
                ),
                (
                    "Windows of history",
                    DASH if rows[0]["history_windows"] is None else count(rows[0]["history_windows"]),
                    "as long, from the training days",
                ),
                (
                    "Safe in history, not here",
                    count(len(unsafe)),
                    f"of {len(rows)} rules, by a loss of {ruin} since the start",
                ),
            ]
        ),
        card(
            "How deep they fall",
            figure(
                "rules-drawdown",
                drawdown_figure(stored_drawdowns(folder), ruin_level=record["ruin_level"]),
                description="Share of paths with a maximum drawdown beyond a given one, by rule, with history's worst",
            ),
            note="The further right a curve reaches, the deeper its rule falls. A diamond high on its curve: many "
            f"paths fell further than history ever did. Dotted: {ruin}.",
        ),
        card(
            "Rules",
            table(
                [
                    "Rule",
                    f"Ruin: {ruin} lost",
                    "Median drawdown",
                    "Drawdown, worst 5%",
                    "Recovered",
                    "History's worst",
                    "Paths that fell less",
                    "Said plainly",
                ],
                [_rule_cells(row) for row in rows],
                name="rules",
                caption="95% intervals in brackets; recovered: back at the peak before the path ends",
            ),
            note=_settings(record),
        ),
    ]


def _beginning(record: dict[str, Any]) -> str:
    if record["event"] is None:
        return "from today"
    days = record.get("event_days", 1)
    return f"the first {'' if days == 1 else f'{days} '}with {record['event']}"


def _rule_cells(row: dict[str, Any]) -> list[str]:
    past, place = row["history_drawdown"], row["history_percentile"]
    return [
        row["rule"],
        f"{percent(row['ruin'], 1)} [{percent(row['ruin_lo'], 1)}, {percent(row['ruin_hi'], 1)}]",
        percent(row["drawdown_q50"], 1),
        f"{percent(row['drawdown_q95'], 1)} "
        f"[{percent(row['drawdown_q95_lo'], 1)}, {percent(row['drawdown_q95_hi'], 1)}]",
        percent(row["recovered"], 0),
        DASH if past is None else percent(past, 1),
        DASH if place is None else percent(place, 1),
        row["verdict"],
    ]


def _settings(record: dict[str, Any]) -> str:
    return (
        f"{count(len(record['assets']))} assets; traded every {record['every']} days at "
        f"{10_000 * record['cost']:g} bp of every amount traded; days after the first: {record['model']}; seed "
        f"{record['seed']}. Paths that fell less: the share with a drawdown of at most history's worst."
    )


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(Output("rules-result", "children"), Input("rules-shown", "value"))
    def show(chosen: str | None) -> Any:
        if chosen is None:
            return empty(
                "No rule tried yet",
                "Start below, or on a terminal:",
                'qfin strategy --paths reports/RUN --event "book < -5%" --out reports/rules',
            )
        try:
            return html.Div(rules_view(context, chosen), **{"data-rules": chosen})
        except InputError as error:
            return failure(error)

    @app.callback(
        Output("rules-answer", "children"),
        Input("rules-go", "n_clicks"),
        State("run", "value"),
        State("rules-chosen", "value"),
        State("rules-event", "value"),
        State("rules-model", "value"),
        State("rules-generator", "value"),
        *(State(f"rules-{name}", "value") for name in ("horizon", "paths", "every", "cost", "ruin")),
        prevent_initial_call=True,
    )
    def start(
        _: int, run: str, rules: list[str] | None, event: str | None, model: str, generator: str, *numbers: Any
    ) -> Any:
        named = dict(zip(("horizon", "paths", "every", "cost", "ruin"), numbers, strict=True))
        try:
            return queued(start_rules(context, run, rules, event, model, generator, named))
        except InputError as error:
            return failure(error)

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfRules"),
        Output("addressed", "data", allow_duplicate=True),
        Input("rules-shown", "value"),
        prevent_initial_call=True,
    )
