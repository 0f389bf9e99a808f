"""What the families promise: uniform margins, named rotations, counts of parameters, and that they train and sample."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qfin.born import CircuitBornMachine
from qfin.exceptions import InputError
from qfin.quantum import AerCircuitSampler, Ansatz, copula_ansatz, ry_cz_ansatz, to_qiskit
from qfin.quantum.circuits import from_qiskit_order


def random_angles(ansatz: Ansatz, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, ansatz.n_params)


@pytest.mark.parametrize(("registers", "size"), [(2, 3), (3, 2), (4, 1)])
def test_copula_margins_are_uniform_whatever_the_angles(registers: int, size: int) -> None:
    ansatz = copula_ansatz(registers, size, 2)
    assert ansatz.n_params == 2 * registers * (3 * size + size * (size - 1) // 2)
    table = np.abs(ansatz.state(random_angles(ansatz, seed=1))).reshape((2**size,) * registers) ** 2
    for axis in range(registers):
        margin = table.sum(axis=tuple(other for other in range(registers) if other != axis))
        np.testing.assert_allclose(margin, np.full(2**size, 2.0**-size), atol=1e-12)
    assert np.ptp(table) > 1e-3


def test_copula_starts_comonotone_and_has_the_published_24_parameters() -> None:
    ansatz = copula_ansatz(2, 3, 1)
    assert ansatz.n_params == 24
    np.testing.assert_allclose(np.abs(ansatz.state().reshape(8, 8)) ** 2, np.eye(8) / 8, atol=1e-14)


def test_two_registers_give_a_unistochastic_copula() -> None:
    ansatz = copula_ansatz(2, 2, 1)
    params = random_angles(ansatz, seed=2)
    start, per_register = 2, 7  # two Bell pairs, then 6 + 1 angles for each register
    inside = []
    for register in range(2):
        blocks = slice(start + 2 * register, start + 2 * register + 2)
        turn, entangle = ansatz.unitaries(params)[blocks]
        inside.append(entangle @ turn)
    assert ansatz.n_params == 2 * per_register
    expected = np.abs(inside[0] @ inside[1].T) ** 2 / 4
    np.testing.assert_allclose(np.abs(ansatz.state(params).reshape(4, 4)) ** 2, expected, atol=1e-12)


def test_copula_shots_keep_their_margins_on_aer() -> None:
    ansatz = copula_ansatz(3, 2, 1)
    shots = 20_000
    bits = AerCircuitSampler().sample(to_qiskit(ansatz, random_angles(ansatz, seed=3)), shots, rng=4)
    for register in range(3):
        cells = bits[:, 2 * register : 2 * register + 2] @ np.array([2, 1])
        frequency = np.bincount(cells, minlength=4) / shots
        assert (np.abs(frequency - 0.25) <= 5 * np.sqrt(0.25 * 0.75 / shots)).all()


@pytest.mark.parametrize("n_qubits", [4, 5])
def test_ry_cz_layers_are_the_named_gates(n_qubits: int) -> None:
    ansatz = ry_cz_ansatz(n_qubits, 2)
    assert ansatz.n_params == 3 * n_qubits
    params = random_angles(ansatz, seed=5)
    # within a block of two qubits the Paulis come as IY, YI: the second qubit's angle first
    order = [q for first in range(0, n_qubits - 1, 2) for q in (first + 1, first)] + [n_qubits - 1] * (n_qubits % 2)
    circuit = QuantumCircuit(n_qubits)
    for layer in range(3):
        for theta, qubit in zip(params[layer * n_qubits :], order, strict=False):
            circuit.ry(-2.0 * theta, qubit)
        if layer < 2:
            for qubit in range(n_qubits - 1):
                circuit.cz(qubit, qubit + 1)
    state = ansatz.state(params)
    np.testing.assert_allclose(state, from_qiskit_order(Statevector(circuit).data), atol=1e-12)
    assert np.abs(state.imag).max() < 1e-12
    np.testing.assert_array_equal(ansatz.state(), np.eye(2**n_qubits)[0])


def test_a_born_machine_trains_and_samples_on_a_family() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=(400, 2))
    y[:, 1] = 0.8 * y[:, 0] + 0.6 * y[:, 1]
    ansatz = ry_cz_ansatz(4, 2)
    start = 0.3 * rng.normal(size=ansatz.n_params)
    before = CircuitBornMachine.from_ansatz(ansatz, 2, start).log_ratio(y).mean()
    machine = CircuitBornMachine(ansatz, 2, learning_rate=0.03, max_steps=80, check_every=20, init_params=start, seed=7)
    machine.fit(y)
    assert machine.n_params_ == 12
    assert machine.log_ratio(y).mean() > before + 0.1
    again = CircuitBornMachine.from_arrays(machine.to_arrays())
    np.testing.assert_array_equal(again.log_ratio(y), machine.log_ratio(y))
    assert machine.sample(10, rng=8).shape == (10, 2)


def test_families_refuse_what_they_cannot_be() -> None:
    with pytest.raises(InputError, match="at least 2 registers, 1 qubit per register and 1 layer, received 1, 3 and 1"):
        copula_ansatz(1, 3, 1)
    with pytest.raises(InputError, match="at least 2 qubits and 1 layer, received 1 and 1"):
        ry_cz_ansatz(1, 1)
    with pytest.raises(InputError, match=r"active: expected booleans \(1, 15\), received int64 of shape \(1, 15\)"):
        Ansatz(2, np.array([[0, 1]]), np.eye(4)[None], np.ones((1, 15), dtype=np.int64))
    with pytest.raises(InputError, match="later: expected 3 qubits, received 2"):
        Ansatz.linear_chain(3, 1).followed_by(Ansatz.linear_chain(2, 1))
