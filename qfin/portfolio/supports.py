"""Feasible supports at random."""

from math import comb

import numpy as np

from qfin._types import BoolArray, IntArray
from qfin.exceptions import InputError
from qfin.portfolio.problem import PortfolioProblem

_ROUNDS = 50


def random_supports(problem: PortfolioProblem, n: int, rng: np.random.Generator) -> BoolArray:
    """`n` feasible supports (n, n_assets), independent and uniform over all feasible ones.

    Groups that limit counts and share no members are drawn exactly; for groups that share some, draws are rejected.
    Only where fewer than about 1 in 50 draws is accepted are the missing ones the cheapest feasible supports for
    random costs: there every feasible support can come, not all equally often.
    """
    if n < 1:
        raise InputError(f"n: expected at least 1, received {n}")
    blocks = _blocks(problem)
    supports = np.zeros((0, problem.n_assets), dtype=bool)
    for _ in range(_ROUNDS):
        drawn = _draw(problem, blocks, n, rng)
        supports = np.concatenate([supports, drawn[problem.feasible(drawn)]])[:n]
        if len(supports) == n:
            return supports
    from qfin.portfolio.conflicts import cheapest_support

    rest = [cheapest_support(problem, rng.standard_normal(problem.n_assets)) for _ in range(n - len(supports))]
    return np.concatenate([supports, rest])


def _draw(problem: PortfolioProblem, blocks: list["_Block"], n: int, rng: np.random.Generator) -> BoolArray:
    """Supports that meet all rules but those of groups that share members with an earlier one."""
    supports = np.tile(problem.mask(problem.must_hold), (n, 1))
    counts = _draw_counts(problem, blocks, n, rng)
    for (members, _, _), wanted in zip(blocks, counts.T, strict=True):
        rank = np.argsort(np.argsort(rng.random((n, len(members))), axis=1), axis=1)
        supports[:, members] = rank < wanted[:, None]
    return supports


# Free members of a group (columns), and the lowest and highest number of them to be held.
_Block = tuple[IntArray, int, int]


def _blocks(problem: PortfolioProblem) -> list[_Block]:
    """The free assets, split by group; a group that shares members with an earlier one is left out."""
    held, barred = problem.mask(problem.must_hold), problem.mask(problem.must_not)
    rest = ~(held | barred)
    seen = np.zeros(problem.n_assets, dtype=bool)
    blocks: list[_Block] = []
    for group in problem.groups:
        members = problem.mask(group.members)
        if group.count is None or (members & seen).any():
            continue
        seen |= members
        fixed = int((members & held).sum())
        blocks.append((np.flatnonzero(members & rest), max(group.count[0] - fixed, 0), group.count[1] - fixed))
    others = np.flatnonzero(rest & ~seen)
    return [*blocks, (others, 0, len(others))]


def _draw_counts(problem: PortfolioProblem, blocks: list[_Block], n: int, rng: np.random.Generator) -> IntArray:
    """How many of each block are held, shape (n, n_blocks), with the probability that uniform supports have."""
    fixed = len(problem.must_hold)
    lowest, highest = (max(limit - fixed, 0) for limit in problem.cardinality)
    # ways[b][m]: in how many ways the blocks from b on hold m assets together (exact integers).
    ways: list[list[int]] = [[1] + [0] * highest]
    for members, low, high in reversed(blocks):
        later = ways[0]
        choices = {count: comb(len(members), count) for count in range(low, min(high, len(members), highest) + 1)}
        ways.insert(0, [sum(c * later[m - q] for q, c in choices.items() if q <= m) for m in range(highest + 1)])
    total = _pick(ways[0][lowest:], lowest, n, rng)
    counts = np.zeros((n, len(blocks)), dtype=np.int64)
    for place, (members, low, high) in enumerate(blocks):
        for m in np.unique(total):
            rows = np.flatnonzero(total == m)
            options = range(low, min(high, len(members), int(m)) + 1)
            weights = [comb(len(members), q) * ways[place + 1][int(m) - q] for q in options]
            counts[rows, place] = _pick(weights, low, len(rows), rng)
        total = total - counts[:, place]
    return counts


def _pick(weights: list[int], first: int, n: int, rng: np.random.Generator) -> IntArray:
    """`n` numbers first, first + 1, … with probability in proportion to exact integer weights."""
    whole = sum(weights)
    return first + rng.choice(len(weights), size=n, p=np.array([weight / whole for weight in weights]))
