"""Solvers beside each other at equal unique calls and at equal wall time, run by run, kept in a file if wanted.

A solver that does not know its budget runs once, to the largest budget, and is read off at the smaller ones; annealing,
whose schedule is the budget, runs once for each. Every run is one line of the store, so an interrupted bench goes on.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.geo.rivals.annealing import SimulatedAnnealing
from qfin.geo.solver import Solver, StepInfo, run_solver
from qfin.portfolio import Budget, Evaluator, PortfolioProblem

Say = Callable[[str], None]
Run = dict[str, list[float]]


class RunStore:
    """Finished runs by key, one JSON object a line; without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._runs: dict[str, Run] = {}
        if path is None or not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]  # an interrupted line is run again
        try:
            for line in whole.splitlines():
                entry = json.loads(line)
                self._runs[entry["key"]] = entry["run"]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: expected stored runs of this bench, one a line, received {line!r:.60}") from None
        if whole != text:
            path.write_text(whole, encoding="utf-8")

    def __call__(self, key: Sequence[object], make: Callable[[], Run]) -> Run:
        """The stored run of this key, or a new one."""
        name = " | ".join(str(part) for part in key)
        if name not in self._runs:
            self._runs[name] = make()
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({"key": name, "run": self._runs[name]}) + "\n")
        return self._runs[name]


def run_once(problem: PortfolioProblem, solver: Solver, budget: int, rng: np.random.Generator) -> Run:
    """One run: after which calls a new least value was known (`calls`, `values`), and the seconds (`clock`) after
    `clock_calls`."""
    evaluator = Evaluator(problem, Budget(budget))
    clock_calls, clock = [0.0], [0.0]
    started = time.perf_counter()

    def tick(info: StepInfo) -> None:
        seconds = time.perf_counter() - started
        if seconds > 1.02 * clock[-1] + 0.002 or info.n_calls == budget:
            clock_calls.append(float(info.n_calls))
            clock.append(seconds)

    run_solver(solver, evaluator, rng, on_step=tick)
    calls, values = evaluator.history
    return {
        "calls": calls.astype(float).tolist(),
        "values": values.tolist(),
        "clock_calls": clock_calls,
        "clock": clock,
        "n_calls": [float(evaluator.n_calls)],
    }


def value_after(run: Run, n_calls: float) -> float:
    """The least value known after so many calls."""
    place = int(np.searchsorted(run["calls"], n_calls, side="right")) - 1
    return run["values"][place] if place >= 0 else float("inf")


def seconds_of(run: Run, n_calls: float) -> float:
    return float(np.interp(n_calls, run["clock_calls"], run["clock"]))


def calls_within(run: Run, seconds: float) -> float:
    """How many calls a run had spent after so many seconds; all of them where it had ended by then."""
    return float(np.interp(seconds, run["clock"], run["clock_calls"]))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arrays (problems, solvers, seeds, budgets): best values at equal calls, the calls, the seconds, and the best
    values after the seconds that the first solver took for the same budget. `ended` (problems, solvers, budgets) is the
    share of seeds whose run had ended by then: more time might have helped them."""

    values: FloatArray
    calls: FloatArray
    seconds: FloatArray
    same_time: FloatArray
    ended: FloatArray


def compare(
    problems: Sequence[tuple[str, PortfolioProblem]],
    solvers: Callable[[PortfolioProblem], dict[str, Solver]],
    runs: tuple[tuple[int, ...], int],
    rng_of: Callable[[int, int], np.random.Generator],
    store: RunStore,
    say: Say,
) -> Comparison:
    """Every solver on every problem; `runs` is (budgets, number of seeds), `rng_of` takes problem and seed number."""
    budgets, n_seeds = runs
    names = list(solvers(problems[0][1]))
    shape = (len(problems), len(names), n_seeds, len(budgets))
    values, calls, seconds, same_time, ended = (np.full(shape, np.inf) for _ in range(5))
    for p, (label, problem) in enumerate(problems):
        chosen = solvers(problem)
        for number in range(n_seeds):
            say(f"{label}: seed {number + 1} of {n_seeds}")
            first: list[float] = []
            for i, name in enumerate(names):
                made = _runs(label, problem, name, chosen[name], budgets, (p, number), rng_of, store)
                for b, budget in enumerate(budgets):
                    run = made[b]
                    values[p, i, number, b] = value_after(run, budget)
                    calls[p, i, number, b] = min(budget, run["n_calls"][0])
                    seconds[p, i, number, b] = seconds_of(run, budget)
                if i == 0:
                    first = list(seconds[p, 0, number])
                for b in range(len(budgets)):
                    done = [value_after(run, max(calls_within(run, first[b]), 1.0)) for run in _in_time(made, first[b])]
                    same_time[p, i, number, b] = min(done)
                    ended[p, i, number, b] = made[-1]["clock"][-1] < first[b]
    return Comparison(values, calls, seconds, same_time, ended.mean(axis=2))


def _in_time(made: list[Run], seconds: float) -> list[Run]:
    """Of one run all of it; of runs to several budgets those that have cooled by then, or else the shortest."""
    if all(run is made[0] for run in made):
        return made[:1]
    return [run for run in made if run["clock"][-1] <= seconds] or made[:1]


def _runs(
    label: str,
    problem: PortfolioProblem,
    name: str,
    solver: Solver,
    budgets: tuple[int, ...],
    place: tuple[int, int],
    rng_of: Callable[[int, int], np.random.Generator],
    store: RunStore,
) -> list[Run]:
    """The run that each budget is read off from."""

    def run(budget: int) -> Run:
        return store((label, name, place[1], budget), lambda: run_once(problem, solver, budget, rng_of(*place)))

    if isinstance(solver, SimulatedAnnealing):
        return [run(budget) for budget in budgets]
    return [run(max(budgets))] * len(budgets)


def comparison_rows(
    task: str, instance: str, names: Sequence[str], budgets: Sequence[int], found: Comparison, gaps: FloatArray
) -> list[dict[str, Any]]:
    """Rows of one instance. `gaps` (2, solvers, seeds, budgets) are gaps at equal calls and at equal time, averaged
    over the problems; value and interval are of the mean, p is against the first solver."""
    rows = []
    for b, budget in enumerate(budgets):
        for i, name in enumerate(names):
            at_calls, in_time = gaps[0, i, :, b], gaps[1, i, :, b]
            low, high = mean_interval(at_calls)
            rows.append(
                {
                    "task": task,
                    "instance": instance,
                    "solver": name,
                    "budget": budget,
                    "value": float(at_calls.mean()),
                    "value_lo": low,
                    "value_hi": high,
                    "gap": float(np.median(at_calls)),
                    "unique_calls": float(found.calls[:, i, :, b].mean()),
                    "wall_s": float(found.seconds[:, i, :, b].mean()),
                    "p_value": paired_p_value(gaps[0, 0, :, b], at_calls),
                    "same_time": float(in_time.mean()),
                    "same_time_p": paired_p_value(gaps[1, 0, :, b], in_time),
                    "same_time_ended": float(found.ended[:, i, b].mean()),
                }
            )
    return rows


def mean_interval(values: FloatArray, n_draws: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(n_draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def paired_p_value(first: FloatArray, other: FloatArray) -> float | None:
    """Two-sided Wilcoxon signed-rank test of the pairs; none where they are all equal."""
    from scipy.stats import wilcoxon

    return None if np.array_equal(first, other) else float(wilcoxon(first, other).pvalue)
