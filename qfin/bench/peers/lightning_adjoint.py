"""PennyLane-Lightning: gradient of −Σ q log p by adjoint differentiation.

The adjoint takes expectation values only, so the loss enters as the diagonal observable that holds its derivative by
the probabilities: one run for the probabilities, one for the gradient. The device is called without a QNode, whose
tracing of 900 gates would be timed with it.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import diags

qml: Any = import_module("pennylane")


def solve(problem: dict[str, Any], timed: Callable[..., Any]) -> dict[str, Any]:
    """Gradient (n_params,) in the order of `angles`, loss and seconds."""
    n_qubits, angles, target = int(problem["n_qubits"]), problem["angles"], problem["target"]
    device = qml.device("lightning.qubit", wires=n_qubits, c_dtype=np.dtype(str(problem["dtype"])).type)
    config = qml.devices.ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
    trainable = list(range(angles.size))

    def step() -> tuple[float, Any]:
        gates = [gate for pair, row in zip(problem["pairs"].tolist(), angles, strict=True) for gate in block(pair, row)]
        measured = device.execute(qml.tape.QuantumScript(gates, [qml.probs(wires=range(n_qubits))]))
        probabilities = np.maximum(np.asarray(measured, dtype=np.float64), 1e-30)
        observable = qml.SparseHamiltonian(diags(-target / probabilities, format="csr"), wires=range(n_qubits))
        tape = qml.tape.QuantumScript(gates, [qml.expval(observable)], trainable_params=trainable)
        return -float(target @ np.log(probabilities)), device.compute_derivatives(tape, config)

    (loss, gradient), seconds = timed(step, problem)
    return {"loss": np.array(loss), "gradient": np.asarray(gradient, dtype=np.float64), **seconds}


def block(pair: list[int], angles: Any) -> list[Any]:
    """The fifteen rotations of one block in order of application; see `qfin.bench.gradient.rotations`."""
    a, b = pair
    gates = []
    for wire, k in ((a, 0), (b, 3)):
        gates += [qml.RZ(angles[k], wire), qml.RY(angles[k + 1], wire), qml.RZ(angles[k + 2], wire)]
    gates += [qml.IsingXX(angles[6], pair), qml.IsingYY(angles[7], pair), qml.IsingZZ(angles[8], pair)]
    for wire, k in ((a, 9), (b, 12)):
        gates += [qml.RZ(angles[k], wire), qml.RY(angles[k + 1], wire), qml.RZ(angles[k + 2], wire)]
    return gates
