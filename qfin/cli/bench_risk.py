"""`qfin bench tests`: size and power of the risk tests."""

from typing import Annotated

import typer

from qfin.cli.bench_quantum import whole_numbers
from qfin.cli.commands import JsonOption
from qfin.cli.output import Output


def risk_tests(
    days: Annotated[str, typer.Option(help="Numbers of days, comma-separated.")] = "250,500,1000",
    repetitions: Annotated[int, typer.Option(help="Repetitions of each case.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    json: JsonOption = None,
) -> None:
    """How often each back-test rejects at 5 %, when the model is right (size) and when it is not (power)."""
    output = Output(json)
    from qfin.bench.risk_tests import bench_risk_tests, summary_rows

    result = bench_risk_tests(whole_numbers(days, "--days"), n_repetitions=repetitions, seed=seed, say=output.note)
    output.table("Rejection rates in percent at nominal 5 %", summary_rows(result["rows"]))
    output.json(result)
