"""Parameter shift against finite differences, the engine's gradient and, from shots, the exact one."""

import jax
import numpy as np
import pytest
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qfin.exceptions import InputError
from qfin.quantum import AerCircuitSampler, Ansatz, RuntimeCircuitSampler, StatevectorCircuitSampler, statevector
from qfin.quantum.engine import precision
from qfin.quantum.samplers import PointSampler
from qfin.quantum.shift import rotation_circuit, rotation_unitaries, shifted_points, shifted_shots

N_QUBITS = 3
PAIRS = np.array([[0, 1], [2, 1], [0, 2]])
VALUES = np.random.default_rng(8).standard_normal(2**N_QUBITS)
SAMPLERS: dict[str, PointSampler] = {
    "statevector": StatevectorCircuitSampler(),
    "aer": AerCircuitSampler(),
    "runtime": RuntimeCircuitSampler(AerSimulator.from_backend(FakeManilaV2(), noise_model=None)),
}


@pytest.fixture(scope="module")
def ansatz() -> Ansatz:
    blocks = Ansatz.identity(N_QUBITS, PAIRS)
    return blocks.absorbed(0.4 * np.random.default_rng(5).standard_normal(blocks.n_params))


def probabilities(ansatz: Ansatz, angles: np.ndarray) -> np.ndarray:
    return np.abs(Ansatz(N_QUBITS, ansatz.pairs, rotation_unitaries(ansatz, angles)).state()) ** 2


def exact_gradient(ansatz: Ansatz, angles: np.ndarray) -> np.ndarray:
    """Of E[VALUES], by the shift rule on exact probabilities."""
    means = [VALUES @ probabilities(ansatz, point) for point in shifted_points(angles)]
    return np.array(means[: len(angles)]) - np.array(means[len(angles) : -1])


def observable(bits: np.ndarray) -> np.ndarray:
    return VALUES[bits.astype(np.int64) @ [4, 2, 1]]


def test_qiskit_turns_as_the_matrices_do(ansatz: Ansatz) -> None:
    angles = np.random.default_rng(2).uniform(-1.0, 1.0, ansatz.n_params)
    circuit = rotation_circuit(ansatz)
    bound = circuit.assign_parameters(dict(zip(circuit.parameters, angles, strict=True)))
    np.testing.assert_allclose(
        StatevectorCircuitSampler().probabilities(bound), probabilities(ansatz, angles), atol=1e-12
    )


def test_angles_that_are_not_active_have_no_rotation(ansatz: Ansatz) -> None:
    active = np.zeros((3, 15), dtype=bool)
    active[0, [2, 7]] = active[2, 11] = True
    sparse = Ansatz(N_QUBITS, ansatz.pairs, ansatz.fixed, active)
    angles = np.array([0.3, -0.7, 0.5])
    circuit = rotation_circuit(sparse)
    bound = circuit.assign_parameters(dict(zip(circuit.parameters, angles, strict=True)))
    full = np.zeros((3, 15))
    full[active] = angles
    exact = probabilities(ansatz, full.ravel())
    np.testing.assert_allclose(probabilities(sparse, angles), exact, atol=1e-12)
    np.testing.assert_allclose(StatevectorCircuitSampler().probabilities(bound), exact, atol=1e-12)


def test_the_rule_is_exact_away_from_zero(ansatz: Ansatz) -> None:
    angles, step = np.random.default_rng(3).uniform(-1.0, 1.0, ansatz.n_params), 1e-5
    differences = [
        VALUES @ (probabilities(ansatz, angles + e) - probabilities(ansatz, angles - e)) / (2.0 * step)
        for e in step * np.eye(len(angles))
    ]
    np.testing.assert_allclose(exact_gradient(ansatz, angles), differences, atol=1e-8)


def test_at_zero_it_is_the_engines_gradient(ansatz: Ansatz) -> None:
    with precision("complex128"):
        gradient = jax.grad(lambda p: VALUES @ abs(statevector(ansatz, p, dtype="complex128")) ** 2)(
            np.zeros(ansatz.n_params)
        )
        gradient = np.asarray(gradient)
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose(exact_gradient(ansatz, np.zeros(ansatz.n_params)), gradient, atol=1e-10)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_shots_give_the_exact_gradient(sampler: PointSampler, ansatz: Ansatz) -> None:
    trainable = np.arange(3, 45, 4)
    angles = np.zeros(ansatz.n_params)
    angles[trainable] = np.random.default_rng(4).uniform(-0.8, 0.8, len(trainable))
    job = shifted_shots(rotation_circuit(ansatz, trainable), angles[trainable], 2000, sampler=sampler, rng=6)
    gradient, errors = job.gradient(observable)
    assert job.middle.shape == (2000, N_QUBITS)
    assert (errors < 0.07).all()
    np.testing.assert_array_less(np.abs(gradient - exact_gradient(ansatz, angles)[trainable]), 5.0 * errors)


def test_more_than_a_thousand_angles_bind_in_order() -> None:
    ansatz = Ansatz.linear_chain(4, 23)
    angles = np.random.default_rng(9).uniform(-0.3, 0.3, ansatz.n_params)
    assert len(angles) > 1000
    bits = AerCircuitSampler().sample_points(rotation_circuit(ansatz), angles[None], 20_000, rng=1)[0]
    exact = np.abs(Ansatz(4, ansatz.pairs, rotation_unitaries(ansatz, angles)).state()) ** 2
    frequency = np.bincount(bits.astype(np.int64) @ [8, 4, 2, 1], minlength=16) / len(bits)
    assert (np.abs(frequency - exact) <= 5.0 * np.sqrt(exact * (1.0 - exact) / len(bits))).all()


def test_wrong_input_is_refused(ansatz: Ansatz) -> None:
    with pytest.raises(InputError, match="trainable: expected indices 0 … 44, received"):
        rotation_circuit(ansatz, [45])
    with pytest.raises(InputError, match=r"angles: expected finite numbers .* received shape \(1, 2\)"):
        shifted_points([[0.0, 1.0]])
    with pytest.raises(InputError, match="shots: expected at least 2, received 1"):
        shifted_shots(rotation_circuit(ansatz), np.zeros(45), 1, sampler=AerCircuitSampler())
