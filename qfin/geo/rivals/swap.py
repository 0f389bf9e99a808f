"""Local search by exchanges of one asset: from given or random starts, steepest or first-improving."""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray
from qfin.geo.moves import all_neighbours
from qfin.geo.solver import Evaluation, StepInfo, step_info
from qfin.portfolio import random_supports


@dataclass(frozen=True)
class SwapState:
    support: BoolArray
    value: float
    n_starts: int


@dataclass(frozen=True)
class SwapDescent:
    """Descent from each of `starts`, then, if `restart`, from random supports while the budget lasts.

    Steepest evaluates all neighbours and goes to the best; otherwise neighbours come in random order, one at a
    time, and the first better one is taken.
    """

    starts: BoolArray | None = None
    steepest: bool = False
    restart: bool = True

    def init(self, evaluator: Evaluation, rng: np.random.Generator) -> SwapState:
        return self._begin(evaluator, 0, rng)

    def _begin(self, evaluator: Evaluation, n_starts: int, rng: np.random.Generator) -> SwapState:
        given = 0 if self.starts is None else len(self.starts)
        if self.starts is not None and n_starts < given:
            start = self.starts[n_starts]
        else:
            start = random_supports(evaluator.problem, 1, rng)[0]
        return SwapState(start, float(evaluator(start[None])[0]), n_starts + 1)

    def step(self, state: SwapState, evaluator: Evaluation, rng: np.random.Generator) -> tuple[SwapState, StepInfo]:
        """One move, or a new start where no neighbour is better."""
        neighbours = all_neighbours(evaluator.problem, state.support)
        neighbours = neighbours[rng.permutation(len(neighbours))]
        size = len(neighbours) if self.steepest else 1
        for first in range(0, len(neighbours), size):
            part = neighbours[first : first + size]
            values = evaluator(part)
            values = np.where(np.isnan(values), np.inf, values)
            best = int(values.argmin())
            if values[best] < state.value:
                return SwapState(part[best], float(values[best]), state.n_starts), step_info(evaluator)
            if evaluator.remaining == 0:
                break
        given = 0 if self.starts is None else len(self.starts)
        finished = not self.restart and state.n_starts >= given
        if not finished and evaluator.remaining:
            state = self._begin(evaluator, state.n_starts, rng)
        return state, step_info(evaluator, finished=finished)
