"""L-BFGS with a strong Wolfe line search, for exact losses; every point the search looks at is counted.

Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4 (two loops) and 3.5 (line search, SciPy's).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import line_search

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.training.contract import DifferentiableLoss, StepInfo, pack, unpack

_MAX_LOOKS = 20
_MIN_CURVATURE = 1e-12


@dataclass(frozen=True)
class LBFGSState:
    """Parameters with their loss and gradient (NaN before the first step), and the last moves and gradient changes."""

    params: FloatArray
    step: int
    n_evaluations: int
    loss: float
    gradient: FloatArray
    moves: FloatArray  # (kept, n_params), oldest first
    changes: FloatArray


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory quasi-Newton descent.

    Parameters
    ----------
    first_step
        Euclidean length, in radians, of the first move tried, and of the first after the memory was dropped.
    memory
        Moves remembered.
    """

    first_step: float = 0.1
    memory: int = 10

    def __post_init__(self) -> None:
        if not (self.first_step > 0.0 and self.memory >= 1):
            raise InputError(
                f"LBFGS: expected first_step > 0 and memory ≥ 1, received {self.first_step}, {self.memory}"
            )

    def init(self, params: ArrayLike) -> LBFGSState:
        start = np.array(params, dtype=np.float64)
        return LBFGSState(start, 0, 0, float("nan"), np.full_like(start, np.nan), *np.empty((2, 0, start.size)))

    def step(
        self, state: LBFGSState, loss: DifferentiableLoss, rng: np.random.Generator
    ) -> tuple[LBFGSState, StepInfo]:
        """One accepted move; where the search finds none, the memory is dropped and the parameters stay."""
        points = _Points(loss)
        value, gradient = (state.loss, state.gradient) if state.step else points.at(state.params)
        direction = -_inverse_hessian_product(gradient, state.moves, state.changes)
        if len(state.moves) == 0:
            direction = direction * self.first_step / max(float(np.linalg.norm(gradient)), np.finfo(float).tiny)
        length = _line_search(points, state.params, direction, gradient, value)
        moves, changes = state.moves[:0], state.changes[:0]
        params = state.params
        if length is not None:
            params = state.params + length * direction
            after = points.at(params)
            moves, changes = self._remember(state, params - state.params, after[1] - gradient)
            new_value, new_gradient = after
        else:
            new_value, new_gradient = value, gradient
        info = StepInfo(value, float(np.linalg.norm(params - state.params)))
        n_evaluations = state.n_evaluations + len(points.seen)
        return LBFGSState(params, state.step + 1, n_evaluations, new_value, new_gradient, moves, changes), info

    def to_arrays(self, state: LBFGSState) -> dict[str, AnyArray]:
        return pack(state)

    def restore(self, arrays: Mapping[str, AnyArray]) -> LBFGSState:
        return unpack(LBFGSState, arrays)

    def _remember(self, state: LBFGSState, move: FloatArray, change: FloatArray) -> tuple[FloatArray, FloatArray]:
        """With a new pair, where the loss curves upwards along it."""
        if move @ change <= _MIN_CURVATURE * float(np.linalg.norm(move) * np.linalg.norm(change)):
            return state.moves, state.changes
        moves, changes = (np.concatenate([old, [new]]) for old, new in ((state.moves, move), (state.changes, change)))
        return moves[-self.memory :], changes[-self.memory :]


@dataclass
class _Points:
    """The values and gradients of one step, each computed once."""

    loss: DifferentiableLoss
    seen: dict[bytes, tuple[float, FloatArray]] = field(default_factory=dict)

    def at(self, params: FloatArray) -> tuple[float, FloatArray]:
        key = params.tobytes()
        if key not in self.seen:
            self.seen[key] = self.loss.value_and_gradient(params)
        return self.seen[key]


def _line_search(
    points: _Points, params: FloatArray, direction: FloatArray, gradient: FloatArray, value: float
) -> float | None:
    """The step length that meets the strong Wolfe conditions, None where `_MAX_LOOKS` looks find none."""
    if not gradient @ direction < 0.0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no length was found is the answer None
        length = line_search(
            lambda x: points.at(x)[0],
            lambda x: points.at(x)[1],
            params,
            direction,
            gradient,
            value,
            maxiter=_MAX_LOOKS,
        )[0]
    return None if length is None else float(length)


def _inverse_hessian_product(gradient: FloatArray, moves: FloatArray, changes: FloatArray) -> FloatArray:
    """H⁻¹ g by the two loops over the remembered pairs; g itself without any."""
    result, weights = gradient.copy(), []
    for move, change in zip(moves[::-1], changes[::-1], strict=True):
        weights.append(move @ result / (move @ change))
        result -= weights[-1] * change
    if len(moves):
        result *= moves[-1] @ changes[-1] / (changes[-1] @ changes[-1])
    for move, change, weight in zip(moves, changes, weights[::-1], strict=True):
        result += (weight - change @ result / (move @ change)) * move
    return result
