"""The MPS Born machine against dense vectors, quadrature, and quimb."""

import numpy as np
import pytest

from qfin.basis.hermite import gauss_hermite, hermite_functions, integrals_below, normal_density, product_coefficients
from qfin.born import MPSBornMachine
from qfin.born.conditionals import (
    density_moments,
    distribution_and_density,
    draw_coordinate,
    pairs_of,
    site_moments,
)
from qfin.born.mps_training import log_ratio_kernel
from qfin.exceptions import InputError


def random_machine(
    n_registers: int = 3, size: int = 4, bond: int = 3, scale: float = 0.3, seed: int = 0
) -> MPSBornMachine:
    rng = np.random.default_rng(seed)
    bonds = [1] + [bond] * (n_registers - 1) + [1]
    tensors = [rng.standard_normal((bonds[i], size, bonds[i + 1])) * scale for i in range(n_registers)]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


def dense(machine: MPSBornMachine) -> np.ndarray:
    state = np.ones(1)
    for tensor in machine.tensors_:
        state = np.tensordot(state, tensor, axes=1)
    return state[..., 0]


def test_amplitudes_equal_the_dense_vector() -> None:
    machine = random_machine()
    y = np.random.default_rng(1).standard_normal((6, 3))
    h = hermite_functions(y, 4)
    expected = np.einsum("ijk,ni,nj,nk->n", dense(machine), h[:, 0], h[:, 1], h[:, 2])
    np.testing.assert_allclose(machine.amplitudes(y), expected, rtol=1e-12)
    assert np.sum(dense(machine) ** 2) == pytest.approx(1.0, abs=1e-13)


def test_density_integrates_to_one_by_quadrature() -> None:
    machine = random_machine(2)
    nodes, weights = gauss_hermite(12)
    grid = np.array(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1).T
    total = np.outer(weights, weights).ravel() @ np.exp(machine.log_ratio(grid))
    assert total == pytest.approx(1.0, abs=1e-10)


def test_single_precision_gives_the_same_likelihood() -> None:
    """What training sees, in float32, against the machine in float64: twenty registers, days into the tails."""
    machine = random_machine(20, 8, 4, scale=0.05)
    stacked = np.zeros((20, 4, 8, 4), dtype=np.float32)
    for site, tensor in zip(stacked, machine.tensors_, strict=True):
        site[: tensor.shape[0], :, : tensor.shape[2]] = tensor
    y = np.random.default_rng(14).standard_t(6, size=(2_000, 20))
    features = np.moveaxis(hermite_functions(y, 8), 1, 0).astype(np.float32)
    single = np.asarray(log_ratio_kernel(stacked, features), dtype=float)
    assert log_ratio_kernel(stacked, features).dtype == np.float32
    double = machine.log_ratio(y)
    assert double.std() > 0.5
    assert abs(single.mean() - double.mean()) < 1e-4
    # Day by day as well, but for the few on which the amplitude all but vanishes and its digits with it.
    assert np.quantile(np.abs(single - double), 0.99) < 1e-3
    assert np.median(np.abs(single - double)) < 1e-4


def test_product_state_zero_is_the_base() -> None:
    tensors = [np.eye(8)[:1].reshape(1, 8, 1)] * 5
    machine = MPSBornMachine.from_tensors(tensors)
    y = np.random.default_rng(2).standard_normal((50, 5)) * 3
    np.testing.assert_allclose(machine.log_ratio(y), 0.0, atol=1e-12)
    np.testing.assert_allclose(machine.entanglement_entropies(), 0.0, atol=1e-12)


def test_draws_have_the_exact_marginals_and_correlation() -> None:
    machine, n = random_machine(), 100_000
    y, state, at = machine.sample(n, rng=3), dense(machine), np.linspace(-2, 2, 5)
    for i in range(3):
        matrix = np.moveaxis(state, i, 0).reshape(4, -1)
        moments = np.einsum("kl,klm->m", matrix @ matrix.T, product_coefficients(4))
        exact = integrals_below(at, 7) @ moments
        observed = (y[:, i, None] < at).mean(0)
        assert np.all(np.abs(observed - exact) < 5 * np.sqrt(exact * (1 - exact) / n))
    position = HERMITE_POSITION
    exact_product = np.einsum("ijk,abk,ia,jb->", state, state, position, position)
    products = y[:, 0] * y[:, 1]
    assert abs(products.mean() - exact_product) < 5 * products.std() / np.sqrt(n)


# ⟨h_k| y |h_l⟩ = √max(k, l) beside the diagonal
HERMITE_POSITION = np.diag(np.sqrt([1.0, 2.0, 3.0]), 1) + np.diag(np.sqrt([1.0, 2.0, 3.0]), -1)


def test_chunks_and_their_size_do_not_show_in_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = random_machine()
    whole = machine.sample(1_000, rng=5)
    monkeypatch.setattr("qfin.born.mps._CHUNK", 300)
    np.testing.assert_allclose(machine.sample(1_000, rng=5), whole, atol=1e-9)


def test_moments_of_pairs_equal_quadrature() -> None:
    """a_m from products of the left vector's entries, against Gauss–Hermite quadrature of the branches."""
    tensor = random_machine(4, 5, 3).tensors_[1]
    vectors = np.random.default_rng(13).standard_normal((3, 7))
    vectors /= np.linalg.norm(vectors, axis=0)
    branches = np.einsum("ln,lkr->nkr", vectors, tensor)
    np.testing.assert_allclose(site_moments(tensor) @ pairs_of(vectors), density_moments(branches), atol=1e-12)


