"""Registers confined to intervals, observed or summed out: exact masses, densities and draws in one sweep.

A register's identity is replaced by a matrix W: ∫ h hᵀ φ over its set for a confined register, h(y) h(y)ᵀ for an
observed one. Summed with both copies of the chain, the matrices right of a bond give its environment.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from qfin._types import FloatArray, IntArray
from qfin.basis import HermiteBasis
from qfin.born.conditionals import density_moments, distribution_and_density, draw_coordinate

# Register -> disjoint intervals (lower, upper) of y, ±∞ allowed; lower = upper stands for an observed value.
Confinement = Mapping[int, Sequence[tuple[float, float]]]


def site_matrix(basis: HermiteBasis, intervals: Sequence[tuple[float, float]]) -> FloatArray:
    """W of one register, shape (K, K)."""
    low, high = intervals[0]
    if low == high:
        feature = basis.features(low)
        return np.outer(feature, feature)
    return np.asarray(sum(_gram(basis, np.array(low), np.array(high)) for low, high in intervals))


def box_matrices(basis: HermiteBasis, lower: FloatArray, upper: FloatArray) -> list[FloatArray]:
    """W of every register for boxes lower < y < upper, both (n, d), ±∞ allowed: d arrays (n, K, K)."""
    return [_gram(basis, low, high) for low, high in zip(lower.T, upper.T, strict=True)]


def point_matrices(basis: HermiteBasis, y: FloatArray) -> list[FloatArray]:
    """W of every register for observed values y (n, d): d arrays (n, K, K)."""
    features = basis.features(y)
    return [features[:, i, :, None] * features[:, i, None, :] for i in range(y.shape[1])]


def _gram(basis: HermiteBasis, low: FloatArray, high: FloatArray) -> FloatArray:
    """∫ h hᵀ φ over each interval; above zero by the mirror image, lest a tail's mass be one minus nearly one."""
    signs = (-1.0) ** np.add.outer(np.arange(basis.n_functions), np.arange(basis.n_functions))
    above = low > 0.0
    gram = basis.gram(np.where(above, -high, low), np.where(above, -low, high))
    return np.asarray(np.where(above[..., None, None], signs * gram, gram))


def environments(tensors: Sequence[FloatArray], confinement: Confinement) -> list[FloatArray]:
    """Right environments R_i (left bond of site i), i = 0 … d; R_0 holds the mass of the confinement."""
    basis = HermiteBasis(tensors[0].shape[1])
    result = [np.eye(1)]
    for i in range(len(tensors) - 1, -1, -1):
        tensor = tensors[i]
        left, size, right = tensor.shape
        ahead = (tensor.reshape(left * size, right) @ result[0]).reshape(left, size, right)
        if i in confinement:
            ahead = np.einsum("kj,ajr->akr", site_matrix(basis, confinement[i]), ahead)
        result.insert(0, ahead.reshape(left, -1) @ tensor.reshape(left, -1).T)
    return result


def mass(tensors: Sequence[FloatArray], confinement: Confinement) -> float:
    """Probability of the intervals, times the density ratio of the observed values; exact."""
    return max(float(environments(tensors, confinement)[0][0, 0]), 0.0)


def masses(tensors: Sequence[FloatArray], matrices: Sequence[FloatArray | None]) -> FloatArray:
    """`mass` of many confinements at once: per register its W of each, (n, K, K) or (1, K, K), or None; shape (n,)."""
    environment = np.ones((1, 1, 1))
    for tensor, matrix in zip(reversed(tensors), reversed(matrices), strict=True):
        left, size, right = tensor.shape
        ahead = np.matmul(tensor.reshape(left * size, right), environment).reshape(-1, left, size, right)
        if matrix is not None:
            ahead = np.einsum("nkj,najr->nakr", matrix, ahead)
        environment = np.matmul(ahead.reshape(len(ahead), left, -1), tensor.reshape(left, -1).T)
    return np.asarray(np.maximum(environment[:, 0, 0], 0.0))


def draw_confined(
    tensors: Sequence[FloatArray], confinement: Confinement, n_samples: int, rng: np.random.Generator
) -> FloatArray:
    """Exact draws y (n_samples, d) given the confinement."""
    basis = HermiteBasis(tensors[0].shape[1])
    ahead = environments(tensors, confinement)
    vector = np.ones((n_samples, 1))
    y = np.empty((n_samples, len(tensors)))
    for i, tensor in enumerate(tensors):
        left, size, right = tensor.shape
        intervals = confinement.get(i)
        if intervals is not None and intervals[0][0] == intervals[0][1]:
            y[:, i] = intervals[0][0]
        else:
            branches = (vector @ tensor.reshape(left, size * right)).reshape(n_samples * size, right) @ root(
                ahead[i + 1]
            )
            moments = density_moments(branches.reshape(n_samples, size, -1))
            y[:, i] = _draw_register(moments, intervals, rng)
        features = basis.features(y[:, i])
        vector = np.matmul(
            features[:, None, :], (vector @ tensor.reshape(left, size * right)).reshape(-1, size, right)
        )[:, 0]
        vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    return y


def root(environment: FloatArray) -> FloatArray:
    """F with F Fᵀ = R, for a positive semi-definite R; directions that only rounding produced are left out."""
    values, vectors = np.linalg.eigh(0.5 * (environment + environment.T))
    kept = values > values[-1] * 1e-14
    result: FloatArray = vectors[:, kept] * np.sqrt(values[kept])
    return result


def _draw_register(
    moments: FloatArray, intervals: Sequence[tuple[float, float]] | None, rng: np.random.Generator
) -> FloatArray:
    n = moments.shape[1]
    if intervals is None:
        return draw_coordinate(moments, np.asarray(rng.random(n)))
    edges = np.array(intervals)
    chosen = np.zeros(n, dtype=np.int64)
    if len(edges) > 1:
        inside = [_mass_between(moments, low, high) for low, high in edges]
        chosen = choose(np.maximum(np.stack(inside, axis=1), 0.0), np.asarray(rng.random(n)))
    y, uniforms = np.empty(n), np.asarray(rng.random(n))
    for k, (low, high) in enumerate(edges):
        rows = chosen == k
        # An interval above zero through its mirror image: ranks near one would lose the tail.
        sign = -1.0 if low > 0.0 else 1.0
        held = [np.full(rows.sum(), edge) for edge in ((-high, -low) if low > 0.0 else (low, high))]
        y[rows] = sign * draw_coordinate(_mirrored(moments[:, rows], sign), uniforms[rows], *held)
    return y


def _mass_between(moments: FloatArray, low: float, high: float) -> FloatArray:
    sign = -1.0 if low > 0.0 else 1.0
    low, high = (-high, -low) if low > 0.0 else (low, high)
    ends = [distribution_and_density(_mirrored(moments, sign), np.full(moments.shape[1], x))[0] for x in (low, high)]
    return ends[1] - ends[0]


def _mirrored(moments: FloatArray, sign: float) -> FloatArray:
    """Moments of −y for sign −1: h_m is odd for odd m."""
    result: FloatArray = moments * (sign ** np.arange(len(moments)))[:, None]
    return result


def choose(weights: FloatArray, uniforms: FloatArray) -> IntArray:
    """One column per row, with chances in proportion to the weights (n, k)."""
    cumulative = np.cumsum(weights, axis=1)
    chosen = (uniforms[:, None] * cumulative[:, -1:] >= cumulative).sum(1)
    return np.asarray(np.minimum(chosen, weights.shape[1] - 1))
