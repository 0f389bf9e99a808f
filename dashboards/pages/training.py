"""Training: jobs in the background while they run, and how a finished run learned and was mapped."""

from typing import Any

import dash
import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages import training_circuit
from dashboards.parts import card, empty, failure, figure, options, page_header, table
from qfin.exceptions import InputError
from qfin.experiments.jobs import Job
from qfin.reporting.figures import FigureBlock
from qfin.viz import training_figure
from qfin.viz.portfolio import best_so_far_figure, pool_now_figure

_LOOK_EVERY = 1_000  # milliseconds
_COLORS = {
    "queued": "gray",
    "running": "blue",
    "done": "green",
    "failed": "red",
    "cancelled": "yellow",
    "interrupted": "orange",
}
_SHOWN_NAMES = 12
_SHOWN = ("training", "fidelity")


def layout(context: Context, run: str | None, query: Query) -> Any:
    return html.Div(
        [
            page_header("Training", "What is at work in the background, and how the run above learned."),
            card(
                "Jobs",
                dmc.Group(
                    [
                        dmc.Select(
                            id="training-job",
                            label="Job",
                            data=_job_options(context),
                            value=query.get("job"),
                            placeholder="The newest",
                            clearable=True,
                            w={"base": "100%", "sm": 420},
                        ),
                        dmc.Button("Cancel", id="training-cancel", variant="default", color="red"),
                        dmc.Button("Start again", id="training-again", variant="default"),
                    ],
                    align="end",
                ),
                html.Div(id="training-answer"),
                html.Div(id="training-state", **{"aria-live": "polite"}),
                dcc.Interval(id="training-clock", interval=_LOOK_EVERY),
                note="One at a time, first come first served. They go on when this page or the server is closed.",
            ),
            *_of_the_run(context, run),
        ]
    )


def _of_the_run(context: Context, run: str | None) -> list[Any]:
    if run is None:
        return [empty("No run yet", "Start one on the page Market.")]
    blocks = context.figures(run)
    shown = [_figure_card(blocks[name]) for name in _SHOWN if name in blocks]
    return [*shown, *training_circuit.circuit_cards(context, run)]


def _figure_card(block: FigureBlock) -> Any:
    drawn = figure(f"training-{block.name}", block.figure, description=block.description, narrow=block.narrow)
    return card(block.title, drawn, note=block.caption)


def _job_options(context: Context) -> list[dict[str, str]]:
    return options((job.job_id, f"{job.title} ({job.state})") for job in context.jobs.jobs())


def live_figure(identifier: str, curves: dict[str, list[float]]) -> Any:
    """Curves of a job at work: of a search for a portfolio, or of training."""
    values = {name: np.asarray(numbers) for name, numbers in curves.items()}
    if "geo_steps" in values:
        drawn = best_so_far_figure({"Search": (values["geo_steps"], values["geo_best"])})
        best = figure(identifier, drawn, description="Best value so far by the number of portfolios solved")
        return html.Div([best, _pool_now(f"{identifier}-pool", values)])
    if values:
        return figure(identifier, training_figure(values), description="Training curves of the job")
    return html.Div()


def _pool_now(identifier: str, curves: dict[str, Any]) -> Any:
    """Which names the best portfolios hold at this moment."""
    names = [key.removeprefix("pool_") for key in curves if key.startswith("pool_") and key != "pool_steps"]
    shares = np.array([curves[f"pool_{name}"][-1] for name in names])
    if not len(shares) or not shares.any():
        return html.Div()
    shown = np.argsort(-shares, kind="stable")[:_SHOWN_NAMES]
    drawn = pool_now_figure([names[place] for place in shown], shares[shown])
    return figure(identifier, drawn, description="Share of the best portfolios known that hold a name")


def job_view(context: Context, job: Job) -> Any:
    """State, stages, live curves and the log of one job."""
    progress = job.progress
    stages = [
        [s["description"], "restored" if s["restored"] else f"{s['seconds']:.1f} s"] for s in progress.get("stages", [])
    ]
    running = job.state == "running" and progress.get("description")
    bar = (
        [
            dmc.Text(progress["description"], size="sm"),
            dmc.Progress(value=100.0 * progress["done"], size="lg", **{"aria-label": progress["description"]}),
        ]
        if running
        else []
    )
    live = live_figure("training-live", progress.get("curves") or {})
    return dmc.Stack(
        [
            dmc.Group(
                [dmc.Text(job.title, fw=600), dmc.Badge(job.state, color=_COLORS[job.state], id="training-badge")]
            ),
            *bar,
            live,
            *([table(["Stage", "Time"], stages, name="stages")] if stages else []),
            html.Pre(context.jobs.log(job.job_id) or "Nothing printed yet.", className="qfin-log", tabIndex="0"),
        ],
        gap="xs",
    )


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("training-state", "children"),
        Output("training-job", "data"),
        Output("training-clock", "disabled"),
        Input("training-clock", "n_intervals"),
        Input("training-job", "value"),
    )
    def look(_: int | None, chosen: str | None) -> Any:
        jobs = context.jobs
        known = jobs.jobs()
        if not known:
            return empty("No job yet", "Start a run on the page Market."), [], True
        try:
            job = jobs.job(chosen) if chosen else known[0]
        except InputError as error:
            return failure(error), _job_options(context), True
        return job_view(context, job), _job_options(context), all(job.is_over for job in known)

    @app.callback(
        Output("training-answer", "children"),
        Output("training-clock", "disabled", allow_duplicate=True),
        Input("training-cancel", "n_clicks"),
        State("training-job", "value"),
        prevent_initial_call=True,
    )
    def cancel(_: int, chosen: str | None) -> Any:
        known = context.jobs.jobs()
        if known:
            context.jobs.cancel(chosen or known[0].job_id)
        return None, False

    @app.callback(
        Output("training-answer", "children", allow_duplicate=True),
        Output("training-job", "value"),
        Output("training-clock", "disabled", allow_duplicate=True),
        Input("training-again", "n_clicks"),
        State("training-job", "value"),
        prevent_initial_call=True,
    )
    def again(_: int, chosen: str | None) -> Any:
        known = context.jobs.jobs()
        if not known:
            return empty("No job yet", "Start a run on the page Market."), dash.no_update, dash.no_update
        try:
            return None, context.jobs.restart(chosen or known[0].job_id), False
        except InputError as error:
            return failure(error), dash.no_update, False

    training_circuit.register(app, context)
    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfJob"),
        Output("addressed", "data", allow_duplicate=True),
        Input("training-job", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/training", "Training", "Jobs, curves, the circuit", layout, register, needs_run=False)
