"""One call: a problem and a budget -> the best support, its weights and who found it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qfin._random import RandomLike, as_generator
from qfin._types import BoolArray, FloatArray, IntArray
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.geo.checkpoint import load_checkpoint, save_checkpoint
from qfin.geo.guide import relaxed_support
from qfin.geo.loop import GEOLoop, GEOState
from qfin.geo.solver import StepInfo, run_solver
from qfin.portfolio import Budget, Evaluator, MeanVariance, PortfolioProblem

# Share of a step's calls that follows the gradient where the objective has one.
_GUIDED = 0.5


@dataclass(frozen=True, eq=False)
class GEOResult:
    """What a run came to.

    Attributes
    ----------
    support, weights : (n_assets,) the assets held and their weights.
    value : the objective there, the least that was evaluated.
    found_by : seeds, generator, mutation, random or guide: which part of the loop proposed the support.
    n_calls : unique supports solved.
    history : after which call a new least value was known, and that value.
    """

    support: BoolArray
    weights: FloatArray
    value: float
    found_by: str
    n_calls: int
    history: tuple[IntArray, FloatArray]


def default_solver(problem: PortfolioProblem, *, generator: Any = None, seeds: BoolArray | None = None) -> GEOLoop:
    """The loop as measured: a symmetric chain, a screen and moves; gradient and relaxation for mean and variance.

    `seeds` are supports of any other solver (booster); without them the loop stands alone.
    """
    chain = SymmetricMPS(problem.cardinality, 2, n_sweeps=1) if generator is None else generator
    if not isinstance(problem.objective, MeanVariance):
        return GEOLoop(chain, seeds=seeds)
    relaxed = relaxed_support(problem)[None]
    relaxed = relaxed[problem.feasible(relaxed)]
    first = relaxed if seeds is None else np.concatenate([relaxed, seeds])
    return GEOLoop(chain, seeds=first, guided=_GUIDED)


@dataclass(frozen=True, eq=False)
class GEO:
    """Generator-enhanced optimisation of one problem: `GEO(problem).run(budget=1000, rng=1)`.

    Attributes
    ----------
    problem : PortfolioProblem
    generator : estimator with fit(bits, sample_weight, rng=) and sample(n, rng=), or None
        What proposes supports; None takes a symmetric matrix product state.
    seeds : (n_seeds, n_assets) bool, or None
        Supports of any other solver, evaluated first (booster); without them the loop stands alone.
    """

    problem: PortfolioProblem
    generator: Any = None
    seeds: BoolArray | None = None

    def run(
        self,
        *,
        budget: int,
        rng: RandomLike = None,
        checkpoint: Path | None = None,
        on_step: Callable[[StepInfo], None] | None = None,
    ) -> GEOResult:
        """Search until `budget` unique supports are solved; the other arguments are those of `optimise`."""
        solver = default_solver(self.problem, generator=self.generator, seeds=self.seeds)
        return optimise(self.problem, budget=budget, solver=solver, rng=rng, checkpoint=checkpoint, on_step=on_step)


def optimise(
    problem: PortfolioProblem,
    *,
    budget: int,
    solver: GEOLoop | None = None,
    rng: RandomLike = None,
    checkpoint: Path | None = None,
    on_step: Callable[[StepInfo], None] | None = None,
) -> GEOResult:
    """Run the loop until `budget` unique supports are solved.

    `checkpoint` is written after every step and, where it is there already, gone on with bit for bit; its random
    numbers then take the place of `rng`. `on_step` sees every step, such as for a bar with the best value so far.
    """
    chosen = default_solver(problem) if solver is None else solver
    evaluator, generator = Evaluator(problem, Budget(budget)), as_generator(rng)
    if checkpoint is not None and checkpoint.exists():
        state, generator = load_checkpoint(checkpoint, GEOState.from_arrays, evaluator)
    else:
        state = chosen.init(evaluator, generator)

    def store(reached: GEOState) -> None:
        if checkpoint is not None:
            save_checkpoint(checkpoint, reached, evaluator, generator)

    state = run_solver(chosen, evaluator, generator, on_step=on_step, on_state=store, state=state)
    support, value = evaluator.best
    weights = evaluator.solution(support).weights[0]
    return GEOResult(support, weights, value, state.found_by, evaluator.n_calls, evaluator.history)
