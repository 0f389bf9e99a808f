"""The other quantum way: QAOA on `qiskit-finance`'s portfolio problem, beside the loop on as many supports.

The problem is the library's own: bits x with Σx = k that minimise q x'Σx − m'x. It is enumerated, so the gap is to the
optimum. The loop and the random draw may look at as many different supports as QAOA's last shots held; the circuits
that QAOA needed before are not counted against it.
"""

import time
from itertools import combinations
from typing import Any

import numpy as np

from qfin._random import integer_seed, stream
from qfin._types import BoolArray, FloatArray
from qfin.bench.geo_runs import Say, mean_interval, paired_p_value
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError
from qfin.geo.loop import GEOLoop
from qfin.geo.rivals.qaoa import solve_by_qaoa
from qfin.geo.solver import run_solver
from qfin.portfolio import BlackBox, Budget, Evaluator, PortfolioProblem, random_supports

_RISK_FACTOR = 0.5
_LARGEST = 12


def bench_qaoa(
    returns: FloatArray, n_held: int, n_seeds: int, *, shots: int = 128, seed: int = 0, say: Say = lambda text: None
) -> dict[str, Any]:
    """Rows per solver: gap to the enumerated optimum, different supports looked at, p against the loop."""
    n_assets = returns.shape[1]
    if n_assets > _LARGEST:
        raise InputError(f"--assets: expected at most {_LARGEST}, one qubit each, received {n_assets}")
    from qiskit_finance.applications.optimization import PortfolioOptimization

    mean, covariance = returns.mean(axis=0), np.cov(returns, rowvar=False)
    programme = PortfolioOptimization(mean, covariance, _RISK_FACTOR, n_held).to_quadratic_program()
    problem = _same_problem(mean, covariance, n_held)
    supports = np.array([np.isin(np.arange(n_assets), held) for held in combinations(range(n_assets), n_held)])
    values = problem.solve(supports).values
    best, spread = float(values.min()), float(values.max() - values.min())
    gaps: dict[str, list[float]] = {"geo": [], "qaoa": [], "random": []}
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in gaps}
    feasible = []
    for number in range(n_seeds):
        say(f"run {number + 1} of {n_seeds}")
        rng = stream(seed, "bench geo", "qaoa", str(number))
        answer = solve_by_qaoa(programme, n_held, shots=shots, seed=integer_seed(rng))
        calls = max(answer.n_supports, 1)
        value = float(values.max()) if answer.support is None else float(problem.solve(answer.support[None]).values[0])
        gaps["qaoa"].append((value - best) / spread)
        costs["qaoa"].append((answer.n_supports, answer.seconds))
        feasible.append(answer.feasible_share)
        for name in ("geo", "random"):
            evaluator, started = Evaluator(problem, Budget(calls)), time.perf_counter()
            if name == "geo":
                run_solver(GEOLoop(SymmetricMPS((n_held, n_held), 2, n_sweeps=1), n_seeds=10), evaluator, rng)
            else:
                while evaluator.remaining:
                    evaluator(random_supports(problem, evaluator.remaining, rng))
            gaps[name].append((float(evaluator.best[1]) - best) / spread)
            costs[name].append((evaluator.n_calls, time.perf_counter() - started))
    rows = [_row(name, np.array(gaps[name]), np.array(gaps["geo"]), np.array(costs[name])) for name in gaps]
    head = {"task": "qaoa", "n_assets": n_assets, "n_held": n_held, "seed": seed, "n_seeds": n_seeds, "shots": shots}
    return head | {"feasible_share": float(np.mean(feasible)), "rows": rows}


def _same_problem(mean: FloatArray, covariance: FloatArray, n_held: int) -> PortfolioProblem:
    def value(supports: BoolArray) -> FloatArray:
        held = supports.astype(np.float64)
        return np.asarray(_RISK_FACTOR * ((held @ covariance) * held).sum(axis=1) - held @ mean)

    names = tuple(f"A{number:02d}" for number in range(len(mean)))
    return PortfolioProblem(names, BlackBox(value, len(mean)), (n_held, n_held))


def _row(solver: str, gaps: FloatArray, first: FloatArray, costs: FloatArray) -> dict[str, Any]:
    low, high = mean_interval(gaps)
    return {
        "task": "qaoa",
        "instance": "qiskit-finance",
        "solver": solver,
        "budget": None,
        "value": float(gaps.mean()),
        "value_lo": low,
        "value_hi": high,
        "gap": float(np.median(gaps)),
        "at_optimum": float((gaps <= 1e-12).mean()),
        "unique_calls": float(costs[:, 0].mean()),
        "wall_s": float(costs[:, 1].mean()),
        "p_value": paired_p_value(first, gaps),
    }
