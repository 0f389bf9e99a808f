"""Losses of exact probabilities against dense oracles, closed forms and each other."""

import jax
import numpy as np
import pytest
from scipy.stats import entropy

from qfin.basis.hermite import gauss_hermite
from qfin.exceptions import InputError
from qfin.quantum.engine import precision
from qfin.training.kl import FLOOR, kl_divergence, negative_log_likelihood
from qfin.training.local_fidelity import global_infidelity, local_infidelity
from qfin.training.mmd_exact import gaussian_kernels, hamming_kernels, mean_pauli_weight, mmd_squared_exact


def random_probabilities(size: int, seed: int) -> np.ndarray:
    weights = np.random.default_rng(seed).exponential(size=size)
    return weights / weights.sum()


def dense_kernel(kernels: list[np.ndarray]) -> np.ndarray:
    dense = np.ones((1, 1))
    for kernel in kernels:
        dense = np.kron(dense, kernel)
    return dense


def test_kl_equals_the_relative_entropy_and_vanishes_at_the_target() -> None:
    q, p = random_probabilities(64, 1), random_probabilities(64, 2)
    q[:5] = 0.0
    q /= q.sum()
    assert kl_divergence(q, p) == pytest.approx(entropy(q, p), rel=1e-12)
    assert kl_divergence(q, q) == pytest.approx(0.0, abs=1e-14)


def test_kl_below_the_floor_counts_as_the_floor_and_has_no_slope() -> None:
    q, p = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    assert kl_divergence(q, p) == pytest.approx(0.5 * np.log(0.5) + 0.5 * np.log(0.5 / FLOOR))
    with precision("complex128"):
        slope = np.asarray(jax.grad(lambda p: kl_divergence(jax.numpy.asarray(q), p))(jax.numpy.asarray(p)))
    np.testing.assert_allclose(slope, [-0.5, 0.0])


def test_likelihood_of_repeated_observations_is_that_of_weighted_ones() -> None:
    values, weights = np.array([-1.0, 0.5, 2.0]), np.array([1, 3, 2])
    assert negative_log_likelihood(values, weights) == pytest.approx(
        negative_log_likelihood(np.repeat(values, weights))
    )


@pytest.mark.parametrize(
    "kernels",
    [
        gaussian_kernels(gauss_hermite(4)[0], 3, 0.7),
        hamming_kernels(6, 1.5),
        [np.diag([1.0, 2.0]), gaussian_kernels([0.0, 1.0, 5.0], 1, 2.0)[0], hamming_kernels(1, 0.3)[0]],
    ],
    ids=["decoded", "hamming", "unequal"],
)
def test_mmd_equals_the_dense_form(kernels: list[np.ndarray]) -> None:
    dense = dense_kernel(kernels)
    p, q = random_probabilities(len(dense), 3), random_probabilities(len(dense), 4)
    assert mmd_squared_exact(p, q, kernels) == pytest.approx((p - q) @ dense @ (p - q), rel=1e-12)
    with precision("complex128"):
        slope = np.asarray(
            jax.grad(lambda p: mmd_squared_exact(p, jax.numpy.asarray(q), kernels))(jax.numpy.asarray(p))
        )
    np.testing.assert_allclose(slope, 2.0 * dense @ (p - q), atol=1e-14)


def test_decoded_kernel_is_the_gaussian_of_the_vectors() -> None:
    nodes, sigma = np.array([-1.0, 0.0, 3.0]), 1.3
    points = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    squares = ((points[:, None] - points[None, :]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(
        dense_kernel(gaussian_kernels(nodes, 2, sigma)), np.exp(-squares / (2 * sigma**2)), atol=1e-15
    )


def test_hamming_kernel_counts_differing_bits_and_has_the_known_pauli_weight() -> None:
    bits = (np.arange(16)[:, None] >> np.arange(3, -1, -1)) & 1
    distance = (bits[:, None] != bits[None, :]).sum(axis=-1)
    kernels = hamming_kernels(4, 0.8)
    np.testing.assert_allclose(dense_kernel(kernels), np.exp(-distance / 1.6), atol=1e-15)
    assert mean_pauli_weight(kernels) == pytest.approx(4 * (1 - np.exp(-1 / 1.6)) / 2)
    # one kernel over two qubits or two over one each: the same loss, so the same weight
    assert mean_pauli_weight([dense_kernel(kernels[:2])] * 2) == pytest.approx(mean_pauli_weight(kernels))


def test_mmd_in_pauli_strings_has_the_weights_behind_the_mean_weight() -> None:
    kernels, p, q = hamming_kernels(4, 0.8), random_probabilities(16, 5), random_probabilities(16, 6)
    chance = (1 - np.exp(-1 / 1.6)) / 2
    masks = (np.arange(16)[:, None] >> np.arange(3, -1, -1)) & 1
    signs = (-1.0) ** (masks @ masks.T)
    weights = (chance**masks * (1 - chance) ** (1 - masks)).prod(axis=1)
    assert mmd_squared_exact(p, q, kernels) == pytest.approx(weights @ (signs @ (p - q)) ** 2, rel=1e-12)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match="expected probabilities"):
        mmd_squared_exact(np.ones(8) / 8, np.ones(8) / 8, hamming_kernels(4, 1.0))
    with pytest.raises(InputError, match="bandwidth"):
        gaussian_kernels([0.0, 1.0], 2, 0.0)
    with pytest.raises(InputError, match="bandwidth"):
        hamming_kernels(2, -1.0)
    with pytest.raises(InputError, match=r"2\*\*m"):
        mean_pauli_weight([np.eye(3)])


def test_infidelities_of_a_vector_equal_those_of_projectors() -> None:
    rng = np.random.default_rng(7)
    undone = rng.normal(size=16) + 1j * rng.normal(size=16)
    undone /= np.linalg.norm(undone)
    zero = np.diag([1.0, 0.0])
    local = sum(np.kron(np.kron(np.eye(2**i), zero), np.eye(2 ** (3 - i))) for i in range(4)) / 4
    assert local_infidelity(undone) == pytest.approx(1 - (undone.conj() @ local @ undone).real, abs=1e-14)
    assert global_infidelity(undone) == pytest.approx(1 - abs(undone[0]) ** 2, abs=1e-14)
    assert local_infidelity(undone) <= global_infidelity(undone) <= 4 * local_infidelity(undone)
    assert local_infidelity(np.eye(8)[0] + 0j) == global_infidelity(np.eye(8)[0] + 0j) == 0.0
    assert local_infidelity(np.eye(8)[5] + 0j) == pytest.approx(2 / 3)
