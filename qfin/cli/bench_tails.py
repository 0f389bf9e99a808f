"""`qfin bench tails`: relative errors of the tail risks of strategies on generated paths."""

from typing import Annotated

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output


def tails(
    sets: Annotated[str, typer.Option(help="synthetic, us20; comma-separated.")] = "synthetic,us20",
    models: Annotated[str | None, typer.Option(help="Names, comma-separated; all by default.")] = None,
    repetitions: Annotated[int, typer.Option(help="Repetitions of 1,000 paths.", min=2)] = 16,
    train_end: Annotated[str, typer.Option(help="Last day that models of the stocks are fitted to.")] = "2010-12-31",
    test_end: Annotated[
        str | None, typer.Option(help="Last day of the stocks' windows to come; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    json: JsonOption = None,
) -> None:
    """Tail-GAN's RE(1000): VaR and ES of strategies on generated paths against those on unseen ones."""
    output = Output(json)
    from qfin.bench.tails import MODELS, bench_tails

    names = MODELS if models is None else [name.strip() for name in models.split(",")]
    chosen = [name.strip() for name in sets.split(",")]
    result = bench_tails(
        chosen,
        names,
        n_repetitions=repetitions,
        train_end=train_end,
        test_end=test_end,
        seed=seed,
        say=output.note,
    )
    shown = {"re": "RE %", "re_sd": "sd %", "re_se": "error of RE", "re_static": "portfolios %", "re_rules": "rules %"}
    output.table(
        "Relative error of VaR and ES at 5 %, 1,000 paths",
        [
            {"set": row["set"], "model": row["model"]}
            | {heading: f"{100.0 * row[key]:.2f}" for key, heading in shown.items()}
            for row in result["rows"]
        ],
    )
    output.json(result)
