"""The Born circuit as a row of `qfin bench copula`: a chain on the t copula, its first registers run by a circuit."""

from dataclasses import dataclass

from qfin._types import FloatArray
from qfin.born import MPSBornMachine
from qfin.born.hybrid import circuit_on_chain
from qfin.copulas import BornCopula, StudentTCopula, to_latent


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
        machine = circuit_on_chain(chain, y, max_steps=self.max_circuit_steps, seed=self.seed)
        return BornCopula.from_parts(base, machine)
