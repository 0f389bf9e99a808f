"""Every circuit sampler against exact probabilities that Qiskit has no part in."""

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_aer import AerSimulator

from qfin.exceptions import InputError
from qfin.quantum import (
    AerCircuitSampler,
    Ansatz,
    CircuitSampler,
    RuntimeCircuitSampler,
    StatevectorCircuitSampler,
    to_qiskit,
)
from qfin.quantum.mitigation import ReadoutMitigated
from qfin.quantum.samplers import PointSampler


def five_qubit_device() -> AerSimulator:
    """Map and gates of a real device, none of its noise."""
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2

    return AerSimulator.from_backend(FakeManilaV2(), noise_model=None)


SAMPLERS: dict[str, Callable[[], CircuitSampler]] = {
    "statevector": StatevectorCircuitSampler,
    "aer automatic": AerCircuitSampler,
    "aer statevector": lambda: AerCircuitSampler(method="statevector"),
    "aer density matrix": lambda: AerCircuitSampler(method="density_matrix"),
    "aer mps": lambda: AerCircuitSampler(method="matrix_product_state"),
    "aer mps, full bond": lambda: AerCircuitSampler(method="matrix_product_state", max_bond=4),
    "aer, two threads": lambda: AerCircuitSampler(n_threads=2),
    "runtime, simulator": lambda: RuntimeCircuitSampler(AerSimulator()),
    "runtime, five-qubit device": lambda: RuntimeCircuitSampler(five_qubit_device()),
    "readout mitigated": lambda: ReadoutMitigated(AerCircuitSampler()),
}
PAIRS = [(0, 1), (2, 1), (3, 4), (0, 4), (2, 3), (4, 1)]
N_QUBITS, SHOTS = 5, 20_000


@pytest.fixture(params=SAMPLERS)
def sampler(request: pytest.FixtureRequest) -> CircuitSampler:
    return SAMPLERS[request.param]()


@pytest.fixture(scope="module")
def ansatz() -> Ansatz:
    blocks = Ansatz.identity(N_QUBITS, np.array(PAIRS))
    return blocks.absorbed(0.5 * np.random.default_rng(5).standard_normal(blocks.n_params))


def assert_frequencies(bits: np.ndarray, probabilities: np.ndarray) -> None:
    index = bits.astype(np.int64) @ 2 ** np.arange(bits.shape[1])[::-1]
    frequency = np.bincount(index, minlength=len(probabilities)) / len(bits)
    error = np.sqrt(probabilities * (1.0 - probabilities) / len(bits))
    assert (np.abs(frequency - probabilities) <= 5.0 * error + 1e-12).all()


def test_frequencies_are_the_exact_probabilities(sampler: CircuitSampler, ansatz: Ansatz) -> None:
    probabilities = np.abs(ansatz.state()) ** 2
    assert np.ptp(probabilities) > 0.05
    bits = sampler.sample(to_qiskit(ansatz), SHOTS, rng=11)
    assert bits.shape == (SHOTS, N_QUBITS)
    assert bits.dtype == np.uint8
    assert_frequencies(bits, probabilities)


def test_named_gates_run_as_they_are(sampler: CircuitSampler) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 2)
    circuit.ry(2.0 * np.arcsin(np.sqrt(0.3)), 1)
    expected = np.zeros(8)
    expected[[0b000, 0b010, 0b101, 0b111]] = [0.35, 0.15, 0.35, 0.15]
    assert_frequencies(sampler.sample(circuit, SHOTS, rng=12), expected)


def test_column_j_is_qubit_j(sampler: CircuitSampler) -> None:
    circuit = QuantumCircuit(4)
    circuit.x(0)
    circuit.x(2)
    np.testing.assert_array_equal(sampler.sample(circuit, 3, rng=0), np.tile([1, 0, 1, 0], (3, 1)))


def test_one_generator_twice_differs_and_one_seed_twice_agrees(sampler: CircuitSampler, ansatz: Ansatz) -> None:
    circuit, generator = to_qiskit(ansatz), np.random.default_rng(3)
    first, second = (sampler.sample(circuit, 200, rng=generator) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, sampler.sample(circuit, 200, rng=3))
    np.testing.assert_array_equal(first, sampler.sample(circuit, 200, rng=np.random.default_rng(3)))


def test_the_circuit_is_left_alone(sampler: CircuitSampler, ansatz: Ansatz) -> None:
    circuit = to_qiskit(ansatz)
    before = circuit.copy()
    sampler.sample(circuit, 5, rng=0)
    assert circuit == before


def test_measured_circuits_and_empty_runs_are_refused(sampler: CircuitSampler, ansatz: Ansatz) -> None:
    assert isinstance(sampler, CircuitSampler)
    with pytest.raises(InputError, match="without measurements, received 5 classical bits"):
        sampler.sample(to_qiskit(ansatz, measure=True), 10)
    with pytest.raises(InputError, match="shots: expected at least 1, received 0"):
        sampler.sample(to_qiskit(ansatz), 0)


def test_points_are_run_in_order_and_independently(sampler: CircuitSampler) -> None:
    assert isinstance(sampler, PointSampler)
    angles = ParameterVector("angle", 12)  # as text angle[10] comes before angle[2]
    circuit = QuantumCircuit(3)
    for j, angle in enumerate(angles):
        circuit.ry(angle, j % 3)
    points = np.random.default_rng(1).uniform(0.0, 0.7, (4, 12))
    points[3] = points[2]
    bits = sampler.sample_points(circuit, points, 4000, rng=2)
    assert bits.shape == (4, 4000, 3)
    for row, point in zip(bits, points, strict=True):
        ones = np.sin(point.reshape(4, 3).sum(axis=0) / 2.0) ** 2
        assert (np.abs(row.mean(axis=0) - ones) <= 5.0 * np.sqrt(ones * (1.0 - ones) / len(row))).all()
    assert (bits[2] != bits[3]).any()
    np.testing.assert_array_equal(bits, sampler.sample_points(circuit, points, 4000, rng=2))
    with pytest.raises(InputError, match=r"points: expected shape \(n_points, 12\), received \(12,\)"):
        sampler.sample_points(circuit, points[0], 10)
