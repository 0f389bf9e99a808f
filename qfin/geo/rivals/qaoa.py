"""QAOA of `qiskit-optimization` as a rival: a quadratic programme in bits -> supports of a fixed number of ones.

One qubit for each asset, exact simulation with finite shots, the number held by a penalty (the library's own way).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._types import BoolArray


@dataclass(frozen=True, eq=False)
class QAOAAnswer:
    """The best feasible support among the last shots (None without any), how many different ones they held, the share
    of shots that were feasible, circuits run on the way, and seconds."""

    support: BoolArray | None
    n_supports: int
    feasible_share: float
    n_circuits: int
    seconds: float


def solve_by_qaoa(
    programme: Any, n_held: int, *, n_layers: int = 2, max_circuits: int = 60, shots: int = 1024, seed: int = 0
) -> QAOAAnswer:
    """Minimise a `QuadraticProgram` with COBYLA on the angles, from angles at random."""
    from qiskit_optimization.algorithms import MinimumEigenOptimizer
    from qiskit_optimization.minimum_eigensolvers import QAOA
    from qiskit_optimization.optimizers import COBYLA

    from qfin.quantum.primitives import reference_sampler

    start = np.random.default_rng(seed).uniform(0.0, np.pi, 2 * n_layers)
    circuits: list[int] = []
    solver = QAOA(
        reference_sampler(shots, seed),
        COBYLA(maxiter=max_circuits),
        reps=n_layers,
        initial_point=start,
        callback=lambda count, *_: circuits.append(count),
    )
    started = time.perf_counter()
    result = MinimumEigenOptimizer(solver).solve(programme)
    seconds = time.perf_counter() - started
    held = [sample for sample in result.samples if round(sum(sample.x)) == n_held]
    best = min(held, key=lambda sample: sample.fval, default=None)
    support = None if best is None else np.asarray(best.x) > 0.5
    share = float(sum(sample.probability for sample in held))
    return QAOAAnswer(support, len(held), share, len(circuits), seconds)
