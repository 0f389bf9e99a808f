"""Simulated annealing over supports: one random move at a time, geometric cooling over the budget."""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray
from qfin.geo.moves import random_neighbours
from qfin.geo.solver import Evaluation, StepInfo, step_info
from qfin.portfolio import random_supports

_MOVES_A_STEP = 50


@dataclass(frozen=True)
class AnnealingState:
    support: BoolArray
    value: float
    scale: float
    first_calls: int


@dataclass(frozen=True)
class SimulatedAnnealing:
    """Metropolis moves at temperature scale · hot · (cold/hot)^share, where share is how much of the budget is spent.

    The scale is the standard deviation of the values of `n_probes` random supports, of which the best is the start.
    Moves to supports already known cost nothing and are taken by the same rule.
    """

    n_probes: int = 10
    hot: float = 0.3
    cold: float = 0.003

    def init(self, evaluator: Evaluation, rng: np.random.Generator) -> AnnealingState:
        probes = random_supports(evaluator.problem, self.n_probes, rng)
        values = evaluator(probes)
        usable = np.where(np.isfinite(values), values, np.inf)
        chosen = int(usable.argmin())
        finite = values[np.isfinite(values)]
        scale = float(finite.std()) if len(finite) > 1 else 1.0
        return AnnealingState(probes[chosen], float(usable[chosen]), scale, evaluator.n_calls)

    def step(
        self, state: AnnealingState, evaluator: Evaluation, rng: np.random.Generator
    ) -> tuple[AnnealingState, StepInfo]:
        support, value = state.support, state.value
        total = evaluator.n_calls + evaluator.remaining - state.first_calls
        for _ in range(_MOVES_A_STEP):
            if evaluator.remaining == 0:
                break
            share = (evaluator.n_calls - state.first_calls) / max(total, 1)
            temperature = state.scale * self.hot * (self.cold / self.hot) ** share
            moved = random_neighbours(evaluator.problem, support[None], rng)
            if not evaluator.problem.feasible(moved)[0]:
                continue
            new = float(evaluator(moved)[0])
            if new <= value or rng.random() < np.exp(-(new - value) / max(temperature, 1e-300)):
                support, value = moved[0], new
        return AnnealingState(support, value, state.scale, state.first_calls), step_info(evaluator)
