"""SPSA on functions whose answer is known."""

import numpy as np
import pytest

from qfin.exceptions import InputError
from qfin.training.spsa import SPSA, SPSAState, calibrated_gain

TARGET = np.array([1.0, -2.0, 0.5, 3.0])


def quadratic(params: np.ndarray, rng: np.random.Generator) -> float:
    return float(((params - TARGET) ** 2).sum())


def noisy(params: np.ndarray, rng: np.random.Generator) -> float:
    return quadratic(params, rng) + 0.1 * float(rng.standard_normal())


def run(optimiser: SPSA, loss: object, n_steps: int, seed: int = 0) -> SPSAState:
    state = optimiser.init(np.zeros(4))
    for step in range(n_steps):
        state, _ = optimiser.step(state, loss, np.random.default_rng([seed, step]))
    return state


def test_reaches_the_minimum_of_a_quadratic() -> None:
    state = run(SPSA(a=0.3, c=0.1, stability=10.0), quadratic, 300)
    np.testing.assert_allclose(state.params, TARGET, atol=1e-3)
    assert (state.step, state.n_evaluations) == (300, 600)


def test_noise_leaves_it_near_the_minimum() -> None:
    state = run(SPSA(a=0.2, c=0.2, stability=20.0), noisy, 600)
    assert quadratic(state.params, np.random.default_rng(0)) < 0.01 * quadratic(np.zeros(4), np.random.default_rng(0))


def test_one_step_is_the_published_formula() -> None:
    optimiser = SPSA(a=0.5, c=0.3, stability=4.0)
    state = SPSAState(np.array([0.2, -0.1, 0.0, 1.0]), 6, float("nan"), 12)
    moved, info = optimiser.step(state, quadratic, np.random.default_rng(9))
    gain, perturbation = 0.5 / (7 + 4.0) ** 0.602, 0.3 / 7**0.101
    signs = np.random.default_rng(9).choice([-1.0, 1.0], size=4)
    plus, minus = (quadratic(state.params + s * perturbation * signs, np.random.default_rng(0)) for s in (1.0, -1.0))
    np.testing.assert_allclose(moved.params, state.params - gain * (plus - minus) / (2.0 * perturbation * signs))
    assert (info.gain, info.perturbation) == pytest.approx((gain, perturbation))
    assert (info.loss_plus, info.loss_minus) == pytest.approx((plus, minus))
    assert info.step_norm == pytest.approx(np.linalg.norm(moved.params - state.params))
    assert info.accepted
    assert (moved.step, moved.n_evaluations) == (7, 14)


def test_gradient_estimate_is_unbiased_on_a_quadratic() -> None:
    optimiser, start, repeats = SPSA(a=1.0, c=0.1), np.zeros(4), 2000
    moves = []
    for seed in range(repeats):
        moved, info = optimiser.step(optimiser.init(start), quadratic, np.random.default_rng(seed))
        moves.append(-moved.params / info.gain)
    error = np.std(moves, axis=0, ddof=1) / np.sqrt(repeats)
    assert (np.abs(np.mean(moves, axis=0) - 2.0 * (start - TARGET)) <= 5.0 * error).all()


def test_blocking_refuses_what_raises_the_loss() -> None:
    wild = SPSA(a=50.0, c=0.1, max_increase=0.0)
    state, losses = wild.init(np.zeros(4)), [quadratic(np.zeros(4), np.random.default_rng(0))]
    refused = 0
    for step in range(30):
        before = state.params
        state, info = wild.step(state, quadratic, np.random.default_rng(step))
        refused += not info.accepted
        assert info.accepted or (state.params == before).all()
        losses.append(quadratic(state.params, np.random.default_rng(0)))
        assert state.loss == losses[-1]
    assert refused > 10
    assert (np.diff(losses) <= 0.0).all()
    assert state.n_evaluations == 1 + 3 * 30
    assert losses[-1] < quadratic(run(SPSA(a=50.0, c=0.1), quadratic, 30).params, np.random.default_rng(0))


def test_calibrated_gain_gives_the_first_step_its_length() -> None:
    a = calibrated_gain(
        quadratic, np.zeros(4), c=0.1, first_step=0.2, rng=np.random.default_rng(1), n_probes=400, stability=7.0
    )
    optimiser = SPSA(a, 0.1, stability=7.0)
    steps = [
        optimiser.step(optimiser.init(np.zeros(4)), quadratic, np.random.default_rng(seed))[1].step_norm
        for seed in range(400)
    ]
    assert abs(np.mean(steps) - 0.2) <= 5.0 * np.sqrt(2.0) * np.std(steps, ddof=1) / np.sqrt(400)


def test_a_run_depends_on_its_generators_alone() -> None:
    optimiser = SPSA(a=0.1, c=0.1)
    np.testing.assert_array_equal(run(optimiser, noisy, 10).params, run(optimiser, noisy, 10).params)
    assert (run(optimiser, noisy, 10).params != run(optimiser, noisy, 10, seed=1).params).all()


def test_start_is_not_changed_in_place() -> None:
    start = np.zeros(4)
    optimiser = SPSA(a=0.1, c=0.1)
    optimiser.step(optimiser.init(start), quadratic, np.random.default_rng(0))
    assert not start.any()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="expected a > 0, c > 0"):
        SPSA(a=0.1, c=0.0)
    with pytest.raises(InputError, match="expected a loss that changes"):
        calibrated_gain(lambda p, rng: 1.0, np.zeros(2), c=0.1, first_step=0.1, rng=np.random.default_rng(0))
