"""Crash explorer, second half: the likeliest ways to lose so much, and days as bad as a named crash."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import dash
import dash_mantine_components as dmc
import numpy as np
import pandas as pd
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Query
from dashboards.parts import card, facts, failure, figure, options, table
from qfin.exceptions import InputError
from qfin.experiments.crash import covered_episodes, episode_content, reverse_content
from qfin.experiments.history import run_history
from qfin.experiments.stress import stress_content
from qfin.reporting.numbers import DASH, count, fixed, percent
from qfin.scenarios import episode_stress, reverse_stress
from qfin.scenarios.episodes import EPISODES
from qfin.viz.stress import conditional_figure, reverse_figure

N_LIKE = 4_000  # draws of a day as bad as a named one
N_STARTS = 6  # searches for the likeliest losses: a few seconds
_OPENING = 1.5  # the loss that the page proposes, in expected shortfalls of the base


def reverse_card(record: dict[str, Any], query: Query) -> Any:
    """The button of the reverse stress; an address that names a loss has it pressed."""
    asked = _asked_loss(query)
    shortfall = next(row["es_975"] for row in record["rows"] if row["model"] == record["base"]["name"])
    return card(
        "The likeliest ways to lose so much",
        dmc.Group(
            [
                dmc.NumberInput(
                    id="crash-lose",
                    label="Loss of the book in a day, %",
                    value=asked or max(0.1, round(100.0 * _OPENING * shortfall, 1)),
                    min=0.1,
                    max=90.0,
                    step=0.5,
                    decimalScale=2,
                    w={"base": "100%", "sm": 220},
                ),
                dmc.Button("Search", id="crash-lose-go", n_clicks=0 if asked is None else 1),
            ],
            align="end",
        ),
        dcc.Loading(html.Div(id="crash-lose-answer", **{"aria-live": "polite"}), type="dot", delay_show=300),
        note="Among all moves that cost the book at least this, those of highest density under the model: a few "
        "seconds. What to look for is who carries the loss, and whether a day like it has been.",
    )


def _asked_loss(query: Query) -> float | None:
    try:
        return float(query["lose"])
    except (KeyError, ValueError):
        return None


def like_card(context: Context, run: str, query: Query) -> Any:
    """The named crashes that the run's data cover; an address that names one has the button pressed."""
    try:
        known = covered_episodes(_history(context, run))
    except InputError as error:  # the run is here, the prices that it was made from are not
        return card("As bad as a named crash", failure(error))
    asked = query.get("like") if query.get("like") in known else None
    return card(
        "As bad as a named crash",
        dmc.Group(
            [
                dmc.Select(
                    id="crash-like",
                    label="Crash",
                    data=options((name, f"{name}: {EPISODES[name].what}") for name in known),
                    value=asked or (known[0] if known else None),
                    allowDeselect=False,
                    w={"base": "100%", "sm": 480},
                ),
                dmc.Button("Draw days like it", id="crash-like-go", n_clicks=0 if asked is None else 1),
            ],
            align="end",
        ),
        dcc.Loading(html.Div(id="crash-like-answer", **{"aria-live": "polite"}), type="dot", delay_show=300),
        note="Days on which the book loses more than on the crash's worst day; who falls then is up to the model.",
    )


def _history(context: Context, run: str) -> pd.DataFrame:
    """Training days and test days."""
    folder = context.run(run)
    return _histories(folder.path, folder.written)


@lru_cache(maxsize=4)
def _histories(path: Any, written: int) -> pd.DataFrame:
    from qfin.experiments.run_folder import RunFolder

    return pd.concat(run_history(RunFolder.open(path)))


@lru_cache(maxsize=32)
def reversed_loss(context: Context, run: str, model: str, percent_lost: float) -> dict[str, Any]:
    """The content of a reverse stress; the nearest day is looked for among the days that the model learned from."""
    record = context.run(run).record
    try:
        history = _history(context, run).loc[: record["market"]["train"][1]]
    except InputError:  # the prices are gone: no past day can be named then
        history = None
    generator = context.generator(run, model)
    return reverse_content(
        reverse_stress(generator, percent_lost / 100.0, history=history, n_starts=N_STARTS, rng=record["seed"])
    )


