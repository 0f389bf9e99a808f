"""Local quantum fidelity: how many of its qubits a circuit U, undone on a target state |φ⟩, brings back to 0.

Global infidelity 1 − |⟨φ|U|0⟩|² is the chance that U†|φ⟩ is not all zeros; the local loss is the mean chance of each
qubit, 1 − ⟨φ|U H U†|φ⟩ with H = (1/n) Σ_i |0⟩⟨0|_i. Both vanish for the same circuits, for local ≤ global ≤ n · local
by the union bound; the local one keeps its gradient at low depth (Rudolph et al., npj Quantum Information 10, 116
(2024)).
"""

from typing import Any


def local_infidelity(undone: Any) -> Any:
    """1 − mean over qubits of P(qubit = 0) in the amplitudes U†|φ⟩, shape (2ⁿ,); differentiable JAX or NumPy."""
    weights = undone.real**2 + undone.imag**2
    n_qubits = undone.size.bit_length() - 1
    zeros = 0.0
    for _ in range(n_qubits):
        # each pass takes the front qubit's zeros and sends that qubit to the back
        halves = weights.reshape(2, -1)
        zeros = zeros + halves[0].sum()
        weights = halves.T.reshape(-1)
    return 1.0 - zeros / n_qubits


def global_infidelity(undone: Any) -> Any:
    """1 − |⟨φ|U|0⟩|² from the amplitudes U†|φ⟩."""
    return 1.0 - undone[0].real ** 2 - undone[0].imag ** 2
