"""Depolarising and readout noise for circuits made of dense blocks, in Aer's terms.

A block is a `UnitaryGate`. Aer looks noise up by name or label: an error on `"unitary"` skips every labelled block
without a word and, on a block of another width, touches the first qubits only. So each width has its own label, and
`label_blocks` writes these labels on the circuit that runs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate
from qiskit_aer.noise import NoiseModel, depolarizing_error

from qfin.exceptions import InputError

BLOCK_LABEL = "block{}"
# CNOTs of a dense unitary on that many qubits: 3 for two (optimal), then quantum Shannon decomposition
# (Shende, Bullock, Markov 2006, table 1). Wider blocks carry no noise model and are refused.
BLOCK_CNOTS = {2: 3, 3: 20, 4: 100}
_ONE_QUBIT_GATES = ["h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p", "u"]
_TWO_QUBIT_GATES = ["cx", "cy", "cz", "ecr", "rxx", "ryy", "rzz"]


@dataclass(frozen=True)
class CircuitNoise:
    """Noise of a run: `gates`, an Aer model without readout errors, and the probability that a bit is misread.

    Readout is kept apart because Aer (0.18) drops readout errors, without a word, when shots share common states.
    """

    gates: NoiseModel
    readout: float

    def misread(self, bits: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """`bits` with each flipped with probability `readout`, independently."""
        return bits ^ (rng.random(bits.shape) < self.readout).astype(np.uint8)


def depolarizing_noise(error_1q: float, error_2q: float, readout: float) -> CircuitNoise:
    """Depolarising noise after every gate and symmetric readout flips.

    Parameters
    ----------
    error_1q, error_2q
        Depolarising parameter λ of a one-qubit gate and of one CNOT: ρ -> (1 − λ) ρ + λ 1/2ⁿ.
    readout
        Probability that a measured bit is reported flipped.

    Returns
    -------
    CircuitNoise
        Named two-qubit gates carry `error_2q`; a dense block of k qubits carries 1 − (1 − error_2q)^{CNOTs of the
        block} on its k qubits. For two qubits that equals the noise of the compiled block with noisy CNOTs, because
        the two-qubit depolarising channel commutes with every gate on the pair; for more it is an estimate. The
        one-qubit gates inside a compiled block are taken as free of noise.
    """
    for name, value in (("error_1q", error_1q), ("error_2q", error_2q), ("readout", readout)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name}: expected a probability between 0 and 1, received {value}")
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(error_1q, 1), [*_ONE_QUBIT_GATES, BLOCK_LABEL.format(1)])
    model.add_all_qubit_quantum_error(depolarizing_error(error_2q, 2), _TWO_QUBIT_GATES)
    for width, n_cnots in BLOCK_CNOTS.items():
        block = depolarizing_error(1.0 - (1.0 - error_2q) ** n_cnots, width)
        model.add_all_qubit_quantum_error(block, BLOCK_LABEL.format(width))
    return CircuitNoise(model, float(readout))


def label_blocks(circuit: QuantumCircuit) -> QuantumCircuit:
    """A copy of `circuit` whose dense blocks carry the label of their width, so that noise finds them.

    Raises
    ------
    InputError
        For a block wider than the noise model knows.
    """
    labelled = circuit.copy_empty_like()
    for instruction in circuit.data:
        if isinstance(instruction.operation, UnitaryGate):
            width = len(instruction.qubits)
            if width > max(BLOCK_CNOTS):
                raise InputError(
                    f"noise: expected blocks of at most {max(BLOCK_CNOTS)} qubits, received {width} qubits"
                )
            gate = UnitaryGate(instruction.operation.params[0], label=BLOCK_LABEL.format(width), check_input=False)
            labelled.append(gate, instruction.qubits)
        else:
            labelled.append(instruction)
    return labelled
