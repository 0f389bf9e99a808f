"""Crash explorer: an event -> how likely it is, and what happens to every asset and to the book given it."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages import crash_ways
from dashboards.parts import card, empty, facts, failure, figure, options, page_header, table
from qfin._files import write_whole
from qfin.exceptions import InputError
from qfin.experiments.stress import stress_content
from qfin.reporting.numbers import count, percent
from qfin.scenarios import ScenarioSet, StressResult, baseline_scenarios, stress_scenarios
from qfin.viz import model_style
from qfin.viz.stress import conditional_figure

N_SHOWN = 4_000  # draws behind the page: a second or two
N_EXPORTED = 20_000
_KEPT_ANSWERS = 64
_KEPT_BASELINES = 8
MODELS = ("mps", "circuit", "student_t", "gaussian")
_DEEPEST, _MAX_SLIDERS = -20.0, 6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,59}")
_FORMATS = ("csv", "parquet", "xlsx")
_LIKELY = 0.02  # a fall of the book as likely as this opens the page


def layout(context: Context, run: str | None, query: Query) -> Any:
    assert run is not None
    record = context.run(run).record
    assets = record["market"]["assets"]
    models = [name for name in MODELS if any(row["model"] == name for row in record["rows"])]
    event = query.get("event") or opening_event(record)
    model = query.get("model") if query.get("model") in models else models[0]
    return html.Div(
        [
            page_header(
                "Crash explorer", "Say what falls; see how likely that is on a day, and what it does to the rest."
            ),
            card(
                "Event",
                dmc.TextInput(
                    id="crash-event",
                    label="What happens",
                    value=event,
                    debounce=True,
                    size="md",
                    description='Such as "book < -3%", "A < -5% and (B < -3% or q(C) < 0.01)"; Enter to look.',
                ),
                dmc.Group(
                    [
                        dmc.MultiSelect(
                            id="crash-assets",
                            label="Or set falls with sliders",
                            maxValues=_MAX_SLIDERS,
                            data=options([("book", "The book (equal weights)"), *((a, a) for a in assets)]),
                            searchable=True,
                            placeholder="Choose assets",
                            w={"base": "100%", "sm": 420},
                        ),
                        dmc.Select(
                            id="crash-model",
                            label="Model",
                            value=model,
                            allowDeselect=False,
                            data=options((m, model_style(m).label) for m in models),
                            w={"base": "100%", "sm": 240},
                        ),
                    ],
                    align="end",
                ),
                html.Div(id="crash-sliders"),
            ),
            dcc.Loading(html.Div(id="crash-result", **{"aria-live": "polite"}), type="dot", delay_show=300),
            _keep_card(context, run),
            crash_ways.reverse_card(record, query),
            crash_ways.like_card(context, run, query),
            dcc.Download(id="crash-file"),
        ]
    )


def opening_event(record: dict[str, Any]) -> str:
    """A fall of the book that comes once in a few months: two thirds of the base's expected shortfall, rounded."""
    shortfall = next(row["es_975"] for row in record["rows"] if row["model"] == record["base"]["name"])
    return f"book < -{max(0.1, round(100.0 * shortfall, 1)):g}%"


@dataclass(frozen=True, eq=False)
class Answer:
    """What is shown of a stress: its numbers and its figure. The draws, a hundred times as large, are not kept."""

    content: dict[str, Any]
    figure: Any


@lru_cache(maxsize=_KEPT_ANSWERS)
def _answer(context: Context, run: str, written: int, model: str, event: str) -> Answer:
    result = stressed(context, run, model, event, N_SHOWN)
    return Answer(stress_content(result), conditional_figure(result))


def answered(context: Context, run: str, model: str, event: str) -> Answer:
    """The answer to one event; the same question has the same answer, and costs nothing the second time."""
    written = context.run(run).written
    return _answer(context, run, written, model, " ".join(event.split()))


def stressed(context: Context, run: str, model: str, event: str, n: int) -> StressResult:
    """The draws of one event, n of them."""
    if model not in MODELS:
        raise InputError(f"model: expected one of {', '.join(MODELS)}, received {model!r}")
    folder = context.run(run)
    baseline = _without_event(context, run, folder.written, model, n)
    return stress_scenarios(context.generator(run, model), event, n, rng=folder.record["seed"], baseline=baseline)


