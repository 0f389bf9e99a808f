"""`qfin bench geo`: generator-enhanced optimisation beside its rivals at equal numbers of unique calls."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.bench_quantum import whole_numbers
from qfin.cli.commands import JsonOption
from qfin.cli.output import Output
from qfin.exceptions import InputError


class Task(StrEnum):
    """What is compared."""

    orlib = "orlib"
    budget = "budget"
    generator = "generator"
    scenarios = "scenarios"


_SHOWN = {
    "orlib": [
        "instance", "solver", "value", "gap", "unique_calls", "calls_to_best", "wall_s",
        "mean_error", "median_error", "variance_error", "return_error",
    ],
    "budget": ["instance", "solver", "budget", "value", "value_lo", "value_hi", "gap", "wall_s", "p_value"],
}  # fmt: skip
_TITLES = {
    "orlib": "Frontier of ten names: λ at the proven optimum, largest relative gap, calls a λ, errors in %",
    "budget": "Relative gap to the proven optimum: mean, 95 % interval, median over seeds",
}


def geo(
    task: Annotated[Task, typer.Option(help="The frontier, few calls, the generators, or what no programme takes.")],
    data: Annotated[Path, typer.Option(help="Folder of the OR-Library files and optima; a price file for scenarios.")],
    instances: Annotated[str | None, typer.Option(help="Names, comma-separated: port1 to port5.")] = None,
    budgets: Annotated[
        str, typer.Option(help="Unique calls, comma-separated (budget, generator).")
    ] = "100,300,1000,3000",
    seeds: Annotated[int, typer.Option(help="Runs of each solver (budget, generator).", min=2)] = 20,
    every: Annotated[int, typer.Option(help="Every how many of the 50 λ (orlib).", min=1)] = 1,
    places: Annotated[str, typer.Option(help="Which of the 50 λ (budget, generator).")] = "9,19,29,39,49",
    objectives: Annotated[
        str, typer.Option(help="var, drawdown, crash, lots (scenarios).")
    ] = "var,drawdown,crash,lots",
    assets: Annotated[int, typer.Option(help="Names, evenly from the file (scenarios).", min=4)] = 100,
    cardinality: Annotated[int, typer.Option(help="Names held (scenarios).", min=2)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 7,
    json: JsonOption = None,
) -> None:
    """Portfolios of few names: the loop beside relaxation, swap, annealing, genetic and tabu search, and controls."""
    output = Output(json)
    if task is Task.scenarios:
        _scenarios(output, data, (assets, cardinality), objectives, (whole_numbers(budgets, "--budgets"), seeds), seed)
        return
    from qfin.bench.geo import INSTANCES, BudgetPlan, bench_budget, bench_orlib, budget_solvers, generator_solvers

    chosen = _instances(instances, INSTANCES if task is Task.orlib else BudgetPlan().instances)
    result: dict[str, Any]
    if task is Task.orlib:
        result = bench_orlib(data, instances=chosen, every=every, seed=seed, say=output.note)
    else:
        points = whole_numbers(places, "--places")
        if not all(0 <= place < 50 for place in points):
            raise InputError(f"--places: expected numbers from 0 to 49, received {places!r}")
        plan = BudgetPlan(chosen, points, whole_numbers(budgets, "--budgets"), seeds)
        solvers = budget_solvers if task is Task.budget else generator_solvers
        result = bench_budget(data, plan, solvers, seed=seed, say=output.note)
    kind = "orlib" if task is Task.orlib else "budget"
    output.table(_TITLES[kind], [{key: row[key] for key in _SHOWN[kind]} for row in result["rows"]])
    output.json(result)


def _scenarios(
    output: Output, data: Path, sizes: tuple[int, int], objectives: str, runs: tuple[tuple[int, ...], int], seed: int
) -> None:
    import numpy as np

    from qfin.bench.geo_scenarios import bench_scenarios
    from qfin.market.bundled import load_panel

    days, _ = load_panel(data).complete()
    n_assets, n_held = sizes
    if not n_held < n_assets <= days.shape[1]:
        expected = f"--cardinality below --assets, and at most {days.shape[1]} assets"
        raise InputError(f"--assets: expected {expected}, received {n_held} of {n_assets}")
    returns = days.to_numpy()[:, np.linspace(0, days.shape[1] - 1, n_assets).astype(int)]
    output.note(f"{n_assets} assets, {len(returns)} days")
    names = tuple(name.strip() for name in objectives.split(","))
    result = bench_scenarios(returns, n_held, names, runs, seed=seed, say=output.note)
    title = "Best value: mean, 95 % interval over seeds; gap to the best that any solver found"
    output.table(title, [{key: row[key] for key in _SHOWN["budget"]} for row in result["rows"]])
    output.json(result)


def _instances(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    names = tuple(name.strip() for name in text.split(","))
    known = tuple(f"port{number}" for number in range(1, 6))
    if not set(names) <= set(known):
        raise InputError(f"--instances: expected names of {', '.join(known)}, received {text!r}")
    return names
