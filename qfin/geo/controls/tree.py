"""Chow–Liu tree given the number held: pairwise dependence along a spanning tree (the model of BOA's simplest form)."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import BoolArray, FloatArray, IntArray
from qfin._validation import check_fitted
from qfin.born.bit_mps import as_weighted_bits


class TreeGenerator(BaseEstimator):  # type: ignore[misc]
    """Tree of largest mutual information; draws are exact given the count, by sums over the tree.

    Each node asks two others: its first child and its next sibling. F[v, parent's bit, c] is the probability that v,
    its descendants and its later siblings with theirs hold c ones, so a draw splits the count on the way down.
    """

    def __init__(self, counts: tuple[int, int], *, smoothing: float = 0.1):
        self.counts = counts
        self.smoothing = smoothing

    def fit(self, bits: ArrayLike, sample_weight: ArrayLike | None = None, *, rng: RandomLike = None) -> Self:
        """Fit to weighted strings; nothing in it is random."""
        strings, weight = as_weighted_bits(bits, sample_weight)
        pairs = pair_shares(strings, weight, self.smoothing)
        self.parent_, self.order_ = spanning_tree(mutual_information(pairs))
        parents = np.maximum(self.parent_, 0)
        joint = pairs[np.arange(len(parents)), :, parents, :].transpose(0, 2, 1)  # [node, parent's bit, own bit]
        self.given_ = joint / joint.sum(axis=2, keepdims=True)
        root = self.order_[0]
        self.given_[root] = joint[root].diagonal()[None, :]
        self.child_, self.sibling_ = first_child_next_sibling(self.parent_, self.order_)
        self.sums_ = self._count_sums()
        return self

    def _count_sums(self) -> FloatArray:
        highest = self.counts[1]
        sums = np.zeros((len(self.parent_) + 1, 2, highest + 1))
        sums[-1, :, 0] = 1.0  # no such node
        for v in self.order_[::-1]:
            for given in (0, 1):
                below = [np.convolve(sums[self.child_[v], x], sums[self.sibling_[v], given]) for x in (0, 1)]
                sums[v, given] = self.given_[v, given, 0] * below[0][: highest + 1]
                sums[v, given, 1:] += self.given_[v, given, 1] * below[1][:highest]
        return sums

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> BoolArray:
        check_fitted(self, "sums_")
        generator = as_generator(rng)
        root, lowest = self.order_[0], self.counts[0]
        totals = self.sums_[root, 0, lowest:]
        budget = np.zeros((len(self.parent_) + 1, n_samples), dtype=np.int64)
        budget[root] = lowest + generator.choice(len(totals), size=n_samples, p=totals / totals.sum())
        bits = np.zeros((n_samples, len(self.parent_)), dtype=bool)
        for v in self.order_:
            above = bits[:, self.parent_[v]].astype(np.int64) if v != root else np.zeros(n_samples, dtype=np.int64)
            bits[:, v], below = self._split(v, above, budget[v], generator.random(n_samples))
            budget[self.child_[v]] = below
            budget[self.sibling_[v]] = budget[v] - bits[:, v] - below
        return bits

    def _split(self, v: int, above: IntArray, budget: IntArray, uniforms: FloatArray) -> tuple[BoolArray, IntArray]:
        """The bit of node v and how many of the budget its descendants hold."""
        size = self.counts[1] + 1
        rest = budget[:, None, None] - np.arange(2)[:, None] - np.arange(size)
        later = self.sums_[self.sibling_[v]][above[:, None, None], np.maximum(rest, 0)] * (rest >= 0)
        ways = self.given_[v, above][:, :, None] * self.sums_[self.child_[v]] * later
        steps = np.cumsum(ways.reshape(len(above), 2 * size), axis=1)
        chosen = (steps <= uniforms[:, None] * steps[:, -1:]).sum(axis=1)
        return chosen >= size, chosen % size

    def log_prob(self, bits: ArrayLike) -> FloatArray:
        """log P given that the count is in range."""
        check_fitted(self, "sums_")
        strings, _ = as_weighted_bits(bits, None, n_bits=len(self.parent_))
        ones = strings.astype(np.int64)
        above = np.where(self.parent_ >= 0, ones[:, np.maximum(self.parent_, 0)], 0)
        values = np.log(self.given_[np.arange(len(self.parent_)), above, ones]).sum(axis=1)
        totals = strings.sum(axis=1)
        inside = (totals >= self.counts[0]) & (totals <= self.counts[1])
        return np.where(inside, values - np.log(self.sums_[self.order_[0], 0, self.counts[0] :].sum()), -np.inf)


def pair_shares(strings: BoolArray, weight: FloatArray, smoothing: float) -> FloatArray:
    """Joint shares P[i, a, j, b] of each pair of sites, drawn to independent sites of the mean share by `smoothing`."""
    n_bits = strings.shape[1]
    both = np.stack([~strings, strings], axis=2).reshape(len(strings), 2 * n_bits).astype(np.float64)
    joint = (both * weight[:, None]).T @ both
    mean = strings.mean()
    even = np.tile([1.0 - mean, mean], n_bits)
    floor = np.outer(even, even).reshape(n_bits, 2, n_bits, 2)
    for i in range(n_bits):
        floor[i, :, i, :] = np.diag([1.0 - mean, mean])
    return np.asarray((joint.reshape(n_bits, 2, n_bits, 2) + smoothing * floor) / (1.0 + smoothing))


def mutual_information(pairs: FloatArray) -> FloatArray:
    """Mutual information of each pair of sites, nats, zero on the diagonal."""
    single = np.einsum("iaia->ia", pairs)
    product = single[:, :, None, None] * single[None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(pairs > 0.0, pairs * np.log(pairs / product), 0.0)
    information = terms.sum(axis=(1, 3))
    np.fill_diagonal(information, 0.0)
    return np.asarray(information)


def spanning_tree(information: FloatArray) -> tuple[IntArray, IntArray]:
    """Parent of each node (−1 for the root) in the tree of largest information, and the nodes in depth-first order."""
    from scipy.sparse.csgraph import depth_first_order, minimum_spanning_tree

    tree = minimum_spanning_tree(information.max() + 1.0 - information)
    order, parents = depth_first_order(tree, 0, directed=False)
    return np.where(parents < 0, -1, parents).astype(np.int64), order.astype(np.int64)


def first_child_next_sibling(parent: IntArray, order: IntArray) -> tuple[IntArray, IntArray]:
    """First child and next sibling of each node; −1 stands for none."""
    child, sibling = np.full(len(parent), -1), np.full(len(parent), -1)
    for v in order[:0:-1]:
        sibling[v] = child[parent[v]]
        child[parent[v]] = v
    return child, sibling
