"""Events over assets, and their normal form: disjoint boxes in the unit cube."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError

Asset = int | str
# Disjoint intervals (lower, upper) of one asset's u in ascending order; lower = upper stands for a value.
Intervals = tuple[tuple[float, float], ...]
# Asset's column -> its intervals; an asset that is not named is free.
Box = Mapping[int, Intervals]

_MAX_BOXES = 4096
_INSIDE: Intervals = ((0.5, 1.0),)


class Event:
    """Something that may happen on a day; events join by `&`, `|` and `~`."""

    def __and__(self, other: "Event") -> "And":
        return And((self, other))

    def __or__(self, other: "Event") -> "Or":
        return Or((self, other))

    def __invert__(self) -> "Not":
        return Not(self)


@dataclass(frozen=True)
class Interval(Event):
    """lower < u < upper for one asset, named by column or by name; levels in the unit interval."""

    asset: Asset
    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.lower <= self.upper <= 1.0:
            raise InputError(
                f"Interval({self.asset!r}): expected 0 <= lower <= upper <= 1, received {self.lower} and {self.upper}"
            )


@dataclass(frozen=True)
class And(Event):
    """All of the events."""

    events: tuple[Event, ...]


@dataclass(frozen=True)
class Or(Event):
    """At least one of the events."""

    events: tuple[Event, ...]


@dataclass(frozen=True)
class Not(Event):
    """The event does not happen."""

    event: Event


@dataclass(frozen=True)
class Depth(Event):
    """depth(u) > 0, for what no union of boxes can say; depth grows towards the inside of the event."""

    depth: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of an event: a box and, where there is one, a depth that must be positive inside it."""

    box: Box
    depth: Callable[[FloatArray], FloatArray] | None = None


def column_of(asset: Asset, assets: Sequence[str] | None, n_assets: int) -> int:
    """The column of an asset given by name or by column."""
    if isinstance(asset, str):
        if assets is None or asset not in assets:
            known = "columns, for the copula knows no names" if assets is None else f"one of {', '.join(assets)}"
            raise InputError(f"event: expected {known}, received {asset!r}")
        return list(assets).index(asset)
    if not 0 <= asset < n_assets:
        raise InputError(f"event: expected a column from 0 to {n_assets - 1}, received {asset}")
    return int(asset)


def pieces_of(
    event: Event, n_assets: int, assets: Sequence[str] | None = None, given: Box | None = None
) -> tuple[Piece, ...]:
    """The event as disjoint pieces inside the box `given` (with values or intervals); none where it contradicts itself.

    A depth is handled as one asset more, of which only the upper half counts as inside; so that pieces with depths
    are disjoint too.
    """
    depths: list[Depth] = []

    def leaf(part: Event) -> tuple[int, Intervals]:
        if isinstance(part, Interval):
            inside: Intervals = ((part.lower, part.upper),) if part.lower < part.upper else ()
            return column_of(part.asset, assets, n_assets), inside
        if not isinstance(part, Depth):
            raise InputError(f"event: expected intervals and depths, received {type(part).__name__}")
        if part not in depths:
            depths.append(part)
        return n_assets + depths.index(part), _INSIDE

    def resolve(part: Event, wanted: bool) -> list[Box]:
        if isinstance(part, Not):
            return resolve(part.event, not wanted)
        if isinstance(part, And | Or):
            families = [resolve(item, wanted) for item in part.events]
            return _intersection(families) if isinstance(part, And) == wanted else _union(families)
        column, inside = leaf(part)
        return _one_asset(column, inside if wanted else _outside(inside))

    boxes = [_intersect(given or {}, box) for box in _merged(resolve(event, True))]
    return tuple(_piece(box, n_assets, depths) for box in boxes if box is not None)


def _piece(box: Box, n_assets: int, depths: Sequence[Depth]) -> Piece:
    real = {column: intervals for column, intervals in box.items() if column < n_assets}
    signed = [(depths[c - n_assets].depth, 1.0 if box[c] == _INSIDE else -1.0) for c in box if c >= n_assets]
    if not signed:
        return Piece(real)
    return Piece(real, lambda u: np.asarray(np.min([sign * depth(u) for depth, sign in signed], axis=0)))


