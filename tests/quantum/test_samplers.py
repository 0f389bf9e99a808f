"""What single samplers add to the contract: exact probabilities, noise, bond limits, width."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.exceptions import InputError, QfinError
from qfin.quantum import AerCircuitSampler, Ansatz, StatevectorCircuitSampler, to_qiskit
from qfin.quantum.ansatz import PAULIS
from qfin.quantum.measurement import measurement_circuit, node_indices
from qfin.quantum.noise import BLOCK_CNOTS, depolarizing_noise, label_blocks

NOISY_METHODS = ["automatic", "statevector", "density_matrix", "matrix_product_state"]


def identity_block(n_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n_qubits)
    circuit.append(UnitaryGate(np.eye(2**n_qubits), label="block 0"), range(n_qubits))
    return circuit


def assert_share(hits: np.ndarray, probability: float) -> None:
    error = np.sqrt(probability * (1.0 - probability) / len(hits))
    assert abs(hits.mean() - probability) <= 5.0 * error


def test_probabilities_are_in_our_order() -> None:
    blocks = Ansatz.identity(4, np.array([[0, 2], [3, 1], [1, 0]]))
    ansatz = blocks.absorbed(np.random.default_rng(1).standard_normal(blocks.n_params))
    np.testing.assert_allclose(
        StatevectorCircuitSampler().probabilities(to_qiskit(ansatz)), np.abs(ansatz.state()) ** 2, atol=1e-12
    )


def test_wide_circuits_are_for_the_matrix_product_state() -> None:
    circuit = QuantumCircuit(40)
    circuit.ry(2.0 * np.arcsin(np.sqrt(0.2)), 0)
    for qubit in range(39):
        circuit.cx(qubit, qubit + 1)
    for call in (StatevectorCircuitSampler().probabilities, lambda c: StatevectorCircuitSampler().sample(c, 1)):
        with pytest.raises(InputError, match=r"at most 26 qubits .* received 40"):
            call(circuit)
    bits = AerCircuitSampler(method="matrix_product_state").sample(circuit, 2000, rng=4)
    np.testing.assert_array_equal(bits.min(axis=1), bits.max(axis=1))
    assert_share(bits[:, 0], 0.2)


def test_twenty_padded_registers_fit_in_memory() -> None:
    basis, shots = HermiteBasis(8), 1000
    circuit = measurement_circuit(to_qiskit(Ansatz.linear_chain(60, 3)), basis.transform(16), 20, 1)
    bits = AerCircuitSampler(method="matrix_product_state").sample(circuit, shots, rng=2)
    assert bits.shape == (shots, 80)
    assert_share(node_indices(bits, 20).ravel() >= 10, gauss_hermite(16)[1][10:].sum())


def test_what_aer_cannot_run_is_said() -> None:
    with pytest.raises(QfinError, match="circuit of 45 qubits by Aer's statevector"):
        AerCircuitSampler(method="statevector").sample(QuantumCircuit(45), 10)


def test_bond_limit_acts() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(2.0 * np.arcsin(np.sqrt(0.2)), 0)
    circuit.cx(0, 1)
    assert not AerCircuitSampler(method="matrix_product_state", max_bond=1).sample(circuit, 500, rng=0).any()
    assert_share(AerCircuitSampler(method="matrix_product_state", max_bond=2).sample(circuit, 500, rng=0)[:, 1], 0.2)


@pytest.mark.parametrize("method", NOISY_METHODS)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_noise_on_an_identity_block_has_the_closed_form(method: str, width: int) -> None:
    error, readout, shots = 0.1, 0.03, 20_000
    sampler = AerCircuitSampler(method=method, noise_model=depolarizing_noise(error, error, readout))
    bits = sampler.sample(identity_block(width), shots, rng=7)
    strength = 1.0 - (1.0 - error) ** BLOCK_CNOTS.get(width, 1)
    untouched = (1.0 - readout) ** width
    assert_share(~bits.any(axis=1), (1.0 - strength) * untouched + strength / 2**width)
    for column in bits.T:
        assert_share(column, (1.0 - strength) * readout + strength / 2.0)


@pytest.mark.parametrize("method", ["statevector", "density_matrix"])
def test_noise_through_a_circuit_equals_the_channel(method: str) -> None:
    pairs, error, shots = np.array([[0, 1], [2, 1], [0, 2], [1, 0]]), 0.08, 20_000
    blocks = Ansatz.identity(3, pairs)
    ansatz = blocks.absorbed(0.6 * np.random.default_rng(2).standard_normal(blocks.n_params))
    strength = 1.0 - (1.0 - error) ** 3
    density = np.zeros((8, 8), dtype=complex)
    density[0, 0] = 1.0
    for pair, unitary in zip(pairs, ansatz.unitaries(), strict=True):
        one = pair[None]
        placed = [dense(Ansatz(3, one, matrix[None])) for matrix in (np.eye(4), *PAULIS)]
        gate = dense(Ansatz(3, one, unitary[None]))
        density = gate @ density @ gate.conj().T
        mixed = sum(pauli @ density @ pauli.conj().T for pauli in placed) / 16.0
        density = (1.0 - strength) * density + strength * mixed
    sampler = AerCircuitSampler(method=method, noise_model=depolarizing_noise(0.0, error, 0.0))
    bits = sampler.sample(to_qiskit(ansatz), shots, rng=9)
    frequency = np.bincount(bits.astype(int) @ [4, 2, 1], minlength=8) / shots
    expected = np.diag(density).real
    assert np.abs(expected - np.abs(ansatz.state()) ** 2).max() > 0.03
    assert (np.abs(frequency - expected) <= 5.0 * np.sqrt(expected * (1.0 - expected) / shots)).all()


def test_noise_accumulates_block_by_block_where_aer_fuses_gates() -> None:
    n_qubits, error, shots = 15, 0.004, 3000
    ansatz = Ansatz.linear_chain(n_qubits, 2)
    bits = AerCircuitSampler(noise_model=depolarizing_noise(0.0, error, 0.01)).sample(to_qiskit(ansatz), shots, rng=3)
    n_blocks = np.bincount(ansatz.pairs.ravel())
    kept = (1.0 - error) ** (3 * n_blocks)  # no CNOT of three a block has replaced the qubit by noise
    for column, share in zip(bits.T, kept, strict=True):
        assert_share(column, share * 0.01 + (1.0 - share) / 2.0)


def dense(ansatz: Ansatz) -> np.ndarray:
    """Matrix of a one-block circuit, column by column, from X gates and the state after the block."""
    (a, b), block, n = ansatz.pairs[0], ansatz.fixed[0], ansatz.n_qubits
    matrix = np.zeros((2**n, 2**n), dtype=complex)
    for column in range(2**n):
        bits = [column >> (n - 1 - i) & 1 for i in range(n)]
        for row in range(4):
            target = bits.copy()
            target[a], target[b] = row >> 1, row & 1
            matrix[int("".join(map(str, target)), 2), column] += block[row, 2 * bits[a] + bits[b]]
    return matrix


def test_named_gates_are_noisy_too() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    sampler = AerCircuitSampler(noise_model=depolarizing_noise(0.0, 0.4, 0.0))
    assert_share(sampler.sample(circuit, 10_000, rng=1)[:, 1], 0.2)
    circuit = QuantumCircuit(1)
    circuit.ry(0.0, 0)
    assert_share(AerCircuitSampler(noise_model=depolarizing_noise(0.4, 0.0, 0.0)).sample(circuit, 10_000, rng=1), 0.2)


def test_noise_free_model_changes_nothing() -> None:
    sampler = AerCircuitSampler(noise_model=depolarizing_noise(0.0, 0.0, 0.0))
    assert not sampler.sample(identity_block(3), 1000, rng=0).any()


def test_a_foreign_noise_model_is_used_as_it_is() -> None:
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.4, 2), "block 0")
    bits = AerCircuitSampler(noise_model=model).sample(identity_block(2), 10_000, rng=1)
    assert_share(bits[:, 0], 0.2)


def test_labels_follow_the_width() -> None:
    circuit = identity_block(3)
    circuit.h(0)
    circuit.append(UnitaryGate(np.eye(4), label="mine"), [2, 0])
    circuit.measure_all()
    labelled = label_blocks(circuit)
    assert [instruction.operation.label for instruction in labelled.data][:3] == ["block3", None, "block2"]
    assert [labelled.find_bit(qubit).index for qubit in labelled.data[2].qubits] == [2, 0]
    assert labelled.count_ops()["measure"] == 3


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="method: expected one of automatic, statevector"):
        AerCircuitSampler(method="mps")
    with pytest.raises(InputError, match=r"error_2q: expected a probability between 0 and 1, received 1\.5"):
        depolarizing_noise(0.0, 1.5, 0.0)
    sampler = AerCircuitSampler(noise_model=depolarizing_noise(0.0, 0.1, 0.0))
    with pytest.raises(InputError, match="blocks of at most 4 qubits, received 5"):
        sampler.sample(identity_block(5), 10)
