"""Matrix product states to circuits: against dense vectors, quimb and a circuit written out bit by bit."""

import numpy as np
import pytest
import quimb.tensor as qtn

from qfin.born import mapping
from qfin.born.environments import ChainTarget, DenseTarget, optimal_gate
from qfin.born.mapping import circuit_tensors, map_mps_to_circuit, qubit_tensors, register_tensors
from qfin.born.staircase import (
    apply_layer,
    complete_isometry,
    compress,
    dense_vector,
    inner,
    split_vector,
    staircase_layer,
    unapply_layer,
)
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz


def random_tensors(sizes, bond, seed, *, real=False):
    """A normalised random state with sites of the given sizes."""
    rng = np.random.default_rng(seed)
    bonds = [1, *[bond] * (len(sizes) - 1), 1]
    tensors = [rng.normal(size=(bonds[i], size, bonds[i + 1])) for i, size in enumerate(sizes)]
    if not real:
        tensors = [tensor + 1j * rng.normal(size=tensor.shape) for tensor in tensors]
    tensors[0] = tensors[0] / np.sqrt(inner(tensors, tensors).real)
    return tensors


def tensors_near_zero(n_registers, seed, *, size=0.03, n_functions=8, bond=4):
    """|0…0⟩ plus noise that falls with the order of the function, as training leaves it."""
    rng = np.random.default_rng(seed)
    bonds = [1, *[bond] * (n_registers - 1), 1]
    tensors = []
    for i in range(n_registers):
        noise = rng.normal(size=(bonds[i], n_functions, bonds[i + 1])) / np.sqrt(bond)
        tensors.append(size * 0.6 ** np.arange(n_functions)[:, None] * noise)
        tensors[-1][0, 0, 0] += 1.0
    tensors[0] /= np.sqrt(inner(tensors, tensors).real)
    return tensors


def random_unitary(rng):
    return np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]


def state_bit_by_bit(n_qubits, pairs, gates):
    """Oracle: each gate as a full matrix filled entry by entry from the bits of row and column."""
    state = np.eye(2**n_qubits)[0].astype(complex)
    for (a, b), gate in zip(pairs, gates, strict=True):
        full = np.zeros((2**n_qubits, 2**n_qubits), complex)
        for column in range(2**n_qubits):
            bits = [(column >> (n_qubits - 1 - j)) & 1 for j in range(n_qubits)]
            for out in range(4):
                new = list(bits)
                new[a], new[b] = out >> 1, out & 1
                row = sum(bit << (n_qubits - 1 - j) for j, bit in enumerate(new))
                full[row, column] = gate[out, 2 * bits[a] + bits[b]]
        state = full @ state
    return state


def quimb_state(tensors):
    """The same state in quimb, whose end tensors have no outer bond."""
    arrays = [tensors[0][0], *tensors[1:-1], tensors[-1][:, :, 0]]
    return qtn.MatrixProductState(arrays, shape="lpr")


# --- splitting and merging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [True, False])
def test_splitting_keeps_every_amplitude_and_merging_undoes_it(real):
    tensors = random_tensors([8, 8, 8], 5, 0, real=real)
    qubits = qubit_tensors(tensors)
    assert [tensor.shape[1] for tensor in qubits] == [2] * 9
    np.testing.assert_allclose(dense_vector(qubits), dense_vector(tensors), atol=1e-14)
    np.testing.assert_allclose(quimb_state(qubits).to_dense()[:, 0], dense_vector(tensors), atol=1e-14)
    for merged, tensor in zip(register_tensors(qubits, 3), tensors, strict=True):
        np.testing.assert_allclose(merged, tensor, atol=1e-14)


def test_sizes_that_are_no_power_of_two_are_padded_with_zeros():
    tensors = random_tensors([5, 3], 2, 1)
    dense = np.zeros((8, 4), complex)
    dense[:5, :3] = dense_vector(tensors).reshape(5, 3)
    np.testing.assert_allclose(dense_vector(qubit_tensors(tensors)), dense.ravel(), atol=1e-14)


def test_the_first_register_and_its_highest_bit_are_most_significant():
    first, second = np.zeros((1, 8, 1)), np.zeros((1, 8, 1))
    first[0, 1, 0] = second[0, 6, 0] = 1.0  # |001⟩|110⟩
    qubits = qubit_tensors([first, second])
    assert int(np.argmax(np.abs(dense_vector(qubits)))) == 0b001110
    found = map_mps_to_circuit([first, second], 1)
    state = state_bit_by_bit(6, found.ansatz.pairs, found.ansatz.fixed)
    assert int(np.argmax(np.abs(state))) == 0b001110
    assert np.abs(state).max() == pytest.approx(1.0, abs=1e-12)


