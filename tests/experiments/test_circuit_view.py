"""The circuit as it is drawn, and the gradients along it."""

import numpy as np
import pytest
from scipy.stats import unitary_group

from qfin.experiments.circuit_view import operator_entanglement, time_steps
from qfin.viz.circuit import circuit_figure

CNOT = np.eye(4)[[0, 1, 3, 2]]
SWAP = np.eye(4)[[0, 2, 1, 3]]


def test_entangling_power_of_known_gates() -> None:
    rng = np.random.default_rng(0)
    first, second = unitary_group.rvs(2, size=2, random_state=rng)
    gates = np.array([np.kron(first, second), CNOT, SWAP])
    assert operator_entanglement(gates) == pytest.approx([0.0, 0.5, 0.75], abs=1e-12)


def test_one_qubit_gates_around_a_block_change_nothing() -> None:
    rng = np.random.default_rng(1)
    block = unitary_group.rvs(4, random_state=rng)
    first, second = unitary_group.rvs(2, size=2, random_state=rng)
    dressed = np.kron(first, second) @ block
    assert operator_entanglement([dressed]) == pytest.approx(operator_entanglement([block]))


def test_blocks_stand_as_early_as_their_qubits_are_free() -> None:
    pairs = np.array([[0, 1], [2, 3], [1, 2], [0, 3], [0, 1]])
    assert time_steps(pairs, 4).tolist() == [0, 0, 1, 1, 2]


def test_a_drawing_has_every_gate_on_its_wires_and_none_across_another() -> None:
    pairs = np.array([[0, 3], [1, 2]])
    figure = circuit_figure(("A", "B"), 4, pairs, np.array([0, 0]), np.array([0.1, 0.5]))
    squares = figure.data[-1]
    assert list(squares.y) == [0, 3, 1, 2]
    assert squares.x[0] == squares.x[1] != squares.x[2]  # the second one steps aside
    assert list(squares.marker.color) == [0.1, 0.1, 0.5, 0.5]
    assert "A, qubit 1" in squares.text[0]
