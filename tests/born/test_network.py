"""The truncated network against state vectors, the exact window, differences and its own error bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qfin.basis import HermiteBasis
from qfin.born.mapping import circuit_tensors
from qfin.born.network import network_gradient, network_log_ratio
from qfin.exceptions import InputError
from qfin.quantum import AerCircuitSampler, Ansatz, to_qiskit
from qfin.quantum.engine import log_ratio, precision, psi
from qfin.quantum.window import window_log_ratio


def random_ansatz(n_qubits: int, n_layers: int, extra: list[tuple[int, int]], size: float, seed: int) -> Ansatz:
    ansatz = Ansatz.linear_chain(n_qubits, n_layers).extended(extra)
    return ansatz.absorbed(size * np.random.default_rng(seed).normal(size=ansatz.n_params))


def random_features(n: int, n_registers: int, size: int, seed: int) -> np.ndarray:
    return HermiteBasis(size).features(np.random.default_rng(seed).normal(size=(n, n_registers)))


@pytest.mark.parametrize(
    ("n_qubits", "size", "extra"), [(6, 8, [(5, 1), (0, 3)]), (4, 2, [(3, 0)]), (12, 8, [(1, 7)]), (8, 16, [])]
)
def test_without_truncation_value_and_gradient_are_exact(n_qubits: int, size: int, extra: list) -> None:
    ansatz = random_ansatz(n_qubits, 2, extra, 0.5, seed=1)
    params = 0.3 * np.random.default_rng(2).normal(size=ansatz.n_params)
    features = random_features(4, n_qubits // (size.bit_length() - 1), size, seed=3)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    found = network_gradient(ansatz, params, features, weights, max_bond=None, observation_bond=None)
    np.testing.assert_allclose(found.log_ratio, log_ratio(ansatz.state(params), features), atol=1e-9)
    assert found.state_error == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(found.observation_error, 0.0, atol=1e-9)
    rng = np.random.default_rng(4)
    for direction in rng.normal(size=(4, ansatz.n_params)):
        direction /= np.linalg.norm(direction)
        ahead, behind = (log_ratio(ansatz.state(params + s * direction), features) @ weights for s in (1e-5, -1e-5))
        assert found.gradient @ direction == pytest.approx((ahead - behind) / 2e-5, abs=1e-6)


def test_gradient_is_that_of_the_exact_window_angle_by_angle() -> None:
    ansatz = random_ansatz(9, 2, [(8, 2)], 0.5, seed=5)
    params = 0.3 * np.random.default_rng(6).normal(size=ansatz.n_params)
    features = random_features(3, 3, 8, seed=7)
    with precision("complex128"):
        expected = jax.grad(lambda q: window_log_ratio(ansatz, q, features, dtype="complex128").mean())(
            jnp.asarray(params)
        )
    found = network_gradient(ansatz, params, features, max_bond=None, observation_bond=None)
    np.testing.assert_allclose(found.gradient, np.asarray(expected), atol=1e-9)


def test_the_gradient_sees_directions_that_the_state_has_not_taken() -> None:
    # at |0…0⟩ all bonds are one: what a gate would entangle must not be lost to the bond that is there
    ansatz = Ansatz.linear_chain(6, 2)
    features = random_features(5, 2, 8, seed=8)
    found = network_gradient(ansatz, np.zeros(ansatz.n_params), features, max_bond=2, observation_bond=None)
    shifts = 1e-5 * np.eye(ansatz.n_params)
    slopes = [
        log_ratio(ansatz.state(s), features).mean() - log_ratio(ansatz.state(-s), features).mean() for s in shifts
    ]
    np.testing.assert_allclose(found.gradient, np.array(slopes) / 2e-5, atol=1e-7)


@pytest.mark.parametrize("max_bond", [4, 8, 16])
def test_truncated_values_keep_their_bound(max_bond: int) -> None:
    ansatz = random_ansatz(12, 5, [], 0.1, seed=9)
    features = random_features(20, 4, 8, seed=10)
    values, error = network_log_ratio(ansatz, None, features, max_bond=max_bond)
    scale = np.linalg.norm(features, axis=2).prod(axis=1)
    exact = np.abs(psi(ansatz.state(), features))
    miss = np.abs(np.exp(values / 2) - exact) / scale
    assert 1e-6 < error < 1.0
    assert 0.0 < miss.max() <= 2.0 * error
    found = network_gradient(ansatz, np.zeros(ansatz.n_params), features, max_bond=max_bond, observation_bond=4)
    assert (np.abs(np.exp(found.log_ratio / 2) - exact) / scale <= found.state_error).all()
    assert (found.observation_error > 0.0).all()


def test_truncated_gradient_approaches_the_exact_one_with_the_bonds() -> None:
    ansatz = random_ansatz(12, 5, [], 0.15, seed=11)
    features = random_features(6, 4, 8, seed=12)
    zero = np.zeros(ansatz.n_params)
    exact = network_gradient(ansatz, zero, features, max_bond=None, observation_bond=None)
    misses, errors = [], []
    for bond in (4, 8, 16):
        found = network_gradient(ansatz, zero, features, max_bond=bond, observation_bond=bond)
        misses.append(np.linalg.norm(found.gradient - exact.gradient) / np.linalg.norm(exact.gradient))
        errors.append(found.state_error + found.observation_error.max())
    assert misses[0] > misses[1] > misses[2]
    assert errors[0] > errors[1] > errors[2] > 0.0


def test_forty_qubits_truncated_beside_the_exact_window() -> None:
    ansatz = random_ansatz(40, 4, [], 0.1, seed=13)
    features = random_features(4, 20, 4, seed=14)
    values, error = network_log_ratio(ansatz, None, features, max_bond=8)
    exact = np.asarray(window_log_ratio(ansatz, np.zeros(ansatz.n_params), features, dtype="complex128"))
    assert 1e-8 < error < 0.05
    np.testing.assert_allclose(values, exact, atol=0.1)
    np.testing.assert_allclose(network_log_ratio(ansatz, None, features)[0], exact, atol=1e-8)


def test_full_width_shots_of_aer_have_the_exact_marginals() -> None:
    ansatz = random_ansatz(40, 2, [(3, 6)], 0.3, seed=15)
    tensors, error = circuit_tensors(ansatz, max_bond=None)
    assert error == pytest.approx(0.0, abs=1e-8)
    n_shots = 2000
    bits = AerCircuitSampler(method="matrix_product_state").sample(to_qiskit(ansatz), n_shots, rng=16)
    assert bits.shape == (n_shots, 40)
    expected = np.array([one_probability(tensors, {qubit: 1}) for qubit in range(40)])
    assert np.ptp(expected) > 0.1
    margin = 5.0 * np.sqrt(expected * (1.0 - expected) / n_shots)
    assert (np.abs(bits.mean(axis=0) - expected) <= margin).all()
    for first, second in [(0, 1), (3, 6), (20, 21), (38, 39)]:
        both = one_probability(tensors, {first: 1, second: 1})
        frequency = (bits[:, first] & bits[:, second]).mean()
        assert abs(frequency - both) <= 5.0 * np.sqrt(both * (1.0 - both) / n_shots)


def one_probability(tensors: list[np.ndarray], known: dict[int, int]) -> float:
    """P(bits of the known qubits), the others summed out."""
    edge = np.ones((1, 1))
    for qubit, tensor in enumerate(tensors):
        kept = tensor[:, [known[qubit]]] if qubit in known else tensor
        edge = np.einsum("ab,axc,bxd->cd", edge, kept, kept.conj())
    return float(edge[0, 0].real)


def test_wrong_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"weights: expected shape \(3,\), received \(2,\)"):
        network_gradient(Ansatz.linear_chain(6, 1), np.zeros(75), random_features(3, 2, 8, seed=17), np.ones(2))
