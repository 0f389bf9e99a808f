"""The mapping bench: states, draws and scores against dense vectors."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from qfin.basis.hermite import hermite_functions
from qfin.bench._environments import Environment
from qfin.bench.mapping import MapperPeer, State, bench_mapping, draw_bits, random_state
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
    result = bench_mapping(states=[state], layers=(1, 2), peers=(), fit_s=2.0)
    vector, bits = dense_vector(state.tensors), state.features[:, :, 1].astype(int)
    assert result["skipped"] == []
    assert [row["n_layers"] for row in result["rows"]] == [0, 1, 1, 2, 2]
    for row, ansatz in zip(result["rows"], judged, strict=True):
        amplitudes = ansatz.state()
        assert row["two_qubit_gates"] == 4 * row["n_layers"]
        assert row["fidelity"] == pytest.approx(abs(np.vdot(vector, amplitudes)) ** 2, abs=1e-10)
        lost = (
            np.log(np.abs(vector) ** 2)[index_of(bits)]
            - np.log(np.maximum(np.abs(amplitudes) ** 2, 1e-300))[index_of(bits)]
        )
        assert row["loglik_lost"] == pytest.approx(lost.mean(), abs=1e-8)
    ground, one, _, few, many = (row["fidelity"] for row in result["rows"])
    assert ground == pytest.approx(abs(vector[0]) ** 2, abs=1e-12)
    assert many >= few > one > ground


def test_time_that_is_up_skips_peers_and_cases_and_says_so() -> None:
    result = bench_mapping(states=[random_state(3, 2, seed=6)], layers=(1,), limit_s=0.0)
    assert [row["tool"] for row in result["rows"]] == ["no gates"]
    places = [item.get("tool", item.get("case")) for item in result["skipped"]]
    assert places == ["mps-to-circuit", "qiskit-addon-aqc-tensor", "random complex, 3 qubits, 1 layer(s)"]
    assert all("time limit" in item["reason"] for item in result["skipped"])


def test_the_limit_holds_inside_a_case_and_every_layer_is_there() -> None:
    result = bench_mapping(states=[random_state(14, 8, seed=6)], layers=(8,), peers=(), fit_s=0.5)
    for row in result["rows"][1:]:
        assert row["two_qubit_gates"] == 13 * 8
        assert 0.0 < row["fidelity"] < 1.0


def test_a_peer_that_is_stopped_has_a_row_with_the_reason_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One peer hangs, one answers with the exact circuit of a product state."""
    scripts = {
        "hangs": "import time; time.sleep(60)",
        "answers": "import sys, numpy as np\n"
        "np.savez(sys.argv[3], pairs=[[0, 1], [1, 2]], gates=np.tile(np.eye(4, dtype=complex), (2, 1, 1)),"
        " n_two_qubit_gates=2, seconds=0.5)",
    }
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
    harness = tmp_path / "harness.py"
    harness.write_text("import runpy, sys; runpy.run_path(f'{sys.path[0]}/{sys.argv[1]}.py')")
    monkeypatch.setattr("qfin.bench._environments._HARNESS", harness)
    here = contextmanager(lambda requirements, deadline: iter([Environment(Path(sys.executable), tmp_path)]))
    monkeypatch.setattr("qfin.bench.mapping.throwaway_environment", here)
    peers = (MapperPeer("slow", "hangs", (), 1.5), MapperPeer("fast", "answers", (), 30.0))
    zero = [np.array([1.0, 0.0]).reshape(1, 2, 1)] * 3
    bits = np.zeros((4, 3), dtype=bool)
    state = State("zeros", zero, 1, np.stack([~bits, bits], axis=2).astype(float))
    result = bench_mapping(states=[state], layers=(1,), peers=peers, fit_s=1.0)
    slow, fast = result["rows"][3:]
    assert slow["tool"] == "slow"
    assert "none within 2 s" in slow["reason"]
    assert slow["fidelity"] is slow["loglik_lost"] is slow["seconds"] is slow["two_qubit_gates"] is None
    assert (fast["tool"], fast["two_qubit_gates"], fast["seconds"], fast["reason"]) == ("fast", 2, 0.5, "")
    assert fast["fidelity"] == pytest.approx(1.0)
    assert fast["loglik_lost"] == pytest.approx(0.0, abs=1e-12)
    assert list(slow) == list(fast)
