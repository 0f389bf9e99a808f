"""Gates as data: a list of two-qubit blocks, each a fixed unitary times the exponential of up to 15 angles.

Block b acts as U0_b · exp(i Σ_p θ_{b,p} P_p). At θ = 0 it is U0_b, and there its 15 angles move it in 15 independent
directions, so that training can start from a prepared state and from the identity alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, BoolArray, ComplexArray, FloatArray, IntArray
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


class BlockCircuit(Protocol):
    """Two-qubit unitaries on pairs of qubits, in order: what an exporter needs of an ansatz."""

    @property
    def n_qubits(self) -> int: ...

    @property
    def pairs(self) -> IntArray: ...

    def unitaries(self, params: ArrayLike | None = None) -> ComplexArray: ...


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

    active : bool array, shape (n_blocks, 15), optional
        Which angles of each block are parameters, in the order of `PAULI_LABELS`; the others stay zero. All by default.

    The parameters θ are one flat array of the active angles, block after block, in the order of `PAULI_LABELS`.
    """

    n_qubits: int
    pairs: IntArray
    fixed: ComplexArray
    active: BoolArray = field(default=None)  # type: ignore[arg-type]  # filled in __post_init__

    def __post_init__(self) -> None:
        pairs = checked_pairs(self.pairs, self.n_qubits)
        fixed = checked_unitaries(self.fixed, len(pairs))
        active = np.ones((len(pairs), N_ANGLES), dtype=bool) if self.active is None else np.array(self.active)
        if active.shape != (len(pairs), N_ANGLES) or active.dtype != bool:
            raise InputError(
                f"active: expected booleans ({len(pairs)}, {N_ANGLES}), received {active.dtype} of shape {active.shape}"
            )
        for name, array in (("pairs", pairs), ("fixed", fixed), ("active", active)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def identity(cls, n_qubits: int, pairs: ArrayLike) -> "Ansatz":
        """Identity blocks on `pairs`."""
        checked = checked_pairs(pairs, n_qubits)
        return cls(n_qubits, checked, identities(len(checked)))

    @classmethod
    def linear_chain(cls, n_qubits: int, n_layers: int) -> "Ansatz":
        """`n_layers` staircases of identity blocks on (0, 1), (1, 2), … (n_qubits − 2, n_qubits − 1)."""
        return cls.identity(n_qubits, chain_pairs(n_qubits, n_layers))

    @property
    def n_blocks(self) -> int:
        return len(self.pairs)

    @property
    def n_params(self) -> int:
        """The active angles: 15 per block where all are."""
        return int(self.active.sum())

    def angles(self, params: ArrayLike) -> FloatArray:
        """The 15 angles of each block, shape (n_blocks, 15), zero where they are not active."""
        angles = np.zeros((self.n_blocks, N_ANGLES))
        angles[self.active] = self.checked_params(params)
        return angles

    def unitaries(self, params: ArrayLike | None = None) -> ComplexArray:
        """The blocks U0 · exp(iΣθP), shape (n_blocks, 4, 4); `params` None means θ = 0."""
        if params is None:
            return self.fixed
        blocks: ComplexArray = self.fixed @ exponentials(self.angles(params))
        return blocks

    def state(self, params: ArrayLike | None = None) -> ComplexArray:
        """Circuit |0…0⟩, shape (2**n_qubits,), block after block in double precision.

        For one evaluation; training goes through `qfin.quantum.engine.statevector`, which is compiled.
        """
        state = np.zeros(2**self.n_qubits, dtype=np.complex128)
        state[0] = 1.0
        return apply_blocks(state, self.pairs, self.unitaries(params))

    def extended(self, pairs: ArrayLike) -> "Ansatz":
        """This ansatz followed by identity blocks on `pairs`; its state at θ = 0 is unchanged."""
        return self.followed_by(Ansatz.identity(self.n_qubits, pairs))

    def followed_by(self, later: "Ansatz") -> "Ansatz":
        """The blocks of this ansatz, then those of `later`, on the same qubits."""
        if later.n_qubits != self.n_qubits:
            raise InputError(f"later: expected {self.n_qubits} qubits, received {later.n_qubits}")
        pairs, fixed, active = (
            np.concatenate([getattr(self, name), getattr(later, name)]) for name in ("pairs", "fixed", "active")
        )
        return Ansatz(self.n_qubits, pairs, fixed, active)

    def absorbed(self, params: ArrayLike) -> "Ansatz":
        """The same circuit with `params` folded into the fixed unitaries, so that it stands at θ = 0 again."""
        return Ansatz(self.n_qubits, self.pairs, self.unitaries(params), self.active)

    def checked_params(self, params: ArrayLike) -> FloatArray:
        """A copy of `params` as float64 of shape (n_params,), or an `InputError`."""
        return checked_angles(params, self.n_params)

    def to_arrays(self) -> dict[str, AnyArray]:
        """The ansatz as plain arrays."""
        return {"n_qubits": np.array(self.n_qubits), "pairs": self.pairs, "fixed": self.fixed, "active": self.active}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Ansatz":
        """The ansatz that `to_arrays` wrote."""
        return cls(int(arrays["n_qubits"]), arrays["pairs"], arrays["fixed"], arrays.get("active"))  # type: ignore[arg-type]


def exponentials(angles: FloatArray) -> ComplexArray:
    """exp(iΣθP) of angles (n_blocks, 15), shape (n_blocks, 4, 4)."""
    values, vectors = np.linalg.eigh(np.tensordot(angles, PAULIS, axes=1))
    result: ComplexArray = (vectors * np.exp(1j * values)[:, None, :]) @ vectors.conj().transpose(0, 2, 1)
    return result


def apply_blocks(state: ComplexArray, pairs: IntArray, unitaries: ComplexArray) -> ComplexArray:
    """The blocks applied to a state vector (2**n_qubits,), one after another."""
    tensor = state.reshape((2,) * (state.size.bit_length() - 1))
    for (a, b), block in zip(pairs.tolist(), unitaries, strict=True):
        moved = np.moveaxis(tensor, (a, b), (0, 1))
        moved = (block @ moved.reshape(4, -1)).reshape(moved.shape)
        tensor = np.moveaxis(moved, (0, 1), (a, b))
    return np.ascontiguousarray(tensor).reshape(-1)


def chain_pairs(n_qubits: int, n_layers: int) -> IntArray:
    """(0, 1), (1, 2), … (n_qubits − 2, n_qubits − 1), `n_layers` times."""
    first = np.arange(max(0, n_qubits - 1))
    return np.tile(np.stack([first, first + 1], axis=1), (n_layers, 1))


def identities(n_blocks: int) -> ComplexArray:
    """Identity blocks, shape (n_blocks, 4, 4)."""
    return np.tile(np.eye(4, dtype=np.complex128), (n_blocks, 1, 1))


def checked_angles(params: ArrayLike, n_params: int) -> FloatArray:
    """A copy of `params` as float64 of shape (n_params,), or an `InputError`."""
    flat = np.array(params, dtype=np.float64)
    if flat.shape != (n_params,):
        raise InputError(f"params: expected shape ({n_params},), received {flat.shape}")
    if not np.isfinite(flat).all():
        raise InputError(f"params: expected finite angles, received {flat[~np.isfinite(flat)][0]}")
    return flat


def checked_unitaries(fixed: ArrayLike, n_blocks: int) -> ComplexArray:
    """A copy of `fixed` as unitaries (n_blocks, 4, 4), or an `InputError`."""
    array = np.array(fixed, dtype=np.complex128)
    if array.shape != (n_blocks, 4, 4):
        raise InputError(f"fixed: expected shape ({n_blocks}, 4, 4), received {array.shape}")
    defect = np.abs(array.conj().transpose(0, 2, 1) @ array - np.eye(4)).max(axis=(1, 2), initial=0.0)
    if not (defect <= _UNITARITY).all():
        worst = int(np.argmax(np.where(np.isnan(defect), np.inf, defect)))
        raise InputError(f"fixed: expected unitary blocks, received |U†U − 1| = {defect[worst]:.1e} at block {worst}")
    return array


def checked_pairs(pairs: ArrayLike, n_qubits: int) -> IntArray:
    """A copy of `pairs` as (n_blocks, 2) of two different qubits each, or an `InputError`."""
    if n_qubits < 1:
        raise InputError(f"n_qubits: expected at least 1, received {n_qubits}")
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
