"""Coming from a current book: turnover limit and proportional cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qfin.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Trading:
    """A current book (asset -> weight, absent means none), and what leaving it costs.

    `max_turnover` limits ½Σ|w − w_current| (1 replaces a fully invested book). `cost` is paid per unit bought and per
    unit sold, in units of return: Σ cost·|w − w_current| is taken off the mean return and added to losses.
    """

    current: Mapping[str, float]
    max_turnover: float | None = None
    cost: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "current", MappingProxyType({str(k): float(v) for k, v in self.current.items()}))
        for asset, weight in self.current.items():
            if not 0.0 <= weight <= 1.0:
                raise InputError(f"current: expected weights between 0 and 1, received {weight} for {asset}")
        if sum(self.current.values()) > 1.0 + 1e-9:
            raise InputError(f"current: expected weights with sum at most 1, received {sum(self.current.values())}")
        if self.max_turnover is not None and not self.max_turnover >= 0.0:
            raise InputError(f"max_turnover: expected at least 0, received {self.max_turnover}")
        if not self.cost >= 0.0:
            raise InputError(f"cost: expected at least 0, received {self.cost}")
