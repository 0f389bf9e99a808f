"""The Born circuit as a row of `qfin bench copula`: a chain on the t copula, its first registers run by a circuit."""

from dataclasses import dataclass

from qfin._types import FloatArray
from qfin.born import CircuitBornMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.circuit import distant_pairs
from qfin.born.hybrid import CircuitHeadMachine
from qfin.copulas import BornCopula, StudentTCopula, to_latent

# As in the main job: see `qfin.experiments.config.CircuitConfig`.
_N_REGISTERS, _N_LAYERS, _N_DISTANT = 5, 4, 4


@dataclass(frozen=True)
class CircuitOnChain:
    """Fits a matrix product state, maps its first five registers to a circuit, and trains that one on."""

    seed: int = 0
    max_steps: int = 1500
    max_circuit_steps: int = 400

    def fit(self, u: FloatArray) -> BornCopula:
        base = StudentTCopula().fit(u)
        y = to_latent(base.rosenblatt(u))
        chain = MPSBornMachine(max_steps=self.max_steps, seed=self.seed).fit(y)
        head, _ = chain.head(min(_N_REGISTERS, chain.n_registers_))
        size = (chain.n_functions - 1).bit_length()
        mapped = CircuitBornMachine.from_ansatz(map_mps_to_circuit(head.tensors_, _N_LAYERS).ansatz, size)
        n_possible = (head.n_registers_ - 1) * (head.n_registers_ - 2) // 2
        ansatz = mapped.ansatz
        if n_possible:
            pairs = distant_pairs(mapped.register_mutual_information(), min(_N_DISTANT, n_possible), size)
            ansatz = ansatz.extended(pairs)
        days, held = y[:, : head.n_registers_], chain.held_out_
        circuit = CircuitBornMachine(ansatz, size, max_steps=self.max_circuit_steps, seed=self.seed)
        circuit.fit(days[~held], days[held])
        return BornCopula.from_parts(base, CircuitHeadMachine(circuit, chain))
