"""Number-conserving blocks and states of fixed cardinality against full state vectors, differences and Qiskit."""

from collections.abc import Callable
from itertools import combinations
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from scipy.linalg import expm
from scipy.stats import unitary_group

from qfin.exceptions import InputError
from qfin.quantum import Ansatz, NumberConservingAnsatz, Subspace, subspace_state, to_qiskit
from qfin.quantum.ansatz import PAULIS
from qfin.quantum.circuits import from_qiskit_order
from qfin.quantum.engine import precision
from qfin.quantum.number_conserving import GENERATORS
from qfin.quantum.subspace import (
    dicke_start,
    fit_overlap,
    infidelity,
    product_start,
    sample_supports,
    subspace_nll,
    subspace_plan,
)

PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (4, 2), (0, 3), (1, 0)]
ONES = np.array([0, 1, 1, 2])


def random_block(rng: np.random.Generator) -> np.ndarray:
    """A unitary that conserves the number of ones, built without the generators."""
    block = np.diag(np.exp(1j * rng.uniform(-np.pi, np.pi, 4)))
    block[1:3, 1:3] = unitary_group.rvs(2, random_state=rng)
    return block


def random_ansatz(n_qubits: int, pairs: list[tuple[int, int]], seed: int) -> tuple[NumberConservingAnsatz, np.ndarray]:
    rng = np.random.default_rng(seed)
    ansatz = NumberConservingAnsatz(n_qubits, np.array(pairs), np.array([random_block(rng) for _ in pairs]))
    return ansatz, rng.uniform(-np.pi, np.pi, ansatz.n_params)


