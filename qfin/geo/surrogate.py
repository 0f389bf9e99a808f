"""Boltzmann surrogate of evaluated supports, and the order of assets on the chain."""

import numpy as np

from qfin._types import FloatArray, IntArray
from qfin.exceptions import InputError


def boltzmann_weights(values: FloatArray, temperature: float) -> FloatArray:
    """Softmax of −value / T, T in standard deviations of the values; shape (n,), sums to one."""
    if not temperature > 0.0:
        raise InputError(f"temperature: expected a number > 0, received {temperature}")
    spread = float(np.std(values))
    if spread == 0.0:
        return np.full(len(values), 1.0 / len(values))
    weights = np.exp(-(values - values.min()) / (temperature * spread))
    return np.asarray(weights / weights.sum())


def chain_order(correlation: FloatArray) -> IntArray:
    """Assets in an order that puts correlated ones beside each other: leaves of an average-linkage tree."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = np.sqrt(np.clip(0.5 * (1.0 - correlation), 0.0, None))
    distance = 0.5 * (distance + distance.T)
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(distance, checks=False)
    tree = optimal_leaf_ordering(linkage(condensed, "average"), condensed)
    return np.asarray(leaves_list(tree), dtype=np.int64)
