"""Neighbours of a support: one asset exchanged, and one taken in or given up where the cardinality allows it."""

import numpy as np

from qfin._types import BoolArray, IntArray
from qfin.portfolio import PortfolioProblem


def random_neighbours(problem: PortfolioProblem, supports: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Each row after one random move; rows may come out infeasible in groups, never in their count.

    Where the cardinality is a range, an exchange, a sale and a purchase are equally likely; at an end of the range what
    would leave it turns into its opposite.
    """
    lowest, highest = problem.cardinality
    moved, rows, totals = supports.copy(), np.arange(len(supports)), supports.sum(axis=1)
    kind = rng.integers(3, size=len(moved)) if lowest < highest else np.zeros(len(moved), dtype=np.int64)
    gives_up = (kind == 0) | ((kind == 1) & (totals > lowest)) | ((kind == 2) & (totals == highest))
    takes_in = (kind == 0) | ~gives_up
    keys = rng.random(moved.shape)
    out = np.where(supports, keys, -1.0).argmax(axis=1)
    into = np.where(supports, -1.0, keys).argmax(axis=1)
    has_others = totals < supports.shape[1]
    sold = gives_up & (has_others | ~takes_in)
    moved[rows[sold], out[sold]] = False
    moved[rows[takes_in & has_others], into[takes_in & has_others]] = True
    return moved


def all_swaps(support: BoolArray) -> tuple[BoolArray, IntArray]:
    """All supports that differ in one exchange, and the pairs (given up, taken in)."""
    held, free = np.flatnonzero(support), np.flatnonzero(~support)
    pairs = np.array(np.meshgrid(held, free, indexing="ij")).reshape(2, -1).T
    swapped = np.repeat(support[None], len(pairs), axis=0)
    rows = np.arange(len(pairs))
    swapped[rows, pairs[:, 0]] = False
    swapped[rows, pairs[:, 1]] = True
    return swapped, pairs


def all_neighbours(problem: PortfolioProblem, support: BoolArray) -> BoolArray:
    """All feasible supports one move away: exchanges, and where the cardinality allows it one fewer or one more."""
    lowest, highest = problem.cardinality
    swapped, _ = all_swaps(support)
    parts, total = [swapped], int(support.sum())
    if total > lowest:
        fewer = np.repeat(support[None], total, axis=0)
        fewer[np.arange(total), np.flatnonzero(support)] = False
        parts.append(fewer)
    if total < highest:
        free = np.flatnonzero(~support)
        more = np.repeat(support[None], len(free), axis=0)
        more[np.arange(len(free)), free] = True
        parts.append(more)
    neighbours = np.concatenate(parts)
    return np.asarray(neighbours[problem.feasible(neighbours)])
