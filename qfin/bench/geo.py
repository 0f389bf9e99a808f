"""Generator-enhanced optimisation beside its rivals, at equal numbers of unique calls.

`orlib`: the frontier of Chang et al. (2000) on OR-Library's five markets, 50 λ, against proven optima. Solvers may use
gradient and relaxation; neighbouring λ may share what they found. `budget`: fixed small budgets from random seeds, one
λ at a time, where every solver sees values only. `generator`: what stands in the loop's generator, all else equal.
"""

import csv
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import BoolArray, FloatArray
from qfin.bench.geo_runs import Comparison, RunStore, Say, compare, comparison_rows
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError
from qfin.geo.controls import ProductGenerator
from qfin.geo.guide import relaxed_support
from qfin.geo.loop import GEOLoop
from qfin.geo.rivals.annealing import SimulatedAnnealing
from qfin.geo.rivals.genetic import GeneticSearch
from qfin.geo.rivals.swap import SwapDescent
from qfin.geo.rivals.tabu import TabuSearch
from qfin.geo.solver import Solver, run_solver
from qfin.portfolio import Budget, Evaluator, PortfolioProblem, frontier_errors, read_frontier

INSTANCES = ("port1", "port2", "port3", "port4", "port5")
BUDGETS = (100, 300, 1000, 3000)
# A gap this small, relative to the optimum, is the optimum: the proof itself leaves as much.
_AT_OPTIMUM = 1e-6
_LARGEST_SWEEP = 20_000
# Calls without a better value after which the sweep goes on to the next λ, and supports that it hands on.
_PATIENCE, _HANDED_ON = 24, 4


@dataclass(frozen=True)
class Optimum:
    """A proven optimum: λ, value and the gap that the proof leaves."""

    risk_weight: float
    value: float
    gap: float


def read_optima(folder: Path, instance: str) -> list[Optimum]:
    """The reference optima of one instance, λ ascending."""
    path = folder / "ccef_lambda_K10.csv"
    try:
        with path.open(encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["instance"] == instance]
    except OSError as error:
        raise InputError(f"{path}: expected the reference optima, received: {error.strerror}") from None
    if not rows:
        raise InputError(f"{path}: expected optima of {instance}, received none")
    return [Optimum(float(row["lambda"]), float(row["objective"]), float(row["gap"])) for row in rows]


def orlib_problem(folder: Path, instance: str, risk_weight: float) -> PortfolioProblem:
    return PortfolioProblem.from_orlib(folder / f"{instance}.txt", risk_weight=risk_weight)


# ---- the frontier -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SweepPoint:
    """What one λ of a sweep came to."""

    weights: FloatArray
    value: float
    n_calls: int
    n_calls_to_best: int
    found_by: str


def sweep_geo(
    problems: Iterable[PortfolioProblem], rng: np.random.Generator, *, guided: float = 0.75
) -> list[SweepPoint]:
    """GEO along λ: seeds are the names of the relaxation and the best supports of the λ before."""
    points: list[SweepPoint] = []
    handed: list[BoolArray] = []
    for problem in problems:
        seeds = np.unique(np.array([relaxed_support(problem), *handed]), axis=0)
        solver = GEOLoop(
            SymmetricMPS(problem.cardinality, 2, n_sweeps=1),
            seeds=seeds,
            n_seeds=len(seeds),
            batch=8,
            guided=guided,
            oversampling=10,
        )
        evaluator = Evaluator(problem, Budget(_LARGEST_SWEEP))
        found = ["seeds"]
        run_solver(
            solver,
            evaluator,
            rng,
            patience=_PATIENCE,
            on_step=lambda info: found.append(info.found_by) if info.found_by else None,  # noqa: B023
        )
        supports, values = evaluator.pool()
        handed = list(supports[np.argsort(values, kind="stable")[:_HANDED_ON]])
        points.append(_sweep_point(evaluator, found[-1]))
    return points


def sweep_relaxation(problems: Iterable[PortfolioProblem], rng: np.random.Generator) -> list[SweepPoint]:
    """Each λ alone: the names of the relaxation, then steepest exchanges until none is better."""
    points = []
    for problem in problems:
        evaluator = Evaluator(problem, Budget(_LARGEST_SWEEP))
        start = relaxed_support(problem)[None]
        run_solver(SwapDescent(start, steepest=True, restart=False), evaluator, rng)
        points.append(_sweep_point(evaluator, "swap"))
    return points


def _sweep_point(evaluator: Evaluator, found_by: str) -> SweepPoint:
    support, value = evaluator.best
    weights = evaluator.solution(support).weights[0]
    return SweepPoint(weights, value, evaluator.n_calls, int(evaluator.history[0][-1]), found_by)


SWEEPS: dict[str, Callable[..., list[SweepPoint]]] = {
    "geo": sweep_geo,
    "geo without guide": lambda problems, rng: sweep_geo(problems, rng, guided=0.0),
    "relaxation + swap": sweep_relaxation,
}


def bench_orlib(
    folder: Path, *, instances: Sequence[str] = INSTANCES, every: int = 1, seed: int = 0, say: Say = lambda text: None
) -> dict[str, Any]:
    """Rows per instance and solver: λ at the optimum, largest gap, calls a λ, Chang's error measures."""
    rows: list[dict[str, Any]] = []
    for instance in instances:
        optima = read_optima(folder, instance)[::every]
        frontier = read_frontier(folder / f"portef{instance.removeprefix('port')}.txt")
        problems = [orlib_problem(folder, instance, optimum.risk_weight) for optimum in optima]
        for name, sweep in SWEEPS.items():
            say(f"{instance}: {name}")
            started = time.perf_counter()
            points = sweep(problems, stream(seed, "bench geo", "orlib", instance, name))
            seconds = time.perf_counter() - started
            rows.append(
                _orlib_row(instance, name, points, optima, seconds) | error_measures(points, problems, frontier)
            )
        say(f"{instance}: geo, 51 λ")
        tables = [orlib_problem(folder, instance, place / 50) for place in range(51)]
        points = sweep_geo(tables, stream(seed, "bench geo", "orlib", instance, "51"))
        rows.append(_row_of_tables(instance, points) | error_measures(points, tables, frontier))
    return {"task": "orlib", "every": every, "seed": seed, "rows": rows}


