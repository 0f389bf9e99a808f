"""Qulacs: gradient of −Σ q log p by back propagation of a co-state.

Its rotations are exp(+iθP/2), ours exp(−iθP/2), and its inner product gives half the derivative: hence the factor −2.
Its qubit 0 is the least significant.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

qulacs: Any = import_module("qulacs")


def solve(problem: dict[str, Any], timed: Callable[..., Any]) -> dict[str, Any]:
    """Gradient (n_params,) in the order of `angles`, loss and seconds; complex128, its only precision."""
    n_qubits, angles, target = int(problem["n_qubits"]), problem["angles"], problem["target"]
    circuit = qulacs.ParametricQuantumCircuit(n_qubits)
    for (a, b), row in zip((n_qubits - 1 - problem["pairs"]).tolist(), angles, strict=True):
        add_block(circuit, a, b, -row)

    def step() -> tuple[float, Any]:
        for index, angle in enumerate(-angles.ravel()):
            circuit.set_parameter(index, angle)
        state, co_state = qulacs.QuantumState(n_qubits), qulacs.QuantumState(n_qubits)
        circuit.update_quantum_state(state)
        amplitudes = state.get_vector()
        probabilities = np.maximum(np.abs(amplitudes) ** 2, 1e-30)
        co_state.load(-target / probabilities * amplitudes)
        loss = -float(target @ np.log(probabilities))
        return loss, -2.0 * np.asarray(circuit.backprop_inner_product(co_state))

    (loss, gradient), seconds = timed(step, problem)
    return {"loss": np.array(loss), "gradient": gradient, **seconds}


def add_block(circuit: Any, a: int, b: int, angles: Any) -> None:
    """The fifteen rotations of one block in order of application; see `qfin.bench.gradient.rotations`."""
    local(circuit, a, angles[0:3])
    local(circuit, b, angles[3:6])
    for pauli in (1, 2, 3):
        circuit.add_parametric_multi_Pauli_rotation_gate([a, b], [pauli, pauli], angles[5 + pauli])
    local(circuit, a, angles[9:12])
    local(circuit, b, angles[12:15])


def local(circuit: Any, qubit: int, angles: Any) -> None:
    """RZ, RY, RZ."""
    circuit.add_parametric_RZ_gate(qubit, angles[0])
    circuit.add_parametric_RY_gate(qubit, angles[1])
    circuit.add_parametric_RZ_gate(qubit, angles[2])
