"""`qfin resources RUN`: what the run's circuit asks of quantum hardware."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output


def resources(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    shots: Annotated[int, typer.Option(help="Shots to take, one scenario each.", min=1)] = 10_000,
    json: JsonOption = None,
) -> None:
    """Qubits, gates, depth, fidelity and time on two devices, for this run and for 10, 50 and 500 assets."""
    output = Output(json)
    from qfin.experiments.resources import resource_rows, write_resources
    from qfin.experiments.run_folder import RunFolder

    folder = RunFolder.open(run)
    rows = resource_rows(folder, shots=shots, say=output.note)
    write_resources(folder, rows, shots)
    for device in dict.fromkeys(row["device"] for row in rows):
        of_device = [row for row in rows if row["device"] == device]
        hidden = ("device", "circuit", "shots", "note")
        shown = [{key: _plain(value) for key, value in r.items() if key not in hidden} for r in of_device]
        output.table(f"{device}, {shots:,} shots", shown)
        for note in dict.fromkeys(row["note"] for row in of_device if row["note"]):
            output.say(f"• {note}")
    output.note(f"Written: {folder.path / 'resources.json'}; `qfin report` shows it")
    output.json({"run": str(run), "shots": shots, "rows": rows})


def _plain(value: Any) -> Any:
    """Fidelities of a millionth are not zero."""
    return f"{value:.1e}" if isinstance(value, float) and 0.0 < value < 1e-3 else value