def depth_of(event: Event, u: FloatArray, assets: Sequence[str] | None = None) -> FloatArray:
    """How far each row of u lies inside the event, positive inside, shape (n,); intervals count in normal scores."""
    if isinstance(event, Not):
        return -depth_of(event.event, u, assets)
    if isinstance(event, And | Or):
        join = np.minimum if isinstance(event, And) else np.maximum
        sure = np.inf if isinstance(event, And) else -np.inf
        return np.asarray(join.reduce([np.full(len(u), sure), *(depth_of(part, u, assets) for part in event.events)]))
    if isinstance(event, Depth):
        return event.depth(u)
    if isinstance(event, Interval):
        score = ndtri(u[:, column_of(event.asset, assets, u.shape[1])])
        return np.asarray(np.minimum(score - ndtri(event.lower), ndtri(event.upper) - score))
    raise InputError(f"event: expected intervals and depths, received {type(event).__name__}")


def contains(event: Event, u: FloatArray, assets: Sequence[str] | None = None) -> BoolArray:
    """Which rows of u (n, n_assets) lie in the event, shape (n,)."""
    return np.asarray(depth_of(event, u, assets) > 0.0)


def box_contains(box: Box, u: FloatArray) -> BoolArray:
    """Which rows of u lie in the box, shape (n,)."""
    inside = np.ones(len(u), dtype=bool)
    for column, intervals in box.items():
        inside &= np.any([(u[:, column] > low) & (u[:, column] < high) for low, high in intervals], axis=0)
    return inside


def _one_asset(column: int, intervals: Intervals) -> list[Box]:
    if intervals == ((0.0, 1.0),):
        return [{}]
    return [{column: intervals}] if intervals else []


def _outside(intervals: Intervals) -> Intervals:
    edges = [0.0, *(edge for interval in intervals for edge in interval), 1.0]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((low, high) for low, high in pairs if low < high)


def _common(first: Intervals, second: Intervals) -> Intervals:
    """A value stays where the other side's intervals hold it."""
    pieces = [(max(a, c), min(b, d)) for a, b in first for c, d in second]
    value = first[0][0] == first[0][1]
    return tuple(sorted((low, high) for low, high in pieces if low < high or (value and low == high)))


def _intersect(first: Box, second: Box) -> Box | None:
    joined = dict(first)
    for column, intervals in second.items():
        common = _common(joined[column], intervals) if column in joined else intervals
        if not common:
            return None
        joined[column] = common
    return joined


def _complement(box: Box) -> list[Box]:
    """Disjoint: the first asset outside; the first inside and the second outside; and so on."""
    pieces: list[Box] = []
    held: dict[int, Intervals] = {}
    for column, intervals in box.items():
        outside = _outside(intervals)
        if outside:
            pieces.append({**held, column: outside})
        held[column] = intervals
    return pieces


def _products(first: Iterable[Box], second: Iterable[Box]) -> list[Box]:
    others = list(second)
    return _checked([box for a in first for b in others if (box := _intersect(a, b)) is not None])


def _intersection(families: list[list[Box]]) -> list[Box]:
    result: list[Box] = [{}]
    for family in families:
        result = _products(result, family)
    return result


def _union(families: list[list[Box]]) -> list[Box]:
    """Boxes of later families lose what earlier ones hold already."""
    result: list[Box] = []
    for family in families:
        added: list[Box] = list(family)
        for held in result:
            remaining = _complement(held)
            added = [
                piece
                for box in added
                for piece in ([box] if _intersect(box, held) is None else _products([box], remaining))
            ]
        result = _checked(_merged(result + added))
    return result


def _merged(boxes: list[Box]) -> list[Box]:
    """Two boxes that differ in one asset only become one."""
    result: list[Box] = []
    for box in boxes:
        joined = box
        while (partner := next((b for b in result if _differing(b, joined) is not None), None)) is not None:
            result.remove(partner)
            column = _differing(partner, joined)
            assert column is not None
            intervals = _joined(partner[column], joined[column])
            rest = {key: value for key, value in joined.items() if key != column}
            joined = rest if intervals == ((0.0, 1.0),) else {**rest, column: intervals}
        result.append(joined)
    return result


def _differing(first: Box, second: Box) -> int | None:
    """The one column in which two boxes over the same assets differ."""
    if first.keys() != second.keys():
        return None
    columns = [column for column in first if first[column] != second[column]]
    return columns[0] if len(columns) == 1 else None


def _joined(first: Intervals, second: Intervals) -> Intervals:
    pieces: list[tuple[float, float]] = []
    for low, high in sorted(first + second):
        if pieces and low <= pieces[-1][1]:
            pieces[-1] = (pieces[-1][0], max(high, pieces[-1][1]))
        else:
            pieces.append((low, high))
    return tuple(pieces)


def _checked(boxes: list[Box]) -> list[Box]:
    if len(boxes) > _MAX_BOXES:
        raise InputError(f"event: expected at most {_MAX_BOXES} disjoint boxes, received more; simplify it")
    return boxes
