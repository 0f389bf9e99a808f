"""Draws of a vine of Student-t pairs: its inverse Rosenblatt transform on normal scores, whole columns at a time."""

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from qfin._types import FloatArray
from qfin.copulas.contract import open_unit
from qfin.copulas.student import normal_score, t_score

_CHUNK = 4_096

# Correlation and degrees of freedom of one pair; None where it is independent.
Pair = tuple[float, float] | None


def student_pairs(vine: Any) -> list[list[Pair]] | None:
    """The pairs of a fitted pyvinecopulib vine, tree by tree; None if another family than Student t is among them."""
    import pyvinecopulib as pv

    trees: list[list[Pair]] = []
    for tree in range(vine.trunc_lvl):
        pairs: list[Pair] = []
        for edge in range(vine.dim - tree - 1):
            pair = vine.get_pair_copula(tree, edge)
            if pair.family not in (pv.BicopFamily.indep, pv.BicopFamily.student):
                return None
            parameters = np.ravel(pair.parameters)
            pairs.append((float(parameters[0]), float(parameters[1])) if len(parameters) else None)
        trees.append(pairs)
    return trees


def inverse_rosenblatt(vine: Any, pairs: list[list[Pair]], w: FloatArray) -> FloatArray:
    """The u whose Rosenblatt transform under the vine is w, (n, d); as pyvinecopulib's, which takes ten times as long.

    The recursion over a structure array in natural order is algorithm 2.2 of Dißmann, Brechmann, Czado & Kurowicka
    (2013, Comput. Stat. Data Anal. 59).
    """
    u = np.empty_like(w)
    for first in range(0, len(w), _CHUNK):
        rows = slice(first, first + _CHUNK)
        u[rows] = ndtr(_scores(vine, pairs, ndtri(w[rows].T))).T
    return open_unit(u)


def _scores(vine: Any, pairs: list[list[Pair]], y: FloatArray) -> FloatArray:
    """Normal scores of u from those of w, both (d, n)."""
    structure, d, n_trees = vine.structure, vine.dim, len(pairs)
    columns = [asset - 1 for asset in vine.order]
    # Keyed by tree and place: scores given the assets that the trees below have added, of either end of an edge.
    second = {(min(n_trees, d - place - 1), place): y[column] for place, column in enumerate(columns)}
    first = {(0, d - 1): second[0, d - 1]}
    for place in range(d - 2, -1, -1):
        for tree in range(min(n_trees, d - place - 1) - 1, -1, -1):
            nearest = structure.min_array(tree, place)
            natural = structure.struct_array(tree, place, natural_order=True)
            given = (second if nearest == natural else first)[tree, nearest - 1]
            pair = pairs[tree][place]
            second[tree, place] = _inverse(second[tree + 1, place], given, pair)
            if structure.needed_hfunc1(tree, place):
                first[tree + 1, place] = _conditional(given, second[tree, place], pair)
    result = np.empty_like(y)
    for place, column in enumerate(columns):
        result[column] = second[0, place]
    return result


def _inverse(y: FloatArray, given: FloatArray, pair: Pair) -> FloatArray:
    """The score of one end, from its score y given the other end."""
    if pair is None:
        return y
    rho, nu = pair
    x = t_score(given, nu)
    return normal_score(t_score(y, nu + 1.0) * _spread(x, rho, nu) + rho * x, nu)


def _conditional(y: FloatArray, given: FloatArray, pair: Pair) -> FloatArray:
    """The score of one end, given the other."""
    if pair is None:
        return y
    rho, nu = pair
    x = t_score(given, nu)
    return normal_score((t_score(y, nu) - rho * x) / _spread(x, rho, nu), nu + 1.0)


def _spread(x: FloatArray, rho: float, nu: float) -> FloatArray:
    """Scale of a t score given the other of its pair."""
    spread: FloatArray = np.sqrt((nu + x * x) * ((1.0 - rho * rho) / (nu + 1.0)))
    return spread
