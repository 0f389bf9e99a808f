"""`qfin bench geo`: generator-enhanced optimisation beside its rivals at equal numbers of unique calls."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qfin.cli.bench_quantum import whole_numbers
from qfin.cli.commands import JsonOption
from qfin.cli.output import Output
from qfin.exceptions import InputError

if TYPE_CHECKING:
    from qfin._types import FloatArray


class Task(StrEnum):
    """What is compared."""

    orlib = "orlib"
    budget = "budget"
    generator = "generator"
    circuit = "circuit"
    scenarios = "scenarios"
    booster = "booster"
    exact = "exact"
    qaoa = "qaoa"


_ON_LIBRARY = (Task.orlib, Task.budget, Task.generator, Task.circuit)
_SHOWN = {
    "orlib": [
        "instance", "solver", "value", "gap", "unique_calls", "calls_to_best", "wall_s",
        "mean_error", "median_error", "variance_error", "return_error",
    ],
    "budget": [
        "instance", "solver", "budget", "value", "value_lo", "value_hi", "gap", "p_value", "wall_s",
        "same_time", "same_time_p", "same_time_ended",
    ],
    "booster": ["instance", "solver", "budget", "value", "value_lo", "value_hi", "gap", "wall_s", "p_value"],
    "qaoa": ["solver", "value", "value_lo", "value_hi", "at_optimum", "unique_calls", "wall_s", "p_value"],
    "exact": ["instance", "solver", "budget", "value", "value_lo", "value_hi", "bound", "gap", "wall_s", "proven"],
}  # fmt: skip
_TITLES = {
    "orlib": "Frontier of ten names: λ at the proven optimum, largest relative gap, calls a λ, errors in %",
    "budget": "Relative gap to the proven optimum: mean, 95 % interval, median; mean in GEO's seconds",
    "scenarios": "Best value: mean, 95 % interval; gap to the best found by any; mean in GEO's seconds",
    "booster": "Best value: mean, 95 % interval over seeds; gap to the best that any found",
    "qaoa": "Gap to the enumerated optimum, as a share of the range of values: mean, 95 % interval over seeds",
    "exact": "Best value: median, least and largest over seeds; proven lower bound and relative gap to it",
}


def geo(
    task: Annotated[
        Task, typer.Option(help="The frontier, few calls, the generators, or objectives beyond mean and variance.")
    ],
    data: Annotated[
        Path,
        typer.Option(help="OR-Library folder with optima; for scenarios, booster, exact prices or an `indtrack` file."),
    ],
    instances: Annotated[str | None, typer.Option(help="Names, comma-separated: port1 to port5.")] = None,
    budgets: Annotated[
        str, typer.Option(help="Unique calls, comma-separated (budget, generator, circuit).")
    ] = "100,300,1000,3000",
    seeds: Annotated[int, typer.Option(help="Runs of each solver (budget, generator, circuit).", min=2)] = 20,
    every: Annotated[int, typer.Option(help="Every how many of the 50 λ (orlib).", min=1)] = 1,
    places: Annotated[str, typer.Option(help="Which of the 50 λ (budget, generator).")] = "9,19,29,39,49",
    objectives: Annotated[
        str | None,
        typer.Option(help="var, drawdown, crash, lots (scenarios); variance, shortfall (booster, exact); default all."),
    ] = None,
    assets: Annotated[int, typer.Option(help="Names, evenly from the file (scenarios, booster, exact).", min=4)] = 100,
    cardinality: Annotated[int, typer.Option(help="Names held (scenarios, booster, exact).", min=2)] = 10,
    paths: Annotated[int, typer.Option(help="Paths of the drawdown (scenarios).", min=2)] = 1_000,
    limit_s: Annotated[float, typer.Option(help="Seconds of a mixed-integer programme (exact).", min=0.1)] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 7,
    store: Annotated[
        Path | None, typer.Option(help="File of finished runs; those in it are not run again (same data and seed).")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Portfolios of few names: the loop beside relaxation, swap, annealing, genetic and tabu search, and controls."""
    output = Output(json)
    if task not in _ON_LIBRARY:
        runs = (whole_numbers(budgets, "--budgets"), seeds)
        _on_returns(output, task, data, (assets, cardinality), objectives, runs, (limit_s, paths, seed), store)
        return
    from qfin.bench.geo import INSTANCES, BudgetPlan, bench_budget, bench_orlib, budget_solvers
    from qfin.bench.geo_generators import bench_circuits, generator_solvers
    from qfin.bench.geo_runs import RunStore

    chosen = _instances(instances, INSTANCES if task is Task.orlib else BudgetPlan().instances)
    result: dict[str, Any]
    if task is Task.orlib:
        result = bench_orlib(data, instances=chosen, every=every, seed=seed, say=output.note)
    elif task is Task.circuit:
        runs = (whole_numbers(budgets, "--budgets"), seeds)
        result = bench_circuits(data, chosen, runs, seed=seed, store=RunStore(store), say=output.note)
    else:
        points = whole_numbers(places, "--places")
        if not all(0 <= place < 50 for place in points):
            raise InputError(f"--places: expected numbers from 0 to 49, received {places!r}")
        plan = BudgetPlan(chosen, points, whole_numbers(budgets, "--budgets"), seeds)
        solvers = budget_solvers if task is Task.budget else generator_solvers
        kept = RunStore(store)
        result = bench_budget(data, plan, solvers, task=task.value, seed=seed, store=kept, say=output.note)
    kind = "orlib" if task is Task.orlib else "budget"
    output.table(_TITLES[kind], [{key: row[key] for key in _SHOWN[kind]} for row in result["rows"]])
    output.json(result)