@lru_cache(maxsize=_KEPT_BASELINES)
def _without_event(context: Context, run: str, written: int, model: str, n: int) -> ScenarioSet:
    """Drawn once for all events of a model."""
    return baseline_scenarios(context.generator(run, model), n, rng=context.run(run).record["seed"])


def _shown(answer: Answer) -> list[Any]:
    content = answer.content
    probability, error = content["probability"], content["probability_se"]
    level = content["book"][1]
    certain = "exact" if content["exact"] else f"± {100 * error / probability:.1f} % of it"
    warning = [dmc.Alert(content["warning"], color="yellow", title="Few effective draws")] if content["warning"] else []
    return [
        facts(
            [
                ("Probability on a day", probability_words(probability), certain),
                ("Once in", _waiting(probability), "of such days, on average"),
                ("Effective draws", count(round(content["ess"])), f"of {count(content['n'])}"),
                (
                    "Book, ES 97.5% given it",
                    percent(level["es"], 1),
                    f"of its value in a day; {percent(level['es_before'], 1)} without the event",
                ),
            ]
        ),
        *warning,
        card(
            "What happens to each asset",
            figure(
                "crash-distributions",
                answer.figure,
                description="Returns of the book and of every asset, given the event and without it",
            ),
            table(
                ["Asset", "Mean", "5%", "Median", "95%", "Mean without", "5% without", "95% without"],
                [_asset_cells(row) for row in content["rows"]],
                name="assets given the event",
                caption="Return of one day given the event, and without it",
            ),
        ),
        card(
            "The book",
            table(
                ["Level", "VaR", "VaR without", "ES", "ES without"],
                [
                    [
                        f"{100 * row['level']:g}%",
                        *(percent(row[key]) for key in ("var", "var_before", "es", "es_before")),
                    ]
                    for row in content["book"]
                ],
                name="book",
                caption="Loss of equal weights on such a day; positive is lost",
            ),
        ),
    ]


def _asset_cells(row: dict[str, Any]) -> list[str]:
    return [
        row["asset"],
        *(percent(row[key], 1) for key in ("mean", "q05", "q50", "q95", "mean_before", "q05_before", "q95_before")),
    ]


def probability_words(value: float) -> str:
    return percent(value, 2) if value >= 1e-3 else f"{value:.2g}"


def _waiting(probability: float) -> str:
    days = 1.0 / probability
    return f"{days:,.0f} days" if days < 500 else f"{days / 252:,.0f} years"


def _keep_card(context: Context, run: str) -> Any:
    return card(
        "Keep it",
        dmc.Group(
            [
                dmc.TextInput(
                    id="crash-name", label="Name of the scenario", placeholder="Autumn", w={"base": "100%", "sm": 240}
                ),
                dmc.Button("Save", id="crash-save", variant="default"),
                *(dmc.Button(kind.upper(), id=f"crash-{kind}", variant="default") for kind in _FORMATS),
            ],
            align="end",
        ),
        html.Div(id="crash-save-answer"),
        html.Div(_saved_table(context, run), id="crash-saved"),
        note=f"Save keeps the event by name with this run; the files hold {count(N_EXPORTED)} weighted days given it.",
    )


def saved_scenarios(context: Context, run: str) -> list[dict[str, str]]:
    """Named events of a run, by name."""
    path = context.run(run).path / "scenarios.json"
    stored: list[dict[str, str]] = json.loads(path.read_text()) if path.is_file() else []
    return stored


def save_scenario(context: Context, run: str, name: str, event: str, model: str) -> None:
    """Keep an event under a name that is new in this run; the event must be one that can be drawn."""
    if not _NAME.fullmatch(name):
        raise InputError(f"name: expected letters, digits, spaces, - or _, at most 60, received {name!r}")
    known = saved_scenarios(context, run)
    if any(item["name"] == name for item in known):
        raise InputError(f"name: expected a new one, received {name!r}, which is taken")
    probability = answered(context, run, model, event).content["probability"]
    item = {"name": name, "event": event, "model": model, "probability": f"{probability:.3g}"}
    known = sorted([*known, item | {"saved": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}], key=lambda item: item["name"])
    path = context.run(run).path / "scenarios.json"
    write_whole(path, lambda partial: partial.write_text(json.dumps(known, indent=2)))