# --- pieces ------------------------------------------------------------------------------------------------------


def test_compression_reports_the_norm_it_loses():
    tensors = random_tensors([2] * 8, 9, 2)
    kept, lost = compress(tensors, 3)
    assert max(tensor.shape[2] for tensor in kept) == 3
    assert np.linalg.norm(dense_vector(tensors) - dense_vector(kept)) == pytest.approx(lost, rel=1e-9)
    for tensor in kept[1:]:
        matrix = tensor.reshape(len(tensor), -1)
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(len(tensor)), atol=1e-12)
    exact, nothing = compress(tensors)
    assert nothing < 1e-9
    np.testing.assert_allclose(dense_vector(exact), dense_vector(tensors), atol=1e-9)


def test_splitting_a_vector_truncates_like_compression():
    tensors = random_tensors([2] * 7, 6, 3)
    vector = dense_vector(tensors)
    np.testing.assert_allclose(dense_vector(split_vector(vector)), vector, atol=1e-12)
    np.testing.assert_allclose(dense_vector(split_vector(vector, 2)), dense_vector(compress(tensors, 2)[0]), atol=1e-12)


def test_layers_act_on_tensors_as_on_the_dense_vector():
    rng = np.random.default_rng(4)
    layer = np.stack([random_unitary(rng) for _ in range(4)])
    tensors = random_tensors([2] * 5, 3, 4)
    full = np.eye(32)
    for i, gate in enumerate(layer):
        full = np.kron(np.kron(np.eye(2**i), gate), np.eye(2 ** (3 - i))) @ full
    np.testing.assert_allclose(dense_vector(apply_layer(layer, tensors)), full @ dense_vector(tensors), atol=1e-12)
    back = dense_vector(unapply_layer(layer, tensors))
    np.testing.assert_allclose(back, full.conj().T @ dense_vector(tensors), atol=1e-12)


def test_completion_is_unitary_and_as_near_the_identity_as_any_other():
    rng = np.random.default_rng(5)
    columns = np.linalg.qr(np.eye(4)[:, [0, 2]] + 0.4 * rng.normal(size=(4, 2)))[0] * np.sign([-1, -1])
    gate = complete_isometry(columns, (0, 2))
    np.testing.assert_array_equal(gate[:, [0, 2]], columns)
    np.testing.assert_allclose(gate.T @ gate, np.eye(4), atol=1e-13)
    distance = np.linalg.norm(gate - np.eye(4))
    for angle in np.linspace(-np.pi, np.pi, 100):
        for mirror in (1.0, -1.0):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [1.0, mirror]
            other = gate.copy()
            other[:, [1, 3]] = gate[:, [1, 3]] @ turn
            assert np.linalg.norm(other - np.eye(4)) >= distance - 1e-12


@pytest.mark.parametrize("n_qubits", [2, 3, 40])
def test_one_layer_without_sweeps_prepares_any_state_of_bond_two(n_qubits):
    tensors = compress(random_tensors([2] * n_qubits, 2, 6))[0]
    layer = staircase_layer(tensors)
    np.testing.assert_allclose(
        layer.conj().transpose(0, 2, 1) @ layer, np.tile(np.eye(4), (len(layer), 1, 1)), atol=1e-12
    )
    assert ChainTarget(tensors, 4).fidelity(ChainTarget(tensors, 4).forward([layer])) == pytest.approx(1.0, abs=1e-11)


def test_zero_state_maps_to_identity_gates():
    found = map_mps_to_circuit([np.eye(1, 8).reshape(1, 8, 1)] * 2, 2)
    np.testing.assert_allclose(found.ansatz.fixed, np.tile(np.eye(4), (10, 1, 1)), atol=1e-14)


# --- environments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_optimal_gate_attains_the_bound_and_no_unitary_passes_it(seed):
    rng = np.random.default_rng(seed)
    environment = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    old = random_unitary(rng)
    best = optimal_gate(environment, old)
    value = np.abs(np.sum(best * environment))
    assert value == pytest.approx(np.linalg.svd(environment, compute_uv=False).sum(), rel=1e-7)
    for other in [old, *(random_unitary(rng) for _ in range(100))]:
        assert np.abs(np.sum(other * environment)) <= value


