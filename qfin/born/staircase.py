"""Staircases of two-qubit gates and matrix product states of qubits.

A staircase layer is an array (n − 1, 4, 4): gate i acts on qubits (i, i+1), gate 0 first; the row index of a gate is
2·bit_i + bit_{i+1}. Tensors are (left, 2, right), qubit 0 first and most significant.
"""

from collections.abc import Sequence

import numpy as np

from qfin._types import AnyArray, IntArray

Tensors = list[AnyArray]
CUTOFF = 1e-10  # Schmidt values below this share of the largest are rounding, not state


def truncated_svd(
    matrix: AnyArray, max_bond: int | None, cutoff: float = CUTOFF
) -> tuple[AnyArray, AnyArray, AnyArray, float]:
    """U, s, V with matrix ≈ (U s) V of rank at most `max_bond`, and the norm of what was left out."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    keep = max(1, int(np.count_nonzero(s > cutoff * s[0])))
    keep = keep if max_bond is None else min(keep, max_bond)
    return u[:, :keep], s[:keep], v[:keep], float(np.linalg.norm(s[keep:]))


def compress(tensors: Sequence[AnyArray], max_bond: int | None = None, cutoff: float = CUTOFF) -> tuple[Tensors, float]:
    """Right-canonical form with bonds of at most `max_bond`, and the exact norm ‖before − after‖.

    Left to right by QR, then right to left by SVD (Oseledets, SIAM J. Sci. Comput. 33, 2295 (2011), algorithm 2). What
    the bonds leave out is mutually orthogonal, so the norms add in squares. The state is not renormalised.
    """
    chain = list(tensors)
    for i in range(len(chain) - 1):
        left, size, right = chain[i].shape
        q, r = np.linalg.qr(chain[i].reshape(left * size, right))
        chain[i] = q.reshape(left, size, -1)
        chain[i + 1] = np.tensordot(r, chain[i + 1], axes=1)
    lost = 0.0
    for i in range(len(chain) - 1, 0, -1):
        left, size, right = chain[i].shape
        u, s, v, discarded = truncated_svd(chain[i].reshape(left, size * right), max_bond, cutoff)
        chain[i] = v.reshape(-1, size, right)
        chain[i - 1] = np.tensordot(chain[i - 1], u * s, axes=1)
        lost += discarded**2
    return chain, float(np.sqrt(lost))


def inner(bra: Sequence[AnyArray], ket: Sequence[AnyArray]) -> complex:
    """⟨bra|ket⟩ of two matrix product states with equal site dimensions."""
    edge: AnyArray = np.ones((1, 1))
    for a, b in zip(bra, ket, strict=True):
        edge = np.tensordot(a.conj(), np.tensordot(edge, b, axes=1), axes=((0, 1), (0, 1)))
    return complex(edge[0, 0])


def dense_vector(tensors: Sequence[AnyArray]) -> AnyArray:
    """All amplitudes, site 0 the most significant."""
    vector: AnyArray = np.ones((1, 1))
    for tensor in tensors:
        vector = np.tensordot(vector, tensor, axes=1).reshape(-1, tensor.shape[2])
    return vector[:, 0]


def split_vector(vector: AnyArray, max_bond: int | None = None) -> Tensors:
    """Right-canonical qubit tensors of a state vector, bonds of at most `max_bond`."""
    rest, right, tensors = vector.reshape(-1, 1), 1, []
    while rest.size > 2 * right:
        u, s, v, _ = truncated_svd(rest.reshape(-1, 2 * right), max_bond)
        tensors.append(v.reshape(-1, 2, right))
        rest, right = u * s, len(s)
    return [rest.reshape(1, 2, right), *tensors[::-1]]


def zero_state(n_qubits: int, dtype: np.dtype) -> Tensors:
    """|0…0⟩ with bonds of dimension one."""
    return [np.array([1, 0], dtype).reshape(1, 2, 1)] * n_qubits


def staircase_pairs(n_qubits: int) -> IntArray:
    """(0, 1), (1, 2), …: the pairs of one layer in order of application."""
    return np.stack([np.arange(n_qubits - 1), np.arange(1, n_qubits)], axis=1)


def identity_layer(n_qubits: int, dtype: np.dtype) -> AnyArray:
    """A layer that does nothing."""
    return np.broadcast_to(np.eye(4, dtype=dtype), (n_qubits - 1, 4, 4)).copy()


def closest_unitary(matrix: AnyArray) -> AnyArray:
    """The unitary factor U of the polar form: maximises Re tr(U† matrix)."""
    u, _, v = np.linalg.svd(matrix)
    unitary: AnyArray = u @ v
    return unitary


def complete_isometry(columns: AnyArray, positions: Sequence[int]) -> AnyArray:
    """The 4×4 unitary that has orthonormal `columns` (4, p) at `positions` and is otherwise closest to the identity."""
    free = [j for j in range(4) if j not in positions]
    gate = np.zeros((4, 4), columns.dtype)
    gate[:, list(positions)] = columns
    if free:
        complement = np.linalg.svd(columns)[0][:, columns.shape[1] :]
        gate[:, free] = complement @ closest_unitary(complement.conj().T @ np.eye(4)[:, free])
    return gate


def staircase_layer(tensors: Sequence[AnyArray]) -> AnyArray:
    """The layer that prepares a right-canonical, bond-2 matrix product state, normalised, from |0…0⟩ (Ran 2020).

    Site i, read as a map from its left bond to (bit i, right bond), gives the columns |l⟩|0⟩ of gate i; the last two
    sites share a gate. Bond bases and free columns are chosen so that the gates lie close to the identity.
    """
    last = np.tensordot(tensors[-2], tensors[-1], axes=1)[..., 0]
    first, *others = [*tensors[:-2], last]
    maps = _near_identity([first / np.linalg.norm(first), *others])
    layer = np.zeros((len(maps), 4, 4), maps[0].dtype)
    for i, tensor in enumerate(maps):
        left, _, right = tensor.shape
        columns = np.zeros((2, 2, left), tensor.dtype)
        columns[:, :right] = tensor.transpose(1, 2, 0)
        layer[i] = complete_isometry(columns.reshape(4, left), (0, 2)[:left])
    return layer


def _near_identity(maps: Sequence[AnyArray], n_passes: int = 4) -> Tensors:
    """Rotate the bond bases to raise Σ Re ⟨l, 0|gate|l, 0⟩: each bond in turn by its closed-form optimum.

    The first pass, right to left, looks at the right neighbour only, so that the result does not depend on the bases
    that came in.
    """
    maps = list(maps)
    for turn in range(n_passes):
        for i in range(len(maps) - 2, -1, -1):
            bond = maps[i].shape[2]
            score = maps[i + 1][:, :bond, 0].copy()
            if turn > 0:
                score[:, 0] += np.einsum("llr->r", maps[i][:, : maps[i].shape[0]]).conj()
            rotation = closest_unitary(score)
            maps[i] = maps[i] @ rotation
            maps[i + 1] = np.tensordot(rotation.conj().T, maps[i + 1], axes=1)
    return maps


def apply_layer(layer: AnyArray, tensors: Sequence[AnyArray]) -> Tensors:
    """layer |tensors⟩, exactly: every bond moves one site to the left and doubles."""
    n = len(tensors)
    steps = []
    for i in range(n - 1):
        gate = layer[i].reshape(2, 2, 2, 2)  # out i, out i+1, in i, in i+1
        site = np.tensordot(tensors[i + 1], gate, axes=((1,), (3,)))  # left, right, out i, out i+1, in i
        left, right = site.shape[:2]
        steps.append(site.transpose(0, 4, 2, 1, 3).reshape(2 * left, 2, 2 * right))
    first = tensors[0].transpose(0, 2, 1).reshape(1, -1)
    steps[0] = np.tensordot(first, steps[0], axes=1)
    return [*steps, np.eye(2, dtype=layer.dtype).reshape(2, 2, 1)]


def unapply_layer(layer: AnyArray, tensors: Sequence[AnyArray]) -> Tensors:
    """layer† |tensors⟩, exactly: every bond moves one site to the right and doubles."""
    n = len(tensors)
    steps = []
    for i in range(n - 1):
        gate = layer[i].conj().reshape(2, 2, 2, 2)  # in i, in i+1, out i, out i+1 of the inverse
        site = np.tensordot(tensors[i], gate, axes=((1,), (0,)))  # left, right, in i+1, out i, out i+1
        left, right = site.shape[:2]
        steps.append(site.transpose(0, 3, 4, 1, 2).reshape(2 * left, 2, 2 * right))
    steps[-1] = np.tensordot(steps[-1], tensors[-1].reshape(-1, 1), axes=1)
    return [np.eye(2, dtype=layer.dtype).reshape(1, 2, 2), *steps]