def test_completion_keeps_what_is_known_and_is_exact() -> None:
    machine, n = random_machine(), 60_000
    known = np.tile([0.4, -1.1], (n, 1))
    y = machine.sample_after(known, rng=4)
    np.testing.assert_array_equal(y[:, :2], known)
    grid = np.linspace(-8, 8, 4001)
    points = np.column_stack([np.full(4001, 0.4), np.full(4001, -1.1), grid])
    density = np.exp(machine.log_ratio(points)) * normal_density(grid)
    density /= density.sum()
    mean, spread = density @ grid, np.sqrt(density @ grid**2 - (density @ grid) ** 2)
    assert abs(y[:, 2].mean() - mean) < 5 * spread / np.sqrt(n)


def test_intervals_restrict_draws() -> None:
    branches = np.random.default_rng(5).standard_normal((4_000, 5, 2))
    moments = density_moments(branches)
    lower, upper = np.full(4_000, -0.3), np.full(4_000, 1.2)
    y = draw_coordinate(moments, np.random.default_rng(6).random(4_000), lower, upper)
    assert y.min() >= -0.3
    assert y.max() <= 1.2
    inside = [distribution_and_density(moments, edge)[0] for edge in (lower, y, upper)]
    uniforms = (inside[1] - inside[0]) / (inside[2] - inside[0])
    np.testing.assert_allclose(uniforms, np.random.default_rng(6).random(4_000), atol=1e-8)


def test_draws_meet_the_distribution_even_where_the_density_vanishes() -> None:
    """h_3 alone: three zeros of the density, on which Newton's method alone would fail."""
    branches = np.tile(np.eye(4)[3].reshape(1, 4, 1), (999, 1, 1))
    uniforms = np.arange(1, 1000) / 1000
    y = draw_coordinate(density_moments(branches), uniforms)
    np.testing.assert_allclose(distribution_and_density(density_moments(branches), y)[0], uniforms, atol=1e-9)
    assert np.all(np.diff(y) > 0)


def test_head_marginal_and_leading_schmidt_vector() -> None:
    machine = random_machine(scale=0.1)
    y = np.random.default_rng(7).standard_normal((20, 2))
    nodes, weights = gauss_hermite(8)
    full = np.concatenate([np.repeat(y, 8, axis=0), np.tile(nodes, 20)[:, None]], axis=1)
    expected = np.log(np.exp(machine.log_ratio(full)).reshape(20, 8) @ weights)
    np.testing.assert_allclose(machine.head_log_ratio(y), expected, rtol=1e-9)
    pure, weight = machine.head(2)
    values = np.linalg.svd(dense(machine).reshape(16, 4), compute_uv=False)
    assert weight == pytest.approx(values[0] ** 2, rel=1e-12)
    leading = np.linalg.svd(dense(machine).reshape(16, 4))[0][:, 0]
    assert abs(dense(pure).ravel() @ leading) == pytest.approx(1.0, abs=1e-12)


def test_quimb_holds_the_same_state() -> None:
    machine = random_machine()
    np.testing.assert_allclose(machine.to_quimb().to_dense().ravel(), dense(machine).ravel(), atol=1e-13)
    values = np.linalg.svd(dense(machine).reshape(4, 16), compute_uv=False) ** 2
    assert machine.entanglement_entropies()[0] == pytest.approx(-(values * np.log(values)).sum(), rel=1e-6)


@pytest.fixture(scope="module")
def correction() -> tuple[MPSBornMachine, np.ndarray]:
    truth = random_machine(3, 4, 2, scale=0.2, seed=9)
    return truth, truth.sample(6_000, rng=10)


def test_training_learns_a_known_correction(correction: tuple[MPSBornMachine, np.ndarray]) -> None:
    truth, y = correction
    machine = MPSBornMachine(4, 3, max_steps=2_000, learning_rate=2e-3, penalty=0.001).fit(y)
    fresh = truth.sample(20_000, rng=11)
    gained, possible = machine.log_ratio(fresh), truth.log_ratio(fresh)
    assert gained.mean() > 0.8 * possible.mean()
    assert gained.mean() < possible.mean() + 5 * (gained - possible).std() / np.sqrt(len(fresh))
    assert machine.record_.best_validation == pytest.approx(machine.record_.validation.max())


def test_training_is_deterministic_and_never_below_its_start(correction: tuple[MPSBornMachine, np.ndarray]) -> None:
    y = np.random.default_rng(12).standard_normal((400, 3))
    machines = [MPSBornMachine(4, 2, max_steps=300, batch_size=64).fit(y) for _ in range(2)]
    for a, b in zip(machines[0].tensors_, machines[1].tensors_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert machines[0].record_.best_validation >= machines[0].record_.validation[0]


def test_wrong_shapes_are_refused() -> None:
    machine = random_machine()
    with pytest.raises(InputError, match="expected 3 columns, received 4"):
        machine.log_ratio(np.zeros((2, 4)))
    with pytest.raises(InputError, match="expected 1 to 3, received 9"):
        machine.head(9)
    with pytest.raises(InputError, match="expected a share"):
        MPSBornMachine(held_out_fraction=1.5).fit(np.zeros((20, 2)))


def test_where_nothing_is_to_be_learnt_the_answer_is_the_base_itself() -> None:
    y = np.random.default_rng(11).standard_normal((400, 3))
    machine = MPSBornMachine(6, 4, max_steps=200, batch_size=128, seed=1).fit(y)
    assert machine.record_.stopped_at == 0
    assert machine.record_.validation.max() <= 0.0
    np.testing.assert_array_equal(machine.log_ratio(y), 0.0)
