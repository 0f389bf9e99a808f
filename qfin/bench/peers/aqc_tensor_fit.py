"""qiskit-addon-aqc-tensor: the angles of a given circuit fitted to a matrix product state by L-BFGS.

It needs a circuit to begin with and is given that of mps-to-circuit, the installable way to make one; it stops after
`fit_s` processor seconds of steps (compilation comes before them). Gradients through JAX: its explicit rule took a
second a step at 12 qubits and two layers.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from scipy.optimize import minimize

layers: Any = import_module("mps_to_circuit_layers")
generation: Any = import_module("qiskit_addon_aqc_tensor.ansatz_generation")
objectives: Any = import_module("qiskit_addon_aqc_tensor.objective")
simulation: Any = import_module("qiskit_addon_aqc_tensor.simulation.quimb")
qtn: Any = import_module("quimb.tensor")


def solve(problem: dict[str, Any], timed: Callable[..., Any]) -> dict[str, Any]:
    """Gates (pairs, 4×4 matrices) of the fitted circuit, and seconds."""
    started = time.process_time()
    circuit = fitted(problem)
    seconds = np.array(time.process_time() - started)
    return {**layers.gates_of(circuit), "seconds": seconds}


def fitted(problem: dict[str, Any]) -> Any:
    """The circuit with the best angles found."""
    n_qubits = int(problem["n_qubits"])
    settings = simulation.QuimbSimulator(partial(qtn.CircuitMPS, cutoff=1e-10), autodiff_backend="jax")
    sites = [problem[f"tensor_{i}"] for i in range(n_qubits)]
    target = qtn.MatrixProductState([sites[0][0], *sites[1:-1], sites[-1][:, :, 0]], shape="lpr")
    ansatz, start = generation.generate_ansatz_from_circuit(layers.circuit_of(problem), parameter_name="t")
    objective = objectives.MaximizeStateFidelity(qtn.CircuitMPS(n_qubits, psi0=target), ansatz, settings)
    best = {"value": float("inf"), "params": start}
    objective.loss_function(np.asarray(start))
    end = time.process_time() + float(problem["fit_s"])

    def loss(params: Any) -> Any:
        value, gradient = objective.loss_function(params)
        if value < best["value"]:
            best.update(value=float(value), params=params.copy())
        if time.process_time() > end:
            raise TimeoutError
        return value, gradient

    with suppress(TimeoutError):
        minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": int(problem["max_iterations"])})
    return ansatz.assign_parameters(best["params"])
