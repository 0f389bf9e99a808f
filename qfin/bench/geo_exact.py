"""The loop beside mixed-integer programmes with a time limit: the same portfolio by SCIP, HiGHS and skfolio.

Least variance at a target return goes to SCIP, least expected shortfall to HiGHS, both to skfolio's
`MeanRisk(cardinality=…)`, which hands them to SCIP by way of cvxpy. The programmes know the whole problem and may prove
their answer; the loop has its gradient and relaxation where there are any, and proves nothing. Equal wall time is not
enforced: both times are shown.
"""

import time
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.bench.geo_booster import BOOSTED
from qfin.bench.geo_runs import Say
from qfin.exceptions import InputError
from qfin.geo.rivals.exact import ExactAnswer, solve_shortfall_by_highs, solve_variance_by_scip
from qfin.geo.run import optimise
from qfin.portfolio import MeanVariance, PortfolioProblem


def bench_exact(
    returns: FloatArray,
    n_held: int,
    objectives: tuple[str, ...],
    runs: tuple[tuple[int, ...], int],
    *,
    limit_s: float,
    seed: int = 0,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per objective and solver: best value, proven bound, seconds; the loop's over `runs` = (budgets, seeds)."""
    budgets, n_seeds = runs
    unknown = set(objectives) - set(BOOSTED)
    if unknown:
        raise InputError(f"objectives: expected names of {', '.join(BOOSTED)}, received {', '.join(sorted(unknown))}")
    rows: list[dict[str, Any]] = []
    for name in objectives:
        problem = BOOSTED[name](returns, n_held)
        mine = [_loop_row(name, problem, budget, n_seeds, seed, say) for budget in budgets]
        programme = _by_programme(problem, limit_s, say)
        proven = float(programme["bound"])
        rows += [_with_gap(row, proven) for row in (*mine, programme, _by_skfolio(problem, returns, limit_s, say))]
    return {"task": "exact", "n_assets": returns.shape[1], "n_held": n_held, "seed": seed, "rows": rows}


def _loop_row(name: str, problem: PortfolioProblem, budget: int, n_seeds: int, seed: int, say: Say) -> dict[str, Any]:
    values, seconds, calls = [], [], []
    for number in range(n_seeds):
        say(f"{name}: loop, {budget} calls, run {number + 1} of {n_seeds}")
        started = time.perf_counter()
        result = optimise(problem, budget=budget, rng=stream(seed, "bench geo", "exact", name, str(number)))
        seconds.append(time.perf_counter() - started)
        values.append(result.value)
        calls.append(result.n_calls)
    return {
        "task": "exact",
        "instance": name,
        "solver": "geo",
        "budget": budget,
        "value": float(np.median(values)),
        "value_lo": min(values),
        "value_hi": max(values),
        "unique_calls": float(np.mean(calls)),
        "wall_s": float(np.mean(seconds)),
        "proven": False,
    }


def _by_programme(problem: PortfolioProblem, limit_s: float, say: Say) -> dict[str, Any]:
    is_variance = isinstance(problem.objective, MeanVariance)
    solver = "scip" if is_variance else "highs"
    say(f"{solver}: at most {limit_s:g} s")
    answer: ExactAnswer = (solve_variance_by_scip if is_variance else solve_shortfall_by_highs)(problem, limit_s)
    value = None if answer.support is None else float(problem.solve(answer.support[None]).values[0])
    return _answer_row(problem, solver, value, answer.seconds) | {"bound": answer.bound, "proven": answer.optimal}


def _by_skfolio(problem: PortfolioProblem, returns: FloatArray, limit_s: float, say: Say) -> dict[str, Any]:
    """`MeanRisk(cardinality=…)`: at most as many names, so its value may lie below that of exactly as many."""
    from skfolio import RiskMeasure
    from skfolio.exceptions import OptimizationError
    from skfolio.optimization import MeanRisk

    objective: Any = problem.objective
    is_variance = isinstance(objective, MeanVariance)
    say(f"skfolio: at most {limit_s:g} s")
    model = MeanRisk(
        risk_measure=RiskMeasure.VARIANCE if is_variance else RiskMeasure.CVAR,
        cvar_beta=0.95 if is_variance else objective.level,
        cardinality=problem.cardinality[1],
        threshold_long=problem.bounds[0],
        min_return=objective.target_return,
        # SCIP's tolerances are absolute and a variance of daily returns is of the order of 1e-4.
        scale_objective=1.0 / float(returns.var()) if is_variance else 1.0 / float(returns.std()),
        solver="SCIP",
        solver_params={"scip_params": {"limits/time": limit_s}},
    )
    started = time.perf_counter()
    value: float | None = None
    try:
        weights = np.asarray(model.fit(returns).weights_)
        kept = np.where(weights < 0.5 * problem.bounds[0], 0.0, weights)
        value = float(objective.inner_value(problem, (kept / kept.sum())[None])[0])
    except OptimizationError:  # nothing found within the limit
        pass
    return _answer_row(problem, "skfolio", value, time.perf_counter() - started)


def _answer_row(problem: PortfolioProblem, solver: str, value: float | None, seconds: float) -> dict[str, Any]:
    return {
        "task": "exact",
        "instance": "variance" if isinstance(problem.objective, MeanVariance) else "shortfall",
        "solver": solver,
        "budget": None,
        "value": value,
        "value_lo": None,
        "value_hi": None,
        "unique_calls": None,
        "wall_s": seconds,
        "proven": False,
    }


def _with_gap(row: dict[str, Any], bound: float) -> dict[str, Any]:
    """The row with its distance from the proven bound, relative to the value."""
    value = row["value"]
    gap = None if value is None or not np.isfinite(bound) else (value - bound) / abs(value)
    return row | {"bound": bound, "gap": gap}
