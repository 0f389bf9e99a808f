"""The mapping bench: states, draws and scores against dense vectors."""

import numpy as np
import pytest

from qfin.basis.hermite import hermite_functions
from qfin.bench.mapping import State, bench_mapping, draw_bits, random_state
from qfin.born import MPSBornMachine
from qfin.born.mapping import circuit_tensors, qubit_tensors
from qfin.born.staircase import dense_vector


def index_of(bits: np.ndarray) -> np.ndarray:
    return bits @ (1 << np.arange(bits.shape[1] - 1, -1, -1))


def test_random_states_are_normalised_and_their_bits_follow_their_probabilities() -> None:
    state = random_state(4, 3, seed=1)
    vector = dense_vector(state.tensors)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    assert np.abs(vector.imag).max() > 0.01
    n_draws = 40_000
    counts = np.bincount(index_of(draw_bits(state.tensors, n_draws, np.random.default_rng(2))), minlength=16)
    probabilities = np.abs(vector) ** 2
    error = np.sqrt(probabilities * (1 - probabilities) / n_draws)
    assert (np.abs(counts / n_draws - probabilities) <= 5 * error).all()


def test_log_density_of_bits_is_that_of_the_vector() -> None:
    state = random_state(5, 4, seed=3)
    bits = state.features[:, :, 1].astype(int)
    expected = np.log(np.abs(dense_vector(state.tensors)[index_of(bits)]) ** 2)
    np.testing.assert_allclose(state.log_density(state.tensors), expected, atol=1e-10)


def test_log_density_of_days_is_that_of_the_machine() -> None:
    rng = np.random.default_rng(4)
    machine = MPSBornMachine.from_tensors([rng.normal(size=s) for s in ((1, 4, 3), (3, 4, 3), (3, 4, 1))])
    y = rng.normal(size=(50, 3))
    state = State("trained", qubit_tensors(machine.tensors_), 2, hermite_functions(y, 4))
    np.testing.assert_allclose(state.log_density(state.tensors), machine.log_ratio(y), atol=1e-10)


def test_rows_score_the_returned_circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []

    def remembered(ansatz: object, **options: object) -> object:
        judged.append(ansatz)
        return circuit_tensors(ansatz, **options)

    monkeypatch.setattr("qfin.bench.mapping.circuit_tensors", remembered)
    state = random_state(5, 4, seed=5)
    result = bench_mapping(states=[state], layers=(1, 2), peers=())
    vector, bits = dense_vector(state.tensors), state.features[:, :, 1].astype(int)
    assert result["skipped"] == []
    assert [row["n_layers"] for row in result["rows"]] == [1, 1, 2, 2]
    for row, ansatz in zip(result["rows"], judged, strict=True):
        amplitudes = ansatz.state()
        assert row["two_qubit_gates"] == 4 * row["n_layers"]
        assert row["fidelity"] == pytest.approx(abs(np.vdot(vector, amplitudes)) ** 2, abs=1e-10)
        lost = np.log(np.abs(vector) ** 2)[index_of(bits)] - np.log(np.abs(amplitudes) ** 2)[index_of(bits)]
        assert row["loglik_lost"] == pytest.approx(lost.mean(), abs=1e-8)
    few, many = result["rows"][2:]
    assert many["fidelity"] >= few["fidelity"] > result["rows"][0]["fidelity"]


def test_time_that_is_up_skips_peers_and_says_so() -> None:
    result = bench_mapping(states=[random_state(3, 2, seed=6)], layers=(1,), limit_s=0.0)
    assert [item["tool"] for item in result["skipped"]] == ["mps-to-circuit", "qiskit-addon-aqc-tensor"]
    assert all("time limit" in item["reason"] for item in result["skipped"])
