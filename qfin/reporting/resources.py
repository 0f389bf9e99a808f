"""The table of what the circuit asks of hardware, where `qfin resources` has left its rows in the run's folder."""

import json
from typing import Any

from qfin.exceptions import InputError
from qfin.experiments.run_folder import RunFolder
from qfin.reporting.numbers import DASH, count, percent, seconds
from qfin.reporting.tables import Cell, RowGroup, TableRow

RESOURCE_HEADINGS = ("Circuit", "Layers", "Qubits", "Two-qubit gates", "Depth", "Fidelity", "Time")


def resource_table(folder: RunFolder) -> list[RowGroup]:
    """One group per device; empty where the folder has no resources.json."""
    path = folder.path / "resources.json"
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text())["rows"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: expected JSON with rows, received: {error}") from None
    return [
        RowGroup(device, tuple(_row(row) for row in rows if row["device"] == device))
        for device in dict.fromkeys(row["device"] for row in rows)
    ]


def _row(row: dict[str, Any]) -> TableRow:
    label = f"{row['assets']} assets" + (", this run" if row["circuit"] == "this run" else "")
    fidelity = row["est_fidelity"]
    cells = (
        Cell(count(row["layers"])),
        Cell(count(row["qubits"])),
        Cell(count(row["two_qubit_gates"]), "" if row["depth"] is not None else "before placing"),
        Cell(count(row["depth"])),
        Cell(DASH if fidelity is None else _share(fidelity)),
        Cell(seconds(row["seconds"]) if row["seconds"] is not None else "too few qubits"),
    )
    return TableRow(label, cells, row["note"])


def _share(fidelity: float) -> str:
    """In percent, and as 1 in a million where percents end."""
    return percent(fidelity, 1) if fidelity >= 1e-3 else f"{fidelity:.0e}"