def test_the_optimal_gate_stays_where_the_environment_sees_nothing():
    rng = np.random.default_rng(7)
    old = random_unitary(rng)
    environment = np.zeros((4, 4), complex)
    environment[:, 0] = 0.3 * old[:, 0].conj()  # asks for the first column that the gate has, and for nothing else
    np.testing.assert_allclose(optimal_gate(environment, old), old, atol=1e-12)
    np.testing.assert_array_equal(optimal_gate(np.zeros((4, 4)), old), old)


@pytest.mark.parametrize("real", [True, False])
def test_dense_and_matrix_product_environments_make_the_same_updates(real):
    tensors = random_tensors([2] * 9, 6, 8, real=real)
    dense, chain = DenseTarget(tensors), ChainTarget(tensors, 64)
    rng = np.random.default_rng(8)
    layers = [np.linalg.qr(np.eye(4, dtype=dense.vector.dtype) + 0.3 * rng.normal(size=(8, 4, 4)))[0] for _ in range(3)]
    for _ in range(3):
        assert dense.fidelity(dense.forward(layers)) == pytest.approx(chain.fidelity(chain.forward(layers)), abs=1e-12)
        one, other = dense.sweep(layers, dense.forward(layers)), chain.sweep(layers, chain.forward(layers))
        np.testing.assert_allclose(dense_vector(chain.forward(one)[-1]), dense.forward(one), atol=1e-9)
        before, after = dense.fidelity(dense.forward(layers)), dense.fidelity(dense.forward(one))
        assert after == pytest.approx(dense.fidelity(dense.forward(other)), abs=1e-9)
        assert after > before
        layers = one
    assert chain.circuit_error < 1e-9
    residuals = [dense_vector(target.residual(layers)) for target in (dense, chain)]
    np.testing.assert_allclose(residuals[0], residuals[1], atol=1e-7)


def test_the_bond_limit_is_reported_and_bounds_the_error_of_the_fidelity():
    tensors = random_tensors([2] * 10, 8, 9)
    dense, chain = DenseTarget(tensors), ChainTarget(tensors, 5)
    layers = list(map_mps_to_circuit(tensors, 4, n_sweeps=5).ansatz.fixed.reshape(4, 9, 4, 4))
    exact, kept = dense.fidelity(dense.forward(layers)), chain.fidelity(chain.forward(layers))
    assert 1e-6 < abs(exact - kept) < 2 * chain.circuit_error < 1.0
    assert chain.target_error == 0.0
    chain.sweep(layers, chain.forward(layers))
    assert chain.target_error > 0.0


# --- mapping -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapped():
    tensors = random_tensors([4, 4, 4], 4, 10)
    return tensors, map_mps_to_circuit(tensors, 3, n_sweeps=15)


def test_fidelity_is_that_of_the_dense_state_and_of_quimb(mapped):
    tensors, found = mapped
    assert found.ansatz.pairs.tolist() == [[i, i + 1] for i in range(5)] * 3
    state = state_bit_by_bit(6, found.ansatz.pairs, found.ansatz.fixed)
    assert abs(np.vdot(dense_vector(tensors), state)) ** 2 == pytest.approx(found.fidelity, abs=1e-12)
    circuit = qtn.Circuit(6)
    for (a, b), gate in zip(found.ansatz.pairs.tolist(), found.ansatz.fixed, strict=True):
        circuit.apply_gate_raw(gate, [a, b])
    overlap = np.vdot(quimb_state(qubit_tensors(tensors)).to_dense(), circuit.to_dense(optimize="greedy"))
    assert abs(overlap) ** 2 == pytest.approx(found.fidelity, abs=1e-12)


def test_fidelity_never_falls_and_every_layer_count_is_kept(mapped):
    tensors, found = mapped
    assert np.diff(np.concatenate(found.fidelity_history)).min() >= -1e-10
    assert [history[-1] for history in found.fidelity_history] == found.fidelity_by_layer.tolist()
    assert found.fidelity == found.fidelity_by_layer[-1] > found.fidelity_by_layer[0] + 0.05
    for count, (ansatz, fidelity) in enumerate(zip(found.ansatz_by_layer, found.fidelity_by_layer, strict=True), 1):
        assert len(ansatz.pairs) == 5 * count
        assert abs(np.vdot(dense_vector(tensors), ansatz.state())) ** 2 == pytest.approx(fidelity, abs=1e-12)
    assert (found.n_layers, found.max_bond, found.circuit_error, found.target_error) == (3, 8, 0.0, 0.0)


def test_two_runs_agree_and_progress_is_told(mapped):
    tensors, found = mapped
    told = []
    again = map_mps_to_circuit(tensors, 3, n_sweeps=15, seed=5, on_progress=lambda *step: told.append(step))
    np.testing.assert_array_equal(again.ansatz.fixed, found.ansatz.fixed)
    assert [fidelity for *_, fidelity in told] == [v for history in found.fidelity_history for v in history[1:]]
    assert told[-1][:2] == (3, len(found.fidelity_history[-1]) - 1)


