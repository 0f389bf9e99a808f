"""Readout mitigation: exact inversion, nearer to the exact law from shots, calibrated where the circuit is read."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qfin.exceptions import InputError, QfinError
from qfin.quantum import AerCircuitSampler, Ansatz, RuntimeCircuitSampler, to_qiskit
from qfin.quantum.mitigation import (
    ReadoutMitigated,
    measured_misread_rates,
    mitigated_probabilities,
    nearest_on_simplex,
)
from qfin.quantum.noise import depolarizing_noise

N_QUBITS, SHOTS = 5, 8000
RATES = np.array([[0.02, 0.08], [0.05, 0.03], [0.01, 0.1], [0.06, 0.06], [0.03, 0.09]])


@pytest.fixture(scope="module")
def ansatz() -> Ansatz:
    blocks = Ansatz.linear_chain(N_QUBITS, 2)
    return blocks.absorbed(0.4 * np.random.default_rng(3).standard_normal(blocks.n_params))


def misreading() -> AerCircuitSampler:
    model = NoiseModel()
    for qubit, (a, b) in enumerate(RATES):
        model.add_readout_error(ReadoutError([[1.0 - a, a], [b, 1.0 - b]]), [qubit])
    return AerCircuitSampler(method="density_matrix", noise_model=model)


def frequencies(bits: np.ndarray) -> np.ndarray:
    index = bits.astype(np.int64) @ (1 << np.arange(bits.shape[1] - 1, -1, -1))
    return np.bincount(index, minlength=2 ** bits.shape[1]) / len(bits)


def test_two_circuits_measure_every_rate() -> None:
    rates = measured_misread_rates(misreading(), N_QUBITS, SHOTS, rng=1)
    assert (np.abs(rates - RATES) <= 5.0 * np.sqrt(RATES * (1.0 - RATES) / SHOTS)).all()


def test_inversion_undoes_the_channel_exactly() -> None:
    counts = np.array([500, 0, 100, 400, 0, 0, 700, 300])
    bits = (np.repeat(np.arange(8), counts)[:, None] >> np.array([2, 1, 0])) & 1
    channel = np.ones((1, 1))
    for a, b in RATES[:3]:
        channel = np.kron(channel, np.array([[1.0 - a, b], [a, 1.0 - b]]))
    inverted = np.linalg.solve(channel, counts / counts.sum())
    np.testing.assert_allclose(mitigated_probabilities(bits, RATES[:3]), nearest_on_simplex(inverted), atol=1e-12)


def test_the_simplex_point_is_the_nearest() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal(6)
    nearest = nearest_on_simplex(values)
    assert nearest.min() >= 0.0
    assert nearest.sum() == pytest.approx(1.0)
    others = rng.dirichlet(np.full(6, 0.5), 2000)
    assert ((others - values) @ (nearest - values) >= ((nearest - values) ** 2).sum() - 1e-12).all()
    np.testing.assert_allclose(nearest_on_simplex(nearest), nearest, atol=1e-15)


@pytest.mark.parametrize("noisy", [misreading(), AerCircuitSampler(noise_model=depolarizing_noise(0.0, 0.0, 0.05))])
def test_shots_come_nearer_to_the_exact_law(noisy: AerCircuitSampler, ansatz: Ansatz) -> None:
    exact, circuit = np.abs(ansatz.state()) ** 2, to_qiskit(ansatz)
    sampler = ReadoutMitigated(noisy, calibration_shots=200_000)
    raw, mitigated = (frequencies(s.sample(circuit, SHOTS, rng=4)) for s in (noisy, sampler))
    rates = RATES if noisy.method == "density_matrix" else np.full((N_QUBITS, 2), 0.05)
    channel = np.ones((1, 1))
    for one in (np.array([[1.0 - a, b], [a, 1.0 - b]]) for a, b in rates):
        channel = np.kron(channel, one)
    read, inverse = channel @ exact, np.linalg.inv(channel)
    covariance = inverse @ (np.diag(read) - np.outer(read, read)) @ inverse.T / SHOTS
    error = np.sqrt(np.diag(covariance))
    assert (np.abs(mitigated - exact) <= 5.0 * error).all()
    assert (np.abs(raw - exact) > 5.0 * error).any()
    assert np.abs(mitigated - exact).sum() < np.abs(raw - exact).sum()


def test_calibration_is_made_on_the_qubits_that_are_read() -> None:
    device = FakeManilaV2()
    sampler = ReadoutMitigated(RuntimeCircuitSampler(device), calibration_shots=20_000)
    circuit = QuantumCircuit(3)
    for pair in ((0, 1), (0, 2), (1, 2)):  # a triangle, on a line of qubits: it needs routing
        circuit.cx(*pair)
    assert set(sampler.sampler.measured_on(circuit)) != {0, 1, 2}
    expected = np.array([device.target["measure"][(q,)].error for q in sampler.sampler.measured_on(circuit)])
    rates = sampler.misread_rates(circuit)
    error = np.sqrt(expected * (1.0 - expected) / 20_000)
    assert np.ptp(expected) > 10.0 * error.max()
    assert (np.abs(rates[:, 0] - expected) <= 5.0 * error).all()


def test_calibration_runs_once(ansatz: Ansatz) -> None:
    sampler, circuit = ReadoutMitigated(misreading()), to_qiskit(ansatz)
    assert sampler.misread_rates(circuit) is sampler.misread_rates(circuit.copy())


def test_what_cannot_be_corrected_is_said() -> None:
    with pytest.raises(QfinError, match=r"readout: qubit 1 is misread with probabilities \[0.5, 0.5\]"):
        mitigated_probabilities([[0, 1]], [[0.0, 0.0], [0.5, 0.5]])
    with pytest.raises(InputError, match=r"misread_rates: expected shape \(2, 2\)"):
        mitigated_probabilities([[0, 1]], [[0.0, 0.0]])
    with pytest.raises(InputError, match="at most 20 qubits to mitigate, received 21"):
        ReadoutMitigated(AerCircuitSampler()).sample(QuantumCircuit(21), 10)
