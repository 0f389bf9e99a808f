"""Other solvers on the same problem and budget as a search, so that a page can show who was ahead when."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from qfin._random import stream
from qfin.experiments.checkpoints import Progress
from qfin.geo.rivals.annealing import SimulatedAnnealing
from qfin.geo.rivals.genetic import GeneticSearch
from qfin.geo.rivals.swap import SwapDescent
from qfin.geo.rivals.tabu import TabuSearch
from qfin.geo.solver import Solver, run_solver
from qfin.portfolio import Budget, Evaluator, PortfolioProblem

RIVALS: dict[str, tuple[str, Callable[[], Solver]]] = {
    "annealing": ("Simulated annealing", SimulatedAnnealing),
    "genetic": ("Genetic algorithm", GeneticSearch),
    "tabu": ("Tabu search", TabuSearch),
    "swaps": ("Swaps, multi-start", SwapDescent),
}


def rival_rows(
    problem: PortfolioProblem, names: Sequence[str], budget: int, seed: int, progress: Progress
) -> list[dict[str, Any]]:
    """One row a rival: its best value, and `history` with the number of portfolios solved at each new best.

    They see values alone; the search itself also starts from the relaxation and looks at gradients.
    """
    rows = []
    for name in names:
        label, make = RIVALS[name]
        started = time.perf_counter()
        progress.start(name, f"Beside it: {label}")
        evaluator = Evaluator(problem, Budget(budget))
        run_solver(
            make(),
            evaluator,
            stream(seed, "geo", "rival", name),
            on_step=lambda info: progress.update(info.n_calls, budget),
        )
        calls, values = evaluator.history
        seconds = time.perf_counter() - started
        rows.append(
            {
                "solver": name,
                "label": label,
                "value": float(values[-1]) if len(values) else None,
                "n_calls": evaluator.n_calls,
                "seconds": seconds,
                "history": {"calls": calls.tolist(), "values": values.tolist()},
            }
        )
        progress.finish(name, seconds, False)
    return rows