def _on_returns(
    output: Output,
    task: Task,
    data: Path,
    sizes: tuple[int, int],
    objectives: str | None,
    runs: tuple[tuple[int, ...], int],
    settings: tuple[float, int, int],
    store: Path | None,
) -> None:
    from functools import partial

    from qfin.bench.geo_booster import BOOSTED, bench_booster
    from qfin.bench.geo_exact import bench_exact
    from qfin.bench.geo_runs import RunStore
    from qfin.bench.geo_scenarios import OBJECTIVES, bench_scenarios

    limit_s, n_paths, seed = settings
    if task is Task.qaoa:
        from qfin.bench.geo_qaoa import bench_qaoa

        result = bench_qaoa(_returns(data, sizes), sizes[1], runs[1], seed=seed, say=output.note)
        output.table(_TITLES["qaoa"], [{key: row[key] for key in _SHOWN["qaoa"]} for row in result["rows"]])
        output.json(result)
        return
    bench: Any = {
        Task.scenarios: partial(bench_scenarios, n_paths=n_paths, store=RunStore(store)),
        Task.booster: partial(bench_booster, store=RunStore(store)),
        Task.exact: partial(bench_exact, limit_s=limit_s),
    }[task]
    known = tuple(OBJECTIVES if task is Task.scenarios else BOOSTED)
    names = known if objectives is None else tuple(name.strip() for name in objectives.split(","))
    returns = _returns(data, sizes)
    output.note(f"{returns.shape[1]} assets, {len(returns)} periods")
    result = bench(returns, sizes[1], names, runs, seed=seed, say=output.note)
    kind = "budget" if task is Task.scenarios else task.value
    output.table(_TITLES[task.value], [{key: row[key] for key in _SHOWN[kind]} for row in result["rows"]])
    output.json(result)


def _returns(data: Path, sizes: tuple[int, int]) -> "FloatArray":
    """Returns of evenly chosen names of a price file, or of OR-Library's `indtrack` tables."""
    import numpy as np

    if data.name.startswith("indtrack"):
        from qfin.bench.geo_booster import weekly_returns

        returns = weekly_returns(data)
    else:
        from qfin.market.bundled import load_panel

        returns = load_panel(str(data)).complete()[0].to_numpy()
    n_assets, n_held = sizes
    if not n_held < n_assets <= returns.shape[1]:
        expected = f"--cardinality below --assets, and at most {returns.shape[1]} assets"
        raise InputError(f"--assets: expected {expected}, received {n_held} of {n_assets}")
    return np.asarray(returns[:, np.linspace(0, returns.shape[1] - 1, n_assets).astype(int)])


def _instances(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    names = tuple(name.strip() for name in text.split(","))
    known = tuple(f"port{number}" for number in range(1, 6))
    if not set(names) <= set(known):
        raise InputError(f"--instances: expected names of {', '.join(known)}, received {text!r}")
    return names
