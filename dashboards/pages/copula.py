"""Copula: how the models see two assets move together, and what binds the chain."""

from functools import lru_cache
from typing import Any

import dash
import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.parts import card, failure, figure, options, page_header, table
from qfin.exceptions import InputError
from qfin.experiments.pairs import N_DRAWS, PairView, pair_view
from qfin.reporting.figures import FigureBlock
from qfin.reporting.numbers import count, percent
from qfin.viz import model_style, pair_density_figure, tail_dependence_figure
from qfin.viz.margins import margin_figure

_OF_THE_RUN = ("dependence", "entanglement")
_TABLE_LEVELS = (0.01, 0.05)


def layout(context: Context, run: str | None, query: Query) -> Any:
    assert run is not None
    assets = context.run(run).record["market"]["assets"]
    chosen = [query.get(name) if query.get(name) in assets else None for name in ("first", "second")]
    first = chosen[0] or next(asset for asset in assets if asset != chosen[1])
    second = chosen[1] or next(asset for asset in assets if asset != first)
    blocks = context.figures(run)
    return html.Div(
        [
            page_header(
                "Copula", "Dependence apart from the margins: densities, tails and the chain that carries them."
            ),
            card(
                "Two assets",
                dmc.Group([_asset_select("first", first, assets), _asset_select("second", second, assets)]),
            ),
            dcc.Loading(html.Div(id="copula-pair", **{"aria-live": "polite"}), type="dot", delay_show=300),
            *(_figure_card(blocks[name]) for name in _OF_THE_RUN if name in blocks),
        ]
    )


def _figure_card(block: FigureBlock) -> Any:
    drawn = figure(f"copula-{block.name}", block.figure, description=block.description, narrow=block.narrow)
    return card(block.title, drawn, note=block.caption)


def _asset_select(name: str, value: str, assets: list[str]) -> Any:
    return dmc.Select(
        id=f"copula-{name}",
        label=f"{name.capitalize()} asset",
        data=options((asset, asset) for asset in assets),
        value=value,
        allowDeselect=False,
        searchable=True,
        w={"base": "100%", "xs": 220},
    )


@lru_cache(maxsize=32)
def _view(context: Context, run: str, written: int, first: str, second: str) -> PairView:
    return pair_view(context.run(run), first, second)


def _density_card(view: PairView) -> Any:
    first, second = view.assets
    corner = f"{first} falls and {second}, which moves against it, rises" if view.opposite else "both fall"
    method = (
        "exact, all other assets summed out"
        if view.exact
        else f"a kernel estimate from {count(N_DRAWS)} draws of each model, smooth by design"
    )
    wide, narrow = (
        pair_density_figure(
            view.u_test, view.grid, view.densities, assets=view.assets, opposite=view.opposite, narrow=is_narrow
        )
        for is_narrow in (False, True)
    )
    words = f"Copula density of {first} and {second} by model, test days, and one corner enlarged"
    return card(
        f"How {first} and {second} move together",
        figure("copula-density", wide, description=words, narrow=narrow),
        note="Each return is replaced by its rank u between 0 (worst) and 1 (best); 2 means twice as many days as "
        f"if the two were independent. The second view enlarges the corner where {corner}, with the test days as "
        f"points. Densities are {method}.",
    )


def _tail_card(view: PairView) -> Any:
    first, second = view.assets
    models = {name: values[:2] for name, values in view.dependence.items()}
    wide, narrow = (
        tail_dependence_figure(
            view.levels, view.dependence_test[:2], view.dependence_test[2:], models, narrow=is_narrow
        )
        for is_narrow in (False, True)
    )
    words = f"Tail dependence of {first} and {second} by level, test days and models"
    return card(
        "Does their dependence last into the tails?",
        figure("copula-tails", wide, description=words, narrow=narrow),
        table(
            ["", *(f"{side} {percent(view.levels[i], 1)}" for i in _places(view) for side in ("Worst", "Best"))],
            [
                ["Test days", *_tail_cells(view, view.dependence_test)],
                *([model_style(name).label, *_tail_cells(view, v)] for name, v in view.dependence.items()),
            ],
            name="tails",
            caption=f"How often {second} is among its worst or best days when {first} is",
        ),
        note=f"From the {count(len(view.u_test))} test days, with two standard errors, and from {count(N_DRAWS)} "
        "draws of each model.",
    )


def _margin_card(view: PairView) -> Any:
    wide, narrow = (
        margin_figure(view.quantile_levels, view.quantiles, view.observed, assets=view.assets, narrow=is_narrow)
        for is_narrow in (False, True)
    )
    words = f"Quantiles of {' and of '.join(view.assets)}: days against the fitted margin"
    return card(
        "Margins",
        figure("copula-margins", wide, description=words, narrow=narrow),
        note="Every model of the run has the same margins: an empirical body with Pareto tails, fitted to the "
        "training days. Points below the line on the left: the test days fell deeper than that.",
    )


def _tail_cells(view: PairView, values: Any) -> list[str]:
    return [percent(values[side, place], 1) for place in _places(view) for side in (0, 1)]


def _places(view: PairView) -> list[int]:
    """Of the levels nearest to those of the table."""
    return [int(np.argmin(np.abs(view.levels - q))) for q in _TABLE_LEVELS]


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("copula-pair", "children"),
        Input("copula-first", "value"),
        Input("copula-second", "value"),
        State("run", "value"),
    )
    def look(first: str, second: str, run: str) -> Any:
        try:
            written = context.run(run).written
            view = _view(context, run, written, first, second)
        except InputError as error:
            return failure(error)
        return html.Div(
            [_density_card(view), _tail_card(view), _margin_card(view)], **{"data-pair": f"{first} {second}"}
        )

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfPair"),
        Output("addressed", "data", allow_duplicate=True),
        Input("copula-first", "value"),
        Input("copula-second", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/copula", "Copula", "Who moves with whom", layout, register)