def test_sweeps_stop_once_they_gain_less_than_the_tolerance():
    tensors = random_tensors([2] * 6, 4, 11)
    history = map_mps_to_circuit(tensors, 1, n_sweeps=500, tolerance=1e-4).fidelity_history[0]
    gains = np.diff(history)
    assert len(gains) < 500
    assert gains[-1] < 1e-4 <= gains[:-1].min()


def test_without_time_every_layer_is_prepared_and_none_swept():
    tensors = random_tensors([2] * 8, 4, 21)
    stopped = map_mps_to_circuit(tensors, 3, limit_s=0.0)
    prepared = map_mps_to_circuit(tensors, 3, n_sweeps=0)
    assert stopped.out_of_time
    assert not prepared.out_of_time
    assert [len(values) for values in stopped.fidelity_history] == [1, 1, 1]
    np.testing.assert_array_equal(stopped.ansatz.fixed, prepared.ansatz.fixed)
    assert not map_mps_to_circuit(tensors, 3, n_sweeps=2, limit_s=600.0).out_of_time


def test_bonds_that_fit_are_not_decomposed(monkeypatch):
    """Two layers on a target of bond 4 need bonds of 4 and 16: with room for them nothing is compressed or lost."""
    target = ChainTarget(random_tensors([2] * 9, 4, 22), 16)
    layers = [staircase_layer(compress(random_tensors([2] * 9, 2, seed), 2)[0]) for seed in (23, 24)]
    dense = DenseTarget(target.tensors)
    exact = dense.sweep(layers, dense.forward(layers))

    def refused(*_):
        raise AssertionError("compressed")

    monkeypatch.setattr("qfin.born.environments.compress", refused)
    swept = target.sweep(layers, target.forward(layers))
    # free directions of a gate are fixed by a weight of 1e-9 on the old gate, which rounding moves by about 1e-7
    assert dense.fidelity(dense.forward(swept)) == pytest.approx(dense.fidelity(dense.forward(exact)), abs=1e-9)
    assert target.circuit_error == target.target_error == 0.0


def test_real_tensors_give_real_gates_and_jitter_seeded_complex_ones():
    tensors = random_tensors([2] * 8, 6, 12, real=True)
    plain = map_mps_to_circuit(tensors, 2, n_sweeps=20)
    assert not plain.ansatz.fixed.imag.any()
    one, two, same = (map_mps_to_circuit(tensors, 2, n_sweeps=20, jitter=0.05, seed=seed) for seed in (0, 1, 0))
    assert np.abs(one.ansatz.fixed.imag).max() > 0.01
    np.testing.assert_array_equal(one.ansatz.fixed, same.ansatz.fixed)
    assert np.abs(one.ansatz.fixed - two.ansatz.fixed).max() > 1e-6


def test_a_layer_that_would_lower_the_fidelity_is_replaced_by_the_identity():
    tensors = random_tensors([2] * 5, 4, 13)
    found = map_mps_to_circuit(tensors, 2, n_sweeps=0, jitter=1.0)
    assert found.fidelity_history[1][-1] < found.fidelity_by_layer[0] == found.fidelity_by_layer[1]
    np.testing.assert_array_equal(found.ansatz.fixed[:4], np.tile(np.eye(4), (4, 1, 1)))
    assert abs(np.vdot(dense_vector(tensors), found.ansatz.state())) ** 2 == pytest.approx(found.fidelity, abs=1e-12)


def test_twelve_qubits_of_bond_eight_pass_the_published_tools():
    found = map_mps_to_circuit(random_tensors([2] * 12, 8, 14), 8, n_sweeps=15)
    assert found.fidelity > 0.84  # 0.444 by analytic layers, 0.838 by sixty sweeps after them
    assert found.fidelity_history[-1][0] < found.fidelity


def test_a_state_near_the_classical_model_needs_few_layers():
    tensors = tensors_near_zero(5, 15)
    found = map_mps_to_circuit(tensors, 2)
    assert found.fidelity > 0.999999
    start = abs(dense_vector(tensors)[0]) ** 2
    assert 1 - found.fidelity < 1e-3 * (1 - start)