def random_start(subspace: Subspace, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.normal(size=subspace.size) + 1j * rng.normal(size=subspace.size)
    return start / np.linalg.norm(start)


def test_generators_span_all_directions_that_conserve_the_number() -> None:
    matrices = np.tensordot(GENERATORS, PAULIS, axes=1)
    assert (np.abs(matrices) * (ONES[:, None] != ONES)).max() == 0.0
    # 6 real dimensions of number-conserving Hermitian matrices, less the identity
    assert np.linalg.matrix_rank(np.concatenate([matrices.reshape(5, 16), np.eye(4).reshape(1, 16)])) == 6


def test_blocks_start_at_the_fixed_unitary_and_move_along_the_generators() -> None:
    ansatz, _ = random_ansatz(5, PAIRS, seed=1)
    np.testing.assert_array_equal(ansatz.unitaries(np.zeros(ansatz.n_params)), ansatz.fixed @ np.eye(4))
    for index in (0, 7, 23, 39):
        params = 0.6 * np.eye(ansatz.n_params)[index]
        generator = np.tensordot(GENERATORS[index % 5], PAULIS, axes=1)
        expected = ansatz.fixed[index // 5] @ expm(0.6j * generator)
        np.testing.assert_allclose(ansatz.unitaries(params)[index // 5], expected, atol=1e-13)


@pytest.mark.parametrize("numbers", [0, 2, 5, (1, 3), (0, 2, 5)])
def test_subspace_state_is_the_full_state_vector(numbers: int | tuple[int, ...]) -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=2)
    subspace = Subspace(5, numbers)
    start = random_start(subspace, seed=3)
    state = np.asarray(subspace_state(ansatz, params, subspace, start, dtype="complex128"))
    full = ansatz.state(params, subspace.embedded(start))
    np.testing.assert_allclose(subspace.embedded(state), full, atol=1e-12)
    np.testing.assert_allclose(ansatz.general(params).fixed, ansatz.unitaries(params))


def test_two_qubits_and_no_blocks() -> None:
    subspace = Subspace(2, 1)
    ansatz, params = random_ansatz(2, [(1, 0), (0, 1)], seed=4)
    start = product_start(subspace, [1, 0])
    state = np.asarray(subspace_state(ansatz, params, subspace, start, dtype="complex128"))
    np.testing.assert_allclose(subspace.embedded(state), ansatz.state(params, subspace.embedded(start)), atol=1e-13)
    empty = NumberConservingAnsatz.identity(2, [])
    np.testing.assert_array_equal(subspace_state(empty, [], subspace, start), start)


def test_single_precision_is_close_and_keeps_each_sector() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=5)
    subspace = Subspace(5, (1, 2))
    start = dicke_start(subspace, [0.3, 0.7])
    single = np.asarray(subspace_state(ansatz, params, subspace, start))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(subspace.embedded(single), ansatz.state(params, subspace.embedded(start)), atol=5e-6)
    ones = subspace.bits.sum(axis=1)
    assert [float(np.sum(np.abs(single[ones == k]) ** 2)) for k in (1, 2)] == pytest.approx([0.3, 0.7], abs=1e-5)


def test_gradient_of_the_likelihood_equals_central_differences() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=6)
    subspace = Subspace(5, (2, 3))
    start, positions = random_start(subspace, seed=7), np.array([0, 3, 4, 9, 3, 17])
    weights = np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.1])

    def plain(angles: np.ndarray) -> float:
        probabilities = np.abs(ansatz.state(angles, subspace.embedded(start))[subspace.indices[positions]]) ** 2
        return float(-weights @ np.log(probabilities))

    def loss(angles: jax.Array) -> jax.Array:
        return subspace_nll(subspace_state(ansatz, angles, subspace, start, dtype="complex128"), positions, weights)

    with precision("complex128"):
        value, gradient = jax.value_and_grad(loss)(jnp.asarray(params))
    assert float(value) == pytest.approx(plain(params), abs=1e-12)
    shifts = 1e-5 * np.eye(ansatz.n_params)
    expected = [(plain(params + shift) - plain(params - shift)) / 2e-5 for shift in shifts]
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_gradient_reaches_the_start_too() -> None:
    ansatz, params = random_ansatz(4, [(0, 2), (3, 1), (1, 2)], seed=8)
    subspace = Subspace(4, 2)
    from qfin.quantum.subspace import subspace_circuit

    plan = subspace_plan(ansatz, subspace)

    def mean_square(real: jax.Array) -> jax.Array:
        state = subspace_circuit(plan, jnp.asarray(params), ansatz.fixed, real + 0.5j)
        return (jnp.arange(6.0) * jnp.abs(state) ** 2).sum()

    point = np.linspace(0.1, 0.9, 6)
    with precision("complex128"):
        gradient = np.asarray(jax.grad(mean_square)(jnp.asarray(point)))
        shifts = 1e-5 * np.eye(6)
        expected = [float(mean_square(point + s) - mean_square(point - s)) / 2e-5 for s in shifts]
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_qiskit_prepares_the_same_state_from_the_same_support() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=9)
    subspace = Subspace(5, 2)
    support = [1, 0, 0, 1, 0]  # asymmetric under reversal of the qubits
    circuit = QuantumCircuit(5)
    circuit.x([0, 3])
    circuit.compose(to_qiskit(ansatz, params), inplace=True)
    state = np.asarray(subspace_state(ansatz, params, subspace, product_start(subspace, support), dtype="complex128"))
    amplitudes = from_qiskit_order(Statevector(circuit).data)
    np.testing.assert_allclose(subspace.embedded(state), amplitudes, atol=1e-12)


def test_basis_lists_every_support_once_in_order_and_ranks_it() -> None:
    subspace = Subspace(7, (2, 4))
    supports = [s for k in (2, 4) for s in combinations(range(7), k)]
    assert subspace.size == comb(7, 2) + comb(7, 4)
    rows = np.zeros((len(supports), 7), dtype=int)
    for row, support in enumerate(supports):
        rows[row, list(support)] = 1
    assert sorted(map(tuple, subspace.bits.tolist())) == sorted(map(tuple, rows.tolist()))
    np.testing.assert_array_equal(subspace.positions(subspace.bits), np.arange(subspace.size))
    np.testing.assert_array_equal(subspace.bits[subspace.positions(rows)], rows)
    assert Subspace(60, 2).size == comb(60, 2)  # no list of 2**60 anywhere
    assert Subspace(60, 2).indices[-1] == 2**59 + 2**58


