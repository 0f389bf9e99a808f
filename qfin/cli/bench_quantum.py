"""`qfin bench gradient | mapping | plateau | continue | grid | amplitude`: the quantum side measured."""

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
    fit_s: Annotated[
        float, typer.Option(help="Processor seconds of steps for every fit that iterates.", min=1.0)
    ] = 20.0,
    limit_s: LimitOption = 3600.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Matrix product states to circuits beside mps-to-circuit and aqc-tensor, each installed for the moment."""
    output = Output(json)
    from qfin.bench.mapping import bench_mapping

    sizes, counts = whole_numbers(qubits, "--qubits"), whole_numbers(layers, "--layers")
    result = bench_mapping(sizes, layers=counts, fit_s=fit_s, limit_s=limit_s, seed=seed, say=output.note)
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
    output.table("Qubits in the Pauli strings that the kernels compare, mean", result["pauli_weights"])
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
    limit_s: LimitOption = 2400.0,
    seed: SeedOption = 7,
    keep: Annotated[Path | None, typer.Option(help="Folder of finished seeds, which are not fitted again.")] = None,
    json: JsonOption = None,
) -> None:
    """Chain, circuit mapped and circuit trained on, beside equal parameters and other starts, on unseen days."""
    output = Output(json)
    from qfin.bench.continuation import DEFAULT_PANELS, bench_continue, latent_panel, panel_choices

    choices = DEFAULT_PANELS if panels is None else panel_choices([name.strip() for name in panels.split(",")])
    chosen = [latent_panel(choice, assets) for choice in choices]
    result = bench_continue(chosen, n_seeds=seeds, limit_s=limit_s, seed=seed, keep=keep, say=output.note)
    output.table("Nats a day on unseen days, mean over seeds", result["rows"])
    output.table("Paired differences, nats a day", result["comparisons"])
    output.json(result)


def grid(
    run: Annotated[Path | None, typer.Option(help="A finished run whose circuit is measured too.")] = None,
    extra: Annotated[str, typer.Option(help="Extra qubits per asset, comma-separated.")] = "0,1,2,3",
    shots: Annotated[int, typer.Option(help="Shots of each circuit on Aer.", min=1000)] = 20_000,
    figure: Annotated[Path | None, typer.Option(help="HTML file for the figure.")] = None,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Error of decoded shots against the exact density on finer grids of the same trained state."""
    output = Output(json)
    from qfin.bench.grid import bench_grid, pure_machine, write_figure
    from qfin.experiments.resources import circuit_head
    from qfin.experiments.run_folder import RunFolder

    extras = whole_numbers(extra, "--extra")
    heads = {} if run is None else {f"run {run.name}": circuit_head(RunFolder.open(run))}
    output.note("training a state of three currencies")
    machines = {"three currencies": pure_machine(seed)} | heads
    result = bench_grid(machines, extras, shots=shots, seed=seed, say=output.note)
    output.table("Error of decoded shots against the exact density", result["rows"])
    if figure is not None:
        output.note(f"Figure: {write_figure(result['rows'], figure)}")
    output.json(result)


def amplitude(
    run: Annotated[Path | None, typer.Option(help="A finished run; three currencies by default.")] = None,
    levels: Annotated[str, typer.Option(help="Levels of the book's loss, comma-separated.")] = "0.95,0.99,0.999",
    crashes: Annotated[int, typer.Option(help="Crashes to draw.", min=1)] = 500,
    extra: Annotated[int, typer.Option(help="Extra qubits per asset.", min=0)] = 0,
    figure: Annotated[Path | None, typer.Option(help="HTML file for the figure.")] = None,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Draws and probability of a book's crashes by amplitude amplification, beside Monte Carlo at equal error."""
    output = Output(json)
    from qfin.bench.amplitude import bench_amplitude, currency_generator, write_figure
    from qfin.experiments.resources import circuit_generator, circuit_head
    from qfin.experiments.run_folder import RunFolder

    try:
        limits = tuple(float(part) for part in levels.split(","))
    except ValueError:
        raise InputError(f"--levels: expected numbers separated by commas, received {levels!r}") from None
    if run is None:
        output.note("training a state of three currencies")
        machine, generator = currency_generator(seed)
    else:
        folder = RunFolder.open(run)
        machine, generator = circuit_head(folder), circuit_generator(folder)
    result = bench_amplitude(
        machine, generator, levels=limits, n_crashes=crashes, n_extra=extra, seed=seed, say=output.note
    )
    shown = ["task", "method", "p_exact", "estimate", "oracle_calls", "preparation_calls", "mc_calls_equal_error"]
    output.table(
        "Calls, beside Monte Carlo's at equal error", [{key: row[key] for key in shown} for row in result["rows"]]
    )
    output.table("The event on the nodes and without a grid", result["levels"])
    if figure is not None:
        output.note(f"Figure: {write_figure(result['rows'], figure)}")
    output.json(result)


def optimisers(
    panel: Annotated[str | None, typer.Option(help="Bundled set or price file; six dollar pairs by default.")] = None,
    assets: Annotated[int, typer.Option(help="Assets, from the start of the chain.", min=3, max=6)] = 4,
    evaluations: Annotated[int, typer.Option(help="Losses, gradients and metrics for every optimiser.", min=20)] = 400,
    seeds: Annotated[int, typer.Option(help="Draws of held-out days, chain and noise.", min=1)] = 3,
    limit_s: LimitOption = 480.0,
    seed: SeedOption = 7,
    json: JsonOption = None,
) -> None:
    """Optimisers on the likelihood of one panel at equal evaluations, from the mapped chain and from the identity."""
    output = Output(json)
    from qfin.bench.continuation import DEFAULT_PANELS, latent_panel, panel_choices
    from qfin.bench.optimisers import bench_optimisers

    choice = DEFAULT_PANELS[2] if panel is None else panel_choices([panel])[0]
    result = bench_optimisers(
        latent_panel(choice, assets),
        n_evaluations=evaluations,
        n_seeds=seeds,
        limit_s=limit_s,
        seed=seed,
        say=output.note,
    )
    output.table("Loss on training days and nats a day on held-out days, mean over seeds", result["rows"])
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
