"""The undoing circuit and the local quantum fidelity on it, against dense matrices and finite differences."""

import jax
import numpy as np
import pytest
from scipy.stats import unitary_group

from qfin.born.undoing import undoing
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, statevector
from qfin.quantum.engine import precision
from qfin.training.local_fidelity import global_infidelity, local_infidelity


def random_circuit(n_qubits: int, pairs: list[tuple[int, int]], seed: int) -> tuple[Ansatz, np.ndarray]:
    rng = np.random.default_rng(seed)
    blocks = np.array([unitary_group.rvs(4, random_state=rng) for _ in pairs])
    return Ansatz(n_qubits, np.array(pairs), blocks), rng.uniform(-1.0, 1.0, 15 * len(pairs))


def circuit_matrix(ansatz: Ansatz, params: np.ndarray) -> np.ndarray:
    """The unitary, column by column, from its definition."""
    n, columns = ansatz.n_qubits, np.eye(2**ansatz.n_qubits, dtype=complex)
    for (a, b), block in zip(ansatz.pairs.tolist(), ansatz.unitaries(params), strict=True):
        moved = np.moveaxis(columns.reshape((2,) * n + (-1,)), (a, b), (0, 1))
        moved = (block @ moved.reshape(4, -1)).reshape(moved.shape)
        columns = np.moveaxis(moved, (0, 1), (a, b)).reshape(2**n, -1)
    return columns


def test_local_and_global_infidelity_equal_the_dense_expectations() -> None:
    circuit, params = random_circuit(4, [(0, 1), (2, 1), (3, 0), (1, 3), (2, 3)], 7)
    loader, _ = random_circuit(4, [(0, 1), (1, 2), (2, 3)], 8)
    process = undoing(circuit, loader)
    undone = process.ansatz.state(process.angles(params))
    unitary, target = circuit_matrix(circuit, params), loader.state()
    np.testing.assert_allclose(undone, unitary.conj().T @ target, atol=1e-12)
    zero = np.diag([1.0, 0.0])
    local = sum(np.kron(np.kron(np.eye(2**i), zero), np.eye(2 ** (3 - i))) for i in range(4)) / 4
    expected = 1 - (target.conj() @ unitary @ local @ unitary.conj().T @ target).real
    assert local_infidelity(undone) == pytest.approx(expected, abs=1e-12)
    fidelity = abs(np.vdot(target, circuit.state(params))) ** 2
    assert global_infidelity(undone) == pytest.approx(1 - fidelity, abs=1e-12)
    assert local_infidelity(undone) <= global_infidelity(undone) <= 4 * local_infidelity(undone)


def test_a_circuit_with_few_active_angles_is_undone_too() -> None:
    full, _ = random_circuit(4, [(0, 1), (2, 1), (3, 0)], 12)
    active = np.random.default_rng(13).random((3, 15)) < 0.4
    circuit = Ansatz(4, full.pairs, full.fixed, active)
    params = np.random.default_rng(14).uniform(-1.0, 1.0, circuit.n_params)
    loader, _ = random_circuit(4, [(0, 1), (1, 2), (2, 3)], 15)
    process = undoing(circuit, loader)
    expected = circuit_matrix(circuit, params).conj().T @ loader.state()
    np.testing.assert_allclose(process.ansatz.state(process.angles(params)), expected, atol=1e-12)
    with precision("complex128"):
        angles = np.asarray(jax.jit(process.angles)(jax.numpy.asarray(params)))
    np.testing.assert_allclose(angles, process.angles(params), atol=1e-14)


def test_infidelities_vanish_where_the_circuit_is_the_loader() -> None:
    loader, params = random_circuit(4, [(0, 1), (1, 2), (2, 3)], 9)
    process = undoing(loader, loader.absorbed(params))
    undone = process.ansatz.state(process.angles(params))
    assert local_infidelity(undone) == pytest.approx(0.0, abs=1e-12)
    assert global_infidelity(undone) == pytest.approx(0.0, abs=1e-12)


def test_gradient_of_the_local_infidelity_equals_central_differences() -> None:
    circuit, params = random_circuit(4, [(0, 1), (2, 1), (3, 0), (1, 3)], 10)
    process = undoing(circuit, random_circuit(4, [(0, 1), (1, 2), (2, 3)], 11)[0])

    def loss(params: np.ndarray) -> float:
        return float(local_infidelity(process.ansatz.state(process.angles(params))))

    with precision("complex128"):
        gradient = np.asarray(
            jax.grad(lambda t: local_infidelity(statevector(process.ansatz, process.angles(t), dtype="complex128")))(
                jax.numpy.asarray(params)
            )
        )
    shifts = 1e-5 * np.eye(len(params))
    expected = [(loss(params + shift) - loss(params - shift)) / 2e-5 for shift in shifts]
    np.testing.assert_allclose(gradient, expected, atol=1e-9)


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(InputError, match="equal qubits"):
        undoing(Ansatz.linear_chain(3, 1), Ansatz.linear_chain(4, 1))
