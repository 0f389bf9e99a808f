"""Gates as data: a list of two-qubit blocks, each a fixed unitary times the exponential of its 15 angles.

Block b acts as U0_b · exp(i Σ_p θ_{b,p} P_p). At θ = 0 it is U0_b, and there its 15 angles move it in 15 independent
directions, so that training can start from a prepared state and from the identity alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin.exceptions import InputError

_ONE_QUBIT = {
    "I": np.array([[1, 0], [0, 1]], dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}
PAULI_LABELS = tuple(a + b for a, b in product("IXYZ", repeat=2))[1:]
PAULIS: ComplexArray = np.stack([np.kron(_ONE_QUBIT[label[0]], _ONE_QUBIT[label[1]]) for label in PAULI_LABELS])
"""The 15 two-qubit Paulis IX, IY, IZ, XI, …, ZZ, shape (15, 4, 4); the first letter acts on the pair's first qubit."""
PAULIS.setflags(write=False)

N_ANGLES = len(PAULIS)
_UNITARITY = 1e-8


@dataclass(frozen=True, eq=False)
class Ansatz:
    """Two-qubit blocks on a row of qubits, in order of application.

    Parameters
    ----------
    n_qubits : int
        Qubit 0 is the most significant bit of the index of an amplitude.
    pairs : array of int, shape (n_blocks, 2)
        Qubits (a, b) of each block. Its row and column index is 2·bit_a + bit_b, whatever the order of a and b.
    fixed : complex array, shape (n_blocks, 4, 4)
        The unitaries U0.

    The parameters θ are one flat array of 15 angles per block, block after block, in the order of `PAULI_LABELS`.
    """

    n_qubits: int
    pairs: IntArray
    fixed: ComplexArray

    def __post_init__(self) -> None:
        if self.n_qubits < 1:
            raise InputError(f"n_qubits: expected at least 1, received {self.n_qubits}")
        pairs = _checked_pairs(self.pairs, self.n_qubits)
        fixed = np.array(self.fixed, dtype=np.complex128)
        if fixed.shape != (len(pairs), 4, 4):
            raise InputError(f"fixed: expected shape ({len(pairs)}, 4, 4), received {fixed.shape}")
        defect = np.abs(fixed.conj().transpose(0, 2, 1) @ fixed - np.eye(4)).max(axis=(1, 2), initial=0.0)
        if not (defect <= _UNITARITY).all():
            worst = int(np.argmax(np.where(np.isnan(defect), np.inf, defect)))
            raise InputError(
                f"fixed: expected unitary blocks, received |U†U − 1| = {defect[worst]:.1e} at block {worst}"
            )
        for name, array in (("pairs", pairs), ("fixed", fixed)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def identity(cls, n_qubits: int, pairs: ArrayLike) -> "Ansatz":
        """Identity blocks on `pairs`."""
        checked = _checked_pairs(pairs, n_qubits)
        return cls(n_qubits, checked, _identities(len(checked)))

    @classmethod
    def linear_chain(cls, n_qubits: int, n_layers: int) -> "Ansatz":
        """`n_layers` staircases of identity blocks on (0, 1), (1, 2), … (n_qubits − 2, n_qubits − 1)."""
        first = np.arange(max(0, n_qubits - 1))
        return cls.identity(n_qubits, np.tile(np.stack([first, first + 1], axis=1), (n_layers, 1)))

    @property
    def n_blocks(self) -> int:
        return len(self.pairs)

    @property
    def n_params(self) -> int:
        """15 angles per block."""
        return N_ANGLES * self.n_blocks

    def unitaries(self, params: ArrayLike | None = None) -> ComplexArray:
        """The blocks U0 · exp(iΣθP), shape (n_blocks, 4, 4); `params` None means θ = 0."""
        if params is None:
            return self.fixed
        angles = self.checked_params(params).reshape(-1, N_ANGLES)
        values, vectors = np.linalg.eigh(np.tensordot(angles, PAULIS, axes=1))
        exponential = (vectors * np.exp(1j * values)[:, None, :]) @ vectors.conj().transpose(0, 2, 1)
        blocks: ComplexArray = self.fixed @ exponential
        return blocks

    def state(self, params: ArrayLike | None = None) -> ComplexArray:
        """Circuit |0…0⟩, shape (2**n_qubits,), block after block in double precision.

        For one evaluation; training goes through `qfin.quantum.engine.statevector`, which is compiled.
        """
        state = np.zeros((2,) * self.n_qubits, dtype=np.complex128)
        state.flat[0] = 1.0
        for (a, b), block in zip(self.pairs.tolist(), self.unitaries(params), strict=True):
            moved = np.moveaxis(state, (a, b), (0, 1))
            moved = (block @ moved.reshape(4, -1)).reshape(moved.shape)
            state = np.moveaxis(moved, (0, 1), (a, b))
        return np.ascontiguousarray(state).reshape(-1)

    def extended(self, pairs: ArrayLike) -> "Ansatz":
        """This ansatz followed by identity blocks on `pairs`; its state at θ = 0 is unchanged."""
        added = Ansatz.identity(self.n_qubits, pairs)
        return Ansatz(
            self.n_qubits, np.concatenate([self.pairs, added.pairs]), np.concatenate([self.fixed, added.fixed])
        )

    def absorbed(self, params: ArrayLike) -> "Ansatz":
        """The same circuit with `params` folded into the fixed unitaries, so that it stands at θ = 0 again."""
        return Ansatz(self.n_qubits, self.pairs, self.unitaries(params))

    def checked_params(self, params: ArrayLike) -> FloatArray:
        """A copy of `params` as float64 of shape (n_params,), or an `InputError`."""
        flat = np.array(params, dtype=np.float64)
        if flat.shape != (self.n_params,):
            raise InputError(f"params: expected shape ({self.n_params},), received {flat.shape}")
        if not np.isfinite(flat).all():
            raise InputError(f"params: expected finite angles, received {flat[~np.isfinite(flat)][0]}")
        return flat

    def to_arrays(self) -> dict[str, AnyArray]:
        """The ansatz as plain arrays."""
        return {"n_qubits": np.array(self.n_qubits), "pairs": self.pairs, "fixed": self.fixed}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Ansatz":
        """The ansatz that `to_arrays` wrote."""
        return cls(int(arrays["n_qubits"]), arrays["pairs"], arrays["fixed"])


def _identities(n_blocks: int) -> ComplexArray:
    return np.tile(np.eye(4, dtype=np.complex128), (n_blocks, 1, 1))


def _checked_pairs(pairs: ArrayLike, n_qubits: int) -> IntArray:
    """A copy of `pairs` as (n_blocks, 2) of two different qubits each."""
    array = np.array(pairs)
    if array.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"pairs: expected integers (n_blocks, 2), received {array.dtype} of shape {array.shape}")
    outside = ((array < 0) | (array >= n_qubits)).any(axis=1) | (array[:, 0] == array[:, 1])
    if outside.any():
        block = int(np.argmax(outside))
        received = array[block].tolist()
        raise InputError(
            f"pairs: expected two different qubits of 0 … {n_qubits - 1}, received {received} at block {block}"
        )
    return array.astype(np.int64)
