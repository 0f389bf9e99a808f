"""Qiskit circuits of an ansatz, and export.

Our qubit j is Qiskit's qubit j. Qiskit counts qubit 0 as the least significant bit of an amplitude's index, qfin as the
most significant: `from_qiskit_order` turns one vector into the other. Likewise a Qiskit gate on qubits [q0, q1] reads
its matrix index as 2·bit_q1 + bit_q0, so a block on (a, b) is put on [b, a].
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit, qasm3, qpy, transpile
from qiskit.circuit.library import UnitaryGate
from qiskit.exceptions import QiskitError

from qfin._types import AnyArray
from qfin.exceptions import InputError, QfinError
from qfin.quantum.ansatz import N_ANGLES, Ansatz

EXPORT_GATES = ("cx", "u")
_ATTEMPTS = 5
_FIRST_NUDGE = 1e-12


def to_qiskit(ansatz: Ansatz, params: ArrayLike | None = None, *, measure: bool = False) -> QuantumCircuit:
    """One labelled `UnitaryGate` per block, in order; with `measure`, all qubits are measured at the end."""
    circuit = QuantumCircuit(ansatz.n_qubits)
    for block, ((a, b), unitary) in enumerate(zip(ansatz.pairs.tolist(), ansatz.unitaries(params), strict=True)):
        circuit.append(UnitaryGate(unitary, label=f"block {block}"), [b, a])
    if measure:
        circuit.measure_all()
    return circuit


def from_qiskit_order(amplitudes: ArrayLike) -> AnyArray:
    """A vector over 2**n basis states with the index bits reversed: from Qiskit's order to ours, and back."""
    vector = np.asarray(amplitudes)
    n_qubits = vector.size.bit_length() - 1
    if vector.shape != (2**n_qubits,):
        raise InputError(f"amplitudes: expected a vector of length 2**n, received shape {vector.shape}")
    return vector.reshape((2,) * n_qubits).transpose().reshape(-1)


def to_basis_gates(circuit: QuantumCircuit, basis_gates: Sequence[str] = EXPORT_GATES) -> QuantumCircuit:
    """The circuit in `basis_gates`, by Qiskit's synthesis; deterministic.

    The Weyl decomposition of a two-qubit matrix can fail on inputs that are degenerate to rounding. The circuit is then
    tried again with every block turned by a seeded angle of 1e-12, ten times more at each further attempt.
    """
    for attempt in range(_ATTEMPTS):
        candidate = circuit if attempt == 0 else _nudged(circuit, _FIRST_NUDGE * 10.0 ** (attempt - 1), attempt)
        try:
            return transpile(candidate, basis_gates=list(basis_gates), optimization_level=2, seed_transpiler=0)
        except QiskitError as error:
            failure = error
    raise QfinError(f"circuit: no decomposition into {', '.join(basis_gates)} in {_ATTEMPTS} attempts ({failure})")


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


def _nudged(circuit: QuantumCircuit, angle: float, seed: int) -> QuantumCircuit:
    """The circuit with each two-qubit unitary turned by about `angle` in a random direction."""
    rng = np.random.default_rng(seed)
    nudged = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, UnitaryGate) and operation.num_qubits == 2:
            block = Ansatz(2, np.array([[0, 1]]), np.asarray(operation.to_matrix())[None])
            turned = block.unitaries(angle * rng.standard_normal(N_ANGLES))[0]
            operation = UnitaryGate(turned, label=operation.label)
        nudged.append(operation, instruction.qubits, instruction.clbits)
    return nudged
