"""Copula: how the models see two assets move together, and what binds the chain."""

from typing import Any

import dash
from dash import html

from dashboards.context import Context, Page, Query
from dashboards.parts import card, figure, page_header
from qfin.reporting.figures import mapping_figures, result_figures

_OF_THE_RUN = ("density", "tail", "tail-dependence", "entanglement")


def layout(context: Context, run: str | None, query: Query) -> Any:
    assert run is not None
    folder = context.run(run)
    blocks = [*result_figures(folder), *mapping_figures(folder.record)]
    chosen = [block for name in _OF_THE_RUN for block in blocks if block.name == name]
    return html.Div(
        [
            page_header(
                "Copula", "Dependence apart from the margins: densities, tails and the chain that carries them."
            ),
            *(
                card(
                    block.title,
                    figure(f"copula-{block.name}", block.figure, description=block.description),
                    note=block.caption,
                )
                for block in chosen
            ),
        ]
    )


def register(app: dash.Dash, context: Context) -> None:
    pass


PAGE = Page("/copula", "Copula", "Who moves with whom", layout, register)
