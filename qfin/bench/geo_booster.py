"""The loop as a booster: supports of simulated annealing as seeds, and as control annealing for the same extra calls.

(Alcazar et al., 2101.06250.) The objectives are those of a fund of many names: least variance at a target return, and
least expected shortfall. Values are those of the objective; every solver sees values only.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.bench.geo_runs import Run, RunStore, Say, mean_interval, paired_p_value
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError
from qfin.geo.loop import GEOLoop, GEOState
from qfin.geo.rivals.annealing import SimulatedAnnealing
from qfin.geo.solver import run_solver
from qfin.portfolio import Budget, Evaluator, PortfolioProblem, ScenarioLoss, read_tracking_prices

# The target is the mean return that a quarter of the names exceed.
_TARGET_SHARE = 0.75
_BOUNDS = (0.001, 1.0)


def least_variance(returns: FloatArray, n_held: int) -> PortfolioProblem:
    """Variance, with a mean of at least the upper quartile of the names' means."""
    mean = returns.mean(axis=0)
    return PortfolioProblem.from_covariance(
        mean,
        np.cov(returns, rowvar=False),
        target_return=float(np.quantile(mean, _TARGET_SHARE)),
        cardinality=(n_held, n_held),
        bounds=_BOUNDS,
    )


def least_shortfall(returns: FloatArray, n_held: int) -> PortfolioProblem:
    """95 % expected shortfall."""
    names = tuple(f"A{number:03d}" for number in range(returns.shape[1]))
    return PortfolioProblem(names, ScenarioLoss(returns, "shortfall", 0.95), (n_held, n_held), _BOUNDS)


BOOSTED: dict[str, Callable[[FloatArray, int], PortfolioProblem]] = {
    "variance": least_variance,
    "shortfall": least_shortfall,
}


def weekly_returns(path: Path) -> FloatArray:
    """Simple returns of the stocks of an `indtrack` table."""
    prices = read_tracking_prices(path).to_numpy()[:, 1:]
    return np.asarray(prices[1:] / prices[:-1] - 1.0)


def _continued(problem: PortfolioProblem, n_calls: int, number: int, seed: int) -> Run:
    """Best value and seconds of each way to spend the extra calls; those that go on share one seeding run."""

    def rng(purpose: str) -> np.random.Generator:
        return stream(seed, "bench geo", "booster", purpose, str(number))

    annealing = SimulatedAnnealing()
    # What an annealer does when it has cooled: it stays cold.
    cold = SimulatedAnnealing(hot=annealing.cold)
    loop = GEOLoop(SymmetricMPS(problem.cardinality, 2, n_sweeps=1))
    seeding = Evaluator(problem, Budget(n_calls))
    reached = run_solver(annealing, seeding, rng("seeds"))
    total = Budget(2 * n_calls)
    answers = {"seeds": [float(seeding.best[1]), 0.0]}
    for name, solver, state in (
        ("geo, boosted", loop, GEOState()),
        ("annealing, continued", cold, reached),
        ("annealing, one run", annealing, None),
        ("geo, alone", loop, None),
    ):
        evaluator = Evaluator(problem, total)
        if state is not None:
            evaluator.restore(*seeding.pool())
        started = time.perf_counter()
        run_solver(solver, evaluator, rng(name), state=state)
        answers[name] = [float(evaluator.best[1]), time.perf_counter() - started]
    return answers


def bench_booster(
    returns: FloatArray,
    n_held: int,
    objectives: tuple[str, ...],
    runs: tuple[tuple[int, ...], int],
    *,
    seed: int = 0,
    store: RunStore | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per objective, number of calls and way to spend them; p against the boosted loop.

    `runs` is (numbers of calls of the seeding run, each with as many extra calls; number of seeds).
    """
    budgets, n_seeds = runs
    kept = RunStore() if store is None else store
    unknown = set(objectives) - set(BOOSTED)
    if unknown:
        raise InputError(f"objectives: expected names of {', '.join(BOOSTED)}, received {', '.join(sorted(unknown))}")
    rows: list[dict[str, Any]] = []
    for name in objectives:
        problem = BOOSTED[name](returns, n_held)
        found: list[list[Run]] = []
        for n_calls in budgets:
            say(f"{name}: {n_calls} calls by annealing and {n_calls} more")
            made = []
            for number in range(n_seeds):
                key = (f"booster {name} {n_held} of {returns.shape[1]}", number, n_calls)
                made.append(kept(key, partial(_continued, problem, n_calls, number, seed)))
            found.append(made)
        least = min(run[0] for answers in found for ways in answers for run in ways.values())
        for n_calls, answers in zip(budgets, found, strict=True):
            rows += _rows(name, n_calls, answers, least)
    return {"task": "booster", "n_assets": returns.shape[1], "n_held": n_held, "seed": seed, "rows": rows}


def _rows(instance: str, n_calls: int, answers: list[Run], least: float) -> list[Any]:
    values = {solver: np.array([run[solver] for run in answers]) for solver in answers[0]}
    boosted = values["geo, boosted"][:, 0]
    rows = []
    for solver, pairs in values.items():
        low, high = mean_interval(pairs[:, 0])
        rows.append(
            {
                "task": "booster",
                "instance": instance,
                "solver": solver,
                "budget": n_calls if solver == "seeds" else 2 * n_calls,
                "value": float(pairs[:, 0].mean()),
                "value_lo": low,
                "value_hi": high,
                "gap": float((pairs[:, 0].mean() - least) / abs(least)),
                "unique_calls": n_calls if solver == "seeds" else 2 * n_calls,
                "wall_s": float(pairs[:, 1].mean()),
                "p_value": paired_p_value(boosted, pairs[:, 0]),
            }
        )
    return rows
