"""Tabu search: the best of a sample of neighbours is taken even if worse; assets just moved stay put for a while."""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, IntArray
from qfin.geo.moves import all_neighbours
from qfin.geo.solver import Evaluation, StepInfo, step_info
from qfin.portfolio import random_supports


@dataclass(frozen=True)
class TabuState:
    support: BoolArray
    free_again: IntArray
    n_steps: int


@dataclass(frozen=True)
class TabuSearch:
    """`sample` neighbours a move; a moved asset is tabu for `tenure` moves unless the move gives a new best value."""

    sample: int = 20
    tenure: int = 7

    def init(self, evaluator: Evaluation, rng: np.random.Generator) -> TabuState:
        start = random_supports(evaluator.problem, 1, rng)
        evaluator(start)
        return TabuState(start[0], np.zeros(evaluator.problem.n_assets, dtype=np.int64), 0)

    def step(self, state: TabuState, evaluator: Evaluation, rng: np.random.Generator) -> tuple[TabuState, StepInfo]:
        neighbours = all_neighbours(evaluator.problem, state.support)
        neighbours = neighbours[rng.permutation(len(neighbours))[: self.sample]]
        record = float(evaluator.best[1])
        values = evaluator(neighbours)
        values = np.where(np.isnan(values), np.inf, values)
        changed = neighbours ^ state.support
        held_back = (changed & (state.free_again > state.n_steps)).any(axis=1) & (values >= record)
        chosen = int(np.where(held_back, np.inf, values).argmin())
        free_again = state.free_again.copy()
        free_again[changed[chosen]] = state.n_steps + 1 + self.tenure
        return TabuState(neighbours[chosen], free_again, state.n_steps + 1), step_info(evaluator)
