"""Events in simple returns, and their translation to the unit cube through the marginals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qfin._types import FloatArray
from qfin.copulas import And, Depth, Event, Interval, Not, Or
from qfin.copulas.events import Asset, column_of
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel


@dataclass(frozen=True)
class ReturnInterval(Event):
    """lower < simple return < upper for one asset, named by column or by name."""

    asset: Asset
    lower: float = -np.inf
    upper: float = np.inf

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise InputError(
                f"ReturnInterval({self.asset!r}): expected lower <= upper, received {self.lower} and {self.upper}"
            )


@dataclass(frozen=True)
class LinearEvent(Event):
    """A book loses more than `level` (0.04: a return below −4 %); `weights` None weighs all assets equally."""

    level: float
    weights: tuple[float, ...] | None = None


def in_unit_cube(event: Event, marginals: MarginalPanel) -> Event:
    """The same event over u = F(return); `Interval`, which speaks of quantiles, stays as it is."""
    n_assets = len(marginals.assets_)
    if isinstance(event, Not):
        return Not(in_unit_cube(event.event, marginals))
    if isinstance(event, And | Or):
        return type(event)(tuple(in_unit_cube(part, marginals) for part in event.events))
    if isinstance(event, ReturnInterval):
        column = column_of(event.asset, marginals.assets_, n_assets)
        law = marginals.marginals_[column]
        lower, upper = (
            end if np.isinf(edge) else float(law.cdf(np.array(edge)))
            for edge, end in ((event.lower, 0.0), (event.upper, 1.0))
        )
        return Interval(column, lower, upper)
    if isinstance(event, LinearEvent):
        weights = np.full(n_assets, 1.0 / n_assets) if event.weights is None else np.array(event.weights)
        if weights.shape != (n_assets,):
            raise InputError(f"LinearEvent: expected {n_assets} weights, received {len(weights)}")
        return Depth(BookDepth(marginals, weights, event.level))
    return event


def return_depth(event: Event, returns: FloatArray, assets: Sequence[str]) -> FloatArray:
    """How far each row of simple returns (n, n_assets) lies inside the event, in units of return, positive inside.

    The rows may be returns over any number of days; quantiles, which speak of the law of one day, are refused.
    """
    if isinstance(event, Not):
        return -return_depth(event.event, returns, assets)
    if isinstance(event, And | Or):
        join = np.minimum if isinstance(event, And) else np.maximum
        return np.asarray(join.reduce([return_depth(part, returns, assets) for part in event.events]))
    if isinstance(event, ReturnInterval):
        column = returns[:, column_of(event.asset, assets, returns.shape[1])]
        return np.asarray(np.minimum(column - event.lower, event.upper - column))
    if isinstance(event, LinearEvent):
        book = returns.mean(axis=1) if event.weights is None else returns @ np.array(event.weights)
        return np.asarray(-book - event.level)
    raise InputError(f"event: expected returns of assets or the book, received {type(event).__name__.lower()}s")


@dataclass(frozen=True, eq=False)
class BookDepth:
    """Loss of a book beyond a level, as a function of u."""

    marginals: MarginalPanel
    weights: FloatArray
    level: float

    def __call__(self, u: FloatArray) -> FloatArray:
        return np.asarray(-(self.marginals.from_uniform(u) @ self.weights) - self.level)
