"""The gradient bench: one problem in two parameter forms, held to finite differences and to Aer's shifts."""

import sys
from pathlib import Path

import numpy as np
import pytest

from qfin.bench._environments import Environment
from qfin.bench.gradient import (
    PEERS,
    Peer,
    Problem,
    _add_ratios,
    bench_gradient,
    block_of_rotations,
    bound_row,
    brickwork,
    engine_step,
    random_problem,
)
from qfin.bench.peers.harness import timed
from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.quantum.ansatz import PAULIS


@pytest.mark.parametrize(("n_qubits", "n_blocks"), [(12, 44), (16, 60), (20, 76)])
def test_brickwork_has_the_blocks_of_eight_layers(n_qubits: int, n_blocks: int) -> None:
    pairs = brickwork(n_qubits)
    assert len(pairs) == n_blocks
    assert (pairs[:, 1] - pairs[:, 0] == 1).all()
    assert set(pairs.ravel()) == set(range(n_qubits))


def test_jacobian_of_a_block_equals_central_differences() -> None:
    angles = np.random.default_rng(1).uniform(-np.pi, np.pi, 15)
    unitary, jacobian = block_of_rotations(angles)
    for j in range(15):
        shift = np.zeros(15)
        shift[j] = 1e-6
        slope = (block_of_rotations(angles + shift)[0] - block_of_rotations(angles - shift)[0]) / 2e-6
        np.testing.assert_allclose(slope, unitary @ (1j * np.tensordot(jacobian[j], PAULIS, axes=1)), atol=1e-9)


def loss(problem: Problem, angles: np.ndarray) -> float:
    """−Σ q log p from blocks of these angles, block by block."""
    blocks = np.array([block_of_rotations(row)[0] for row in angles.reshape(-1, 15)])
    state = Ansatz(problem.ansatz.n_qubits, problem.ansatz.pairs, blocks).state()
    return -float(problem.target @ np.log(np.abs(state) ** 2))


def differences(problem: Problem) -> np.ndarray:
    shifts = 1e-5 * np.eye(problem.angles.size)
    angles = problem.angles.ravel()
    return np.array([(loss(problem, angles + s) - loss(problem, angles - s)) / 2e-5 for s in shifts])


def test_engine_gradient_along_rotations_equals_central_differences() -> None:
    problem = random_problem(4, seed=2)
    value, gradient = engine_step(problem, "complex128")()
    assert value == pytest.approx(loss(problem, problem.angles), rel=1e-12)
    np.testing.assert_allclose(problem.along_rotations(gradient), differences(problem), atol=1e-7)


def test_bench_without_peers_has_own_rows_with_bounds_and_no_ratio() -> None:
    result = bench_gradient((4,), peers=())
    assert [(row["engine"], row["dtype"]) for row in result["rows"]] == [("qfin", "complex64"), ("qfin", "complex128")]
    for row, bound in zip(result["rows"], result["bounds"], strict=True):
        assert (row["qubits"], row["blocks"], row["params"]) == (4, 12, 180)
        assert 0.0 < row["step_s"] <= row["median_s"]
        assert row["first_s"] > row["step_s"]
        assert row["ratio_to_lightning"] is None
        assert bound["step_over_bound"] == pytest.approx(
            row["step_s"] / max(bound["flop_bound_s"], bound["memory_bound_s"])
        )
        assert bound["gflop"] == pytest.approx(128 * 12 * 16 / 1e9)


def test_aer_in_this_environment_agrees_and_a_peer_that_fails_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Here:
        """Stands for an installed environment: the interpreter that runs the tests."""

        def __init__(self, requirements: tuple[str, ...], deadline: object) -> None:
            pass

        def __enter__(self) -> Environment:
            return Environment(Path(sys.executable), tmp_path)

        def __exit__(self, *details: object) -> None:
            pass

    monkeypatch.setattr("qfin.bench.gradient.throwaway_environment", Here)
    monkeypatch.setattr("qfin.bench.gradient.bound_row", lambda *arguments: {})
    aer = Peer("Aer", "aer_shift", (), ("complex128",), ("1",))
    result = bench_gradient((3,), peers=(aer, Peer("none", "not_a_peer", (), ("complex128",), ("default",))))
    row = next(row for row in result["rows"] if row["engine"] == "Aer")
    assert row["gradient_error"] < 1e-9
    assert row["threads"] == "1"
    assert [item["engine"] for item in result["skipped"]] == ["none"]
    assert "not_a_peer" in result["skipped"][0]["reason"]


def test_ratios_compare_equal_size_and_precision() -> None:
    rows = [
        {"engine": engine, "qubits": 4, "dtype": dtype, "step_s": step}
        for engine, dtype, step in [
            (PEERS[0].engine, "complex64", 2.0),
            ("qfin", "complex64", 0.5),
            ("qfin", "complex128", 1.0),
        ]
    ]
    _add_ratios(rows)
    assert [row["ratio_to_lightning"] for row in rows] == [1.0, 4.0, None]


def test_bound_is_the_larger_of_two_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfin.bench.gradient.product_rate", lambda dtype: 1e9)
    monkeypatch.setattr("qfin.bench.gradient.copy_rate", lambda dtype, size: 1e6)
    row = bound_row(Ansatz.identity(4, brickwork(4)), "complex64", 1.0)
    assert row["memory_bound_s"] > row["flop_bound_s"]
    assert row["step_over_bound"] == pytest.approx(1.0 / row["memory_bound_s"])


def test_stopwatch_counts_the_first_call_apart() -> None:
    calls: list[int] = []
    _, seconds = timed(lambda: calls.append(1), {"max_steps": 3, "budget_s": 10.0})
    assert len(calls) == 4
    assert len(seconds["steps_s"]) == 3
    calls.clear()
    timed(lambda: calls.append(1), {"max_steps": 3, "budget_s": 0.0})
    assert len(calls) == 2


def test_too_many_qubits_are_refused() -> None:
    with pytest.raises(InputError, match="expected 2 to 24"):
        bench_gradient((30,), peers=())
