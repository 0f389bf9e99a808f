"""Every optimiser on one `init`/`step` contract: it descends, repeats by seed, and resumes to the same bits."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from qfin.born.circuit_loss import CircuitLoss
from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.training import CMAES, LBFGS, QNSPSA, SPSA, Adam, NaturalGradient, Optimiser

PAIRS = np.array([(0, 1), (2, 1), (0, 2)])
ANSATZ = Ansatz.identity(3, PAIRS)
# steps and the share of the loss at the start that must be left at most
OPTIMISERS: dict[str, tuple[Any, int, float]] = {
    "adam": (Adam(0.03), 60, 0.05),
    "l-bfgs": (LBFGS(), 15, 0.01),
    "natural gradient": (NaturalGradient(0.3), 30, 0.05),
    "spsa": (SPSA(a=0.15, c=0.05, stability=10.0), 300, 0.3),
    "spsa, refusing": (SPSA(a=0.15, c=0.05, stability=10.0, max_increase=0.0), 300, 0.3),
    "qn-spsa": (QNSPSA(SPSA(a=0.03, c=0.05, stability=10.0)), 300, 0.3),
    "cma-es": (CMAES(0.1, seed=3), 40, 0.3),
}


def infidelity_to(target: np.ndarray) -> CircuitLoss:
    """The global infidelity: zero is reached, and only by the target."""

    def loss(state: Any) -> Any:
        overlap = jnp.vdot(jnp.asarray(target), state)
        return 1.0 - overlap.real**2 - overlap.imag**2

    return CircuitLoss(ANSATZ, loss)


@pytest.fixture(scope="module")
def loss() -> CircuitLoss:
    angles = 0.35 * np.random.default_rng(1).standard_normal(ANSATZ.n_params)
    return infidelity_to(ANSATZ.state(angles))


@pytest.fixture(params=OPTIMISERS)
def case(request: pytest.FixtureRequest) -> tuple[Any, int, float]:
    return OPTIMISERS[request.param]


def start() -> np.ndarray:
    return 0.01 * np.random.default_rng(2).standard_normal(ANSATZ.n_params)


def run(optimiser: Any, state: Any, loss: Any, n_steps: int, seed: int = 0) -> tuple[Any, list[Any]]:
    infos = []
    for _ in range(n_steps):
        state, info = optimiser.step(state, loss, np.random.default_rng([seed, state.step]))
        infos.append(info)
    return state, infos


def test_descends_and_counts(case: tuple[Any, int, float], loss: CircuitLoss) -> None:
    optimiser, n_steps, left = case
    counted = _Counting(loss)
    first = optimiser.init(start())
    assert isinstance(optimiser, Optimiser)
    assert (first.step, first.n_evaluations) == (0, 0)
    np.testing.assert_array_equal(first.params, start())
    state, infos = run(optimiser, first, counted, n_steps)
    assert loss(start()) > 0.3
    assert loss(state.params) < left * loss(start())
    assert (state.step, state.n_evaluations) == (n_steps, counted.count)
    assert infos[-1].loss < infos[0].loss
    assert max(info.step_norm for info in infos) > 0.0
    np.testing.assert_array_equal(first.params, start())


def test_repeats_by_its_generators_alone(case: tuple[Any, int, float], loss: CircuitLoss) -> None:
    optimiser = case[0]
    before = np.random.get_state()[1].copy()  # noqa: NPY002 – the global generator is to be left alone
    state, again = (run(optimiser, optimiser.init(start()), loss, 3)[0] for _ in range(2))
    np.testing.assert_array_equal(state.params, again.params)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_state_can_be_stepped_from_twice(case: tuple[Any, int, float], loss: CircuitLoss) -> None:
    optimiser = case[0]
    state, _ = run(optimiser, optimiser.init(start()), loss, 2)
    first, second = (run(optimiser, state, loss, 2)[0] for _ in range(2))
    np.testing.assert_array_equal(first.params, second.params)
    assert state.step == 2


def test_resumes_from_plain_arrays_to_the_same_bits(case: tuple[Any, int, float], loss: CircuitLoss) -> None:
    optimiser = case[0]
    state, _ = run(optimiser, optimiser.init(start()), loss, 4)
    arrays = {name: np.array(value) for name, value in optimiser.to_arrays(state).items()}
    assert all(value.dtype != object for value in arrays.values())
    restored = optimiser.restore(arrays)
    assert (restored.step, restored.n_evaluations) == (state.step, state.n_evaluations)
    np.testing.assert_array_equal(restored.params, state.params)
    on, _ = run(optimiser, state, loss, 4)
    resumed, _ = run(optimiser, restored, loss, 4)
    np.testing.assert_array_equal(on.params, resumed.params)


def test_wrong_settings_are_refused() -> None:
    for wrong in (
        lambda: Adam(0.0),
        lambda: LBFGS(memory=0),
        lambda: NaturalGradient(0.1, damping=0.0),
        lambda: QNSPSA(SPSA(0.1, 0.1), beta=0.0),
        lambda: CMAES(-1.0),
        lambda: CMAES(0.1).init(np.zeros(1)),
    ):
        with pytest.raises(InputError, match="expected"):
            wrong()


class _Counting:
    """Passes everything on and counts it."""

    def __init__(self, loss: CircuitLoss) -> None:
        self._loss, self.count = loss, 0

    def __call__(self, *arguments: Any) -> float:
        self.count += 1
        return self._loss(*arguments)

    def __getattr__(self, name: str) -> Any:
        self.count += 1
        return getattr(self._loss, name)
