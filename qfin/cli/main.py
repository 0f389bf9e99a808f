"""The `qfin` command: exit code 0 for success, 2 for wrong input (one sentence), 1 for anything else."""

import sys
import traceback

import typer

from qfin.cli import (
    backtest,
    bench,
    bench_dashboard,
    bench_geo,
    bench_quantum,
    bench_risk,
    bench_tails,
    commands,
    crash,
    dashboard,
    geo,
    paths,
    quality,
    resources,
    strategy,
    stress,
)
from qfin.exceptions import InputError, QfinError

app = typer.Typer(
    name="qfin",
    help="Financial scenarios from Born machines, each beside its classical twin, judged on days it has not seen.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(commands.run)
app.command("fetch")(commands.fetch)
app.command("sample")(commands.sample)
app.command("report")(commands.report)
app.command("stress")(stress.stress)
app.command("resources")(resources.resources)
app.command("crash")(crash.crash)
app.command("paths")(paths.paths)
app.command("quality")(quality.quality)
app.command("strategy")(strategy.strategy)
app.command("backtest")(backtest.backtest)
app.command("geo")(geo.geo)
app.command("dashboard")(dashboard.dashboard)
data = typer.Typer(help="Bundled data sets.", no_args_is_help=True, rich_markup_mode=None)
data.command("list")(commands.data_list)
data.command("describe")(commands.data_describe)
app.add_typer(data, name="data")
benches = typer.Typer(help="Models and engines beside their peers.", no_args_is_help=True, rich_markup_mode=None)
benches.command("copula")(bench.copula)
benches.command("conditioning")(stress.bench_conditioning)
benches.command("gradient")(bench_quantum.gradient)
benches.command("mapping")(bench_quantum.mapping)
benches.command("plateau")(bench_quantum.plateau)
benches.command("continue")(bench_quantum.continue_training)
benches.command("optimisers")(bench_quantum.optimisers)
benches.command("geo")(bench_geo.geo)
benches.command("dashboard")(bench_dashboard.dashboard)
benches.command("tests")(bench_risk.risk_tests)
benches.command("tails")(bench_tails.tails)
benches.command("grid")(bench_quantum.grid)
benches.command("amplitude")(bench_quantum.amplitude)
app.add_typer(benches, name="bench")


def main() -> None:
    """Run the command line; every ending has its exit code."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except QfinError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted; `qfin run --resume` goes on with an unfinished run", 1)
    except BrokenPipeError:
        sys.exit(1)
    except Exception:  # a defect of ours: the trace is what a report of it needs
        traceback.print_exc()
        _fail("an unexpected error, please report it with the lines above", 1)


def _fail(message: str, code: int) -> None:
    print(f"qfin: {message}", file=sys.stderr)
    sys.exit(code)
