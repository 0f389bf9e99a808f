"""Market: a price file as it is, what was cleaned, and a new run from it."""

import base64
import binascii
import re
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards.context import Context, Page, Query
from dashboards.parts import card, empty, facts, failure, figure, options, page_header, queued, table
from qfin._files import write_whole
from qfin.exceptions import InputError
from qfin.experiments.market_view import WINDOW, MarketView, market_view, series_of
from qfin.market import KINDS, list_bundled
from qfin.reporting.numbers import count, percent
from qfin.reporting.tables import unusual_table
from qfin.viz.market import correlation_figure, drawdown_figure, returns_figure

MAX_UPLOAD_BYTES = 32 * 2**20
_ENDINGS = (".csv", ".csv.gz", ".parquet", ".xlsx")
_SHOWN_CHANGES = 100
_BOOK = "the book"
_PRESETS = (
    ("default", "Default: all models, circuit on five assets"),
    ("quick", "Quick: smaller circuit, fewer draws"),
)
_TICKER = re.compile(r"[A-Za-z0-9.^=-]{1,15}")


def layout(context: Context, run: str | None, query: Query) -> Any:
    chosen = query.get("source")
    sources = _sources(context, run)
    value = chosen if chosen in {item["value"] for item in sources} else sources[0]["value"]
    return html.Div(
        [
            page_header("Market", "Prices as they came, what was cleaned, and the days that stand out."),
            card(
                "Data",
                dmc.Group(
                    [
                        dmc.Select(
                            id="market-source",
                            label="Price file or bundled set",
                            data=sources,
                            value=value,
                            allowDeselect=False,
                            searchable=True,
                            w={"base": "100%", "sm": 420},
                        ),
                        dmc.Select(
                            id="market-kind",
                            label="Kind",
                            data=options((k, k) for k in KINDS),
                            value=query.get("kind"),
                            placeholder="prices",
                            clearable=True,
                            w={"base": "100%", "sm": 140},
                        ),
                    ],
                    align="end",
                ),
                html.Label(
                    [
                        dmc.Text("Upload a price file", size="sm", fw=500),
                        dcc.Upload(
                            html.Div("Drop it here, or click to choose", className="qfin-drop"),
                            id="market-upload",
                            accept=",".join((*_ENDINGS, ".gz")),
                            max_size=MAX_UPLOAD_BYTES,
                            multiple=False,
                        ),
                    ]
                ),
                dmc.Text(
                    "CSV, Parquet or XLSX, at most 32 MiB: a column `date` first, then one column per ticker.",
                    size="xs",
                    c="dimmed",
                ),
                html.Div(id="market-upload-answer"),
            ),
            dcc.Loading(html.Div(id="market-view"), type="dot"),
            _unusual(context, run),
            _new_run_card(),
        ]
    )


def _sources(context: Context, run: str | None) -> list[dict[str, str]]:
    of_run = [] if run is None else [(f"run:{run}", "The data of this run")]
    bundled = [(item.name, f"{item.name}: {item.title}") for item in list_bundled()]
    names = [path.name for path in sorted(context.uploads.glob("*"), reverse=True) if path.name.endswith(_ENDINGS)]
    return options([*of_run, *bundled, *((f"upload:{name}", f"Uploaded: {name}") for name in names)])


def source_path(context: Context, source: str) -> str:
    """What the reader is given for a chosen source: a bundled set, an upload or the data of a run; no other file."""
    kind, _, name = source.rpartition(":")
    if kind == "" and name in {item.name for item in list_bundled()}:
        return name
    if kind == "run":
        return str(context.run(name).record["config"]["market"]["prices"])
    if kind == "upload" and Path(name).name == name and (context.uploads / name).is_file():
        return str(context.uploads / name)
    raise InputError(f"data: expected a bundled set, an upload or the data of a run, received {source!r}")


def store_upload(context: Context, content: str, filename: str) -> str:
    """Keep an uploaded file under a name of ours and return the source that stands for it; what it holds is not run."""
    ending = next((e for e in _ENDINGS if filename.lower().endswith(e)), None)
    if ending is None:
        raise InputError(f"upload: expected a file ending in {', '.join(_ENDINGS)}, received {filename!r}")
    try:
        body = base64.b64decode(content.partition(",")[2], validate=True)
    except binascii.Error:
        raise InputError("upload: expected a whole file, received one that was cut") from None
    if not 0 < len(body) <= MAX_UPLOAD_BYTES:
        raise InputError(f"upload: expected at most {MAX_UPLOAD_BYTES:,} bytes, received {len(body):,}")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", filename[: -len(ending)]).strip("-")[:40] or "prices"
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}-{stem}{ending}"
    context.uploads.mkdir(parents=True, exist_ok=True)
    path = write_whole(context.uploads / name, lambda partial: partial.write_bytes(body))
    try:
        market_view(str(path))
    except InputError as error:
        path.unlink()
        # The reader names our copy; its owner knows the file by another name.
        raise InputError(str(error).replace(str(path), filename)) from None
    return f"upload:{name}"


