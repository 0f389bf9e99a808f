"""`qfin stress`, `qfin bench conditioning`: the book given an event, and how likely that is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption, SeedOption
from qfin.cli.output import Output

_SHOWN_OF_BENCH = ("probability", "spearman", "mean_a", "es_99", "n", "seconds")
_HEADINGS = {
    "var": "VaR",
    "var_before": "VaR without",
    "es": "ES",
    "es_before": "ES without",
    "q05": "5%",
    "q50": "50%",
    "q95": "95%",
    "mean_before": "mean without",
    "q05_before": "5%  ",
    "q50_before": "50%  ",
    "q95_before": "95%  ",
}


def stress(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    event: Annotated[str, typer.Option(help='Such as "JPM < -5% and (XOM < -3% or q(CVX) < 0.01)"; book is the book.')],
    out: Annotated[Path | None, typer.Option(help="File for the draws: .csv, .csv.gz, .parquet or .xlsx.")] = None,
    model: Annotated[str, typer.Option(help="mps, circuit, student_t, gaussian, …")] = "mps",
    n: Annotated[int, typer.Option(help="Days to draw given the event.")] = 20_000,
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Given an event: its probability, the book's VaR and ES, every asset's mean and quantiles, and the draws."""
    output = Output(json)
    from qfin.experiments import RunFolder, load_generator
    from qfin.experiments.stress import stress_content
    from qfin.scenarios import stress_scenarios

    folder = RunFolder.open(run)
    generator = load_generator(folder, model)
    with output.status(f"Drawing {n:,} days from {model} given the event"):
        result = stress_scenarios(generator, event, n, rng=folder.record["seed"] if seed is None else seed)
    path = None if out is None else result.scenarios.save(out)
    content = stress_content(result) | {"model": model, "file": None if path is None else str(path)}
    _show(output, content)
    output.json(content)


def _show(output: Output, content: dict[str, Any]) -> None:
    probability, error = content["probability"], content["probability_se"]
    certainty = "exact" if content["exact"] else f"standard error {error:.2g}"
    output.say(f"P(event) = {probability:.4g} a day ({certainty}), once in {1.0 / probability:,.0f} days")
    output.say(f"{content['n']:,} draws, effective sample size {content['ess']:,.0f}")
    if content["warning"] is not None:
        typer.echo(f"warning: {content['warning']}", err=True)
    output.table("Book, equal weights: loss given the event, and without it", [_shown(row) for row in content["book"]])
    output.table("Assets: return given the event, and without it", [_shown(row) for row in content["rows"]])
    if content["file"] is not None:
        output.say(f"Draws: {content['file']}")


def _shown(row: dict[str, Any]) -> dict[str, str]:
    """A row in percent, under short headings."""
    return {
        _HEADINGS.get(key, key): value if isinstance(value, str) else f"{100.0 * value:.1f}%"
        for key, value in row.items()
    }


def bench_conditioning(
    n_days: Annotated[int, typer.Option(help="Days that the models learn from.")] = 3_000,
    n: Annotated[int, typer.Option(help="Conditional draws.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    json: JsonOption = None,
) -> None:
    """Two assets below their 5 % quantiles: qfin and skfolio's vine, each beside rejection from its own model."""
    output = Output(json)
    from qfin.bench.conditioning import bench_conditioning as bench

    with output.status("Fitting and drawing"):
        result = bench(n_days=n_days, n_draws=n, seed=seed)
    output.table(
        "Given A and B below their 5 % quantiles",
        [{key: row[key] for key in ("tool", "draws", *_SHOWN_OF_BENCH)} for row in result["rows"]],
    )
    for row in result["rows"]:
        if "deviation" in row:
            off = ", ".join(f"{key} {value:.1f}" for key, value in row["deviation"].items())
            output.say(f"{row['tool']}: standard errors away from its own model: {off}")
    output.json(result)