def ways_shown(content: dict[str, Any], run: str, model: str) -> Any:
    """Modes side by side: how likely beside the likeliest, the nearest day, and every asset's part."""
    rows = content["rows"]
    order = np.argsort([-part["contribution"] for part in rows[0]["assets"]], kind="stable")
    assets = [rows[0]["assets"][place]["asset"] for place in order]
    moves = np.array([[row["assets"][place]["return"] for place in order] for row in rows])
    probability = content["probability"]
    query = urlencode({"run": run, "model": model, "event": f"book < -{100 * content['level']:g}%"})
    return html.Div(
        [
            dmc.Text(
                [
                    f"A loss above {percent(content['level'])} has probability {probability:.2g} a day, once in "
                    f"{1.0 / probability / 252:,.1f} years. {content['n_converged']} of {content['n_starts']} searches "
                    f"ended at an optimum; {len(rows)} differ. ",
                    dmc.Anchor("Look at all such days", href=f"/crash?{query}", refresh=True),
                ],
                size="sm",
            ),
            figure(
                "crash-ways",
                reverse_figure(assets, moves, np.array([row["share"] for row in rows])),
                description="Return of every asset in each of the likeliest ways to lose so much",
            ),
            table(
                ["Way", "Density, the first is 100%", "Nearest day", "Distance to it", "Book on that day"],
                [
                    [
                        f"Way {number}",
                        percent(row["share"], 0),
                        row["nearest_day"] or DASH,
                        fixed(row["nearest_distance"], 1),
                        percent(row["nearest_book_return"]),
                    ]
                    for number, row in enumerate(rows, start=1)
                ],
                name="ways",
                caption="Distance in standard deviations of the days' normal scores, all assets together; a typical "
                f"day is {np.sqrt(len(assets)):.1f} from the middle",
            ),
            table(
                ["Asset", *(f"Way {n}: {word}" for n in range(1, len(rows) + 1) for word in ("return", "of the loss"))],
                [_asset_cells(int(place), rows) for place in order],
                name="parts of the loss",
            ),
        ],
        **{"data-lose": f"{100 * content['level']:g}"},
    )


def _asset_cells(place: int, rows: list[dict[str, Any]]) -> list[str]:
    parts = [(row["assets"][place], row["loss"]) for row in rows]
    cells = [text for part, loss in parts for text in _pair_of_cells(part, loss)]
    return [parts[0][0]["asset"], *cells]


def _pair_of_cells(part: dict[str, Any], loss: float) -> tuple[str, str]:
    return percent(part["return"]), percent(part["contribution"] / loss, 0)


def like_shown(context: Context, run: str, model: str, name: str) -> Any:
    """The episode as it was, and the draws of a day as bad."""
    seed = context.run(run).record["seed"]
    found = episode_stress(context.generator(run, model), _history(context, run), name, N_LIKE, rng=seed)
    content, told = stress_content(found.stress), episode_content(found)
    probability = content["probability"]
    return html.Div(
        [
            facts(
                [
                    ("Worst day", told["worst_day"], found.episode.what),
                    ("Book on that day", percent(told["book_return"]), "equal weights"),
                    ("As bad, on a day", f"{probability:.2g}", f"once in {1.0 / probability / 252:,.1f} years"),
                    ("Effective draws", count(round(content["ess"])), f"of {count(content['n'])}"),
                ]
            ),
            figure(
                "crash-like-distributions",
                conditional_figure(found.stress),
                description=f"Returns of the book and of every asset on days as bad as the worst of {name}",
            ),
            table(
                ["Asset", "That day", "Whole episode", "Mean of the draws", "Leads the loss in"],
                [
                    [
                        row["asset"] + (" (led)" if row["led"] else ""),
                        *(percent(row[key]) for key in ("worst_day", "episode", "mean_given")),
                        percent(row["leads"], 0),
                    ]
                    for row in told["leads"]
                ],
                name="episode",
                caption="Leads: how often no asset takes a larger part of the book's loss",
            ),
        ],
        **{"data-like": name},
    )


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("crash-lose-answer", "children"),
        Input("crash-lose-go", "n_clicks"),
        State("crash-lose", "value"),
        State("crash-model", "value"),
        State("run", "value"),
    )
    def search(clicks: int | None, lose: float | str, model: str, run: str) -> Any:
        if not clicks:
            return dash.no_update
        try:
            if not isinstance(lose, int | float):
                raise InputError("loss: expected a number above 0 such as 2.5, received none")
            return ways_shown(reversed_loss(context, run, model, float(lose)), run, model)
        except InputError as error:
            return failure(error)

    @app.callback(
        Output("crash-like-answer", "children"),
        Input("crash-like-go", "n_clicks"),
        State("crash-like", "value"),
        State("crash-model", "value"),
        State("run", "value"),
    )
    def like(clicks: int | None, name: str | None, model: str, run: str) -> Any:
        if not clicks:
            return dash.no_update
        try:
            return like_shown(context, run, model, name or "")
        except InputError as error:
            return failure(error)

    for button, chosen, function in (
        ("crash-lose-go", "crash-lose", "addressOfLoss"),
        ("crash-like-go", "crash-like", "addressOfLike"),
    ):
        app.clientside_callback(
            ClientsideFunction("qfin", function),
            Output("addressed", "data", allow_duplicate=True),
            Input(button, "n_clicks"),
            State(chosen, "value"),
            prevent_initial_call=True,
        )
