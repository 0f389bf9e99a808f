"""Qiskit Aer: gradient of −Σ q log p by the parameter-shift rule, on a sample of the parameters.

Every angle enters one rotation exp(−iθP/2), so ∂p/∂θ = (p(θ + π/2) − p(θ − π/2))/2, two circuits per parameter. The
time of the whole gradient is that of the sampled circuits times their number; one circuit, bound to many values in one
job, gives them all. Qiskit's qubit 0 is the least significant.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

qiskit: Any = import_module("qiskit")
aer: Any = import_module("qiskit_aer")


def solve(problem: dict[str, Any], timed: Callable[..., Any]) -> dict[str, Any]:
    """Derivatives of the parameters `sampled`, loss, and seconds scaled up to all parameters."""
    n_qubits, angles, target = int(problem["n_qubits"]), problem["angles"].ravel(), problem["target"]
    sampled = problem["sampled"]
    theta = qiskit.circuit.ParameterVector("t", angles.size)
    circuit = qiskit.QuantumCircuit(n_qubits)
    for number, (a, b) in enumerate((n_qubits - 1 - problem["pairs"]).tolist()):
        add_block(circuit, a, b, theta[15 * number : 15 * number + 15])
    circuit.save_probabilities()
    simulator = aer.AerSimulator(method="statevector", precision=str(problem["precision"]))

    def step() -> tuple[float, Any]:
        values = np.tile(angles, (1 + 2 * len(sampled), 1))
        for row, index in enumerate(sampled):
            values[1 + 2 * row, index] += np.pi / 2
            values[2 + 2 * row, index] -= np.pi / 2
        binds = {parameter: values[:, index].tolist() for index, parameter in enumerate(theta)}
        result = simulator.run(circuit, parameter_binds=[binds]).result()
        probabilities = np.array([result.data(row)["probabilities"] for row in range(len(values))], dtype=np.float64)
        here, shifted = np.maximum(probabilities[0], 1e-30), probabilities[1:]
        slopes = (shifted[0::2] - shifted[1::2]) / 2.0
        return -float(target @ np.log(here)), slopes @ (-target / here)

    (loss, gradient), seconds = timed(step, problem)
    scale = (1 + 2 * angles.size) / (1 + 2 * len(sampled))
    return {"loss": np.array(loss), "gradient": gradient, **{name: scale * value for name, value in seconds.items()}}


def add_block(circuit: Any, a: int, b: int, angles: Any) -> None:
    """The fifteen rotations of one block in order of application; see `qfin.bench.gradient.rotations`."""
    local(circuit, a, angles[0:3])
    local(circuit, b, angles[3:6])
    circuit.rxx(angles[6], a, b)
    circuit.ryy(angles[7], a, b)
    circuit.rzz(angles[8], a, b)
    local(circuit, a, angles[9:12])
    local(circuit, b, angles[12:15])


def local(circuit: Any, qubit: int, angles: Any) -> None:
    """RZ, RY, RZ."""
    circuit.rz(angles[0], qubit)
    circuit.ry(angles[1], qubit)
    circuit.rz(angles[2], qubit)
