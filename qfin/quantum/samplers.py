"""Circuit samplers: a circuit without measurements -> the bits of its shots, the same way on every back end.

Column j of the bits is Qiskit qubit j, which is our qubit j; Qiskit's little-endian strings end here.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
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


@runtime_checkable
class PointSampler(CircuitSampler, Protocol):
    """A circuit sampler that also runs one circuit at many values of its parameters, in one job."""

    def sample_points(self, circuit: QuantumCircuit, points: ArrayLike, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (n_points, shots, n_qubits) at points (n_points, n_params), columns as in `circuit.parameters`.

        One primitive unified bloc with one broadcast array of values, not a list of blocs: Aer runs it in half the
        time, and where a back end is seeded every bloc would repeat the same random numbers.
        """
        ...


def measured_circuit(circuit: QuantumCircuit, shots: int) -> QuantumCircuit:
    """A copy of the circuit with all qubits measured into `meas`, after the checks that every sampler makes."""
    if circuit.num_clbits:
        raise InputError(f"circuit: expected one without measurements, received {circuit.num_clbits} classical bits")
    if shots < 1:
        raise InputError(f"shots: expected at least 1, received {shots}")
    measured: QuantumCircuit = circuit.measure_all(inplace=False)
    return measured


def checked_points(circuit: QuantumCircuit, points: ArrayLike) -> FloatArray:
    """`points` as (n_points, n_params), or an `InputError`."""
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != circuit.num_parameters or len(values) < 1:
        raise InputError(f"points: expected shape (n_points, {circuit.num_parameters}), received {values.shape}")
    return values


def result_bits(result: Any) -> Bits:
    """Bits of the first bloc of a primitive's result, (…, shots, n_qubits)."""
    # order="little" puts classical bit 0, which measured qubit 0, into column 0
    return np.ascontiguousarray(result[0].data.meas.to_bool_array(order="little")).view(np.uint8)


@dataclass(frozen=True)
class StatevectorCircuitSampler:
    """Exact state vector in NumPy (Qiskit's reference `StatevectorSampler`); the check of all the others."""

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits) drawn from the exact probabilities."""
        return self._run((measured_circuit(circuit, shots),), shots, rng)

    def sample_points(self, circuit: QuantumCircuit, points: ArrayLike, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (n_points, shots, n_qubits); see `PointSampler`."""
        return self._run((measured_circuit(circuit, shots), checked_points(circuit, points)), shots, rng)

    def _run(self, bloc: tuple[Any, ...], shots: int, rng: RandomLike) -> Bits:
        self._check_width(bloc[0])
        # an integer seed would repeat the same bits on every call: a generator of this call's own is passed
        sampler = StatevectorSampler(seed=np.random.default_rng(integer_seed(as_generator(rng))))
        return result_bits(sampler.run([bloc], shots=shots).result())

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
        return self._run((measured_circuit(circuit, shots),), shots, as_generator(rng))

    def sample_points(self, circuit: QuantumCircuit, points: ArrayLike, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (n_points, shots, n_qubits); see `PointSampler`."""
        bloc = (measured_circuit(circuit, shots), checked_points(circuit, points))
        return self._run(bloc, shots, as_generator(rng))

    def _run(self, bloc: tuple[Any, ...], shots: int, rng: np.random.Generator) -> Bits:
        (circuit, *points), noise = bloc, self.noise_model
        if isinstance(noise, CircuitNoise):
            circuit = label_blocks(circuit)
        sampler = SamplerV2(seed=integer_seed(rng), options={"backend_options": self._options()})
        try:
            bits = result_bits(sampler.run([(circuit, *points)], shots=shots).result())
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