@lru_cache(maxsize=4)
def _view(source: str, kind: str | None) -> MarketView:
    return market_view(source, kind)


def _shown(view: MarketView, asset: str | None) -> list[Any]:
    changes = [
        [c["date"] or "all days", c["asset"] or "all assets", c["what"], c["before"], c["after"]] for c in view.changes
    ]
    note = "" if len(changes) <= _SHOWN_CHANGES else f"The first {_SHOWN_CHANGES} of {len(changes)}."
    return [
        facts(
            [
                ("Assets", count(len(view.assets)), ""),
                ("Days", count(len(view.dates)), f"{view.dates[0]} to {view.dates[-1]}"),
                ("Worst drawdown", percent(float(view.book_drawdown.min()), 1), "of equal weights, rebalanced daily"),
                ("Cleaned", count(len(view.changes)), f"changes; {len(view.warnings)} suspect places left as they are"),
            ]
        ),
        card(
            "Returns and drawdown",
            dmc.Select(
                id="market-asset",
                label="Of",
                data=options([(_BOOK, "The equal-weight book"), *((asset, asset) for asset in view.assets)]),
                value=asset if asset in view.assets else _BOOK,
                allowDeselect=False,
                searchable=True,
                w={"base": "100%", "sm": 300},
            ),
            html.Div(id="market-series", **{"aria-live": "polite"}),
        ),
        card(
            "How closely the assets move together",
            figure(
                "market-correlation",
                correlation_figure(view.dates, view.correlation, window=WINDOW),
                description="Mean pairwise correlation over rolling windows",
            ),
        ),
        card(
            "Assets",
            table(
                [
                    "Asset",
                    "First",
                    "Last",
                    "Days",
                    "Gaps",
                    "Return a year",
                    "Volatility a year",
                    "Worst day",
                    "on",
                    "Worst drawdown",
                ],
                [_asset_cells(row) for row in view.rows],
                name="assets",
            ),
        ),
        card(
            "What was cleaned",
            table(["Day", "Asset", "What", "Before", "After"], changes[:_SHOWN_CHANGES], name="changes")
            if changes
            else dmc.Text("Nothing had to be changed.", size="sm"),
            note=note,
        ),
        card(
            "Suspect and left as it is",
            dmc.List([dmc.ListItem(text) for text in view.warnings[:_SHOWN_CHANGES]], size="sm")
            if view.warnings
            else dmc.Text("Nothing.", size="sm"),
        ),
    ]


def _series(view: MarketView, asset: str) -> list[Any]:
    name = "the equal-weight book" if asset == _BOOK else asset
    dates, returns, fall = series_of(view, None if asset == _BOOK else asset)
    return [
        figure("market-returns", returns_figure(dates, returns), description=f"Return by day of {name}"),
        figure("market-drawdown", drawdown_figure(dates, fall), description=f"Drawdown by day of {name}"),
    ]


def _asset_cells(row: dict[str, Any]) -> list[str]:
    if row["n"] == 0:
        return [row["asset"], *["–"] * 9]
    moves = [percent(row[key], 1) for key in ("yearly_return", "yearly_volatility", "worst_day")]
    return [
        row["asset"],
        row["first"],
        row["last"],
        count(row["n"]),
        count(row["gaps"]),
        *moves,
        row["worst_day_date"],
        percent(row["worst_drawdown"], 1),
    ]


def _unusual(context: Context, run: str | None) -> Any:
    rows = [] if run is None else unusual_table(context.run(run).record)
    if not rows:
        return html.Div()
    return card(
        "Unusual days of the run's test window",
        table(
            ["Day", "Less likely", "Book", "Most surprising moves", "Broken links"],
            [[date, *(cell.text for cell in cells)] for date, cells in rows],
            name="unusual",
        ),
        note="Least likely first, under the run's Born machine: the share of simulated days that are less likely "
        "still, and the assets and pairs that make the day unusual given all others.",
    )


def _new_run_card() -> Any:
    return card(
        "New run from this data",
        dmc.Group(
            [
                dmc.Select(
                    id="market-preset",
                    label="Preset",
                    data=options(_PRESETS),
                    value="quick",
                    allowDeselect=False,
                    w={"base": "100%", "sm": 340},
                ),
                dmc.TextInput(
                    id="market-train-end",
                    label="Last training day",
                    placeholder="2012-12-31",
                    w={"base": "100%", "sm": 160},
                ),
                dmc.Button("Start", id="market-start"),
            ],
            align="end",
        ),
        html.Div(id="market-start-answer"),
        dmc.Divider(label="or load prices first"),
        dmc.Group(
            [
                dmc.TextInput(
                    id="market-tickers",
                    label="Tickers of Yahoo Finance",
                    placeholder="SPY TLT GLD",
                    w={"base": "100%", "sm": 300},
                ),
                dmc.TextInput(id="market-from", label="From", value="2005-01-01", w={"base": "48%", "sm": 130}),
                dmc.TextInput(id="market-to", label="To", value="2020-12-31", w={"base": "48%", "sm": 130}),
                dmc.Button("Fetch", id="market-fetch", variant="default"),
            ],
            align="end",
        ),
        html.Div(id="market-fetch-answer"),
        note="It runs in the background; follow it on the page Training. Without a last training day the first two "
        "thirds are learned from.",
    )