def _orlib_row(
    instance: str, solver: str, points: list[SweepPoint], optima: list[Optimum], seconds: float
) -> dict[str, Any]:
    gaps = np.array([relative_gap(point.value, optimum) for point, optimum in zip(points, optima, strict=True)])
    sources = [point.found_by for point in points]
    return {
        "task": "orlib",
        "instance": instance,
        "solver": solver,
        "budget": None,
        "value": int((gaps <= _AT_OPTIMUM).sum()),
        "value_lo": None,
        "value_hi": None,
        "gap": float(gaps.max()),
        "unique_calls": float(np.mean([point.n_calls for point in points])),
        "wall_s": seconds,
        "p_value": None,
        "calls_to_best": float(np.mean([point.n_calls_to_best for point in points])),
        "found_by": {source: sources.count(source) for source in sorted(set(sources))},
    }


def _row_of_tables(instance: str, points: list[SweepPoint]) -> dict[str, Any]:
    """λ = 0, 0.02 … 1, the grid of the literature's tables, for its error measures: no optimum is proven there."""
    blank = dict.fromkeys(("budget", "value", "value_lo", "value_hi", "gap", "wall_s", "p_value"))
    calls = {
        "unique_calls": float(np.mean([point.n_calls for point in points])),
        "calls_to_best": float(np.mean([point.n_calls_to_best for point in points])),
    }
    return {"task": "orlib", "instance": instance, "solver": "geo, 51 λ"} | blank | calls


def relative_gap(value: float, optimum: Optimum) -> float:
    """How far above the optimum, relative to it; what lies within the proof's own gap is none."""
    above = value - optimum.value
    return 0.0 if abs(above) <= optimum.gap + 1e-12 else above / abs(optimum.value)


def error_measures(
    points: list[SweepPoint], problems: list[PortfolioProblem], frontier: tuple[FloatArray, FloatArray]
) -> dict[str, float]:
    """The errors of the literature, in percent, against the frontier without a limit on the number held."""
    objective: Any = problems[0].objective
    weights = np.array([point.weights for point in points])
    variances = np.einsum("bi,ij,bj->b", weights, objective.covariance, weights, optimize=True)
    errors = frontier_errors(weights @ objective.mean, variances, frontier)
    return {
        "mean_error": errors.mean,
        "median_error": errors.median,
        "variance_error": errors.variance_error,
        "return_error": errors.return_error,
    }


# ---- fixed budgets ------------------------------------------------------------------------------------------------


def budget_solvers(problem: PortfolioProblem) -> dict[str, Solver]:
    """The loop and rivals that see values only; `umda` is the loop's frame with truncation, no moves and no screen."""
    counts = problem.cardinality
    return {
        "geo": GEOLoop(SymmetricMPS(counts, 2, n_sweeps=1)),
        "annealing": SimulatedAnnealing(),
        "genetic": GeneticSearch(),
        "tabu": TabuSearch(),
        "swap": SwapDescent(),
        "umda": GEOLoop(
            ProductGenerator(counts), n_seeds=30, batch=30, temperature=1.0, mutation=0.0, exploration=0.02, screen=None
        ),
    }


@dataclass(frozen=True)
class BudgetPlan:
    """Instances, places of λ in the list of optima, budgets and seeds of a comparison."""

    instances: tuple[str, ...] = ("port3", "port4", "port5")
    places: tuple[int, ...] = (9, 19, 29, 39, 49)
    budgets: tuple[int, ...] = BUDGETS
    n_seeds: int = 20


def bench_budget(
    folder: Path,
    plan: BudgetPlan,
    solvers: Callable[[PortfolioProblem], dict[str, Solver]] = budget_solvers,
    *,
    task: str = "budget",
    seed: int = 0,
    store: RunStore | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per instance, budget and solver: gap to the optimum, mean over places and seeds with its 95 % interval."""
    rows: list[dict[str, Any]] = []
    kept = RunStore() if store is None else store
    for instance in plan.instances:
        optima = [read_optima(folder, instance)[place] for place in plan.places]
        problems = [
            (f"{instance} {place}", orlib_problem(folder, instance, optimum.risk_weight))
            for place, optimum in zip(plan.places, optima, strict=True)
        ]

        def rng_of(place: int, number: int, optima: list[Optimum] = optima) -> np.random.Generator:
            return stream(seed, "bench geo", "budget", str(number), str(optima[place].risk_weight))

        found = compare(problems, solvers, (plan.budgets, plan.n_seeds), rng_of, kept, say)
        names = list(solvers(problems[0][1]))
        gaps = np.mean([_gaps(found, place, optimum) for place, optimum in enumerate(optima)], axis=0)
        rows += comparison_rows(task, instance, names, plan.budgets, found, gaps)
    return {"task": task, "seed": seed, "n_seeds": plan.n_seeds, "places": list(plan.places), "rows": rows}


def _gaps(found: Comparison, place: int, optimum: Optimum) -> FloatArray:
    both = np.stack([found.values[place], found.same_time[place]])
    return np.asarray(np.vectorize(lambda value: relative_gap(value, optimum))(both), dtype=np.float64)
