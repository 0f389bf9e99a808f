"""The one account of evaluations: every unique support is solved once, cached and counted once."""

from dataclasses import dataclass

import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray, IntArray
from qfin.exceptions import InputError
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.solutions import Solutions


@dataclass(frozen=True)
class Budget:
    """How many unique supports may be solved."""

    max_calls: int

    def __post_init__(self) -> None:
        if isinstance(self.max_calls, bool) or not isinstance(self.max_calls, int) or self.max_calls < 1:
            raise InputError(f"max_calls: expected a whole number of at least 1, received {self.max_calls}")


class Evaluator:
    """Supports (n_supports, n_assets) -> values (n_supports,), within a budget.

    Rows beyond the budget get NaN, in row order. A support on which no weights exist has the value +inf and counts
    as one call. Supports that break the combinatorial rules raise `InputError`: a solver proposes feasible ones only.
    """

    def __init__(self, problem: PortfolioProblem, budget: Budget) -> None:
        self.problem = problem
        self.budget = budget
        self._place: dict[bytes, int] = {}
        self._supports: list[BoolArray] = []
        self._values: list[float] = []
        self._history: list[tuple[int, float]] = []

    @property
    def n_calls(self) -> int:
        return len(self._values)

    @property
    def remaining(self) -> int:
        return self.budget.max_calls - self.n_calls

    @property
    def best(self) -> tuple[BoolArray, float]:
        """The support of least value so far; the earliest where several tie."""
        if not self._values:
            raise InputError("evaluator: expected at least one evaluated support, received none")
        place = int(np.argmin(self._values))
        return self._supports[place], self._values[place]

    @property
    def history(self) -> tuple[IntArray, FloatArray]:
        """After which call a new least value was known, and that value."""
        calls = np.array([call for call, _ in self._history], dtype=np.int64)
        return calls, np.array([value for _, value in self._history], dtype=np.float64)

    def pool(self) -> tuple[BoolArray, FloatArray]:
        """Every support evaluated, in the order of the calls, and the values."""
        supports = np.array(self._supports, dtype=bool).reshape(-1, self.problem.n_assets)
        return supports, np.array(self._values, dtype=np.float64)

    def known(self, supports: AnyArray) -> BoolArray:
        """Which rows have been evaluated."""
        return np.array([key in self._place for key in _keys(self._as_supports(supports))], dtype=bool)

    def __call__(self, supports: AnyArray) -> FloatArray:
        """The values of the rows; what is new is solved in one batch."""
        rows = self._as_supports(supports)
        feasible = self.problem.feasible(rows)
        if not feasible.all():
            raise InputError(f"supports: expected feasible rows, received an infeasible row {int(np.argmin(feasible))}")
        keys = _keys(rows)
        fresh: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in self._place and key not in fresh and len(fresh) < self.remaining:
                fresh[key] = place
        if fresh:
            chosen = rows[list(fresh.values())]
            self._store(list(fresh), chosen, self.problem.solve(chosen).values)
        return np.array([self._values[self._place[key]] if key in self._place else np.nan for key in keys])

    def restore(self, supports: AnyArray, values: FloatArray) -> None:
        """Take up a stored `pool`, so that a resumed run neither repeats nor recounts calls."""
        rows = self._as_supports(supports)
        keys = _keys(rows)
        if self._values or len(set(keys)) != len(keys) or len(keys) != len(values) or len(keys) > self.remaining:
            raise InputError("evaluator: expected a new evaluator and a pool of different supports within its budget")
        self._store(keys, rows, np.asarray(values, dtype=np.float64))

    def solution(self, support: AnyArray) -> Solutions:
        """Weights and value of one support, solved again; not counted."""
        return self.problem.solve(self._as_supports(np.atleast_2d(support)))

    def _store(self, keys: list[bytes], supports: BoolArray, values: FloatArray) -> None:
        least = self._history[-1][1] if self._history else np.inf
        for key, support, value in zip(keys, supports, values.tolist(), strict=True):
            self._place[key] = len(self._values)
            kept = support.copy()
            kept.setflags(write=False)
            self._supports.append(kept)
            self._values.append(value)
            if value < least:
                least = value
                self._history.append((len(self._values), value))

    def _as_supports(self, supports: AnyArray) -> BoolArray:
        rows = np.asarray(supports)
        if rows.dtype != bool or rows.ndim != 2 or rows.shape[1] != self.problem.n_assets:
            expected = f"a boolean array (n_supports, {self.problem.n_assets})"
            raise InputError(f"supports: expected {expected}, received {rows.dtype} of shape {rows.shape}")
        return rows


def _keys(supports: BoolArray) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(supports, axis=1)]
