"""The normal form of events: disjoint boxes that hold exactly what the event holds."""

import numpy as np
import pytest

from qfin.copulas import And, Depth, Event, Interval, Not, Or
from qfin.copulas.events import box_contains, contains, pieces_of
from qfin.exceptions import InputError

N_ASSETS = 4
NAMES = ("A", "B", "C", "D")


def random_event(rng: np.random.Generator, depth: int = 3) -> Event:
    kind = rng.integers(4) if depth else 3
    if kind == 3:
        lower, upper = np.sort(rng.random(2))
        column = int(rng.integers(N_ASSETS))
        return Interval(
            NAMES[column] if rng.random() < 0.5 else column, *((0.0, upper) if rng.random() < 0.5 else (lower, upper))
        )
    if kind == 2:
        return Not(random_event(rng, depth - 1))
    parts = tuple(random_event(rng, depth - 1) for _ in range(2))
    return And(parts) if kind else Or(parts)


@pytest.mark.parametrize("seed", range(60))
def test_boxes_are_disjoint_and_hold_the_event(seed: int) -> None:
    rng = np.random.default_rng(seed)
    event = random_event(rng)
    u = rng.random((2_000, N_ASSETS))
    count = sum(box_contains(piece.box, u).astype(int) for piece in pieces_of(event, N_ASSETS, NAMES))
    np.testing.assert_array_equal(count, contains(event, u, NAMES).astype(int))


def test_pieces_with_depths_are_disjoint_too() -> None:
    first, second = Depth(lambda u: 0.8 - u.sum(1)), Depth(lambda u: u.sum(1) - 3.0)
    event = (first | second | (Interval(0, 0.0, 0.2) & ~first)) & Interval(1, 0.0, 0.5)
    u = np.random.default_rng(1).random((20_000, N_ASSETS)) ** 2
    count = np.zeros(len(u), dtype=int)
    for piece in pieces_of(event, N_ASSETS):
        count += box_contains(piece.box, u) & (True if piece.depth is None else piece.depth(u) > 0.0)
    np.testing.assert_array_equal(count, contains(event, u).astype(int))


def test_any_of_many_assets_stays_short() -> None:
    pieces = pieces_of(Or(tuple(Interval(i, 0.0, 0.01) for i in range(30))), 30)
    assert len(pieces) == 30
    assert len(pieces_of(~Or(tuple(Interval(i, 0.0, 0.01) for i in range(30))), 30)) == 1


def test_neighbours_join_and_contradictions_vanish() -> None:
    joined = pieces_of(Interval(0, 0.0, 0.1) | Interval(0, 0.1, 0.2) | Interval(0, 0.8, 1.0), 2)
    assert [piece.box for piece in joined] == [{0: ((0.0, 0.2), (0.8, 1.0))}]
    assert pieces_of(Interval(0, 0.0, 0.1) & Interval(0, 0.2, 0.3), 2) == ()
    assert [piece.box for piece in pieces_of(Interval(0, 0.0, 0.3) | ~Interval(0, 0.0, 0.3), 2)] == [{}]


def test_values_stay_inside_given_boxes() -> None:
    event = Interval(0, 0.0, 0.3) & Interval(1, 0.5, 1.0)
    pieces = pieces_of(event, 2, given={0: ((0.2, 0.2),)})
    assert [piece.box for piece in pieces] == [{0: ((0.2, 0.2),), 1: ((0.5, 1.0),)}]
    assert pieces_of(event, 2, given={0: ((0.4, 0.4),)}) == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Interval(0, 0.5, 0.2), "expected 0 <= lower <= upper <= 1"),
        (lambda: pieces_of(Interval("E", 0, 0.1), 4, NAMES), "expected one of A, B, C, D, received 'E'"),
        (lambda: pieces_of(Interval("A", 0, 0.1), 4), "the copula knows no names"),
        (lambda: pieces_of(Interval(4, 0, 0.1), 4), "expected a column from 0 to 3, received 4"),
        (lambda: pieces_of(Event(), 4), "expected intervals and depths, received Event"),
        (
            lambda: pieces_of(And(tuple(Interval(i, 0, 0.1) | Interval(i + 20, 0, 0.2) for i in range(14))), 40),
            "expected at most 4096 disjoint boxes",
        ),
    ],
)
def test_wrong_events_are_refused(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]
