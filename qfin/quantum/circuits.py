"""Qiskit circuits of an ansatz, and export.

Our qubit j is Qiskit's qubit j. Qiskit counts qubit 0 as the least significant bit of an amplitude's index, qfin as the
most significant: `from_qiskit_order` turns one vector into the other. Likewise a Qiskit gate on qubits [q0, q1] reads
its matrix index as 2·bit_q1 + bit_q0, so a block on (a, b) is put on [b, a].
"""

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit, qasm3, qpy, transpile
from qiskit.circuit import Gate
from qiskit.circuit.library import CXGate, UnitaryGate
from qiskit.exceptions import QiskitError
from qiskit.synthesis import TwoQubitBasisDecomposer

from qfin._types import AnyArray
from qfin.exceptions import InputError, QfinError
from qfin.quantum.ansatz import N_ANGLES, Ansatz, BlockCircuit

EXPORT_GATES = ("cx", "u")
_ATTEMPTS = 5
_FIRST_NUDGE = 1e-12


def to_qiskit(ansatz: BlockCircuit, params: ArrayLike | None = None, *, measure: bool = False) -> QuantumCircuit:
    """One labelled `UnitaryGate` per block, in order; with `measure`, all qubits are measured at the end."""
    circuit = QuantumCircuit(ansatz.n_qubits)
    for block, ((a, b), unitary) in enumerate(zip(ansatz.pairs.tolist(), ansatz.unitaries(params), strict=True)):
        circuit.append(UnitaryGate(unitary, label=f"block {block}"), [b, a])
    if measure:
        circuit.measure_all()
    return circuit


def with_start(start: ArrayLike, circuit: QuantumCircuit) -> QuantumCircuit:
    """`circuit` after `initialize` to the amplitudes `start` (2**n_qubits,), qubit 0 the most significant, as ours are.

    For simulators: on a device the preparation of a general vector costs some 2**n_qubits gates.
    """
    prepared = QuantumCircuit(circuit.num_qubits)
    prepared.initialize(np.asarray(start, dtype=np.complex128), list(range(circuit.num_qubits - 1, -1, -1)))
    return prepared.compose(circuit)


def to_cx(ansatz: BlockCircuit, params: ArrayLike | None = None) -> QuantumCircuit:
    """Each block as at most three CX and single-qubit U gates (KAK decomposition), block after block.

    Equal to `to_qiskit` up to rounding, its global phase included. `to_basis_gates` gives fewer gates, since it also
    joins the single-qubit gates of neighbouring blocks, in more time.
    """
    circuit = QuantumCircuit(ansatz.n_qubits)
    for (a, b), unitary in zip(ansatz.pairs.tolist(), ansatz.unitaries(params), strict=True):
        circuit.compose(_cx_block(unitary), [b, a], inplace=True)
    return circuit


def from_qiskit(circuit: QuantumCircuit) -> Ansatz:
    """The circuit as an ansatz at θ = 0: one block per two-qubit gate, single-qubit gates folded into blocks.

    A gate on one qubit joins the block before it on that qubit, else the one after it; a qubit that meets no other
    gets a block with a neighbour. Gates on more qubits, measurements and unbound parameters are refused.
    """
    if circuit.num_qubits < 2:
        raise InputError(f"circuit: expected at least 2 qubits, received {circuit.num_qubits}")
    phase = np.exp(1j * float(circuit.global_phase))
    pairs: list[tuple[int, int]] = []
    blocks: list[AnyArray] = []
    latest: dict[int, int] = {}  # the last block on each qubit
    waiting = {qubit: np.eye(2, dtype=complex) for qubit in range(circuit.num_qubits)}
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.operation.name == "barrier":
            continue
        matrix = _matrix(instruction.operation, len(qubits))
        if len(qubits) == 0:
            phase *= matrix[0, 0]
        elif len(qubits) == 2:
            # Qiskit's index is 2·bit_q1 + bit_q0: the pair is (q1, q0)
            pair = (qubits[1], qubits[0])
            before = np.kron(*(waiting.pop(qubit, np.eye(2)) for qubit in pair))
            latest |= dict.fromkeys(pair, len(blocks))
            pairs.append(pair)
            blocks.append(matrix @ before)
        elif (block := latest.get(qubits[0])) is not None:
            blocks[block] = _on_pair(matrix, qubits[0] == pairs[block][0]) @ blocks[block]
        else:
            waiting[qubits[0]] = matrix @ waiting[qubits[0]]
    for qubit, matrix in waiting.items():
        if not np.array_equal(matrix, np.eye(2)):
            pairs.append((qubit, qubit - 1 if qubit else 1))
            blocks.append(_on_pair(matrix, True))
    if not blocks:
        return Ansatz.identity(circuit.num_qubits, [])
    blocks[0] = phase * blocks[0]
    return Ansatz(circuit.num_qubits, np.array(pairs), np.array(blocks))


