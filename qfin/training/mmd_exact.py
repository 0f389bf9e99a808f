"""Maximum mean discrepancy of exact probabilities, with kernels that are products over registers.

MMD² = (p − q)ᵀ K (p − q), K = κ_1 ⊗ … ⊗ κ_d. Applied register by register this costs the sum of the registers' sizes
times the number of outcomes, O(n·2ⁿ) for qubits; K itself has 4ⁿ entries and is never formed. A mixture of bandwidths
is the mean of their MMD². NumPy arrays in, NumPy numbers out; JAX arrays likewise, differentiable in the probabilities.

How local is the loss? In Pauli strings Z_A, MMD² weighs the differences of ⟨Z_A⟩ by the diagonal of the kernel's
Walsh–Hadamard transform; `mean_pauli_weight` is the mean |A| under these weights. A weight of order one sees marginals
of few qubits and can be trained, one of order n is global (Rudolph et al., npj Quantum Information 10, 116 (2024)).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import hadamard

from qfin._types import FloatArray
from qfin.exceptions import InputError


def gaussian_kernels(values: ArrayLike, n_registers: int, bandwidth: float) -> list[FloatArray]:
    """exp(−(x − x')²/2σ²) between the decoded values (K,) of a register's outcomes, the same for every register.

    Their product over registers is the Gaussian kernel on decoded vectors.
    """
    nodes = np.asarray(values, dtype=np.float64)
    if nodes.ndim != 1 or not bandwidth > 0.0:
        raise InputError(
            f"gaussian_kernels: expected values (K,) and bandwidth > 0, received {nodes.shape}, {bandwidth}"
        )
    kernel = np.exp(-((nodes[:, None] - nodes[None, :]) ** 2) / (2.0 * bandwidth**2))
    return [kernel] * n_registers


def hamming_kernels(n_bits: int, bandwidth: float) -> list[FloatArray]:
    """exp(−h/2σ) of the Hamming distance h of bit strings: one 2×2 kernel per bit."""
    if not bandwidth > 0.0:
        raise InputError(f"hamming_kernels: expected bandwidth > 0, received {bandwidth}")
    off = np.exp(-1.0 / (2.0 * bandwidth))
    return [np.array([[1.0, off], [off, 1.0]])] * n_bits


def mmd_squared_exact(p: Any, q: Any, kernels: Sequence[FloatArray]) -> Any:
    """(p − q)ᵀ (κ_1 ⊗ … ⊗ κ_d) (p − q); the first register is the most significant of the outcomes' index."""
    difference = p - q
    sizes = [len(kernel) for kernel in kernels]
    if difference.shape != (int(np.prod(sizes)),):
        raise InputError(f"mmd_squared_exact: expected probabilities ({int(np.prod(sizes))},), received {p.shape}")
    smoothed = difference
    for kernel in kernels:
        # the register in front goes to the back: after all of them the order is the first again
        smoothed = (kernel.astype(difference.dtype) @ smoothed.reshape(len(kernel), -1)).T.reshape(-1)
    return difference @ smoothed


def mean_pauli_weight(kernels: Sequence[FloatArray]) -> float:
    """Mean number of qubits in the Pauli-Z strings that the kernel compares; registers of 2^m outcomes."""
    total = 0.0
    for kernel in kernels:
        size = len(kernel)
        if size & (size - 1):
            raise InputError(f"mean_pauli_weight: expected registers of 2**m outcomes, received {size}")
        signs = hadamard(size)
        weights = np.diag(signs @ kernel @ signs) / size
        n_qubits = np.array([index.bit_count() for index in range(size)])
        total += float(weights @ n_qubits / weights.sum())
    return total
