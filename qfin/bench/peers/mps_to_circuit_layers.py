"""mps-to-circuit: staircase layers from bond-2 truncations (Ran 2020), without further optimisation.

Its own defaults but for the cutoff: 1e-3 would truncate what is left of the state and lower the fidelity of later
layers. It fills free columns of its gates from NumPy's global generator, which is seeded here.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

mapper: Any = import_module("mps_to_circuit")


def solve(problem: dict[str, Any], timed: Callable[..., Any]) -> dict[str, Any]:
    """Gates (pairs, 4×4 matrices) of the circuit with `n_layers`, and seconds."""
    circuit_of(problem | {"n_layers": np.array(1)})  # compiles what quimb compiles
    started = time.process_time()
    circuit = circuit_of(problem)
    return gates_of(circuit) | {"seconds": np.array(time.process_time() - started)}


def circuit_of(problem: dict[str, Any]) -> Any:
    """The Qiskit circuit; qubit i prepares site i."""
    sites = [problem[f"tensor_{i}"].transpose(0, 2, 1) for i in range(int(problem["n_qubits"]))]
    sites[0], sites[-1] = sites[0][0], sites[-1][:, 0]
    np.random.seed(int(problem["seed"]))  # noqa: NPY002
    return mapper.mps_to_circuit(
        sites, method="approximate", shape="lrp", num_layers=int(problem["n_layers"]), cutoff=1e-12
    )


def gates_of(circuit: Any) -> dict[str, Any]:
    """Every gate as a block on a pair (a, b) whose index is 2·bit_a + bit_b; a one-qubit gate with a bystander."""
    pairs, matrices, n_two_qubit_gates = [], [], 0
    operator = import_module("qiskit.quantum_info").Operator
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        matrix = np.asarray(operator(instruction.operation).data)
        if len(qubits) == 2:
            pairs.append(qubits[::-1])
            n_two_qubit_gates += 1
        else:
            pairs.append([qubits[0], qubits[0] + 1 if qubits[0] + 1 < circuit.num_qubits else qubits[0] - 1])
            matrix = np.kron(matrix, np.eye(2))
        matrices.append(matrix)
    return {"pairs": np.array(pairs), "gates": np.array(matrices), "n_two_qubit_gates": np.array(n_two_qubit_gates)}