def test_sixty_qubits_at_full_width():
    tensors = tensors_near_zero(20, 16, size=0.2)
    found = map_mps_to_circuit(tensors, 2, n_sweeps=10)
    assert found.fidelity > 0.999
    state, error = circuit_tensors(found.ansatz)
    assert error < 1e-7
    overlap = quimb_state(qubit_tensors(tensors)).H @ quimb_state(state)
    assert abs(overlap) ** 2 == pytest.approx(found.fidelity, abs=1e-9)
    assert np.isrealobj(state[0])


def test_wide_and_narrow_ways_agree_from_end_to_end(monkeypatch):
    tensors = tensors_near_zero(3, 17, size=0.3)
    dense = map_mps_to_circuit(tensors, 2, n_sweeps=5)
    monkeypatch.setattr(mapping, "MAX_DENSE_QUBITS", 1)
    chain = map_mps_to_circuit(tensors, 2, n_sweeps=5)
    np.testing.assert_allclose(chain.fidelity_by_layer, dense.fidelity_by_layer, atol=1e-7)
    narrow = map_mps_to_circuit(tensors, 2, n_sweeps=5, max_bond=4)
    assert narrow.target_error > 0.0 == dense.target_error == narrow.circuit_error
    np.testing.assert_allclose(narrow.fidelity_by_layer, dense.fidelity_by_layer, atol=1e-4)


def test_a_sweep_that_truncation_turns_downhill_is_not_taken(monkeypatch):
    monkeypatch.setattr(mapping, "MAX_DENSE_QUBITS", 1)
    tensors = random_tensors([2] * 10, 8, 21)
    found = map_mps_to_circuit(tensors, 3, n_sweeps=20, max_bond=4)
    assert found.target_error > 0.1
    assert min(len(history) for history in found.fidelity_history) < 20
    for history in found.fidelity_history:
        assert (np.diff(history) >= 0.0).all()
    exact = abs(np.vdot(dense_vector(tensors), found.ansatz.state())) ** 2
    assert abs(exact - found.fidelity) <= 2 * found.circuit_error


# --- circuits back to tensors ------------------------------------------------------------------------------------


def weak_circuit(n_qubits, n_blocks, strength, seed):
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(n_qubits, 2, replace=False) for _ in range(n_blocks)]
    params = strength * rng.normal(size=15 * n_blocks)
    return Ansatz.identity(n_qubits, np.array(pairs)).absorbed(params), params


def test_circuit_tensors_of_distant_and_reversed_pairs_are_the_exact_state():
    ansatz, params = weak_circuit(6, 12, 0.5, 18)
    assert (np.diff(ansatz.pairs, axis=1) < 0).any()
    assert (np.abs(np.diff(ansatz.pairs, axis=1)) > 2).any()
    for angles in (None, params):
        state, error = circuit_tensors(ansatz, angles, max_bond=None)
        exact = state_bit_by_bit(6, ansatz.pairs, ansatz.unitaries(angles))
        np.testing.assert_allclose(dense_vector(state), exact, atol=1e-9)
        assert error < 1e-8


@pytest.mark.parametrize("max_bond", [2, 4, 6])
def test_truncation_error_bounds_what_the_bond_limit_costs(max_bond):
    ansatz, _ = weak_circuit(8, 12, 0.05, 19)
    state, error = circuit_tensors(ansatz, max_bond=max_bond)
    assert max(tensor.shape[0] for tensor in state) == max_bond
    assert inner(state, state).real == pytest.approx(1.0, abs=1e-12)
    lost = 1 - abs(np.vdot(ansatz.state(), dense_vector(state))) ** 2
    assert 1e-12 < lost <= error**2 < 1.0


# --- the door ----------------------------------------------------------------------------------------------------


def test_wrong_tensors_are_refused():
    good = random_tensors([4, 4], 3, 20)
    with pytest.raises(InputError, match="norm 1, received norm 2"):
        map_mps_to_circuit([2 * good[0], good[1]], 1)
    with pytest.raises(InputError, match="expected equal bonds, received 3 and 2 before site 1"):
        qubit_tensors([good[0], good[1][:2]])
    with pytest.raises(InputError, match=r"expected sites \(left, size, right\)"):
        qubit_tensors([np.ones(4)])
    with pytest.raises(InputError, match="finite"):
        qubit_tensors([np.full((1, 4, 1), np.nan)])
    with pytest.raises(InputError, match="divisor of 4 qubits, received 3"):
        register_tensors(qubit_tensors(good), 3)
    with pytest.raises(InputError, match=r"received 1 qubit\(s\)"):
        map_mps_to_circuit([np.array([1.0, 0.0]).reshape(1, 2, 1)], 1)
    with pytest.raises(InputError, match="n_layers = 0"):
        map_mps_to_circuit(good, 0)
