"""The circuit that undoes another on a loaded state: U(θ)† V|0…0⟩, as one ansatz with its own angles.

With V the loader of a target state |φ⟩ this is what a device runs to measure the local quantum fidelity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import N_ANGLES, PAULIS, Ansatz
from qfin.quantum.fusion import angle_positions


@dataclass(frozen=True)
class Undoing:
    """`ansatz` with angles `angles(params)` prepares U(params)† V|0…0⟩.

    Attributes
    ----------
    ansatz : the loader's blocks, then those of the circuit inverted, last first; all angles active.
    n_loader : number of the loader's blocks.
    rotation : (n_blocks, 15, 15), the generators of the circuit's blocks as seen behind their fixed unitaries.
    positions : int (n_blocks, 15), where each angle lies in the parameters; past their end where it is fixed to zero.
    """

    ansatz: Ansatz
    n_loader: int
    rotation: FloatArray
    positions: AnyArray

    def angles(self, params: Any) -> Any:
        """Angles of `ansatz` for parameters (n_params,) of the circuit; linear, NumPy or JAX."""
        arrays = params.__array_namespace__()
        filled = arrays.concatenate([params, arrays.zeros(1, dtype=params.dtype)])[self.positions]
        by_block = filled[:, None] @ self.rotation.astype(params.dtype)
        return arrays.concatenate(
            [arrays.zeros(N_ANGLES * self.n_loader, dtype=params.dtype), -by_block[::-1].reshape(-1)]
        )


def undoing(circuit: Ansatz, loader: Ansatz) -> Undoing:
    """The inverse of `circuit` behind `loader`.

    A block inverted is exp(−iΣθP) U0† = U0† exp(−iΣθ U0 P U0†), and U0 P U0† is a rotation of the 15 Paulis.
    """
    if circuit.n_qubits != loader.n_qubits:
        raise InputError(f"undoing: expected equal qubits, received {circuit.n_qubits} and {loader.n_qubits}")
    inverted = circuit.fixed.conj().transpose(0, 2, 1)[::-1]
    pairs: AnyArray = np.concatenate([loader.pairs, circuit.pairs[::-1]])
    ansatz = Ansatz(circuit.n_qubits, pairs, np.concatenate([loader.fixed, inverted]))
    turned = circuit.fixed[:, None] @ PAULIS @ circuit.fixed.conj().transpose(0, 2, 1)[:, None]
    rotation = np.einsum("bpij,qji->bpq", turned, PAULIS).real / 4.0
    positions = angle_positions(circuit.active.tobytes(), circuit.n_blocks)
    return Undoing(ansatz, loader.n_blocks, rotation, positions)