def start_run(context: Context, source: str, kind: str | None, preset: str, train_end: str | None) -> str:
    """Queue a run and return the job's id; the data are read first, so that a wrong file is told at once."""
    path = source_path(context, source)
    if preset not in dict(_PRESETS):
        raise InputError(f"preset: expected one of {', '.join(dict(_PRESETS))}, received {preset!r}")
    if kind is not None and kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, received {kind!r}")
    if train_end and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", train_end):
        raise InputError(f"last training day: expected a date such as 2012-12-31, received {train_end!r}")
    _view(path, kind)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).name.split(".")[0])[:40]
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}-{name}"
    arguments = ["run", "--preset", preset, "--prices", path, "--out", str(context.runs / run_id), "--resume"]
    arguments += ["--kind", kind] if kind else []
    arguments += ["--train-end", train_end] if train_end else []
    return context.jobs.submit(f"Run {run_id}", arguments)


def start_fetch(context: Context, tickers: str, first: str, last: str) -> str:
    """Queue a download of adjusted closes into the uploads."""
    names = re.split(r"[\s,]+", tickers.strip())
    wrong = [name for name in names if not _TICKER.fullmatch(name)]
    if wrong:
        raise InputError(f"tickers: expected names such as SPY or BRK-B, received {wrong[0]!r}")
    for day in (first, last):
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day or ""):
            raise InputError(f"from, to: expected dates such as 2012-12-31, received {day!r}")
    context.uploads.mkdir(parents=True, exist_ok=True)
    out = context.uploads / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}-{names[0].strip('^')}.csv"
    return context.jobs.submit(
        f"Fetch {' '.join(names)}", ["fetch", *names, "--start", first, "--end", last, "--out", str(out)]
    )


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(
        Output("market-view", "children"),
        Input("market-source", "value"),
        Input("market-kind", "value"),
        State("url", "search"),
    )
    def view(source: str, kind: str | None, search: str | None) -> Any:
        try:
            asset = dict(parse_qsl((search or "").lstrip("?"))).get("asset")
            return _shown(_view(source_path(context, source), kind), asset)
        except InputError as error:
            return failure(error)

    @app.callback(
        Output("market-series", "children"),
        Input("market-asset", "value"),
        State("market-source", "value"),
        State("market-kind", "value"),
    )
    def series(asset: str, source: str, kind: str | None) -> Any:
        try:
            return _series(_view(source_path(context, source), kind), asset)
        except InputError as error:
            return failure(error)

    @app.callback(
        Output("market-upload-answer", "children"),
        Output("market-source", "data"),
        Output("market-source", "value"),
        Input("market-upload", "contents"),
        State("market-upload", "filename"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def upload(content: str, filename: str, run: str | None) -> Any:
        try:
            source = store_upload(context, content, filename)
        except InputError as error:
            return failure(error), dash.no_update, dash.no_update
        return empty("Uploaded", f"{filename} is shown below."), _sources(context, run), source

    @app.callback(
        Output("market-start-answer", "children"),
        Input("market-start", "n_clicks"),
        State("market-source", "value"),
        State("market-kind", "value"),
        State("market-preset", "value"),
        State("market-train-end", "value"),
        prevent_initial_call=True,
    )
    def start(_: int, source: str, kind: str | None, preset: str, train_end: str | None) -> Any:
        try:
            return queued(start_run(context, source, kind, preset, train_end))
        except InputError as error:
            return failure(error)

    @app.callback(
        Output("market-fetch-answer", "children"),
        Input("market-fetch", "n_clicks"),
        State("market-tickers", "value"),
        State("market-from", "value"),
        State("market-to", "value"),
        prevent_initial_call=True,
    )
    def fetch(_: int, tickers: str | None, first: str, last: str) -> Any:
        try:
            return queued(start_fetch(context, tickers or "", first, last))
        except InputError as error:
            return failure(error)

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfAsset"),
        Output("addressed", "data", allow_duplicate=True),
        Input("market-asset", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfSource"),
        Output("addressed", "data", allow_duplicate=True),
        Input("market-source", "value"),
        Input("market-kind", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/market", "Market", "Prices and their defects", layout, register, needs_run=False)
