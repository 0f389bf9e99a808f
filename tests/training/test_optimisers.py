"""What each optimiser promises beyond the contract, on functions whose answer is known."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from qfin.quantum import Ansatz
from qfin.quantum.metric import block_metric, fidelity
from qfin.training import CMAES, LBFGS, QNSPSA, SPSA, Adam, NaturalGradient, adam

RNG = np.random.default_rng(0)


class Rosenbrock:
    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        return float(rosen(params)), rosen_der(params)


class Flat:
    """No slope anywhere."""

    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        return 1.0, np.zeros_like(params)


class Hill:
    """A slope that lies: every move raises the loss."""

    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.abs(params).sum()), -np.ones_like(params)


def test_adam_is_the_pair_of_the_compiled_loops() -> None:
    target = np.array([1.0, -2.0, 0.5])

    class Quadratic:
        def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
            return float(((params - target) ** 2).sum()), 2.0 * (params - target)

    optimiser, state = Adam(0.1), Adam(0.1).init(np.zeros(3))
    with jax.enable_x64(True):
        params = jnp.zeros(3)
        memory = adam(0.1).init(params)
        for _ in range(20):
            state, _ = optimiser.step(state, Quadratic(), RNG)
            params, memory = adam(0.1).step(2.0 * (params - target), memory, params)
    np.testing.assert_allclose(state.params, params, rtol=1e-12)


def test_lbfgs_finds_the_valley_of_rosenbrock() -> None:
    optimiser, state = LBFGS(), LBFGS().init(np.full(6, -1.0))
    while state.step < 60:
        before = state
        state, _ = optimiser.step(state, Rosenbrock(), RNG)
        assert state.loss <= before.loss or before.step == 0
    np.testing.assert_allclose(state.params, 1.0, atol=1e-6)
    assert state.n_evaluations < 150
    assert len(state.moves) <= 10


@pytest.mark.parametrize("loss", [Flat(), Hill()])
def test_lbfgs_stays_where_its_search_finds_nothing(loss: Any) -> None:
    state, info = LBFGS().step(LBFGS().init(np.ones(3)), loss, RNG)
    np.testing.assert_array_equal(state.params, np.ones(3))
    assert info.step_norm == 0.0
    assert len(state.moves) == 0


def test_cmaes_has_no_walls_and_no_seams() -> None:
    def periodic(params: np.ndarray, rng: np.random.Generator) -> float:
        return float((1.0 - np.cos(params - 2.0)).sum())

    optimiser = CMAES(0.3, seed=5)
    near, far = optimiser.init(np.zeros(4)), optimiser.init(np.full(4, 10.0 * np.pi))
    for _ in range(40):
        (near, _), (far, _) = optimiser.step(near, periodic, RNG), optimiser.step(far, periodic, RNG)
    # the same path one period away, and through ±π without notice
    np.testing.assert_allclose(far.params - near.params, 10.0 * np.pi, atol=1e-5)
    assert periodic(near.params, RNG) < 1e-3

    def distant(params: np.ndarray, rng: np.random.Generator) -> float:
        return float(((params - 20.0) ** 2).sum())

    state = optimiser.init(np.zeros(4))
    for _ in range(100):
        state, _ = optimiser.step(state, distant, RNG)
    np.testing.assert_allclose(state.params, 20.0, atol=0.01)


def test_cmaes_of_many_parameters_learns_scales_alone() -> None:
    state = CMAES(0.1).init(np.zeros(201))
    assert state.strategy[0].opts["CMA_diagonal"]
    assert not CMAES(0.1).init(np.zeros(200)).strategy[0].opts["CMA_diagonal"]
    assert CMAES(0.1, population=6).init(np.zeros(3)).losses.shape == (0, 6)


def test_natural_step_is_the_formula_and_keeps_its_distance() -> None:
    rng = np.random.default_rng(6)
    roots = rng.standard_normal((2, 3, 3))
    metric, gradient = roots @ roots.swapaxes(1, 2), rng.standard_normal(6)

    class Loss:
        def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
            return 1.0, gradient

        def metric(self, params: np.ndarray) -> np.ndarray:
            return metric

    dense = np.zeros((6, 6))
    dense[:3, :3], dense[3:, 3:] = metric
    expected = -0.01 * np.linalg.solve(dense + 0.1 * np.eye(6), gradient)
    state, _ = NaturalGradient(0.01, damping=0.1).step(NaturalGradient(0.01).init(np.zeros(6)), Loss(), RNG)
    np.testing.assert_allclose(state.params, expected, rtol=1e-10)
    state, _ = NaturalGradient(10.0, damping=0.1, max_distance=0.05).step(state, Loss(), RNG)
    move = state.params - expected
    assert np.sqrt(move @ dense @ move) == pytest.approx(0.05)


class Distances:
    """A loss without slope, on the states of a small circuit."""

    ansatz = Ansatz.identity(2, np.array([[0, 1]]))

    def __call__(self, params: np.ndarray, rng: np.random.Generator) -> float:
        return float(params[0])

    def fidelity(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> float:
        return fidelity(self.ansatz, first, second)


def test_metric_of_qn_spsa_is_unbiased() -> None:
    loss, repeats = Distances(), 4000
    params = 0.4 * np.random.default_rng(7).standard_normal(15)
    optimiser = QNSPSA(SPSA(a=0.1, c=0.01))
    state = optimiser.init(params)
    estimates = np.array(
        [optimiser._metric_estimate(state, loss, np.random.default_rng([8, i])) for i in range(repeats)]
    )
    error = estimates.std(axis=0, ddof=1) / np.sqrt(repeats)
    exact = block_metric(loss.ansatz, params)[0]
    # 225 numbers at once, and a bias of the order of the perturbation squared
    assert (np.abs(estimates.mean(axis=0) - exact) <= 5.0 * error + 1e-3).all()
    # an estimate of half the size would be noticed
    assert np.diag(exact).max() > 2.0 * 5.0 * error.max()


def test_qn_spsa_averages_from_the_identity_and_solves_with_the_absolute_value() -> None:
    loss = Distances()
    optimiser = QNSPSA(SPSA(a=0.5, c=0.1), beta=0.2)
    state = optimiser.init(np.zeros(15))
    moved, info = optimiser.step(state, loss, np.random.default_rng(9))
    estimate = optimiser._metric_estimate(state, loss, np.random.default_rng(9))
    np.testing.assert_allclose(moved.metric, 0.5 * np.eye(15) + 0.5 * estimate, atol=1e-12)
    values, vectors = np.linalg.eigh(moved.metric)
    positive = vectors @ np.diag((np.abs(values) + 0.2) / 1.2) @ vectors.T
    push = positive @ moved.params
    # the slope is along one vector of signs, so that g · move is too
    np.testing.assert_allclose(np.abs(push), np.abs(push[0]), rtol=1e-9)
    assert np.abs(push[0]) == pytest.approx(info.gain)
    assert moved.n_evaluations == 6
