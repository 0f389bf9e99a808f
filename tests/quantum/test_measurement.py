"""Measurement circuits against dense linear algebra."""

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qfin.basis import HermiteBasis
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, StatevectorCircuitSampler, to_qiskit
from qfin.quantum.measurement import complete_isometry, measurement_circuit, node_indices


@pytest.fixture(scope="module")
def ansatz() -> Ansatz:
    blocks = Ansatz.identity(4, np.array([[0, 1], [2, 3], [1, 2], [3, 0]]))
    return blocks.absorbed(0.7 * np.random.default_rng(8).standard_normal(blocks.n_params))


@pytest.mark.parametrize("n_extra", [0, 1, 2])
def test_outcomes_are_the_nodes(ansatz: Ansatz, n_extra: int) -> None:
    transform = HermiteBasis(4).transform(2 ** (2 + n_extra))
    circuit = measurement_circuit(to_qiskit(ansatz), transform, 2, n_extra)
    assert circuit.num_qubits == 2 * (2 + n_extra)
    coefficients = ansatz.state().reshape(4, 4)
    expected = np.abs(transform @ coefficients @ transform.T) ** 2
    np.testing.assert_allclose(StatevectorCircuitSampler().probabilities(circuit), expected.ravel(), atol=1e-10)


def test_functions_may_leave_amplitudes_unused() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(1)  # index 2 of 8
    transform = HermiteBasis(5).transform(8)
    probabilities = StatevectorCircuitSampler().probabilities(measurement_circuit(circuit, transform, 1))
    np.testing.assert_allclose(probabilities, transform[:, 2] ** 2, atol=1e-12)


@pytest.mark.parametrize("n_nodes", [4, 8, 16])
def test_completion_is_orthogonal_and_keeps_the_columns(n_nodes: int) -> None:
    transform = HermiteBasis(4).transform(n_nodes)
    unitary = complete_isometry(transform)
    np.testing.assert_allclose(unitary.T @ unitary, np.eye(n_nodes), atol=1e-12)
    np.testing.assert_array_equal(unitary[:, :4], transform)
    np.testing.assert_array_equal(unitary, complete_isometry(transform))


def test_node_index_reads_the_most_significant_bit_first() -> None:
    bits = np.array([[1, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 0]], dtype=np.uint8)
    np.testing.assert_array_equal(node_indices(bits, 2), [[4, 3], [3, 6]])
    np.testing.assert_array_equal(node_indices(bits, 3), [[2, 0, 3], [1, 3, 2]])


def test_wrong_shapes_are_refused(ansatz: Ansatz) -> None:
    circuit, transform = to_qiskit(ansatz), HermiteBasis(4).transform()
    with pytest.raises(InputError, match="divisor of 4 qubits, received 3"):
        measurement_circuit(circuit, transform, 3)
    with pytest.raises(InputError, match=r"expected 8 nodes and at most 4 functions, received shape \(4, 4\)"):
        measurement_circuit(circuit, transform, 2, 1)
    with pytest.raises(InputError, match="0 or more qubits, received -1"):
        measurement_circuit(circuit, transform, 2, -1)
    with pytest.raises(InputError, match="expected orthonormal columns"):
        measurement_circuit(circuit, 2.0 * transform, 2)
    with pytest.raises(InputError, match="nodes ≥ functions"):
        complete_isometry(np.eye(4)[:2])
    with pytest.raises(InputError, match="3 equal registers"):
        node_indices(np.zeros((2, 4)), 3)
