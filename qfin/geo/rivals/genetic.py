"""Genetic algorithm of `pymoo` on supports: crossover keeps what both parents hold, mutation exchanges one asset."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import integer_seed
from qfin._types import BoolArray, FloatArray
from qfin.geo.moves import random_neighbours
from qfin.geo.solver import Evaluation, StepInfo, step_info
from qfin.portfolio import random_supports


@dataclass(frozen=True)
class GeneticState:
    """The population that survives and its values."""

    supports: BoolArray
    values: FloatArray


@dataclass(frozen=True)
class GeneticSearch:
    """`pymoo`'s GA, one generation a step, with sampling, crossover and mutation that keep the number held.

    A child holds what both parents hold and fills up from what one of them holds; with probability `mutation` one asset
    is then exchanged.
    """

    population: int = 30
    mutation: float = 0.3

    def init(self, evaluator: Evaluation, rng: np.random.Generator) -> GeneticState:
        supports = random_supports(evaluator.problem, self.population, rng)
        return GeneticState(supports, _worst_where_missing(evaluator(supports)))

    def step(
        self, state: GeneticState, evaluator: Evaluation, rng: np.random.Generator
    ) -> tuple[GeneticState, StepInfo]:
        algorithm = _algorithm(evaluator, state, self, rng)
        children = algorithm.ask()
        if children is None or len(children) == 0:  # every child that came was known
            return state, step_info(evaluator)
        supports = children.get("X").astype(np.bool_)
        feasible = evaluator.problem.feasible(supports)
        values = np.full(len(supports), np.inf)
        values[feasible] = _worst_where_missing(evaluator(supports[feasible]))
        _tell(algorithm, children, values)
        survivors = algorithm.pop
        return GeneticState(survivors.get("X").astype(np.bool_), survivors.get("F")[:, 0]), step_info(evaluator)


def _worst_where_missing(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.inf)


def _tell(algorithm: Any, individuals: Any, values: FloatArray) -> None:

    individuals.set("F", np.where(np.isfinite(values), values, 1e300)[:, None])
    for individual in individuals:
        individual.evaluated.update({"F", "G", "H"})
    algorithm.tell(infills=individuals)


def _algorithm(evaluator: Any, state: GeneticState, settings: GeneticSearch, rng: np.random.Generator) -> Any:
    """A pymoo GA that has already seen the population of `state`."""
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem

    class KeepShared(Crossover):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(2, 2)

        def _do(self, problem: Any, parents: Any, **_: Any) -> Any:
            return cross(parents.astype(np.bool_), rng)

    class Exchange(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, children: Any, **_: Any) -> Any:
            moved = random_neighbours(evaluator.problem, children.astype(np.bool_), rng)
            return np.where(rng.random(len(children))[:, None] < settings.mutation, moved, children.astype(np.bool_))

    algorithm = GA(
        pop_size=settings.population,
        sampling=Population.new("X", state.supports),
        crossover=KeepShared(),
        mutation=Exchange(),
        eliminate_duplicates=True,
    )
    problem = Problem(n_var=state.supports.shape[1], n_obj=1, vtype=bool)
    algorithm.setup(problem, termination=("n_gen", 2**31), seed=integer_seed(rng), verbose=False)
    first = algorithm.ask()  # without repeated rows
    value_of = {row.tobytes(): value for row, value in zip(state.supports, state.values, strict=True)}
    _tell(algorithm, first, np.array([value_of[row.tobytes()] for row in first.get("X").astype(np.bool_)]))
    return algorithm


def cross(parents: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Children (2, pairs, n) of parents (2, pairs, n), each with as many ones as the parent of its row."""
    first, second = parents
    shared, either = first & second, first | second
    children = np.empty_like(parents)
    for row, parent in enumerate(parents):
        keys = rng.random(first.shape) + 2.0 * shared + 1.0 * (either & ~shared)
        rank = np.argsort(np.argsort(-keys, axis=1), axis=1)
        children[row] = rank < parent.sum(axis=1, keepdims=True)
    return children
