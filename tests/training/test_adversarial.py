"""The adversarial loss against the divergence that its best network gives, and on a circuit small enough for the KL."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.quantum.engine import statevector
from qfin.training.adversarial import (
    AdversarialInfo,
    AdversarialTraining,
    logits,
    model_loss,
    network_loss,
    random_network,
)
from qfin.training.kl import kl_divergence

ANSATZ = Ansatz.identity(4, np.array([[0, 1], [2, 3], [1, 2]]))
TRANSFORM = np.kron(HermiteBasis(4).transform(), HermiteBasis(4).transform())
NODES = gauss_hermite(4)[0]
VALUES = np.stack(np.meshgrid(NODES, NODES, indexing="ij"), axis=-1).reshape(-1, 2)


def probabilities(params: Any) -> Any:
    nodes = TRANSFORM.astype("complex64") @ statevector(ANSATZ, params)
    return nodes.real**2 + nodes.imag**2


def random_probabilities(seed: int) -> np.ndarray:
    weights = np.random.default_rng(seed).exponential(size=16)
    return weights / weights.sum()


def test_the_best_network_gives_the_jensen_shannon_divergence() -> None:
    p, q = random_probabilities(1), random_probabilities(2)
    best = np.log(q / p)
    info = AdversarialInfo(0.0, float(network_loss(jnp.asarray(best), p, q)))
    assert info.divergence == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-5)
    for seed in range(5):
        other = best + np.random.default_rng(seed).standard_normal(16)
        assert AdversarialInfo(0.0, float(network_loss(jnp.asarray(other), p, q))).divergence < info.divergence
    assert AdversarialInfo(0.0, float(network_loss(jnp.zeros(16), p, q))).divergence == pytest.approx(0.0, abs=1e-6)


def test_the_model_is_paid_for_outcomes_that_pass_for_data() -> None:
    scores, p = jnp.asarray([2.0, -1.0]), np.array([0.25, 0.75])
    expected = -(0.25 * np.log(1 / (1 + np.exp(-2.0))) + 0.75 * np.log(1 / (1 + np.exp(1.0))))
    assert float(model_loss(scores, p)) == pytest.approx(expected, rel=1e-6)


def test_the_network_is_the_product_of_its_layers() -> None:
    network = random_network(2, 5, np.random.default_rng(3))
    (w1, b1), (w2, b2), (w3, b3) = [(np.asarray(w), np.asarray(b) + 0.1) for w, b in network]
    expected = np.tanh(np.tanh(VALUES @ w1 + b1) @ w2 + b2) @ w3 + b3
    shifted = [(w, b + 0.1) for w, b in network]
    np.testing.assert_allclose(logits(shifted, VALUES.astype("float32")), expected[:, 0], atol=1e-5)


def test_training_lowers_a_divergence_it_never_sees() -> None:
    target = np.asarray(probabilities(0.3 * np.random.default_rng(4).standard_normal(ANSATZ.n_params)), dtype=float)
    target /= target.sum()
    training = AdversarialTraining(probabilities, VALUES, target, network_steps=5, n_hidden=16)
    start = 0.02 * np.random.default_rng(5).standard_normal(ANSATZ.n_params)

    def run(n_steps: int) -> tuple[np.ndarray, list[AdversarialInfo]]:
        state, infos = training.init(start, rng=np.random.default_rng(6)), []
        for _ in range(n_steps):
            state, info = training.step(state)
            infos.append(info)
        return state.params, infos

    params, infos = run(200)
    before, after = (kl_divergence(target, np.asarray(probabilities(q), dtype=float)) for q in (start, params))
    assert before > 0.1
    assert after < 0.1 * before
    divergences = [info.divergence for info in infos]
    assert max(divergences) > 0.01
    assert abs(np.mean(divergences[-20:])) < 0.2 * max(divergences)
    np.testing.assert_array_equal(run(3)[0], run(3)[0])


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match="values"):
        AdversarialTraining(probabilities, VALUES, np.ones(3) / 3)
    with pytest.raises(InputError, match="expected probabilities"):
        AdversarialTraining(probabilities, VALUES, np.ones(16))
    with pytest.raises(InputError, match="expected probabilities"):
        AdversarialTraining(probabilities, VALUES, np.full(16, np.nan))
