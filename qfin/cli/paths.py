"""`qfin paths`: days that follow one another, from a run or from prices."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption, SeedOption
from qfin.cli.output import Output
from qfin.exceptions import InputError

_SHOWN_LEVELS = (0.95, 0.975, 0.99)


def paths(
    out: Annotated[Path, typer.Option(help="File to write: .csv, .csv.gz, .parquet or .xlsx.")],
    run: Annotated[Path | None, typer.Argument(help="A run's folder; or name --prices.")] = None,
    prices: Annotated[str | None, typer.Option(help="Price file or bundled set, used to its last day.")] = None,
    kind: Annotated[str | None, typer.Option(help="prices, levels or returns.")] = None,
    model: Annotated[
        str,
        typer.Option(help="garch, garch_vine, garch_mps, garch_circuit, fhs, bootstrap, independent; or of a run."),
    ] = "garch",
    horizon: Annotated[int, typer.Option(help="Days of a path.", min=1, max=2_500)] = 10,
    n: Annotated[int, typer.Option(help="Paths.", min=1)] = 5_000,
    calendar: Annotated[str, typer.Option(help="Of the sessions to come; a name of exchange_calendars.")] = "XNYS",
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Paths of returns from the last day on: today's volatilities and their memory, no square root of time."""
    output = Output(json)
    if (run is None) == (prices is None):
        raise InputError("paths: expected a run's folder or --prices, received both or neither")
    if kind is not None and prices is None:
        raise InputError("paths: expected --kind together with --prices, received it alone")
    from qfin.market import next_sessions

    with output.status(f"Fitting {model} and drawing {n:,} paths of {horizon} days"):
        generator, last, known_seed = _source(run, prices, kind, model)
        chosen = known_seed if seed is None else seed
        drawn = generator.sample_paths(n, horizon, rng=chosen, dates=next_sessions(last, horizon, calendar))
        path = drawn.save(out)
    rows = _book_rows(drawn)
    output.say(f"{path}: one row per path and day, {n:,} paths × {horizon} days × {len(drawn.assets)} assets")
    output.say(f"{drawn.dates[0]:%Y-%m-%d} to {drawn.dates[-1]:%Y-%m-%d}; " + _words(drawn.provenance))
    shown = [{key: f"{value:.2%}" if key != "days" else str(value) for key, value in row.items()} for row in rows]
    output.table("Book, equal weights at the start: loss after so many days", shown)
    output.json({"file": str(path), "model": model, "provenance": dict(drawn.provenance), "rows": rows})


def _source(run: Path | None, prices: str | None, kind: str | None, model: str) -> tuple[Any, Any, int]:
    """A fitted generator, the last day it knows, and the seed of its run (0 without one)."""
    from qfin.experiments.paths import fitted_path_generator, path_generator

    if run is None:
        from qfin.market import load_panel

        returns = load_panel(str(prices), kind).returns
        return fitted_path_generator(model, returns), returns.index[-1].date(), 0
    from qfin.experiments import RunFolder
    from qfin.experiments.history import run_history

    folder = RunFolder.open(run)
    return path_generator(folder, model), run_history(folder)[0].index[-1].date(), int(folder.record["seed"])


def _book_rows(drawn: Any) -> list[dict[str, Any]]:
    from qfin.risk import expected_shortfall, value_at_risk

    rows = []
    for days in sorted({1, (drawn.horizon + 1) // 2, drawn.horizon}):
        losses = drawn.total(days).losses()
        row: dict[str, Any] = {"days": days}
        for level in _SHOWN_LEVELS:
            row[f"VaR {level:.1%}"] = value_at_risk(losses, level)
            row[f"ES {level:.1%}"] = expected_shortfall(losses, level)
        rows.append(row)
    return rows


def _words(provenance: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in provenance.items())
