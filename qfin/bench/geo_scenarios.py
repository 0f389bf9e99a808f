"""Objectives beyond mean and variance: tail measures, paths, crashes and lots on real returns, equal calls.

Values are in the units of the objective (losses and drawdowns as shares of the book); the gap is to the best value that
any solver of the comparison found, since no optimum is known.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.bench.geo import budget_solvers
from qfin.bench.geo_runs import RunStore, Say, compare, comparison_rows
from qfin.exceptions import InputError
from qfin.portfolio import PathDrawdown, PortfolioProblem, ScenarioLoss, Trading

_PATH_DAYS, _BLOCK_DAYS = 60, 20
_CRASH_SHARE = 0.05
_BOUNDS = (0.01, 1.0)


def value_at_risk(returns: FloatArray, n_held: int, rng: np.random.Generator) -> PortfolioProblem:
    """99 % value at risk over the days."""
    return _problem(ScenarioLoss(returns, "var", 0.99), n_held)


def drawdown(returns: FloatArray, n_held: int, rng: np.random.Generator, n_paths: int = 1000) -> PortfolioProblem:
    """Mean of the worst 5 % maximum drawdowns over paths of 60 days, made of blocks of 20 days."""
    starts = rng.integers(len(returns) - _BLOCK_DAYS, size=(n_paths, _PATH_DAYS // _BLOCK_DAYS))
    days = (starts[:, :, None] + np.arange(_BLOCK_DAYS)).reshape(n_paths, _PATH_DAYS)
    return _problem(PathDrawdown(returns[days], 0.95), n_held)


def crash(returns: FloatArray, n_held: int, rng: np.random.Generator) -> PortfolioProblem:
    """95 % expected shortfall given a joint crash: the days on which the equal-weight book is among its worst 5 %."""
    market = returns.mean(axis=1)
    return _problem(ScenarioLoss(returns[market <= np.quantile(market, _CRASH_SHARE)], "shortfall", 0.95), n_held)


def lots(returns: FloatArray, n_held: int, rng: np.random.Generator) -> PortfolioProblem:
    """Variance with weights in whole 2 % lots, and 0.1 % a trade on the way from an equal-weight book of all names."""
    names = _names(returns.shape[1])
    trading = Trading({name: 1.0 / len(names) for name in names}, cost=0.001)
    return PortfolioProblem.from_covariance(
        returns.mean(axis=0),
        np.cov(returns, rowvar=False),
        risk_weight=0.95,
        cardinality=(n_held, n_held),
        bounds=(0.02, 1.0),
        lot=0.02,
        trading=trading,
        assets=names,
    )


OBJECTIVES: dict[str, Callable[[FloatArray, int, np.random.Generator], PortfolioProblem]] = {
    "var": value_at_risk,
    "drawdown": drawdown,
    "crash": crash,
    "lots": lots,
}


def _names(n_assets: int) -> tuple[str, ...]:
    return tuple(f"A{number:03d}" for number in range(n_assets))


def _problem(objective: Any, n_held: int) -> PortfolioProblem:
    return PortfolioProblem(_names(objective.n_assets), objective, (n_held, n_held), _BOUNDS)


def bench_scenarios(
    returns: FloatArray,
    n_held: int,
    objectives: tuple[str, ...],
    runs: tuple[tuple[int, ...], int],
    *,
    n_paths: int = 1000,
    seed: int = 0,
    store: RunStore | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per objective, budget and solver over `runs` = (budgets, number of seeds); p against the loop.

    `n_paths` are those of the drawdown. Values are means over seeds; `gap` is the mean's to the least value found.
    """
    budgets, n_seeds = runs
    unknown = set(objectives) - set(OBJECTIVES)
    if unknown:
        raise InputError(
            f"objectives: expected names of {', '.join(OBJECTIVES)}, received {', '.join(sorted(unknown))}"
        )
    rows: list[dict[str, Any]] = []
    kept = RunStore() if store is None else store
    for name in objectives:
        build = partial(drawdown, n_paths=n_paths) if name == "drawdown" else OBJECTIVES[name]
        problem = build(returns, n_held, stream(seed, "bench geo", "scenarios", name))

        def rng_of(place: int, number: int, name: str = name) -> np.random.Generator:
            return stream(seed, "bench geo", name, str(number))

        label = f"{name} {n_held} of {returns.shape[1]}"
        found = compare([(label, problem)], budget_solvers, (budgets, n_seeds), rng_of, kept, say)
        values = np.stack([found.values[0], found.same_time[0]])
        made = comparison_rows("scenarios", name, list(budget_solvers(problem)), budgets, found, values)
        least = float(values.min())
        rows += [row | {"gap": (row["value"] - least) / abs(least)} for row in made]
    return {"task": "scenarios", "n_assets": returns.shape[1], "n_held": n_held, "seed": seed, "rows": rows}
