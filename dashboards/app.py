"""The application: one frame with the run and the pages, and a page for every arrow."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.pages import PAGES
from dashboards.parts import empty, failure, options
from dashboards.security import Guard
from qfin.exceptions import InputError
from qfin.experiments.library import run_ids

_MAIN = "main-content"


def create_app(runs: str | Path, *, token: str | None = None) -> dash.Dash:
    """The dashboard of the runs in a folder; with a `token`, only for those who know it."""
    context = Context(Path(runs).resolve())
    app = dash.Dash(
        "dashboards",
        title="qfin",
        update_title="",
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        suppress_callback_exceptions=True,  # a page's parts exist while it is shown
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.index_string = app.index_string.replace("<html>", '<html lang="en">')
    app.layout = _frame
    _register(app, context)
    for page in PAGES:
        page.register(app, context)
    Guard(token).protect(app.server, app.csp_hashes())
    return app


def _frame() -> Any:
    header = dmc.AppShellHeader(
        dmc.Group(
            [
                dmc.Group(
                    [
                        dmc.Burger(id="burger", opened=False, hiddenFrom="sm", size="sm", **{"aria-label": "Pages"}),
                        dmc.Text("qfin", fw=700, size="lg"),
                    ],
                    gap="xs",
                ),
                dmc.Group(
                    [
                        dmc.Select(
                            id="run",
                            data=[],
                            allowDeselect=False,
                            searchable=True,
                            w={"base": 190, "sm": 320},
                            placeholder="No run yet",
                            **{"aria-label": "Run"},
                        ),
                        dmc.ColorSchemeToggle(
                            lightIcon="☀", darkIcon="☾", size="lg", variant="default", **{"aria-label": "Light or dark"}
                        ),
                    ],
                    gap="xs",
                    wrap="nowrap",
                ),
            ],
            justify="space-between",
            h="100%",
            px="md",
            wrap="nowrap",
        )
    )
    navigation = dmc.AppShellNavbar(html.Nav(id="navigation", **{"aria-label": "Pages"}), p="xs")
    shell = dmc.AppShell(
        [
            header,
            navigation,
            dmc.AppShellMain(html.Main(id=_MAIN, tabIndex="-1")),
        ],
        id="shell",
        header={"height": 56},
        navbar={"width": 200, "breakpoint": "sm", "collapsed": {"mobile": True}},
        padding="md",
    )
    return dmc.MantineProvider(
        [
            html.A("Skip to the content", href=f"#{_MAIN}", className="qfin-skip", id="skip"),
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="addressed"),  # what address callbacks write to, and nobody reads
            shell,
        ],
        defaultColorScheme="auto",
        theme={"primaryColor": "blue", "primaryShade": {"light": 8, "dark": 8}, "defaultRadius": "md"},
    )


def _register(app: dash.Dash, context: Context) -> None:
    @app.callback(Output("run", "data"), Output("run", "value"), Input("url", "search"), State("run", "value"))
    def choose_run(search: str | None, chosen: str | None) -> tuple[Any, str | None]:
        ids = run_ids(context.runs)
        asked = _query(search).get("run", chosen)
        known = asked if asked in ids else None
        return options((i, i) for i in ids), known or (ids[0] if ids else None)

    @app.callback(Output("navigation", "children"), Input("url", "pathname"), Input("run", "value"))
    def navigate(pathname: str, run: str | None) -> list[Any]:
        search = f"?run={run}" if run else ""
        return [
            dmc.NavLink(label=page.title, description=page.hint, href=page.path + search, active=page.path == pathname)
            for page in PAGES
        ]

    @app.callback(
        Output(_MAIN, "children"),
        Input("url", "pathname"),
        Input("run", "value"),
        State("url", "search"),
        State("run", "data"),
    )
    def show(pathname: str, run: str | None, search: str | None, known: list[Any]) -> Any:
        if run is None and known is None:
            return dash.no_update
        return _content(context, pathname, run, _query(search))

    app.clientside_callback(
        "function(opened) { return {width: 200, breakpoint: 'sm', collapsed: {mobile: !opened}}; }",
        Output("shell", "navbar"),
        Input("burger", "opened"),
    )
    app.clientside_callback(
        "function(pathname) { return false; }", Output("burger", "opened"), Input("url", "pathname")
    )
    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfRun"), Output("addressed", "data"), Input("run", "value")
    )


def _content(context: Context, pathname: str, run: str | None, query: Query) -> Any:
    page = next((page for page in PAGES if page.path == pathname), None)
    if page is None:
        return empty("There is no such page", "Choose one on the left.")
    if page.needs_run and run is None:
        return empty(
            "No run yet",
            f"Runs are looked for in {context.runs}. Make the first one on a terminal, or on the page Market.",
            "make run",
        )
    return page_content(page, context, run, query)


def page_content(page: Page, context: Context, run: str | None, query: Query) -> Any:
    """The page, or the sentence that says why not."""
    try:
        return page.layout(context, run, query)
    except InputError as error:
        return failure(error)


def _query(search: str | None) -> Query:
    return dict(parse_qsl((search or "").lstrip("?")))
