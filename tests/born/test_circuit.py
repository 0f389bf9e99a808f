"""The circuit Born machine: its density, its training, its draws and its start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from scipy.special import ndtri
from sklearn.base import clone

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite, integrals_below
from qfin.born import CircuitBornMachine
from qfin.born.circuit import distant_pairs
from qfin.exceptions import InputError, NotFittedError
from qfin.quantum import Ansatz, StatevectorCircuitSampler, statevector
from qfin.quantum.ansatz import PAULI_LABELS
from qfin.quantum.circuits import from_qiskit_order
from qfin.quantum.engine import log_ratio, precision

TWO_REGISTERS = Ansatz.identity(4, [(0, 1), (2, 3), (1, 3), (0, 2), (2, 1)])


def machine_at(seed: int, size: float = 0.5, ansatz: Ansatz = TWO_REGISTERS) -> CircuitBornMachine:
    """A machine of two-qubit registers that stands at random angles."""
    params = size * np.random.default_rng(seed).standard_normal(ansatz.n_params)
    return CircuitBornMachine.from_ansatz(ansatz, 2, params)


def exact_mean(machine: CircuitBornMachine, degrees: tuple[int, ...], n_nodes: int = 16) -> float:
    """E[Π_i h_{degree_i}(y_i)] by Gauss–Hermite quadrature of the density."""
    nodes, weights = gauss_hermite(n_nodes)
    grid = np.stack(np.meshgrid(*[nodes] * len(degrees), indexing="ij"), axis=-1).reshape(-1, len(degrees))
    mass = np.ones(1)
    for _ in degrees:
        mass = np.multiply.outer(mass, weights).ravel()
    return float(mass @ (np.exp(machine.log_ratio(grid)) * products(grid, degrees)))


def products(y: np.ndarray, degrees: tuple[int, ...]) -> np.ndarray:
    features = HermiteBasis(4).features(y)
    return np.prod([features[:, i, degree] for i, degree in enumerate(degrees)], axis=0)


def test_identity_circuit_is_the_base() -> None:
    machine = CircuitBornMachine.from_ansatz(Ansatz.linear_chain(9, 2), 3)
    y = np.random.default_rng(1).standard_normal((50, 3))
    np.testing.assert_array_equal(machine.log_ratio(y), np.zeros(50))
    np.testing.assert_allclose(machine.register_mutual_information(), 0.0, atol=1e-14)


def test_density_integrates_to_one_and_is_the_square_of_the_sum() -> None:
    machine = machine_at(2)
    assert exact_mean(machine, (0, 0)) == pytest.approx(1.0, abs=1e-12)
    y = np.random.default_rng(3).standard_normal((20, 2))
    features = HermiteBasis(4).features(y)
    amplitude = np.einsum("kl,nk,nl->n", machine.statevector().reshape(4, 4), features[:, 0], features[:, 1])
    np.testing.assert_allclose(machine.amplitudes(y), amplitude, rtol=1e-10)
    np.testing.assert_allclose(machine.log_ratio(y), np.log(np.abs(amplitude) ** 2), rtol=1e-9, atol=1e-12)


def test_long_tables_are_observed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, y = machine_at(4), np.random.default_rng(5).standard_normal((200, 2))
    whole, draws = machine.log_ratio(y), machine.sample(200, rng=6)
    monkeypatch.setattr("qfin.born.circuit_state._CHUNK_SIZE", 1)
    np.testing.assert_allclose(machine.log_ratio(y), whole, rtol=1e-12)
    np.testing.assert_allclose(machine.sample(200, rng=6), draws, atol=1e-9)


@pytest.mark.parametrize("degrees", [(1, 0), (0, 2), (1, 1), (2, 2), (1, 3)])
def test_draws_have_the_moments_of_the_density(degrees: tuple[int, ...]) -> None:
    machine = machine_at(7)
    values = products(machine.sample(20_000, rng=8), degrees)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - exact_mean(machine, degrees)) < 5 * error


def test_draws_follow_their_generator() -> None:
    machine, rng = machine_at(9), np.random.default_rng(10)
    first, second = machine.sample(5, rng=rng), machine.sample(5, rng=rng)
    assert np.abs(first - second).min() > 0
    np.testing.assert_array_equal(machine.sample(5, rng=11), machine.sample(5, rng=11))
    assert machine.sample(0, rng=1).shape == (0, 2)


def test_training_finds_a_known_correction() -> None:
    truth = machine_at(12, 0.3)
    train, validation, test = (truth.sample(n, rng=seed) for n, seed in ((4000, 13), (2000, 14), (4000, 15)))
    machine = CircuitBornMachine(TWO_REGISTERS, 2, max_steps=500, check_every=20, penalty=0.0, seed=1)
    machine.fit(train, validation)
    record = machine.record_
    assert record.validation[0] == pytest.approx(0.0, abs=1e-6)
    assert record.best_validation == pytest.approx(machine.log_ratio(validation).mean(), abs=1e-5)
    gains = truth.log_ratio(test), machine.log_ratio(test)
    assert gains[0].mean() > 0.1
    assert gains[1].mean() > 0.9 * gains[0].mean()
    assert record.n_evaluations == record.steps[-1] <= 500
    assert record.stopped_at in record.steps


@pytest.mark.parametrize(("learning_rate", "start"), [(1e-3, 0.0), (1.0, 0.0), (1.0, 0.3), (1e-3, 0.3)])
def test_training_never_ends_below_its_start(learning_rate: float, start: float) -> None:
    rng = np.random.default_rng(16)
    y, held = rng.standard_normal((200, 2)), rng.standard_normal((200, 2))
    params = start * rng.standard_normal(TWO_REGISTERS.n_params)
    machine = CircuitBornMachine(
        TWO_REGISTERS, 2, learning_rate=learning_rate, max_steps=40, init_params=params, patience=2
    )
    machine.fit(y, held)
    before = CircuitBornMachine.from_ansatz(TWO_REGISTERS, 2, params).log_ratio(held).mean()
    assert machine.log_ratio(held).mean() >= before - 1e-6
    assert machine.record_.best_validation == machine.record_.validation.max()
    if machine.record_.stopped_at == 0:
        np.testing.assert_array_equal(machine.params_, params)


def test_training_repeats_by_seed_alone() -> None:
    y = machine_at(17).sample(400, rng=18)

    def params(seed: int) -> np.ndarray:
        return CircuitBornMachine(TWO_REGISTERS, 2, max_steps=40, batch_size=100, seed=seed).fit(y).params_

    np.testing.assert_array_equal(params(1), params(1))
    assert np.abs(params(1) - params(2)).max() > 1e-3


def test_real_circuits_are_saddles_in_the_complex_directions() -> None:
    # a real start has no slope along exp(iθP) with P real, so that without noise training would stay real
    rng = np.random.default_rng(19)
    real = np.array([np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(5)])
    ansatz = Ansatz(4, TWO_REGISTERS.pairs, real)
    features = HermiteBasis(4).features(machine_at(20).sample(300, rng=21))
    with precision("complex128"):
        slope = jax.grad(lambda q: log_ratio(statevector(ansatz, q, dtype="complex128"), features).mean())(
            jnp.zeros(ansatz.n_params)
        )
    by_pauli = np.abs(np.asarray(slope)).reshape(5, 15).max(axis=0)
    is_real = np.array([label.count("Y") != 1 for label in PAULI_LABELS])
    assert by_pauli[is_real].max() < 1e-12
    assert by_pauli[~is_real].min() > 1e-3


def test_noise_leaves_the_real_circuits() -> None:
    y = machine_at(22).sample(400, rng=23)

    def imaginary_part(noise: float) -> float:
        machine = CircuitBornMachine(TWO_REGISTERS, 2, max_steps=60, start_noise=noise, dtype="complex128").fit(y)
        assert machine.record_.stopped_at > 0
        return float(np.abs(machine.statevector().imag).max())

    assert imaginary_part(0.0) < 1e-9
    assert imaginary_part(5e-3) > 1e-3


def test_double_precision_training_agrees_with_single() -> None:
    y = machine_at(24).sample(400, rng=25)
    single, double = (
        CircuitBornMachine(TWO_REGISTERS, 2, max_steps=20, dtype=dtype).fit(y) for dtype in ("complex64", "complex128")
    )
    np.testing.assert_allclose(single.record_.train, double.record_.train, atol=1e-4)
    assert jnp.zeros(1).dtype == jnp.float32


def test_looks_are_announced_and_patience_ends_the_run() -> None:
    seen: list[tuple[int, int, dict[str, float]]] = []
    y = np.random.default_rng(26).standard_normal((100, 2))
    machine = CircuitBornMachine(
        TWO_REGISTERS, 2, learning_rate=0.3, max_steps=400, check_every=20, patience=2, init_params=None
    )
    machine.fit(y, on_step=lambda *look: seen.append(look))
    assert [step for step, _, _ in seen] == machine.record_.steps[1:].tolist()
    assert {total for _, total, _ in seen} == {400}
    assert [info["validation"] for _, _, info in seen] == machine.record_.validation[1:].tolist()
    assert machine.record_.steps[-1] == machine.record_.stopped_at + 2 * 20


@pytest.mark.parametrize("n_nodes", [None, 4, 16])
def test_measured_bits_name_the_nodes_of_the_density(n_nodes: int | None) -> None:
    # register amplitudes c, nodes x, weights ω: probability ω_j ω_l |Ψ(x_j, x_l)|²
    machine = machine_at(27)
    nodes, weights = gauss_hermite(n_nodes or 4)
    probabilities = np.abs(from_qiskit_order(Statevector(machine.circuit(n_nodes)).data)) ** 2
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    expected = np.outer(weights, weights).ravel() * np.exp(machine.log_ratio(grid))
    np.testing.assert_allclose(probabilities, expected, atol=1e-12)
    assert machine.circuit(n_nodes, measure=True).num_clbits == machine.circuit(n_nodes).num_qubits


def test_shots_have_the_mean_of_their_cells_which_approaches_that_of_the_density() -> None:
    machine, errors = machine_at(28), []
    for n_nodes in (4, 8, 16, 32):
        transform, weights = HermiteBasis(4).transform(n_nodes), gauss_hermite(n_nodes)[1]
        edges = ndtri(np.concatenate([[0.0], np.cumsum(weights[:-1]), [1.0]]))
        cell_mean = np.diff(integrals_below(edges, 2)[:, 1]) / weights
        probabilities = np.abs(transform @ machine.statevector().reshape(4, 4) @ transform.T) ** 2
        expected = cell_mean @ probabilities @ cell_mean
        errors.append(abs(expected - exact_mean(machine, (1, 1))))
        shots = machine.sample_shots(20_000, StatevectorCircuitSampler(), n_nodes=n_nodes, rng=29)
        values = products(shots, (1, 1))
        assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(len(values))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 5


def test_grids_that_no_qubits_hold_are_refused() -> None:
    machine = machine_at(30)
    for n_nodes in (2, 6):
        with pytest.raises(InputError, match=f"power of two of at least 4, received {n_nodes}"):
            machine.circuit(n_nodes)


def test_mutual_information_of_two_registers_is_that_of_their_nodes() -> None:
    machine = machine_at(31)
    transform = HermiteBasis(4).transform()
    joint = np.abs(transform @ machine.statevector().reshape(4, 4) @ transform.T) ** 2
    expected = (joint * np.log(joint / np.outer(joint.sum(1), joint.sum(0)))).sum()
    information = machine.register_mutual_information()
    np.testing.assert_allclose(information, [[0, expected], [expected, 0]], atol=1e-12)
    assert expected > 0.01


def test_mutual_information_tells_the_linked_registers() -> None:
    ansatz = Ansatz.identity(8, [(1, 7), (0, 6), (2, 3)])  # registers 0 and 3 are joined, 1 and 2 stand alone
    information = machine_at(32, ansatz=ansatz).register_mutual_information()
    assert information[0, 3] > 0.01
    rest = information.copy()
    rest[0, 3] = rest[3, 0] = 0.0
    np.testing.assert_allclose(rest, 0.0, atol=1e-12)


def test_distant_pairs_take_the_strongest_beyond_neighbours() -> None:
    information = np.zeros((4, 4))
    information[0, 1], information[0, 2], information[0, 3], information[1, 3] = 9.0, 0.1, 0.3, 0.2
    information += information.T
    assert distant_pairs(information, 2, 3).tolist() == [[2, 11], [5, 11]]
    assert distant_pairs(information, 1, 3, min_distance=1).tolist() == [[2, 5]]
    assert distant_pairs(information, 1, 3, level=1).tolist() == [[1, 10]]
    assert distant_pairs(information, 0, 3).shape == (0, 2)
    with pytest.raises(InputError, match="expected 0 to 3 pairs of distant registers, received 4"):
        distant_pairs(information, 4, 3)
    with pytest.raises(InputError, match="level: expected 0 to 2, received 3"):
        distant_pairs(information, 1, 3, level=3)


def test_arrays_round_trip() -> None:
    machine = machine_at(33)
    again = CircuitBornMachine.from_arrays(machine.to_arrays())
    y = np.random.default_rng(34).standard_normal((10, 2))
    np.testing.assert_array_equal(again.log_ratio(y), machine.log_ratio(y))
    assert (again.n_params_, again.n_registers_) == (75, 2)


def test_clone_keeps_the_settings() -> None:
    machine = CircuitBornMachine(TWO_REGISTERS, 2, learning_rate=0.01)
    copy = clone(machine)
    assert copy.get_params().keys() == machine.get_params().keys()
    np.testing.assert_array_equal(copy.ansatz.pairs, TWO_REGISTERS.pairs)
    assert copy.learning_rate == 0.01


def test_wrong_input_is_refused() -> None:
    y = np.zeros((20, 2))
    with pytest.raises(InputError, match="divisor of 4, received 3"):
        CircuitBornMachine(TWO_REGISTERS, 3).fit(y)
    with pytest.raises(InputError, match="y: expected 2 columns, received 3"):
        CircuitBornMachine(TWO_REGISTERS, 2).fit(np.zeros((20, 3)))
    with pytest.raises(InputError, match="y_validation: expected 2 columns"):
        CircuitBornMachine(TWO_REGISTERS, 2).fit(y, np.zeros((20, 3)))
    with pytest.raises(InputError, match=r"held_out_fraction.*received 0.01 of 20 days"):
        CircuitBornMachine(TWO_REGISTERS, 2, held_out_fraction=0.01).fit(y)
    with pytest.raises(InputError, match=r"expected shape \(75,\)"):
        CircuitBornMachine(TWO_REGISTERS, 2, init_params=np.zeros(3)).fit(y)
    with pytest.raises(InputError, match="at least one block"):
        CircuitBornMachine(Ansatz.identity(4, []), 2).fit(y)
    with pytest.raises(InputError, match="complex64 or complex128"):
        CircuitBornMachine(TWO_REGISTERS, 2, dtype="float32").fit(y)
    with pytest.raises(NotFittedError):
        CircuitBornMachine(TWO_REGISTERS, 2).log_ratio(y)
