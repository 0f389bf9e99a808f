"""Circuit samplers: a circuit without measurements -> the bits of its shots, the same way on every back end.

Column j of the bits is Qiskit qubit j, which is our qubit j; Qiskit's little-endian strings end here.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Statevector
from qiskit_aer import AerError
from qiskit_aer.primitives import SamplerV2

from qfin._random import RandomLike, as_generator, integer_seed
from qfin._types import FloatArray
from qfin.exceptions import InputError, QfinError
from qfin.quantum.noise import CircuitNoise, label_blocks

Bits = NDArray[np.uint8]
AER_METHODS = ("automatic", "statevector", "density_matrix", "matrix_product_state")
_BRANCHING = ("automatic", "statevector")
_MAX_EXACT_QUBITS = 26


@runtime_checkable
class CircuitSampler(Protocol):
    """Runs a circuit that has no measurements and measures every qubit at its end."""

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits); column j is qubit j. A generator advances, so two calls with one generator differ."""
        ...


def _measured(circuit: QuantumCircuit, shots: int) -> QuantumCircuit:
    if circuit.num_clbits:
        raise InputError(f"circuit: expected one without measurements, received {circuit.num_clbits} classical bits")
    if shots < 1:
        raise InputError(f"shots: expected at least 1, received {shots}")
    measured: QuantumCircuit = circuit.measure_all(inplace=False)
    return measured


def _bits(result: Any) -> Bits:
    # order="little" puts classical bit 0, which measured qubit 0, into column 0
    return np.ascontiguousarray(result[0].data.meas.to_bool_array(order="little")).view(np.uint8)


@dataclass(frozen=True)
class StatevectorCircuitSampler:
    """Exact state vector in NumPy (Qiskit's reference `StatevectorSampler`); the check of all the others."""

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits) drawn from the exact probabilities."""
        self._check_width(circuit)
        # an integer seed would repeat the same bits on every call: a generator of this call's own is passed
        sampler = StatevectorSampler(seed=np.random.default_rng(integer_seed(as_generator(rng))))
        return _bits(sampler.run([_measured(circuit, shots)], shots=shots).result())

    def probabilities(self, circuit: QuantumCircuit) -> FloatArray:
        """Exact probabilities (2^n_qubits,), qubit 0 the most significant bit of the index."""
        self._check_width(circuit)
        n_qubits = circuit.num_qubits
        little_endian = np.asarray(Statevector(circuit).probabilities())
        return little_endian.reshape((2,) * n_qubits).transpose(range(n_qubits)[::-1]).reshape(-1)

    def _check_width(self, circuit: QuantumCircuit) -> None:
        if circuit.num_qubits > _MAX_EXACT_QUBITS:
            raise InputError(
                f"circuit: expected at most {_MAX_EXACT_QUBITS} qubits for an exact state vector, received "
                f"{circuit.num_qubits}; use AerCircuitSampler(method='matrix_product_state')"
            )


@dataclass(frozen=True)
class AerCircuitSampler:
    """Shots from Qiskit Aer: state vector, density matrix or matrix product state, with or without noise.

    Parameters
    ----------
    method
        One of `AER_METHODS`.
    noise_model
        A `CircuitNoise` such as `depolarizing_noise` makes, or an Aer `NoiseModel`, which sees the circuit as it is: an
        error on "unitary" acts on no block that carries a label.
    max_bond
        Largest bond dimension kept by the MPS method; None keeps all.
    truncation
        Sum of squared singular values that the MPS method may drop at each bond.
    n_threads
        Threads of one run. More than one pays only above about 22 qubits on idle cores: where cores are shared,
        Aer's threads wait for one another, and 15 qubits took 30 times as long.
    """

    method: str = "automatic"
    noise_model: Any = None
    max_bond: int | None = None
    truncation: float = 1e-16
    n_threads: int = 1

    def __post_init__(self) -> None:
        if self.method not in AER_METHODS:
            raise InputError(f"method: expected one of {', '.join(AER_METHODS)}, received {self.method!r}")

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits); the seed of the run is drawn from `rng`."""
        rng, noise, measured = as_generator(rng), self.noise_model, _measured(circuit, shots)
        if isinstance(noise, CircuitNoise):
            measured = label_blocks(measured)
        sampler = SamplerV2(seed=integer_seed(rng), options={"backend_options": self._options()})
        try:
            bits = _bits(sampler.run([measured], shots=shots).result())
        except AerError as error:
            raise QfinError(f"circuit of {circuit.num_qubits} qubits by Aer's {self.method}: {error.message}") from None
        return noise.misread(bits, rng) if isinstance(noise, CircuitNoise) else bits

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"method": self.method, "max_parallel_threads": self.n_threads}
        if self.method == "matrix_product_state":
            # sampling by conditional probabilities: 7 times as fast as collapsing a copy of the state per shot
            options |= {
                "mps_sample_measure_algorithm": "mps_probabilities",
                "matrix_product_state_truncation_threshold": self.truncation,
                "matrix_product_state_max_bond_dimension": self.max_bond,
                # Aer's guess of the memory needed counts gates, not bonds: 328 GB where 0.2 GB were used
                "max_memory_mb": 10**9,
            }
        if isinstance(self.noise_model, CircuitNoise):
            # shots share the state up to their first error, 5 times as fast; with it Aer would leave out readout errors
            branching = {"shot_branching_enable": True, "shot_branching_sampling_enable": True}
            options |= {"noise_model": self.noise_model.gates, **(branching if self.method in _BRANCHING else {})}
        elif self.noise_model is not None:
            options["noise_model"] = self.noise_model
        return options
