"""`qfin bench gradient | mapping | plateau | continue`: the quantum side beside its peers and its classical twins."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output
from qfin.exceptions import InputError

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

    result = bench_gradient(whole_numbers(qubits, "--qubits"), limit_s=limit_s, seed=seed, say=output.note)
    output.table("Gradient of KL through SU(4) brickwork, seconds a step", result["rows"])
    output.table("qfin against the least work at the rates of this machine", result["bounds"])
    _note_skipped(output, result["skipped"])
    output.json(result)


def mapping(
    qubits: Annotated[str, typer.Option(help="Sizes, comma-separated.")] = "12,20,40",
    layers: Annotated[str, typer.Option(help="Layer counts, comma-separated.")] = "1,2,4,8",
    limit_s: LimitOption = 480.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Matrix product states to circuits beside mps-to-circuit and aqc-tensor, each installed for the moment."""
    output = Output(json)
    from qfin.bench.mapping import bench_mapping

    sizes, counts = whole_numbers(qubits, "--qubits"), whole_numbers(layers, "--layers")
    result = bench_mapping(sizes, layers=counts, limit_s=limit_s, seed=seed, say=output.note)
    output.table("Fidelity at equal two-qubit gates", result["rows"])
    _note_skipped(output, result["skipped"])
    output.json(result)


def plateau(
    qubits: Annotated[str, typer.Option(help="Even sizes, comma-separated.")] = "4,6,8,10,12,14,16,18",
    seeds: Annotated[int, typer.Option(help="Books of assets at each size.", min=1)] = 4,
    figure: Annotated[Path | None, typer.Option(help="HTML file for the figure.")] = None,
    limit_s: LimitOption = 480.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Variance of the gradient against qubits for each start and loss, with fitted decay rates."""
    output = Output(json)
    from qfin.bench.plateau import bench_plateau, write_figure

    sizes = whole_numbers(qubits, "--qubits")
    result = bench_plateau(sizes, n_seeds=seeds, limit_s=limit_s, seed=seed, say=output.note)
    output.table("Decay of the gradient's variance: exp(−rate · qubits) and qubits^(−power)", result["rates"])
    _note_skipped(output, result["skipped"])
    if figure is not None:
        output.note(f"Figure: {write_figure(result['rows'], figure)}")
    output.json(result)


def continue_training(
    panels: Annotated[
        str | None, typer.Option(help="Bundled sets or price files, comma-separated; five panels by default.")
    ] = None,
    assets: Annotated[int, typer.Option(help="Assets of a panel, from the start of its chain.", min=3, max=8)] = 6,
    seeds: Annotated[int, typer.Option(help="Fits of every model.", min=2)] = 10,
    limit_s: LimitOption = 480.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Chain, circuit mapped and circuit trained on, beside equal parameters and other starts, on unseen days."""
    output = Output(json)
    from qfin.bench.continuation import DEFAULT_PANELS, bench_continue, latent_panel, panel_choices

    choices = DEFAULT_PANELS if panels is None else panel_choices([name.strip() for name in panels.split(",")])
    chosen = [latent_panel(choice, assets) for choice in choices]
    result = bench_continue(chosen, n_seeds=seeds, limit_s=limit_s, seed=seed, say=output.note)
    output.table("Nats a day on unseen days, mean over seeds", result["rows"])
    output.table("Paired differences, nats a day", result["comparisons"])
    output.json(result)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers of a comma-separated option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option}: expected whole numbers separated by commas, received {text!r}") from None


def _note_skipped(output: Output, skipped: list[dict[str, Any]]) -> None:
    for item in skipped:
        output.note("left out: " + ", ".join(str(value) for value in item.values()))
