"""Orthonormal Hermite functions: the basis in which |0…0⟩ is the classical model.

The functions are the probabilists' Hermite polynomials h_k = He_k / √k!, orthonormal under the standard normal
density φ: ∫ h_k h_l φ = δ_kl. A register of m qubits holds K = 2^m of them.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr

from qfin._types import FloatArray
from qfin.exceptions import InputError

_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))


def hermite_functions(y: ArrayLike, n_functions: int) -> FloatArray:
    """h_0 … h_{K−1} at y by the three-term recursion; shape y.shape + (K,)."""
    y = np.asarray(y, dtype=np.float64)
    values = np.empty((*y.shape, n_functions))
    values[..., 0] = 1.0
    if n_functions > 1:
        values[..., 1] = y
    for k in range(2, n_functions):
        values[..., k] = (y * values[..., k - 1] - np.sqrt(k - 1.0) * values[..., k - 2]) / np.sqrt(k)
    return values


def normal_density(y: ArrayLike) -> FloatArray:
    """Standard normal density φ(y); zero at ±∞."""
    y = np.asarray(y, dtype=np.float64)
    return np.asarray(np.exp(-0.5 * y * y - _LOG_SQRT_2PI))


@lru_cache(maxsize=16)
def product_coefficients(n_functions: int) -> FloatArray:
    """T[k, l, m] with h_k h_l = Σ_m T[k, l, m] h_m, shape (K, K, 2K−1), in closed form.

    He_k He_l = Σ_r C(k,r) C(l,r) r! He_{k+l−2r} (DLMF 18.18.23 in probabilists' form).
    """
    size = n_functions
    table = np.zeros((size, size, 2 * size - 1))
    for k in range(size):
        for j in range(size):
            for r in range(min(k, j) + 1):
                m = k + j - 2 * r
                log_value = (
                    0.5 * (gammaln(k + 1) + gammaln(j + 1) + gammaln(m + 1))
                    - gammaln(r + 1)
                    - gammaln(k - r + 1)
                    - gammaln(j - r + 1)
                )
                table[k, j, m] = np.exp(log_value)
    table.setflags(write=False)
    return table


def integrals_below(y: ArrayLike, n_functions: int) -> FloatArray:
    """∫_{−∞}^y h_m φ for m = 0 … M−1; shape y.shape + (M,). y may be ±∞.

    The integral is Φ(y) for m = 0 and −h_{m−1}(y) φ(y)/√m for m ≥ 1.
    """
    y = np.asarray(y, dtype=np.float64)
    finite = np.where(np.isfinite(y), y, 0.0)
    density = np.where(np.isfinite(y), normal_density(finite), 0.0)
    values = np.empty((*y.shape, n_functions))
    values[..., 0] = ndtr(y)
    if n_functions > 1:
        below = hermite_functions(finite, n_functions - 1)
        values[..., 1:] = -below * density[..., None] / np.sqrt(np.arange(1, n_functions))
    return values


@dataclass(frozen=True)
class HermiteBasis:
    """The first `n_functions` = K orthonormal Hermite functions of one register."""

    n_functions: int

    def __post_init__(self) -> None:
        if not 1 <= self.n_functions <= 64:
            raise InputError(f"n_functions: expected 1 to 64 Hermite functions, received {self.n_functions}")

    @property
    def n_qubits(self) -> int:
        """Qubits of a register: ⌈log2 K⌉ (amplitudes K … 2^m − 1 are zero)."""
        return max(1, (self.n_functions - 1).bit_length())

    def features(self, y: ArrayLike) -> FloatArray:
        """h_k(y), shape y.shape + (K,)."""
        return hermite_functions(y, self.n_functions)

    def gram(self, lower: ArrayLike, upper: ArrayLike) -> FloatArray:
        """G_kl = ∫_lower^upper h_k h_l φ, shape lower.shape + (K, K); the identity on (−∞, ∞)."""
        order = 2 * self.n_functions - 1
        moments = integrals_below(upper, order) - integrals_below(lower, order)
        return np.asarray(np.einsum("...m,klm->...kl", moments, self._products))

    @property
    def _products(self) -> FloatArray:
        return product_coefficients(self.n_functions)

    @cached_property
    def _nodes(self) -> tuple[FloatArray, FloatArray]:
        return gauss_hermite(self.n_functions)

    def transform(self, n_nodes: int | None = None) -> FloatArray:
        """Q_jk = √ω_j h_k(x_j), shape (n_nodes, K): coefficients -> amplitudes of Gauss–Hermite nodes.

        Square and orthogonal for n_nodes = K (default); for more nodes an isometry, QᵀQ = 1: the same function measured
        on a finer grid.
        """
        nodes, weights = self._nodes if n_nodes is None else gauss_hermite(n_nodes)
        if len(nodes) < self.n_functions:
            raise InputError(f"n_nodes: expected at least n_functions = {self.n_functions}, received {n_nodes}")
        return np.sqrt(weights)[:, None] * hermite_functions(nodes, self.n_functions)


@lru_cache(maxsize=16)
def gauss_hermite(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes x_j (ascending) and weights ω_j, Σω = 1, of Gauss quadrature for φ, both shape (n_nodes,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights = weights / weights.sum()
    nodes.setflags(write=False)
    weights.setflags(write=False)
    return nodes, weights