def _saved_table(context: Context, run: str) -> Any:
    rows = []
    for item in saved_scenarios(context, run):
        address = dash.get_relative_path("/crash")
        from urllib.parse import urlencode

        query = urlencode({"run": run, "event": item["event"], "model": item["model"]})
        rows.append(
            [
                dmc.Anchor(item["name"], href=f"{address}?{query}", refresh=True),
                item["event"],
                item["probability"],
                item["saved"],
            ]
        )
    return table(["Name", "Event", "Probability", "Saved, UTC"], rows, name="saved scenarios") if rows else html.Div()


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("crash-result", "children"),
        Output("crash-event", "error"),
        Input("crash-event", "value"),
        Input("crash-model", "value"),
        State("run", "value"),
    )
    def look(event: str | None, model: str, run: str) -> Any:
        if not (event or "").strip():
            return empty(
                "No event yet", "Write one above, such as book < -3%, or choose assets and pull a slider."
            ), None
        try:
            answer = answered(context, run, model, event or "")
            return html.Div(_shown(answer), **{"data-event": answer.content["event"]}), None
        except InputError as error:
            return failure(html.Pre(str(error), style={"margin": 0, "whiteSpace": "pre-wrap"})), str(
                error
            ).splitlines()[0]

    @app.callback(Output("crash-sliders", "children"), Input("crash-assets", "value"))
    def sliders(names: list[str] | None) -> list[Any]:
        return [_slider(name) for name in names or []]

    @app.callback(
        Output("crash-event", "value"),
        Input({"type": "crash-slider", "asset": ALL}, "value"),
        State({"type": "crash-slider", "asset": ALL}, "id"),
        prevent_initial_call=True,
    )
    def compose(values: list[float], ids: list[dict[str, str]]) -> Any:
        parts = [f"{quoted(i['asset'])} < {v:g}%" for v, i in zip(values, ids, strict=True) if v < 0.0]
        return " and ".join(parts) if parts else dash.no_update

    @app.callback(
        Output("crash-save-answer", "children"),
        Output("crash-saved", "children"),
        Input("crash-save", "n_clicks"),
        State("crash-name", "value"),
        State("crash-event", "value"),
        State("crash-model", "value"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def save(_: int, name: str | None, event: str, model: str, run: str) -> Any:
        try:
            save_scenario(context, run, (name or "").strip(), event, model)
        except InputError as error:
            return failure(error), dash.no_update
        return None, _saved_table(context, run)

    crash_ways.register(app, context)
    for kind in _FORMATS:
        _register_export(app, context, kind)
    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfCrash"),
        Output("addressed", "data", allow_duplicate=True),
        Input("crash-event", "value"),
        Input("crash-model", "value"),
        prevent_initial_call=True,
    )


def _register_export(app: dash.Dash, context: Context, kind: str) -> None:
    @app.callback(
        Output("crash-file", "data", allow_duplicate=True),
        Output("crash-save-answer", "children", allow_duplicate=True),
        Input(f"crash-{kind}", "n_clicks"),
        State("crash-event", "value"),
        State("crash-model", "value"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def export(_: int, event: str, model: str, run: str) -> Any:
        try:
            scenarios = stressed(context, run, model, event, N_EXPORTED).scenarios
        except InputError as error:
            return dash.no_update, failure(error)

        def write(buffer: Any) -> None:
            import tempfile

            with tempfile.TemporaryDirectory() as folder:
                buffer.write(scenarios.save(Path(folder) / f"crash.{kind}").read_bytes())

        return dcc.send_bytes(write, f"{run}-crash.{kind}"), None


def quoted(name: str) -> str:
    """An asset's name as the event's language takes it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'"{name}"'


def _slider(name: str) -> Any:
    label = "The book falls below" if name == "book" else f"{name} falls below"
    return dmc.Stack(
        [
            dmc.Text(label, size="sm"),
            dmc.Slider(
                id={"type": "crash-slider", "asset": name},
                min=_DEEPEST,
                max=0.0,
                step=0.25,
                value=0.0,
                inverted=True,
                marks=[{"value": v, "label": f"{v:g}%"} for v in (-20, -15, -10, -5, 0)],
                updatemode="mouseup",
                mb="lg",
                **{"aria-label": label},
            ),
        ],
        gap=4,
        maw=620,
    )


PAGE = Page("/crash", "Crash explorer", "What if these fall?", layout, register)
