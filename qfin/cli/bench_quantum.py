"""`qfin bench gradient | mapping | plateau | continue`: the quantum side beside its peers and its classical twins."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.output import Output
from qfin.exceptions import InputError

JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the figures as one JSON object; - for stdout.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of every random number.")]
LimitOption = Annotated[float, typer.Option(help="Seconds for everything; what does not fit is skipped and named.")]


def gradient(
    qubits: Annotated[str, typer.Option(help="Sizes, comma-separated.")] = "12,16,20",
    limit_s: LimitOption = 480.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Exact gradients beside PennyLane-Lightning, Qulacs and Aer, each installed for the moment (needs a network)."""
    output = Output(json)
    from qfin.bench.gradient import bench_gradient

    with output.status("Measuring"):
        result = bench_gradient(whole_numbers(qubits, "--qubits"), limit_s=limit_s, seed=seed, say=output.note)
    output.table("Gradient of KL through SU(4) brickwork, seconds a step", result["rows"])
    output.table("qfin against the least work at this machine's rates", result["bounds"])
    _show_skipped(output, result["skipped"])
    output.json(result)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers of a comma-separated option."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option}: expected whole numbers separated by commas, received {text!r}") from None
    return numbers