def test_supports_are_drawn_with_their_probabilities() -> None:
    subspace = Subspace(5, (2, 3))
    state = random_start(subspace, seed=10)
    bits = sample_supports(subspace, state, 20_000, rng=11)
    assert bits.dtype == np.uint8
    frequency = np.bincount(subspace.positions(bits), minlength=subspace.size) / len(bits)
    probabilities = np.abs(state) ** 2
    assert (np.abs(frequency - probabilities) <= 5 * np.sqrt(probabilities / len(bits))).all()
    generator = np.random.default_rng(11)
    first, second = (sample_supports(subspace, state, 100, rng=generator) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, sample_supports(subspace, state, 100, rng=11))


def test_a_circuit_finds_the_state_of_another() -> None:
    goal, goal_params = random_ansatz(4, [(0, 1), (1, 2), (2, 3), (0, 3)], seed=12)
    subspace = Subspace(4, 2)
    start = dicke_start(subspace)
    target = np.asarray(subspace_state(goal, goal_params, subspace, start, dtype="complex128"))
    ansatz = NumberConservingAnsatz.linear_chain(4, 3)
    at_zero = abs(np.vdot(target, start)) ** 2
    fit = fit_overlap(ansatz, subspace, start, target)
    assert at_zero < 0.5 < 0.999 < fit.fidelity <= 1.0 + 1e-9
    again = np.asarray(subspace_state(ansatz, fit.params, subspace, start, dtype="complex128"))
    assert abs(np.vdot(target, again)) ** 2 == pytest.approx(fit.fidelity, abs=1e-9)


def test_infidelity_and_its_slope() -> None:
    ansatz, params = random_ansatz(4, [(0, 1), (1, 2), (2, 3)], seed=13)
    subspace = Subspace(4, (1, 2))
    start, target = random_start(subspace, seed=14), random_start(subspace, seed=15)
    evaluate = infidelity(ansatz, subspace, start, target)
    value, gradient = evaluate(params)
    full = ansatz.state(params, subspace.embedded(start))
    assert value == pytest.approx(1 - abs(np.vdot(subspace.embedded(target), full)) ** 2, abs=1e-12)
    shifts = 1e-5 * np.eye(ansatz.n_params)
    expected = [(evaluate(params + shift)[0] - evaluate(params - shift)[0]) / 2e-5 for shift in shifts]
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_equal_circuits_share_one_plan_and_so_one_compilation() -> None:
    first, _ = random_ansatz(5, PAIRS, seed=16)
    second = NumberConservingAnsatz.identity(5, PAIRS)
    assert subspace_plan(first, Subspace(5, (3, 2))) is subspace_plan(second, Subspace(5, (2, 3)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NumberConservingAnsatz(2, [[0, 1]], Ansatz.linear_chain(2, 1).absorbed(np.ones(15)).fixed),
         "conserve the number of ones, received .* at block 0"),
        (lambda: NumberConservingAnsatz.linear_chain(3, 1).unitaries(np.zeros(30)), r"\(10,\), received \(30,\)"),
        (lambda: Subspace(4, 5), "numbers of 0 … 4, received 5"),
        (lambda: Subspace(60, 30), "at most 16777216 basis states"),
        (lambda: Subspace(63, 1), "1 to 62, received 63"),
        (lambda: Subspace(4, 2).positions([[1, 1, 1, 0]]), "rows with 2 ones, received 3 in row 0"),
        (lambda: Subspace(4, 2).positions([[1, 1, 0]]), r"shape \(n, 4\), received shape \(1, 3\)"),
        (lambda: dicke_start(Subspace(4, (1, 2)), [0.5, 0.6]), "2 probabilities that sum to 1"),
        (lambda: subspace_state(NumberConservingAnsatz.linear_chain(3, 1), np.zeros(10), Subspace(4, 2), np.ones(6)),
         "ansatz: expected 4 qubits, received 3"),
        (lambda: subspace_state(NumberConservingAnsatz.linear_chain(4, 1), np.zeros(15), Subspace(4, 2), np.ones(5)),
         r"start: expected shape \(6,\), received \(5,\)"),
        (lambda: fit_overlap(NumberConservingAnsatz.linear_chain(4, 1), Subspace(4, 2), np.ones(6), np.ones(6)),
         "target: expected norm 1"),
        (lambda: NumberConservingAnsatz.linear_chain(3, 1).state(start=np.ones(3)), r"start: expected shape \(8,\)"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()
