"""Gates as data against dense Kronecker products and matrix exponentials."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import unitary_group

from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.quantum.ansatz import PAULI_LABELS, PAULIS


def random_ansatz(n_qubits: int, pairs: list[tuple[int, int]], seed: int) -> tuple[Ansatz, np.ndarray]:
    """An ansatz of random unitaries, and random angles in (−π, π)."""
    rng = np.random.default_rng(seed)
    blocks = np.array([unitary_group.rvs(4, random_state=rng) for _ in pairs])
    return Ansatz(n_qubits, np.array(pairs), blocks), rng.uniform(-np.pi, np.pi, 15 * len(pairs))


def dense_operator(n_qubits: int, a: int, b: int, block: np.ndarray) -> np.ndarray:
    """The block on (a, b) as a sum of Kronecker products of one-qubit matrix units."""
    total = np.zeros((2**n_qubits, 2**n_qubits), dtype=complex)
    for row in range(4):
        for column in range(4):
            factors = [np.eye(2)] * n_qubits
            for qubit, shift in ((a, 1), (b, 0)):
                unit = np.zeros((2, 2))
                unit[(row >> shift) & 1, (column >> shift) & 1] = 1.0
                factors[qubit] = unit
            term = np.ones((1, 1))
            for factor in factors:
                term = np.kron(term, factor)
            total += block[row, column] * term
    return total


def dense_state(ansatz: Ansatz, params: np.ndarray) -> np.ndarray:
    """The circuit's state from dense matrices and `expm`."""
    state = np.eye(2**ansatz.n_qubits)[0].astype(complex)
    for (a, b), fixed, angles in zip(ansatz.pairs.tolist(), ansatz.fixed, params.reshape(-1, 15), strict=True):
        block = fixed @ expm(1j * np.einsum("p,pij->ij", angles, PAULIS))
        state = dense_operator(ansatz.n_qubits, a, b, block) @ state
    return state


PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (4, 2), (0, 3), (1, 0)]


def test_pauli_table_has_the_stated_order() -> None:
    assert PAULI_LABELS[:4] == ("IX", "IY", "IZ", "XI")
    assert PAULI_LABELS[-1] == "ZZ"
    x, z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    np.testing.assert_array_equal(PAULIS[PAULI_LABELS.index("XZ")], np.kron(x, z))
    overlaps = np.einsum("pij,qji->pq", PAULIS, PAULIS)
    np.testing.assert_allclose(overlaps, 4 * np.eye(15), atol=1e-14)


def test_state_equals_dense_matrices_on_reversed_and_distant_pairs() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=1)
    np.testing.assert_allclose(ansatz.state(params), dense_state(ansatz, params), atol=1e-12)


def test_first_qubit_of_a_pair_is_the_more_significant_bit() -> None:
    flip_if_one = np.eye(4)[[0, 1, 3, 2]]  # flips the second qubit of the pair where the first is 1
    flip_first = np.eye(4)[[2, 3, 0, 1]]
    ansatz = Ansatz(3, np.array([[2, 1], [2, 0]]), np.stack([flip_first, flip_if_one]))
    assert np.argmax(np.abs(ansatz.state())) == 0b101


def test_a_parameter_turns_its_own_block_about_its_own_pauli_beyond_a_thousand() -> None:
    ansatz = Ansatz.linear_chain(6, 16)
    assert ansatz.n_params == 1200
    for index in (0, 14, 15, 999, 1000, 1199):
        params = np.zeros(ansatz.n_params)
        params[index] = 0.7
        changed = np.abs(ansatz.unitaries(params) - np.eye(4)).max(axis=(1, 2)) > 1e-12
        assert np.flatnonzero(changed).tolist() == [index // 15]
        np.testing.assert_allclose(ansatz.unitaries(params)[index // 15], expm(0.7j * PAULIS[index % 15]), atol=1e-13)


def test_chain_runs_down_the_row() -> None:
    assert Ansatz.linear_chain(4, 2).pairs.tolist() == [[0, 1], [1, 2], [2, 3]] * 2
    np.testing.assert_array_equal(Ansatz.linear_chain(4, 2).state(), np.eye(16)[0])
    assert Ansatz.identity(1, []).state().tolist() == [1, 0]


def test_extension_leaves_the_state_and_adds_identity_blocks() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=2)
    longer = ansatz.extended([(4, 1), (0, 2)])
    assert longer.n_params == ansatz.n_params + 30
    assert longer.pairs[-2:].tolist() == [[4, 1], [0, 2]]
    padded = np.concatenate([params, np.zeros(30)])
    np.testing.assert_allclose(longer.state(padded), ansatz.state(params), atol=1e-13)


def test_absorbed_params_stand_at_zero_again() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=3)
    np.testing.assert_allclose(ansatz.absorbed(params).state(), ansatz.state(params), atol=1e-12)


def test_arrays_round_trip_bit_for_bit() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=4)
    again = Ansatz.from_arrays(ansatz.to_arrays())
    np.testing.assert_array_equal(again.state(params), ansatz.state(params))
    empty = Ansatz.from_arrays(Ansatz.identity(3, []).to_arrays())
    assert (empty.n_qubits, empty.n_blocks) == (3, 0)


def test_arrays_are_the_ansatz_own_and_read_only() -> None:
    pairs, fixed = np.array([[0, 1]]), np.eye(4)[None].astype(complex)
    ansatz = Ansatz(2, pairs, fixed)
    pairs[0, 0], fixed[0, 0, 0] = 1, 5.0
    assert ansatz.pairs[0, 0] == 0
    assert ansatz.fixed[0, 0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        ansatz.fixed[0, 0, 0] = 2.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ansatz(2, np.array([[0, 1]]), np.ones((1, 4, 4))), "unitary blocks, received .* at block 0"),
        (lambda: Ansatz(2, np.array([[0, 1]]), np.full((1, 4, 4), np.nan)), "unitary blocks"),
        (lambda: Ansatz(2, np.array([[0, 1]]), np.eye(4)), r"expected shape \(1, 4, 4\)"),
        (lambda: Ansatz.identity(3, [(0, 1), (1, 3)]), r"0 … 2, received \[1, 3\] at block 1"),
        (lambda: Ansatz.identity(3, [(1, 1)]), "two different qubits"),
        (lambda: Ansatz.identity(3, [(0.0, 1.0)]), "expected integers"),
        (lambda: Ansatz.identity(0, []), "n_qubits: expected at least 1"),
        (lambda: Ansatz.linear_chain(3, 1).unitaries(np.zeros(29)), r"expected shape \(30,\), received \(29,\)"),
        (lambda: Ansatz.linear_chain(2, 1).unitaries(np.full(15, np.inf)), "finite angles, received inf"),
    ],
)
def test_wrong_input_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()
