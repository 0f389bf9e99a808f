"""The block-diagonal metric against dense derivatives of the state, and fidelities from shots."""

import numpy as np
import pytest
from scipy.stats import unitary_group

from qfin.quantum import AerCircuitSampler, Ansatz
from qfin.quantum.metric import block_generators, block_metric, fidelity, sampled_fidelity

PAIRS = np.array([(0, 1), (3, 1), (4, 0), (2, 3), (1, 4)])


def circuit(seed: int, n_qubits: int = 5) -> Ansatz:
    blocks = unitary_group.rvs(4, size=len(PAIRS), random_state=np.random.default_rng(seed))
    return Ansatz(n_qubits, PAIRS, blocks)


def dense_metric(ansatz: Ansatz, params: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Re⟨∂_p ψ|∂_q ψ⟩ − ⟨∂_p ψ|ψ⟩⟨ψ|∂_q ψ⟩ with central differences of the full state."""
    shifts = step * np.eye(len(params))
    slopes = np.array([(ansatz.state(params + s) - ansatz.state(params - s)) / (2.0 * step) for s in shifts])
    along = slopes.conj() @ ansatz.state(params)
    return (slopes.conj() @ slopes.T - np.outer(along, along.conj())).real


@pytest.mark.parametrize("scale", [0.0, 0.3, 2.0])
def test_blocks_are_those_of_the_dense_metric(scale: float) -> None:
    ansatz = circuit(1)
    params = scale * np.random.default_rng(2).standard_normal(ansatz.n_params)
    dense, blocks = dense_metric(ansatz, params), block_metric(ansatz, params)
    assert blocks.shape == (5, 15, 15)
    for block, metric in enumerate(blocks):
        inside = slice(15 * block, 15 * (block + 1))
        np.testing.assert_allclose(metric, dense[inside, inside], atol=1e-8)


def test_eight_qubits_and_the_distance_of_neighbours() -> None:
    ansatz = Ansatz.linear_chain(8, 1)
    rng = np.random.default_rng(3)
    params = 0.5 * rng.standard_normal(ansatz.n_params)
    move = np.zeros(ansatz.n_params)
    move[45:60] = 1e-3 * rng.standard_normal(15)
    metric = block_metric(ansatz, params)[3]
    infidelity = 1.0 - fidelity(ansatz, params, params + move)
    assert infidelity == pytest.approx(move[45:60] @ metric @ move[45:60], rel=1e-2)


def test_generators_at_zero_are_the_paulis_and_hermitian_elsewhere() -> None:
    from qfin.quantum.ansatz import PAULIS

    ansatz = circuit(4)
    np.testing.assert_allclose(block_generators(ansatz, np.zeros(75)), np.tile(PAULIS, (5, 1, 1, 1)), atol=1e-14)
    elsewhere = block_generators(ansatz, np.random.default_rng(5).standard_normal(75))
    np.testing.assert_allclose(elsewhere, elsewhere.conj().swapaxes(-1, -2), atol=1e-13)
    assert np.abs(elsewhere - PAULIS).max() > 0.1


def test_fidelity_from_shots_is_the_exact_one() -> None:
    ansatz, rng = circuit(6), np.random.default_rng(7)
    first = 0.2 * rng.standard_normal(ansatz.n_params)
    second = first + 0.1 * rng.standard_normal(ansatz.n_params)
    exact, shots = fidelity(ansatz, first, second), 4000
    assert 0.2 < exact < 0.95
    sampled = sampled_fidelity(ansatz, first, second, sampler=AerCircuitSampler(), shots=shots, rng=8)
    assert abs(sampled - exact) < 5.0 * np.sqrt(exact * (1.0 - exact) / shots)
    assert sampled_fidelity(ansatz, first, first, sampler=AerCircuitSampler(), shots=100, rng=9) == 1.0
