"""`qfin quality`: stylised facts and two-sample tests of a model's draws."""

from pathlib import Path
from typing import Annotated

import typer

from qfin.cli.commands import JsonOption, SeedOption
from qfin.cli.output import Output


def quality(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    model: Annotated[
        str,
        typer.Option(help="A model of the run, its days independent; or one of `qfin paths`: garch, fhs, …"),
    ] = "mps",
    train: Annotated[bool, typer.Option("--train", help="Against the training days instead of the test days.")] = False,
    paths: Annotated[int, typer.Option(help="Paths of 250 days to draw.", min=10)] = 200,
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Draws against history, figure by figure, beside the difference between two halves of history."""
    output = Output(json)
    from qfin.experiments import RunFolder
    from qfin.experiments.quality import quality_of_model

    folder = RunFolder.open(run)
    chosen = folder.record["seed"] if seed is None else seed
    with output.status(f"Drawing from {model} and comparing"):
        content = quality_of_model(folder, model, on_train=train, n_paths=paths, seed=chosen)
    output.say(
        f"{model}: {paths} paths of {content['horizon']} days against {content['n_history']} {content['days']} days, "
        f"{content['first']} to {content['last']}"
    )
    output.table(
        "Distance to history; the floor is that between its first and second half",
        [
            {
                "figure": row["metric"],
                "history": _number(row["history"]),
                "model": _number(row["model"]),
                "distance": _number(row["distance"]),
                "floor": _number(row["floor"]),
                "times the floor": "–" if row["ratio"] is None else f"{row['ratio']:.1f}",
            }
            for row in content["rows"]
        ],
    )
    output.json(content)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
