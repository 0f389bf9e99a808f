"""Two-qubit blocks that conserve the number of ones, for states of fixed cardinality.

Block b acts as U0_b · exp(i Σ_g θ_{b,g} G_g) over the five generators of `GENERATOR_LABELS`: phases on |00⟩, |11⟩ and
U(2) on |01⟩ and |10⟩, up to a global phase. |0…0⟩ is therefore left alone; `qfin.quantum.subspace` starts elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import (
    PAULI_LABELS,
    Ansatz,
    apply_blocks,
    chain_pairs,
    checked_angles,
    checked_pairs,
    checked_unitaries,
    exponentials,
    identities,
)

GENERATOR_LABELS = ("ZZ", "ZI", "IZ", "(XX+YY)/2", "(XY−YX)/2")
N_CONSERVING_ANGLES = len(GENERATOR_LABELS)
GENERATORS: FloatArray = np.zeros((N_CONSERVING_ANGLES, len(PAULI_LABELS)))
"""The generators as sums of the Paulis of `PAULI_LABELS`, shape (5, 15)."""
for _row, _label, _weight in (
    (0, "ZZ", 1.0), (1, "ZI", 1.0), (2, "IZ", 1.0), (3, "XX", 0.5), (3, "YY", 0.5), (4, "XY", 0.5), (4, "YX", -0.5)
):  # fmt: skip
    GENERATORS[_row, PAULI_LABELS.index(_label)] = _weight
GENERATORS.setflags(write=False)

_CONSERVED = 1e-8
_ONES = np.array([0, 1, 1, 2])


@dataclass(frozen=True, eq=False)
class NumberConservingAnsatz:
    """Number-conserving blocks on a row of qubits, in order of application; the contract of `Ansatz`.

    Parameters
    ----------
    n_qubits : int
        Qubit 0 is the most significant bit of the index of an amplitude.
    pairs : array of int, shape (n_blocks, 2)
        Qubits (a, b) of each block. Its row and column index is 2·bit_a + bit_b, whatever the order of a and b.
    fixed : complex array, shape (n_blocks, 4, 4)
        The unitaries U0, which conserve the number of ones.

    The parameters θ are one flat array of 5 angles per block, block after block, in the order of `GENERATOR_LABELS`.
    """

    n_qubits: int
    pairs: IntArray
    fixed: ComplexArray

    def __post_init__(self) -> None:
        pairs = checked_pairs(self.pairs, self.n_qubits)
        fixed = checked_unitaries(self.fixed, len(pairs))
        leak = (np.abs(fixed) * (_ONES[:, None] != _ONES)).max(axis=(1, 2), initial=0.0)
        if (leak > _CONSERVED).any():
            worst = int(np.argmax(leak))
            raise InputError(
                f"fixed: expected blocks that conserve the number of ones, received an entry of {leak[worst]:.1e} "
                f"between different numbers at block {worst}"
            )
        for name, array in (("pairs", pairs), ("fixed", fixed)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def identity(cls, n_qubits: int, pairs: ArrayLike) -> "NumberConservingAnsatz":
        """Identity blocks on `pairs`."""
        checked = checked_pairs(pairs, n_qubits)
        return cls(n_qubits, checked, identities(len(checked)))

    @classmethod
    def linear_chain(cls, n_qubits: int, n_layers: int) -> "NumberConservingAnsatz":
        """`n_layers` staircases of identity blocks on (0, 1), (1, 2), … (n_qubits − 2, n_qubits − 1)."""
        return cls.identity(n_qubits, chain_pairs(n_qubits, n_layers))

    @property
    def n_blocks(self) -> int:
        return len(self.pairs)

    @property
    def n_params(self) -> int:
        """5 angles per block."""
        return N_CONSERVING_ANGLES * self.n_blocks

    def unitaries(self, params: ArrayLike | None = None) -> ComplexArray:
        """The blocks U0 · exp(iΣθG), shape (n_blocks, 4, 4); `params` None means θ = 0."""
        if params is None:
            return self.fixed
        angles = self.checked_params(params).reshape(-1, N_CONSERVING_ANGLES)
        blocks: ComplexArray = self.fixed @ exponentials(angles @ GENERATORS)
        return blocks

    def state(self, params: ArrayLike | None = None, start: ArrayLike | None = None) -> ComplexArray:
        """Circuit |start⟩, shape (2**n_qubits,), block after block in double precision.

        `start` (2**n_qubits,) is |0…0⟩ by default, which the blocks only give a phase.
        """
        vector = np.eye(1, 2**self.n_qubits)[0] if start is None else np.asarray(start)
        if vector.shape != (2**self.n_qubits,):
            raise InputError(f"start: expected shape ({2**self.n_qubits},), received {vector.shape}")
        return apply_blocks(vector.astype(np.complex128), self.pairs, self.unitaries(params))

    def extended(self, pairs: ArrayLike) -> "NumberConservingAnsatz":
        """This ansatz followed by identity blocks on `pairs`; its state at θ = 0 is unchanged."""
        added = NumberConservingAnsatz.identity(self.n_qubits, pairs)
        return NumberConservingAnsatz(
            self.n_qubits, np.concatenate([self.pairs, added.pairs]), np.concatenate([self.fixed, added.fixed])
        )

    def absorbed(self, params: ArrayLike) -> "NumberConservingAnsatz":
        """The same circuit with `params` folded into the fixed unitaries, so that it stands at θ = 0 again."""
        return NumberConservingAnsatz(self.n_qubits, self.pairs, self.unitaries(params))

    def general(self, params: ArrayLike | None = None) -> Ansatz:
        """The same circuit with all 15 angles of each block free, at θ = 0."""
        return Ansatz(self.n_qubits, self.pairs, self.unitaries(params))

    def checked_params(self, params: ArrayLike) -> FloatArray:
        """A copy of `params` as float64 of shape (n_params,), or an `InputError`."""
        return checked_angles(params, self.n_params)

    def to_arrays(self) -> dict[str, AnyArray]:
        """The ansatz as plain arrays."""
        return {"n_qubits": np.array(self.n_qubits), "pairs": self.pairs, "fixed": self.fixed}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "NumberConservingAnsatz":
        """The ansatz that `to_arrays` wrote."""
        return cls(int(arrays["n_qubits"]), arrays["pairs"], arrays["fixed"])
