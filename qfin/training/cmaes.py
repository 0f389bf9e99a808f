"""CMA-ES behind `init`/`step`: a normal search distribution that learns its own covariance from the losses' ranks.

Hansen, "The CMA evolution strategy: a tutorial" (2016), by the `cma` package. The angles of a circuit are periodic, so
the search has no bounds and wraps nothing: a wall or a seam would cut the distribution in two.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qfin._random import stream
from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.training.contract import Loss, StepInfo

_FULL_COVARIANCE = 200
"""Above as many parameters the covariance is diagonal: a full one learns too slowly for its n²/2 numbers."""


class _Draws:
    """Normal numbers for the strategy, from one named stream a generation; the global generator is not touched."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.start(0)

    def start(self, generation: int) -> None:
        self._rng = stream(self.seed, "cma-es", str(generation))

    def __call__(self, *shape: int) -> FloatArray:
        return self._rng.standard_normal(shape)


@dataclass(frozen=True, eq=False)
class CMAESState:
    """The mean of the search after `step` generations, and the losses (step, population) that led there.

    Start, seed and losses decide everything else: they are the checkpoint, from which the strategy is built again.
    """

    params: FloatArray
    step: int
    n_evaluations: int
    start: FloatArray
    losses: FloatArray
    strategy: Any = field(repr=False)


@dataclass(frozen=True)
class CMAES:
    """Covariance matrix adaptation evolution strategy.

    Parameters
    ----------
    sigma
        Standard deviation of the first generation, radians.
    seed
        Of the search's draws.
    population
        Losses a generation; 4 + 3 log(n_params) by default.
    """

    sigma: float
    seed: int = 0
    population: int | None = None

    def __post_init__(self) -> None:
        if not self.sigma > 0.0 or (self.population is not None and self.population < 4):
            raise InputError(
                f"CMAES: expected sigma > 0 and a population of at least 4, received {self.sigma}, {self.population}"
            )

    def init(self, params: ArrayLike) -> CMAESState:
        start = np.array(params, dtype=np.float64)
        if start.ndim != 1 or start.size < 2:
            raise InputError(f"params: expected at least two in a row, received shape {start.shape}")
        strategy = self._strategy(start)
        return CMAESState(start, 0, 0, start, np.empty((0, strategy[0].popsize)), strategy)

    def step(self, state: CMAESState, loss: Loss, rng: np.random.Generator) -> tuple[CMAESState, StepInfo]:
        """One generation; `StepInfo.loss` is its best."""
        strategy = copy.deepcopy(state.strategy)
        candidates = _asked(strategy, state.step)
        values = np.array([loss(candidate, rng) for candidate in candidates])
        strategy[0].tell(candidates, values.tolist())
        params = np.array(strategy[0].mean)
        state_after = CMAESState(
            params,
            state.step + 1,
            state.n_evaluations + len(values),
            state.start,
            np.concatenate([state.losses, [values]]),
            strategy,
        )
        return state_after, StepInfo(float(values.min()), float(np.linalg.norm(params - state.params)))

    def to_arrays(self, state: CMAESState) -> dict[str, AnyArray]:
        return {"start": state.start, "losses": state.losses}

    def restore(self, arrays: Mapping[str, AnyArray]) -> CMAESState:
        """The state, by telling a fresh strategy the losses of its first generations again."""
        start, losses = np.array(arrays["start"]), np.array(arrays["losses"])
        strategy = self._strategy(start)
        for generation, values in enumerate(losses):
            strategy[0].tell(_asked(strategy, generation), values.tolist())
        params = np.array(strategy[0].mean) if len(losses) else start
        return CMAESState(params, len(losses), losses.size, start, losses, strategy)

    def _strategy(self, start: FloatArray) -> tuple[Any, _Draws]:
        import cma

        draws = _Draws(self.seed)
        options: dict[str, Any] = {
            "randn": draws,
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
            "signals_filename": "",
            "CMA_diagonal": start.size > _FULL_COVARIANCE,
        }
        if self.population is not None:
            options["popsize"] = self.population
        return cma.CMAEvolutionStrategy(start, self.sigma, options), draws


def _asked(strategy: tuple[Any, _Draws], generation: int) -> list[FloatArray]:
    evolution, draws = strategy
    draws.start(generation)
    candidates: list[FloatArray] = evolution.ask()
    return candidates
