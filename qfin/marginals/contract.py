"""What a panel needs of the law of one asset's returns."""

from collections.abc import Mapping
from typing import Protocol, Self

from qfin._types import AnyArray, FloatArray

# Float64 cannot tell 1 − 1e-17 from 1, so every cdf is held to [U_MIN, U_MAX]: an entry equal to either end says
# "beyond what the number format resolves" and stays strictly inside (0, 1).
U_MIN = 2.0**-53
U_MAX = 1.0 - U_MIN


class Marginal(Protocol):
    """A continuous law of simple returns on the line; `x` and `u` are arrays of any shape."""

    def fit(self, x: FloatArray) -> Self:
        """Learn from the returns of one asset, shape (n_days,), without NaN."""

    def cdf(self, x: FloatArray) -> FloatArray:
        """P(return ≤ x), held to [U_MIN, U_MAX]."""

    def ppf(self, u: FloatArray) -> FloatArray:
        """The return whose cdf is u."""

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log-density at x, −∞ outside the support."""

    def to_arrays(self) -> dict[str, AnyArray]:
        """The fitted law as one-dimensional arrays."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The law that `to_arrays` wrote."""
