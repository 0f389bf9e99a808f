"""What every solver is: `init(evaluator, rng) -> state`, `step(state, evaluator, rng) -> (state, StepInfo)`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qfin._threads import one_blas_thread
from qfin._types import BoolArray, FloatArray, IntArray


class Evaluation(Protocol):
    """The one door to the objective; it counts every unique support once."""

    @property
    def problem(self) -> Any: ...

    @property
    def remaining(self) -> int: ...

    @property
    def n_calls(self) -> int: ...

    @property
    def best(self) -> tuple[BoolArray, float]: ...

    @property
    def history(self) -> tuple[IntArray, FloatArray]: ...

    def __call__(self, supports: BoolArray) -> FloatArray: ...

    def known(self, supports: BoolArray) -> BoolArray: ...

    def pool(self) -> tuple[BoolArray, FloatArray]: ...


@dataclass(frozen=True)
class StepInfo:
    """What a step did: unique calls so far, best value so far, whether the solver has nothing left to try, and which
    of its parts proposed the best support, if the step found a new best."""

    n_calls: int
    best_value: float
    finished: bool = False
    found_by: str | None = None


class Solver(Protocol):
    def init(self, evaluator: Evaluation, rng: np.random.Generator) -> Any: ...

    def step(self, state: Any, evaluator: Evaluation, rng: np.random.Generator) -> tuple[Any, StepInfo]: ...


# Steps in a row without a new call after which a run ends: the solver goes in circles, or everything is known.
_IDLE_STEPS = 20


def run_solver(
    solver: Solver,
    evaluator: Evaluation,
    rng: np.random.Generator,
    *,
    on_step: Callable[[StepInfo], None] | None = None,
    on_state: Callable[[Any], None] | None = None,
    state: Any = None,
    patience: int | None = None,
) -> Any:
    """Step until the budget is spent, the solver has finished, or nothing comes any more; the last state.

    `state` goes on with an earlier run instead of `init`; `on_state` sees every state, to store it; `patience` is the
    number of calls without a better value after which the run ends.
    """
    with one_blas_thread():
        state = solver.init(evaluator, rng) if state is None else state
        idle = 0
        while evaluator.remaining > 0 and idle < _IDLE_STEPS:
            before = evaluator.n_calls
            state, info = solver.step(state, evaluator, rng)
            idle = 0 if evaluator.n_calls > before else idle + 1
            if on_step is not None:
                on_step(info)
            if on_state is not None:
                on_state(state)
            if info.finished or (patience is not None and evaluator.n_calls - evaluator.history[0][-1] >= patience):
                break
    return state


def step_info(evaluator: Evaluation, *, finished: bool = False, found_by: str | None = None) -> StepInfo:
    return StepInfo(evaluator.n_calls, float(evaluator.best[1]), finished, found_by)


def new_rows(evaluator: Evaluation, supports: BoolArray) -> IntArray:
    """Indices, ascending, of the rows that are feasible, not evaluated yet and not repeated."""
    rows = np.flatnonzero(evaluator.problem.feasible(supports))
    rows = rows[~evaluator.known(supports[rows])]
    first: dict[bytes, int] = {}
    for row, key in zip(rows.tolist(), np.packbits(supports[rows], axis=1), strict=True):
        first.setdefault(key.tobytes(), row)
    return np.array(list(first.values()), dtype=np.int64)
