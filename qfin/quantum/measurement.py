"""Measurement: from the amplitudes of basis functions to outcomes at the nodes of each register's grid."""

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate

from qfin._types import FloatArray, IntArray
from qfin.exceptions import InputError


def complete_isometry(transform: ArrayLike) -> FloatArray:
    """Orthogonal matrix (n, n) whose first K columns are those of the real isometry `transform` (n, K).

    The further columns are those of its full QR decomposition; they act on amplitudes that are zero.
    """
    isometry = np.asarray(transform, dtype=np.float64)
    if isometry.ndim != 2 or isometry.shape[0] < isometry.shape[1]:
        raise InputError(f"transform: expected (nodes, functions) with nodes ≥ functions, received {isometry.shape}")
    n_functions = isometry.shape[1]
    defect = float(np.abs(isometry.T @ isometry - np.eye(n_functions)).max())
    if not defect < 1e-8:
        raise InputError(f"transform: expected orthonormal columns, received a deviation of {defect:.1e}")
    rest = np.linalg.qr(isometry, mode="complete")[0][:, n_functions:]
    return np.concatenate([isometry, rest], axis=1)


def measurement_circuit(
    circuit: QuantumCircuit, transform: ArrayLike, n_registers: int, n_extra: int = 0
) -> QuantumCircuit:
    """Appends to each register the unitary after which measured bits are node indices.

    Parameters
    ----------
    circuit
        Prepares the amplitudes on `n_registers` equal registers of m qubits, no measurements.
    transform
        Q (2^{m+e}, K), K ≤ 2^m: amplitudes of basis functions -> amplitudes of nodes.
    n_registers
        Registers; it divides the number of qubits.
    n_extra
        e fresh qubits in |0⟩ per register, placed as its most significant bits so that |k⟩ keeps its index: the same
        function, measured on a finer grid.

    Returns
    -------
    QuantumCircuit
        n_registers · (m + e) qubits; register i holds the qubits i(m+e) … (i+1)(m+e) − 1, most significant first.
    """
    if n_registers < 1 or circuit.num_qubits % n_registers:
        raise InputError(f"n_registers: expected a divisor of {circuit.num_qubits} qubits, received {n_registers}")
    if n_extra < 0:
        raise InputError(f"n_extra: expected 0 or more qubits, received {n_extra}")
    n_bits = circuit.num_qubits // n_registers
    width = n_bits + n_extra
    matrix = np.asarray(transform)
    if matrix.ndim != 2 or matrix.shape[0] != 2**width or matrix.shape[1] > 2**n_bits:
        raise InputError(
            f"transform: expected {2**width} nodes and at most {2**n_bits} functions, received shape {matrix.shape}"
        )
    registers = np.arange(n_registers * width).reshape(n_registers, width)
    extended = QuantumCircuit(n_registers * width)
    extended.compose(circuit, qubits=registers[:, n_extra:].ravel().tolist(), inplace=True)
    unitary = complete_isometry(matrix)
    for qubits in registers:
        extended.append(
            UnitaryGate(unitary, check_input=False), qubits[::-1].tolist()
        )  # Qiskit: least significant first
    return extended


def node_indices(bits: ArrayLike, n_registers: int) -> IntArray:
    """Outcome of each register (shots, n_registers) from bits (shots, n_qubits), most significant bit first."""
    bits = np.asarray(bits)
    if bits.ndim != 2 or n_registers < 1 or bits.shape[1] % n_registers:
        raise InputError(f"bits: expected (shots, {n_registers} equal registers), received shape {bits.shape}")
    n_bits = bits.shape[1] // n_registers
    place_values = 2 ** np.arange(n_bits, dtype=np.int64)[::-1]
    nodes: IntArray = bits.reshape(len(bits), n_registers, n_bits) @ place_values
    return nodes
