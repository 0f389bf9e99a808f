"""The circuit Born machine beyond the state vector: the same answers where both can be had, and 40 qubits where not."""

import numpy as np
import pytest

from qfin.born import CircuitBornMachine
from qfin.born.circuit_state import WideState
from qfin.exceptions import InputError
from qfin.quantum import AerCircuitSampler, Ansatz

CHAIN = Ansatz.linear_chain(6, 2).extended([(0, 5), (4, 1)])


def machine_at(ansatz: Ansatz, seed: int, size: float = 0.6, max_bond: int = 64) -> CircuitBornMachine:
    params = size * np.random.default_rng(seed).standard_normal(ansatz.n_params)
    return CircuitBornMachine.from_ansatz(ansatz, 2, params).set_params(max_bond=max_bond)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every circuit counts as too wide for a state vector."""
    monkeypatch.setattr("qfin.born.circuit_state.MAX_STATE_QUBITS", 0)
    return monkeypatch


@pytest.mark.parametrize("window", [12, 0])
def test_observations_draws_and_information_are_those_of_the_state_vector(
    monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    machine = machine_at(CHAIN, 1)
    y = np.random.default_rng(2).standard_normal((1500, 3))
    exact = [machine.log_ratio(y), machine.amplitudes(y), machine.register_mutual_information()]
    draws = machine.sample(400, rng=3)
    monkeypatch.setattr("qfin.born.circuit_state.MAX_STATE_QUBITS", 0)
    monkeypatch.setattr("qfin.born.circuit_state.MAX_WINDOW", window)
    state = machine.state()
    assert isinstance(state, WideState)
    assert state.exact_window == (window == 12)
    assert state.error < 1e-12
    found = [machine.log_ratio(y), machine.amplitudes(y), machine.register_mutual_information()]
    np.testing.assert_allclose(found[0], exact[0], atol=1e-8)
    # a state is known up to its phase
    np.testing.assert_allclose(np.abs(found[1]), np.abs(exact[1]), rtol=1e-8)
    np.testing.assert_allclose(found[2], exact[2], atol=1e-10)
    # equal uniforms through equal conditional distributions
    np.testing.assert_allclose(machine.sample(400, rng=3), draws, atol=1e-7)


def test_a_bond_limit_is_reported_and_bounds_what_it_costs(wide: pytest.MonkeyPatch) -> None:
    wide.setattr("qfin.born.circuit_state.MAX_WINDOW", 0)
    y = np.random.default_rng(4).standard_normal((300, 3))
    exact = machine_at(CHAIN, 5, 0.03).amplitudes(y)
    machine = machine_at(CHAIN, 5, 0.03, max_bond=3)
    state = machine.state()
    assert 1e-3 < state.error == state.observing_error < 0.5
    norms = np.exp(machine_norms(y))
    assert (np.abs(np.abs(machine.amplitudes(y)) - np.abs(exact)) <= 2.0 * state.error * norms).all()
    wide.setattr("qfin.born.circuit_state.MAX_WINDOW", 12)
    assert machine.state().observing_error == 0.0
    np.testing.assert_allclose(np.abs(machine.amplitudes(y)), np.abs(exact), rtol=1e-8)


def machine_norms(y: np.ndarray) -> np.ndarray:
    """log Π‖features‖ of each row."""
    from qfin.basis import HermiteBasis

    return np.log(np.linalg.norm(HermiteBasis(4).features(y), axis=2)).sum(axis=1)


@pytest.mark.parametrize("window", [12, 0])
def test_training_takes_the_steps_of_the_state_vector(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    rng = np.random.default_rng(6)
    y = rng.multivariate_normal(np.zeros(3), 0.8 + 0.2 * np.eye(3), size=400)
    settings = {"penalty": 0.0, "max_steps": 6, "check_every": 3, "batch_size": 32, "dtype": "complex128", "seed": 7}
    dense = CircuitBornMachine(CHAIN, 2, learning_rate=0.02, **settings).fit(y)
    monkeypatch.setattr("qfin.born.circuit_state.MAX_STATE_QUBITS", 0)
    monkeypatch.setattr("qfin.born.circuit_state.MAX_WINDOW", window)
    machine = CircuitBornMachine(CHAIN, 2, learning_rate=0.02, **settings).fit(y)
    assert dense.record_.stopped_at == machine.record_.stopped_at > 0
    np.testing.assert_allclose(machine.record_.validation, dense.record_.validation, atol=1e-7)
    np.testing.assert_allclose(machine.params_, dense.params_, atol=1e-6)
    assert dense.truncation_error_ == 0.0
    assert machine.truncation_error_ < 1e-12


def test_truncated_training_reports_its_error(wide: pytest.MonkeyPatch) -> None:
    wide.setattr("qfin.born.circuit_state.MAX_WINDOW", 0)
    y = np.random.default_rng(8).standard_normal((40, 3))
    start = 0.3 * np.random.default_rng(9).standard_normal(CHAIN.n_params)
    machine = CircuitBornMachine(CHAIN, 2, max_steps=1, check_every=1, max_bond=2, init_params=start).fit(y)
    assert machine.truncation_error_ > 1e-3


def test_forty_qubits_train_observe_draw_and_shoot() -> None:
    """Ten independent pairs of assets on 40 qubits: all is a sum over pairs, which small machines know."""
    rng = np.random.default_rng(10)
    joined = [(4 * pair + a, 4 * pair + b) for pair in range(10) for a, b in ((0, 1), (1, 2), (2, 3), (1, 3))]
    ansatz = Ansatz.identity(40, joined)
    y = np.concatenate([rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=240) for _ in range(10)], axis=1)
    machine = CircuitBornMachine(ansatz, 2, learning_rate=0.03, max_steps=8, check_every=4, batch_size=64, seed=1)
    machine.fit(y)
    assert machine.record_.stopped_at > 0
    assert machine.record_.validation.max() > machine.record_.validation[0] + 0.1
    assert machine.truncation_error_ == 0.0

    small = Ansatz.identity(4, [(0, 1), (1, 2), (2, 3), (1, 3)])
    pairs = [CircuitBornMachine.from_ansatz(small, 2, params) for params in machine.params_.reshape(10, -1)]
    fresh = rng.standard_normal((50, 20))
    expected = sum(pair.log_ratio(fresh[:, 2 * i : 2 * i + 2]) for i, pair in enumerate(pairs))
    np.testing.assert_allclose(machine.log_ratio(fresh), expected, atol=1e-9)

    state = machine.state()
    assert max(state.error, state.observing_error) < 1e-9
    information = machine.register_mutual_information()
    assert information[0, 1] == pytest.approx(pairs[0].register_mutual_information()[0, 1], abs=1e-9)
    assert abs(information[1, 2]) < 1e-9

    draws, exact = machine.sample(4000, rng=11), pairs[9].sample(4000, rng=12)
    products = draws[:, 18] * draws[:, 19], exact[:, 0] * exact[:, 1]
    error = np.sqrt(sum(values.var() / len(values) for values in products))
    assert abs(products[0].mean() - products[1].mean()) < 5 * error
    across = draws[:, 17] * draws[:, 18]
    assert abs(across.mean() - draws[:, 17].mean() * draws[:, 18].mean()) < 5 * across.std() / np.sqrt(len(across))

    shots = machine.sample_shots(4000, AerCircuitSampler(method="matrix_product_state"), rng=13)
    alone = pairs[9].sample_shots(4000, AerCircuitSampler(method="statevector"), rng=14)
    products = shots[:, 18] * shots[:, 19], alone[:, 0] * alone[:, 1]
    error = np.sqrt(sum(values.var() / len(values) for values in products))
    assert abs(products[0].mean() - products[1].mean()) < 5 * error


def test_draws_follow_their_generator_and_no_rows_are_fine(wide: pytest.MonkeyPatch) -> None:
    machine, rng = machine_at(CHAIN, 15), np.random.default_rng(16)
    first, second = machine.sample(5, rng=rng), machine.sample(5, rng=rng)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, machine.sample(5, rng=np.random.default_rng(16)))
    assert machine.sample(0, rng=1).shape == (0, 3)


def test_the_bond_limit_travels_with_the_machine() -> None:
    machine = machine_at(CHAIN, 17, max_bond=9)
    assert CircuitBornMachine.from_arrays(machine.to_arrays()).max_bond == 9
    older = {name: value for name, value in machine.to_arrays().items() if name != "max_bond"}
    assert CircuitBornMachine.from_arrays(older).max_bond == 64


def test_a_penalty_on_wide_circuits_is_refused() -> None:
    machine = CircuitBornMachine(Ansatz.linear_chain(22, 1), 2, penalty=0.01)
    with pytest.raises(InputError, match=r"penalty: expected none above 20 qubits, received 0\.01 for 22 qubits"):
        machine.fit(np.zeros((10, 11)))
