"""A circuit on the first registers, completed by the matrix product state on the others."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_matrix
from qfin.born.circuit import CircuitBornMachine
from qfin.born.mps import MPSBornMachine


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