def from_qiskit_order(amplitudes: ArrayLike) -> AnyArray:
    """A vector over 2**n basis states with the index bits reversed: from Qiskit's order to ours, and back."""
    vector = np.asarray(amplitudes)
    n_qubits = vector.size.bit_length() - 1
    if vector.shape != (2**n_qubits,):
        raise InputError(f"amplitudes: expected a vector of length 2**n, received shape {vector.shape}")
    return vector.reshape((2,) * n_qubits).transpose().reshape(-1)


def to_basis_gates(circuit: QuantumCircuit, basis_gates: Sequence[str] = EXPORT_GATES) -> QuantumCircuit:
    """The circuit in `basis_gates`, by Qiskit's synthesis; deterministic.

    Where the Weyl decomposition fails, every block is turned by a tiny angle; see `_retried`.
    """

    def attempt(angle: float, seed: int) -> QuantumCircuit:
        candidate = circuit if angle == 0.0 else _nudged(circuit, angle, seed)
        return transpile(candidate, basis_gates=list(basis_gates), optimization_level=2, seed_transpiler=0)

    return _retried(attempt, ", ".join(basis_gates))


def export_qasm3(circuit: QuantumCircuit) -> str:
    """OpenQASM 3 text of the circuit in CX and single-qubit U gates."""
    return str(qasm3.dumps(to_basis_gates(circuit)))


def export_qpy(circuit: QuantumCircuit, path: Path | str) -> Path:
    """Write the circuit as QPY; `path` holds a whole file at every moment, the old one or the new one."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            qpy.dump(circuit, file)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _retried(attempt: Callable[[float, int], QuantumCircuit], gates: str) -> QuantumCircuit:
    """`attempt(angle, seed)` with angle 0, then 1e-12, ten times more at each further attempt.

    The Weyl decomposition of a two-qubit matrix ("failed to diagonalize M2") can fail on inputs that are degenerate to
    rounding, and then succeeds on one turned by `angle` in a random direction.
    """
    for number in range(_ATTEMPTS):
        try:
            return attempt(_FIRST_NUDGE * 10.0 ** (number - 1) if number else 0.0, number)
        except QiskitError as error:
            failure = error
    raise QfinError(f"circuit: no decomposition into {gates} in {_ATTEMPTS} attempts ({failure})")


@cache
def _cx_decomposer() -> TwoQubitBasisDecomposer:
    return TwoQubitBasisDecomposer(CXGate(), euler_basis="U")


def _cx_block(unitary: AnyArray) -> QuantumCircuit:
    """A two-qubit circuit of CX and U gates; qubit 1 of it is the more significant bit of the unitary's index."""

    def attempt(angle: float, seed: int) -> QuantumCircuit:
        turned = _turned(unitary, angle, np.random.default_rng(seed)) if angle else unitary
        return _cx_decomposer()(turned, approximate=False)

    return _retried(attempt, "cx, u")


def _turned(unitary: AnyArray, angle: float, rng: np.random.Generator) -> AnyArray:
    turned: AnyArray = Ansatz(2, np.array([[0, 1]]), unitary[None]).unitaries(angle * rng.standard_normal(N_ANGLES))[0]
    return turned


def _matrix(operation: Any, n_qubits: int) -> AnyArray:
    if n_qubits > 2 or not isinstance(operation, Gate) or operation.is_parameterized():
        raise InputError(
            f"circuit: expected bound gates on one or two qubits, received {operation.name} on {n_qubits} qubit(s)"
        )
    return np.asarray(operation.to_matrix(), dtype=np.complex128)


def _on_pair(matrix: AnyArray, first: bool) -> AnyArray:
    """A single-qubit matrix on the first or second qubit of a pair."""
    return np.kron(matrix, np.eye(2)) if first else np.kron(np.eye(2), matrix)


def _nudged(circuit: QuantumCircuit, angle: float, seed: int) -> QuantumCircuit:
    """The circuit with each two-qubit unitary turned by about `angle` in a random direction."""
    rng = np.random.default_rng(seed)
    nudged = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, UnitaryGate) and operation.num_qubits == 2:
            operation = UnitaryGate(_turned(np.asarray(operation.to_matrix()), angle, rng), label=operation.label)
        nudged.append(operation, instruction.qubits, instruction.clbits)
    return nudged
