"""What a statistical test answers, and p-values from a simulated null."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin.exceptions import InputError

Detail = float | str | None

# Statistics closer than this (relative to 1 + |statistic|) are ties: the same value reached by another order of sums.
_TIE = 1e-9


@dataclass(frozen=True)
class HypothesisTest:
    """A test of one null hypothesis; `reject` is its decision at `size`, the probability of rejecting a true null.

    A small `p_value` speaks against the null. `details` holds what the p-value was made of; where the null law is
    discrete it has `mid_p_value`, which counts outcomes as extreme as the observed one by half.
    """

    name: str
    null: str
    statistic: float
    p_value: float
    size: float
    details: Mapping[str, Detail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 < self.size < 1.0:
            raise InputError(f"size: expected a probability of false alarm such as 0.05, received {self.size}")

    @property
    def reject(self) -> bool:
        return self.p_value <= self.size

    def random_ties_p_value(self, uniform: float) -> float:
        """P(more extreme) + `uniform` · P(as extreme): with a uniform draw its size is exact (Dufour 2006)."""
        mid = self.details.get("mid_p_value")
        if not isinstance(mid, float):
            return self.p_value
        return 2.0 * mid - self.p_value + uniform * 2.0 * (self.p_value - mid)

    def as_row(self) -> dict[str, object]:
        """The test as one flat row for a table or JSON."""
        return {
            "test": self.name,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "size": self.size,
            "reject": self.reject,
            "null": self.null,
            **self.details,
        }


def simulated_p_value(statistic: ArrayLike, simulated: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """p-value and mid-p-value of `statistic` (large speaks against the null) among `simulated` values of it.

    (1 + number at least as large) / (1 + number simulated): exact for independent draws of the null law, whatever their
    number (Dwass 1957; Dufour 2006). `statistic` may be an array; the simulated values are one vector.
    """
    value = np.asarray(statistic, dtype=np.float64)
    ordered = np.sort(np.asarray(simulated, dtype=np.float64))
    slack = _TIE * (1.0 + np.abs(value))
    at_least = len(ordered) - np.searchsorted(ordered, value - slack, side="left")
    above = len(ordered) - np.searchsorted(ordered, value + slack, side="right")
    total = 1.0 + len(ordered)
    return np.asarray((1.0 + at_least) / total), np.asarray((1.0 + 0.5 * (at_least + above)) / total)


def enumerated_p_value(statistic: float, values: FloatArray, probabilities: FloatArray) -> tuple[float, float]:
    """p-value and mid-p-value of `statistic` under a null law listed as values and their probabilities."""
    slack = _TIE * (1.0 + abs(statistic))
    at_least = float(probabilities[values >= statistic - slack].sum())
    above = float(probabilities[values > statistic + slack].sum())
    return min(at_least, 1.0), min(0.5 * (at_least + above), 1.0)
