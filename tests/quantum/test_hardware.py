"""Costs on a device against circuits that can be counted by hand."""

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qfin.quantum import Ansatz, to_qiskit
from qfin.quantum.hardware import circuit_cost, heavy_hex_device, ion_trap_device


def test_one_block_costs_three_gates_and_its_errors_multiply() -> None:
    block = Ansatz.linear_chain(2, 1)
    circuit = to_qiskit(block.absorbed(np.random.default_rng(1).standard_normal(block.n_params)))
    cost = circuit_cost(circuit, ion_trap_device())
    assert cost is not None
    assert cost.two_qubit_gates == 3
    touched = (1.0 - 4e-3) ** 3 * (1.0 - 5e-3) ** 2
    assert touched * (1.0 - 2e-4) ** 12 <= cost.success < touched
    assert 3e-3 < cost.seconds <= 3e-3 + 12 * 1e-4 + 2e-4  # one at a time: three gates, at most twelve turns, a reading


def test_distant_pairs_need_routing_on_a_lattice_only() -> None:
    circuit = QuantumCircuit(12)
    for qubit in range(1, 12):
        circuit.cx(0, qubit)
    trap, lattice = (circuit_cost(circuit, device) for device in (ion_trap_device(), heavy_hex_device()))
    assert trap is not None
    assert lattice is not None
    assert trap.two_qubit_gates == 11
    assert trap.seconds > 11 * 1e-3
    assert lattice.two_qubit_gates > 11
    assert lattice.seconds < trap.seconds  # a superconducting gate takes nanoseconds


def test_a_device_with_too_few_qubits_has_no_cost() -> None:
    assert circuit_cost(QuantumCircuit(37), ion_trap_device()) is None
    empty = circuit_cost(QuantumCircuit(36), ion_trap_device())
    assert empty is not None
    assert empty.success == pytest.approx((1.0 - 5e-3) ** 36)
