"""Qiskit circuits: bit order on asymmetric circuits, parameter order, measurement on nodes, export and back."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, qpy
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Statevector
from scipy.stats import unitary_group

from qfin.basis import HermiteBasis
from qfin.exceptions import InputError, QfinError
from qfin.quantum import Ansatz, NumberConservingAnsatz, circuits, from_qiskit, to_cx, to_qiskit
from qfin.quantum.circuits import export_qasm3, export_qpy, from_qiskit_order, to_basis_gates
from qfin.quantum.measurement import measurement_circuit


def random_ansatz(n_qubits: int, pairs: Sequence[tuple[int, int]], seed: int) -> tuple[Ansatz, np.ndarray]:
    rng = np.random.default_rng(seed)
    blocks = np.array([unitary_group.rvs(4, random_state=rng) for _ in pairs])
    return Ansatz(n_qubits, np.array(pairs), blocks), rng.uniform(-np.pi, np.pi, 15 * len(pairs))


PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (4, 2)]


def fidelity(first: QuantumCircuit, second: QuantumCircuit) -> float:
    return float(abs(np.vdot(Statevector(first).data, Statevector(second).data)) ** 2)


def test_statevector_equals_qiskit_after_index_reversal() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=1)
    data = Statevector(to_qiskit(ansatz, params)).data
    np.testing.assert_allclose(from_qiskit_order(data), ansatz.state(params), atol=1e-12)
    assert np.abs(data - ansatz.state(params)).max() > 0.01  # the reversal matters


def test_one_flipped_qubit_sits_where_both_conventions_say() -> None:
    flip_first = np.kron([[0, 1], [1, 0]], np.eye(2))
    ansatz = Ansatz(3, np.array([[0, 2]]), flip_first[None])  # qubit 0 of three
    assert np.argmax(np.abs(ansatz.state())) == 0b100
    assert np.argmax(np.abs(Statevector(to_qiskit(ansatz)).data)) == 0b001


def test_blocks_bind_in_order_beyond_a_thousand_parameters() -> None:
    ansatz = Ansatz.linear_chain(6, 16)
    params = np.random.default_rng(2).normal(size=ansatz.n_params)
    circuit = to_qiskit(ansatz, params)
    unitaries = ansatz.unitaries(params)
    assert len(circuit.data) == ansatz.n_blocks == 80
    for block, instruction in enumerate(circuit.data):
        assert instruction.operation.label == f"block {block}"
        np.testing.assert_allclose(instruction.operation.to_matrix(), unitaries[block], atol=1e-12)


def test_measure_reads_every_qubit_once() -> None:
    ansatz, params = random_ansatz(3, [(0, 1), (2, 1)], seed=3)
    circuit = to_qiskit(ansatz, params, measure=True)
    assert circuit.count_ops()["measure"] == circuit.num_clbits == 3
    assert to_qiskit(ansatz, params).num_clbits == 0


def test_vector_of_odd_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"length 2\*\*n"):
        from_qiskit_order(np.ones(6))


def test_openqasm_round_trip() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=6)
    circuit = to_qiskit(ansatz.extended([(0, 3)]), np.append(params, np.zeros(15)))
    circuit = measurement_circuit(circuit, HermiteBasis(32).transform(), 1)
    text = export_qasm3(circuit)
    assert text.startswith("OPENQASM 3")
    again = qasm3.loads(text)
    assert set(again.count_ops()) <= {"cx", "u", "U"}
    assert fidelity(circuit, again) == pytest.approx(1.0, abs=1e-9)


def test_openqasm_keeps_the_measurement() -> None:
    ansatz, params = random_ansatz(3, [(0, 1), (2, 1)], seed=7)
    assert qasm3.loads(export_qasm3(to_qiskit(ansatz, params, measure=True))).count_ops()["measure"] == 3


def test_qpy_round_trip_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "circuit.qpy"
    path.write_bytes(b"old")
    ansatz, params = random_ansatz(5, PAIRS, seed=8)
    circuit = to_qiskit(ansatz, params, measure=True)
    export_qpy(circuit, path)
    with path.open("rb") as file:
        assert qpy.load(file)[0] == circuit
    assert [entry.name for entry in tmp_path.iterdir()] == ["circuit.qpy"]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "circuit.qpy"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        export_qpy("not a circuit", path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["circuit.qpy"]


def test_failed_decomposition_is_tried_again_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=9)
    circuit, original, seen = to_qiskit(ansatz, params), circuits.transpile, []

    def fails_twice(candidate: QuantumCircuit, **settings: object) -> QuantumCircuit:
        seen.append(candidate)
        if len(seen) < 3:
            raise QiskitError("failed to diagonalize")
        return original(candidate, **settings)

    monkeypatch.setattr(circuits, "transpile", fails_twice)
    decomposed = to_basis_gates(circuit)
    assert len(seen) == 3
    assert np.abs(seen[2].data[0].matrix - circuit.data[0].matrix).max() > 0.0
    assert fidelity(circuit, decomposed) == pytest.approx(1.0, abs=1e-9)
    assert to_basis_gates(circuit) == to_basis_gates(circuit)


def test_decomposition_that_keeps_failing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(candidate: QuantumCircuit, **settings: object) -> QuantumCircuit:
        raise QiskitError("failed to diagonalize")

    monkeypatch.setattr(circuits, "transpile", fails)
    with pytest.raises(QfinError, match=r"no decomposition into cx, u in 5 attempts .*failed to diagonalize"):
        to_basis_gates(to_qiskit(Ansatz.linear_chain(2, 1), measure=True))


def test_each_block_takes_at_most_three_cx() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=10)
    counts = to_cx(ansatz, params).count_ops()
    assert set(counts) == {"cx", "u"}
    assert counts["cx"] == 3 * len(PAIRS)
    hops = NumberConservingAnsatz.identity(5, PAIRS)  # without ZZ: two CX suffice
    angles = np.random.default_rng(11).normal(size=(len(PAIRS), 5)) * np.array([0, 1, 1, 1, 1])
    assert to_cx(hops, angles.ravel()).count_ops()["cx"] == 2 * len(PAIRS)
    assert "cx" not in to_cx(Ansatz.linear_chain(3, 2)).count_ops()


def test_the_weyl_failure_of_one_block_is_tried_again_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=12)
    original, seen = circuits._cx_decomposer(), []

    def fails_twice_on_the_second(unitary: np.ndarray, **settings: object) -> QuantumCircuit:
        seen.append(unitary)
        if len(seen) in (2, 3):
            raise QiskitError("TwoQubitWeylDecomposition: failed to diagonalize M2.")
        return original(unitary, **settings)

    monkeypatch.setattr(circuits, "_cx_decomposer", lambda: fails_twice_on_the_second)
    exported = to_cx(ansatz, params)
    assert len(seen) == len(PAIRS) + 2
    np.testing.assert_array_equal(seen[1], ansatz.unitaries(params)[1])
    assert 0.0 < np.abs(seen[3] - seen[1]).max() < 1e-9
    np.testing.assert_allclose(from_qiskit_order(Statevector(exported).data), ansatz.state(params), atol=1e-9)


def test_a_block_that_keeps_failing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(unitary: np.ndarray, **settings: object) -> QuantumCircuit:
        raise QiskitError("failed to diagonalize M2")

    monkeypatch.setattr(circuits, "_cx_decomposer", lambda: fails)
    with pytest.raises(QfinError, match=r"no decomposition into cx, u in 5 attempts .*failed to diagonalize M2"):
        to_cx(Ansatz.linear_chain(2, 1))


def test_single_qubit_gates_are_folded_into_blocks() -> None:
    circuit = QuantumCircuit(4, global_phase=0.4)
    circuit.h(0)
    circuit.ry(0.7, 2)
    circuit.cx(2, 0)
    circuit.barrier()
    circuit.rx(0.3, 0)
    circuit.s(1)  # meets no other qubit
    circuit.h(1)
    circuit.rzz(0.9, 0, 2)
    circuit.t(2)
    ansatz = from_qiskit(circuit)
    assert ansatz.n_blocks == 3
    np.testing.assert_allclose(ansatz.state(), from_qiskit_order(Statevector(circuit).data), atol=1e-13)
    assert from_qiskit(QuantumCircuit(3)).n_blocks == 0


def test_circuits_that_are_not_blocks_are_refused() -> None:
    wide = QuantumCircuit(3)
    wide.ccx(0, 1, 2)
    measured = QuantumCircuit(2, 1)
    measured.measure(0, 0)
    for circuit, name in ((wide, "ccx on 3"), (measured, "measure on 1")):
        with pytest.raises(InputError, match=f"one or two qubits, received {name}"):
            from_qiskit(circuit)
    with pytest.raises(InputError, match="at least 2 qubits, received 1"):
        from_qiskit(QuantumCircuit(1))
