"""Decoding: measured nodes -> values of y.

The line is cut into one cell per Gauss–Hermite node, in order, with the node's weight ω_j as its mass under the
standard normal density φ; each cell holds its node (separation theorem of Chebyshev, Markov and Stieltjes; Szegő,
Orthogonal Polynomials, theorem 3.41.1). A shot that names node j is decoded to a draw from φ restricted to cell j.

What this does to the density. Node j comes with probability ω_j |Ψ(x_j)|², so a decoded value has the density
|Ψ(x_j(y))|² φ(y), x_j(y) the node of the cell that y lies in: the squared amplitude is read at the node, and nothing
else changes. Hence |0…0⟩, the classical model, is decoded exactly on every grid and in both tails, and the error
elsewhere is that of a step function: it falls as extra qubits make the cells narrower. Independent draws within a cell
lose the dependence inside it, so correlation comes out a little too small (for a Gaussian copula of 0.5 by a tenth at
8 nodes, a twentieth at 16).

Why not the square of the node's cardinal function ℓ_j = Σ_k Q_jk h_k, the density of the collapsed state itself:
∫ (y − x_j)² ℓ_j² φ = 1 for every node of every grid, by Christoffel–Darboux. It would double the variance of the
classical model, put its 0.1 % quantile beyond −5.8, and no number of extra qubits would help.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray, IntArray
from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.exceptions import InputError
from qfin.quantum.measurement import measurement_circuit, node_indices
from qfin.quantum.samplers import CircuitSampler


def cell_edges(n_nodes: int) -> FloatArray:
    """Edges of the nodes' cells, ascending from −∞ to ∞, shape (n_nodes + 1,); cell j has mass ω_j under φ."""
    edges = np.empty(n_nodes + 1)
    half = n_nodes // 2 + 1
    edges[:half] = ndtri(np.concatenate([[0.0], np.cumsum(gauss_hermite(n_nodes)[1])])[:half])
    edges[n_nodes + 1 - half :] = -edges[:half][::-1]
    return edges


def decode_nodes(nodes: ArrayLike, n_nodes: int, *, rng: RandomLike = None) -> FloatArray:
    """A value y in the cell of each node, from the standard normal density restricted to that cell.

    Parameters
    ----------
    nodes
        Node indices in 0 … n_nodes − 1, any shape.
    n_nodes
        Nodes of a register's grid, 2^{m+e}.

    Returns
    -------
    array of the shape of `nodes`; always finite.
    """
    index: IntArray = np.asarray(nodes)
    if not np.issubdtype(index.dtype, np.integer) or ((index < 0) | (index >= n_nodes)).any():
        raise InputError(f"nodes: expected integers 0 … {n_nodes - 1}, received {index.dtype} {np.unique(index)[:5]} …")
    weights = gauss_hermite(n_nodes)[1]
    below = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    upper = index >= (n_nodes + 1) // 2  # the upper half mirrors the lower, where small masses keep their precision
    cell = np.where(upper, n_nodes - 1 - index, index)
    share = 1.0 - as_generator(rng).random(index.shape)  # in (0, 1]
    y = ndtri(below[cell] + weights[cell] * share)
    decoded: FloatArray = np.where(upper, -y, y)
    return decoded


def sample_circuit(
    circuit: Any,
    basis: HermiteBasis,
    n_registers: int,
    n_samples: int,
    *,
    sampler: CircuitSampler,
    n_extra: int = 0,
    rng: RandomLike = None,
) -> FloatArray:
    """Draws y (n_samples, n_registers) from shots of a Qiskit circuit that prepares the coefficients of Ψ.

    Each register is measured on 2^{m+e} nodes, e = `n_extra`, and decoded cell by cell.
    """
    rng = as_generator(rng)
    n_nodes = 2 ** (basis.n_qubits + n_extra)
    measured = measurement_circuit(circuit, basis.transform(n_nodes), n_registers, n_extra)
    bits = sampler.sample(measured, n_samples, rng=rng)
    return decode_nodes(node_indices(bits, n_registers), n_nodes, rng=rng)
