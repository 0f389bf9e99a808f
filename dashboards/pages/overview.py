"""Overview: the runs, the models of one, who is ahead, and two runs side by side."""

from typing import Any

import dash
import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, html

from dashboards.context import Context, Page, Query
from dashboards.parts import card, empty, facts, options, page_header, table
from qfin.experiments.library import run_ids, run_rows, run_states
from qfin.reporting.numbers import count, signed
from qfin.reporting.tables import row_label, summary_table
from qfin.viz import model_style

# What to do about a run that is not finished.
_DO = {
    "queued": "Waits for its turn; see the page Training",
    "running": "At work; see the page Training",
    "failed": "Failed; its log is on the page Training",
    "cancelled": "Cancelled; start it again on the page Training",
    "interrupted": "Its process was lost; start it again on the page Training",
    "unfinished": "Go on with it: qfin run --resume --out its folder",
    "done": "Its folder has gone",
}


def layout(context: Context, run: str | None, query: Query) -> Any:
    assert run is not None
    record = context.run(run).record
    others = [i for i in run_ids(context.runs) if i != run]
    return html.Div(
        [
            page_header(record["title"], "Every model beside its classical twin, on days it has not seen."),
            _facts(record),
            card("Who is ahead", dmc.List([dmc.ListItem(sentence) for sentence in record["verdict"]], size="sm")),
            card(
                "Models",
                _models(record),
                note="Log-likelihood of the copula on the test days ± standard error, its difference to the base with "
                "a 95 % interval, and one-day risk of the equal-weight book; last row: what came.",
            ),
            card(
                "Beside another run",
                dmc.Select(
                    id="overview-other",
                    label="Other run",
                    data=options((i, i) for i in others),
                    value=query.get("other") if query.get("other") in others else None,
                    clearable=True,
                    maw=360,
                ),
                html.Div(id="overview-comparison"),
            ),
            card("All runs", _runs_grid(context), note="A click opens a finished run."),
        ]
    )


def _facts(record: dict[str, Any]) -> Any:
    market, rows = record["market"], {row["model"]: row for row in record["rows"]}
    mapping = record.get("mapping") or {}
    return facts(
        [
            ("Assets", count(len(market["assets"])), f"trained to {market['train'][1]}"),
            ("Unseen days", count(market["n_test"]), f"{market['test'][0]} to {market['test'][1]}"),
            (
                "Born machine above its base",
                signed(rows["mps"]["diff"], 3),
                f"nats a day, [{signed(rows['mps']['diff_lo'], 3)}, {signed(rows['mps']['diff_hi'], 3)}]",
            ),
            (
                "Circuit",
                f"{mapping['n_qubits']} qubits" if mapping else "–",
                f"{mapping['two_qubit_gates']} two-qubit gates, fidelity {mapping['fidelity']:.5f}" if mapping else "",
            ),
        ]
    )


def _models(record: dict[str, Any]) -> Any:
    headings, rows = summary_table(record)
    return table(headings, [[_lines(cell) for cell in row] for row in rows], name="models")


def _lines(cell: str) -> Any:
    """A cell whose second line is smaller."""
    first, _, second = cell.partition("\n")
    return [first, html.Br(), html.Small(second)] if second else first


def _runs_grid(context: Context) -> Any:
    rows = [row | {"state": "finished", "created": _when(row["created"])} for row in run_rows(context.runs)]
    states = run_states(context.runs, context.jobs.jobs())
    pending = [{"run": name, "state": state, "title": _DO[state]} for name, state in states.items()]
    number = {
        "type": "rightAligned",
        "valueFormatter": {"function": "params.value == null ? '–' : d3.format('+.3f')(params.value)"},
    }
    counted = {
        "type": "rightAligned",
        "valueFormatter": {"function": "params.value == null ? '–' : d3.format(',')(params.value)"},
    }
    columns = [
        {"field": "run", "headerName": "Run", "minWidth": 120, "flex": 3, "filter": True},
        {"field": "state", "headerName": "State", "minWidth": 100, "flex": 1},
        {
            "field": "title",
            "headerName": "What",
            "minWidth": 170,
            "flex": 4,
            "filter": True,
            "wrapText": True,
            "autoHeight": True,
        },
        {"field": "test_days", "headerName": "Unseen days", "minWidth": 90, "flex": 1} | counted,
        {"field": "ahead", "headerName": "Ahead", "minWidth": 165, "flex": 2},
        {"field": "mps_above_base", "headerName": "MPS above base", "minWidth": 100, "flex": 1} | number,
        {"field": "created", "headerName": "Made", "minWidth": 155, "flex": 1},
    ]
    return dag.AgGrid(
        id="overview-runs",
        rowData=[*pending, *(row | {"ahead": model_style(row["ahead"]).label} for row in rows)],
        columnDefs=columns,
        defaultColDef={"sortable": True, "resizable": True, "wrapHeaderText": True, "autoHeaderHeight": True},
        dashGridOptions={
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "domLayout": "autoHeight",
            "pagination": len(rows) > 20,
        },
        className="ag-theme-quartz",
    )


def _when(created: str) -> str:
    """Day and minute of an ISO time, UTC."""
    return created[:16].replace("T", " ")


def comparison(context: Context, run: str, other: str) -> Any:
    """The difference to the base and the risk of every model that both runs have."""
    records = [context.run(name).record for name in (run, other)]
    by_model = [{row["model"]: row for row in record["rows"]} for record in records]
    shared = [name for name in by_model[0] if name in by_model[1]]
    cells = []
    for name in shared:
        both = [rows[name] for rows in by_model]
        cells.append(
            [
                row_label(name, records[0]),
                *(_gain(row) for row in both),
                *(f"{100 * row['es_975']:.2f}%" if row["es_975"] is not None else "–" for row in both),
            ]
        )
    headings = ["Model", f"Above base: {run}", other, f"ES 97.5%: {run}", other]
    return table(
        headings,
        cells,
        name="comparison",
        caption="Nats a day above the own base; different test days do not compare in level.",
    )


def _gain(row: dict[str, Any]) -> str:
    if row["diff"] is None:
        return "–"
    return (
        f"{signed(row['diff'], 3)} [{signed(row['diff_lo'], 3)}, {signed(row['diff_hi'], 3)}]"
        if row["diff_lo"] is not None
        else signed(row["diff"], 3)
    )


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(Output("overview-comparison", "children"), Input("overview-other", "value"), State("run", "value"))
    def compare(other: str | None, run: str) -> Any:
        if other is None:
            return empty("No second run", "Choose one above to see both side by side.")
        return comparison(context, run, other)

    @app.callback(
        Output("run", "value", allow_duplicate=True), Input("overview-runs", "selectedRows"), prevent_initial_call=True
    )
    def open_selected(rows: list[dict[str, Any]] | None) -> Any:
        return rows[0]["run"] if rows and rows[0]["state"] == "finished" else dash.no_update

    app.clientside_callback(
        ClientsideFunction("qfin", "addressOfOther"),
        Output("addressed", "data", allow_duplicate=True),
        Input("overview-other", "value"),
        prevent_initial_call=True,
    )


PAGE = Page("/", "Overview", "Runs, and who is ahead", layout, register)
