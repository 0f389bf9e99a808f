"""A circuit on the first registers, completed by the matrix product state on the others."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_matrix
from qfin.born.circuit import CircuitBornMachine, distant_pairs
from qfin.born.mps import MPSBornMachine

# As in the main job: see `qfin.experiments.config.CircuitConfig`.
_N_REGISTERS, _N_LAYERS, _N_DISTANT = 5, 4, 4


class CircuitHeadMachine(BaseEstimator):  # type: ignore[misc]
    """p(y) = p_circuit(y_1 … y_m) · p_MPS(y_{m+1} … y_d | y_1 … y_m), both factors exact.

    Replaces the chain's marginal of the first m registers, the most systemic assets, by a circuit's; beside the chain
    itself it shows what the circuit adds, on the same book and the same days.

    Parameters
    ----------
    circuit : fitted CircuitBornMachine of m registers
    chain : fitted MPSBornMachine of d ≥ m registers
    n_extra : int
        Fresh qubits per register for the finer measurement grid when drawing shots.
    """

    def __init__(self, circuit: CircuitBornMachine, chain: MPSBornMachine, n_extra: int = 1):
        self.circuit = circuit
        self.chain = chain
        self.n_extra = n_extra

    @property
    def n_params_(self) -> int:
        """Parameters of the circuit and of the whole chain, whose conditional law is used."""
        return self.circuit.n_params_ + self.chain.n_params_

    def log_ratio(self, y: ArrayLike) -> FloatArray:
        """Log density relative to independent standard normals, shape (n,), nats."""
        observations = as_matrix(y, "y", n_columns=self.chain.n_registers_)
        head = observations[:, : self.circuit.n_registers_]
        rest = self.chain.log_ratio(observations) - self.chain.head_log_ratio(head)
        return np.asarray(self.circuit.log_ratio(head) + rest)

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Draws y, shape (n_samples, d): shots of the circuit on Aer, decoded, then completed by the chain."""
        from qfin.quantum import AerCircuitSampler

        rng = as_generator(rng)
        n_nodes = 2 ** (self.circuit.n_qubits_per_register + self.n_extra)
        head = self.circuit.sample_shots(n_samples, AerCircuitSampler(), n_nodes=n_nodes, rng=rng)
        return self.chain.sample_after(head, rng=rng)

    def to_arrays(self) -> dict[str, AnyArray]:
        parts: dict[str, Any] = {"circuit": self.circuit.to_arrays(), "chain": self.chain.to_arrays()}
        arrays = {f"{part}.{key}": value for part, table in parts.items() for key, value in table.items()}
        return {"n_extra": np.array(self.n_extra), **arrays}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        def part(name: str) -> dict[str, AnyArray]:
            return {key.removeprefix(f"{name}."): v for key, v in arrays.items() if key.startswith(f"{name}.")}

        circuit = CircuitBornMachine.from_arrays(part("circuit"))
        return cls(circuit, MPSBornMachine.from_arrays(part("chain")), n_extra=int(arrays["n_extra"]))


def circuit_on_chain(chain: MPSBornMachine, y: FloatArray, *, max_steps: int, seed: int) -> CircuitHeadMachine:
    """The first five registers of a fitted chain as a circuit: mapped, given a few distant gates, and trained on.

    `y` (n, d) are the latent days that the chain was fitted to; training stops on those that the chain held out.
    """
    from qfin.born.mapping import map_mps_to_circuit

    head, _ = chain.head(min(_N_REGISTERS, chain.n_registers_))
    size = (chain.n_functions - 1).bit_length()
    mapped = CircuitBornMachine.from_ansatz(map_mps_to_circuit(head.tensors_, _N_LAYERS).ansatz, size)
    n_possible = (head.n_registers_ - 1) * (head.n_registers_ - 2) // 2
    ansatz = mapped.ansatz
    if n_possible:
        pairs = distant_pairs(mapped.register_mutual_information(), min(_N_DISTANT, n_possible), size)
        ansatz = ansatz.extended(pairs)
    days, held_out = y[:, : head.n_registers_], chain.held_out_
    circuit = CircuitBornMachine(ansatz, size, max_steps=max_steps, seed=seed)
    return CircuitHeadMachine(circuit.fit(days[~held_out], days[held_out]), chain)
