"""Training, second half: the circuit of the run drawn, its gradients, and what hardware would need."""

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html

from dashboards.context import Context
from dashboards.parts import card, failure, figure, queued, table
from qfin.exceptions import InputError
from qfin.experiments.circuit_view import circuit_view, gradient_rows
from qfin.reporting.resources import RESOURCE_HEADINGS, resource_table
from qfin.viz.circuit import circuit_figure, gradient_figure, start_label


def circuit_cards(context: Context, run: str) -> list[Any]:
    """Cards of a run with a circuit; none of one without."""
    folder = context.run(run)
    mapping = folder.record.get("mapping")
    if not mapping:
        return []
    circuit, full = folder.record["circuit"], mapping["full"]
    rows = [
        ["Assets", ", ".join(mapping["assets"]), "more of the head of the chain"],
        ["Qubits", str(mapping["n_qubits"]), str(full["n_qubits"])],
        ["Two-qubit gates", str(mapping["two_qubit_gates"]), str(full["two_qubit_gates"])],
        ["Fidelity of the mapping", f"{mapping['fidelity']:.5f}", f"{full['fidelity']:.5f}"],
        ["Angles trained", f"{circuit['n_params']:,}", "none: for sampling only"],
    ]
    view = circuit_view(folder)
    return [
        card(
            "The circuit",
            figure(
                "training-circuit",
                circuit_figure(view.registers, view.n_qubits, view.pairs, view.columns, view.entangling),
                description="The circuit's two-qubit gates on the qubits of every asset, in order of time",
            ),
            table(["", "Trained circuit", "Wider circuit, on Aer's MPS method"], rows, name="circuit"),
            note="A square on two wires is one two-qubit gate with its one-qubit gates; the darker, the more it "
            "entangles (0: not at all, 0.75: a swap). The last ones join distant assets.",
        ),
        card(
            "How large are the gradients?",
            dcc.Loading(html.Div(id="training-gradients", **{"aria-live": "polite"}), type="dot", delay_show=300),
            note="Variance over the fifteen angles of every gate of the derivative of the mean log-likelihood of "
            "training days, at the run's circuit and at two other settings of the same gates. Where it vanishes, "
            "training cannot move.",
        ),
        card("On quantum hardware", *_resources(context, run), note=_RESOURCES_NOTE),
    ]


_RESOURCES_NOTE = (
    "The run's own circuit, and circuits of the same structure for more assets, placed on two devices. Fidelity: "
    "the share of shots that no error touches; time: all shots, without queues. The ion trap's figures are assumed."
)


def _resources(context: Context, run: str) -> list[Any]:
    groups = resource_table(context.run(run))
    if not groups:
        return [
            dmc.Text("Not worked out for this run yet: a minute or two in the background.", size="sm"),
            dmc.Button("Work it out", id="training-resources", variant="default", w=160),
            html.Div(id="training-resources-answer"),
        ]
    return [
        table(
            list(RESOURCE_HEADINGS),
            [[row.label, *(cell.text for cell in row.cells)] for row in group.rows],
            name=f"resources {place}",
            caption=group.heading,
        )
        for place, group in enumerate(groups)
    ]


def start_resources(context: Context, run: str) -> str:
    """Queue `qfin resources` of a run and return the job's id."""
    return context.jobs.submit(f"Hardware for {run}", ["resources", str(context.run(run).path)])


def register(app: dash.Dash, context: Context) -> None:
    @app.callback(Output("training-gradients", "children"), Input("training-gradients", "id"), State("run", "value"))
    def gradients(_: str, run: str) -> Any:
        try:
            rows = gradient_rows(context.run(run))
        except InputError as error:
            return failure(error)
        cells = [
            [
                start_label(row["start"]),
                f"{row['variance']:.2e}",
                f"{min(row['by_block']):.1e}",
                f"{max(row['by_block']):.1e}",
            ]
            for row in rows
        ]
        return [
            figure(
                "training-gradient",
                gradient_figure(rows),
                description="Variance of the gradient by gate, at the run's circuit, the identity and random blocks",
            ),
            table(["", "All angles", "Smallest of a gate", "Largest of a gate"], cells, name="gradients"),
        ]

    @app.callback(
        Output("training-resources-answer", "children"),
        Input("training-resources", "n_clicks"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def resources(_: int, run: str) -> Any:
        try:
            return queued(start_resources(context, run))
        except InputError as error:
            return failure(error)
