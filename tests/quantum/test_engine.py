"""The compiled state vector and its gradient against block-by-block products, finite differences and shifts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import unitary_group

from qfin.exceptions import InputError
from qfin.quantum import Ansatz, statevector
from qfin.quantum.ansatz import PAULIS
from qfin.quantum.engine import ansatz_plan, circuit_state, exponential, log_ratio, precision, psi
from qfin.quantum.fusion import MAX_WIDTH, FusionPlan

PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (4, 2), (0, 3), (1, 0)]


def random_ansatz(n_qubits: int, pairs: list[tuple[int, int]], seed: int) -> tuple[Ansatz, np.ndarray]:
    rng = np.random.default_rng(seed)
    blocks = np.array([unitary_group.rvs(4, random_state=rng) for _ in pairs])
    return Ansatz(n_qubits, np.array(pairs), blocks), rng.uniform(-np.pi, np.pi, 15 * len(pairs))


def random_pairs(n_qubits: int, n_blocks: int, seed: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    return [tuple(rng.choice(n_qubits, 2, replace=False).tolist()) for _ in range(n_blocks)]


@pytest.mark.parametrize(("n_qubits", "n_blocks"), [(2, 3), (3, 5), (5, 8), (7, 30)])
def test_state_equals_the_product_of_blocks(n_qubits: int, n_blocks: int) -> None:
    ansatz, params = random_ansatz(n_qubits, random_pairs(n_qubits, n_blocks, seed=n_blocks), seed=n_qubits)
    state = np.asarray(statevector(ansatz, params, dtype="complex128"))
    assert state.dtype == np.complex128
    np.testing.assert_allclose(state, ansatz.state(params), atol=1e-12)
    assert np.linalg.norm(state) == pytest.approx(1.0, abs=1e-12)


def test_single_precision_is_single_and_close() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=5)
    state = np.asarray(statevector(ansatz, params, dtype="complex64"))
    assert state.dtype == np.complex64
    np.testing.assert_allclose(state, ansatz.state(params), atol=5e-6)


def test_staircases_and_no_blocks() -> None:
    ansatz = Ansatz.linear_chain(6, 3).extended([(5, 0), (1, 4)])
    params = np.random.default_rng(6).normal(size=ansatz.n_params)
    np.testing.assert_allclose(statevector(ansatz, params, dtype="complex128"), ansatz.state(params), atol=1e-12)
    np.testing.assert_array_equal(statevector(Ansatz.identity(3, []), []), np.eye(8)[0])


def test_every_block_is_fused_once_and_never_passes_one_on_its_qubits() -> None:
    pairs = random_pairs(9, 60, seed=7)
    plan = ansatz_plan(Ansatz.identity(9, pairs))
    order = [block for _, blocks in plan.groups for block in blocks]
    assert sorted(order) == list(range(60))
    assert all(len(qubits) == MAX_WIDTH for qubits, _ in plan.groups)
    place = np.argsort(order)
    for later in range(60):
        for earlier in range(later):
            assert place[earlier] < place[later] or not set(pairs[earlier]) & set(pairs[later])


def test_equal_pairs_share_one_plan_and_so_one_compilation() -> None:
    first, _ = random_ansatz(5, PAIRS, seed=8)
    assert ansatz_plan(first) is ansatz_plan(Ansatz.identity(5, PAIRS))


def test_exponential_is_exact_up_to_angles_of_pi() -> None:
    angles = np.random.default_rng(9).uniform(-np.pi, np.pi, (50, 15))
    angles[0], angles[1] = np.pi, 0.0
    exact = Ansatz.identity(2, [(0, 1)] * 50).unitaries(angles.ravel())
    with precision("complex128"):
        np.testing.assert_allclose(exponential(jnp.asarray(angles), jnp.complex128), exact, atol=1e-12)


@pytest.mark.parametrize("size", [0.5, np.pi, 20.0, 3000.0])
def test_exponential_is_that_of_scipy_for_angles_of_any_size(size: float) -> None:
    angles = np.random.default_rng(19).uniform(-size, size, (20, 15))
    angles[0] = size
    angles[1, 1:] = 0.0
    expected = [expm(1j * np.tensordot(row, PAULIS, axes=1)) for row in angles]
    norm = np.sqrt(3.0) * np.linalg.norm(angles, axis=1).max()
    with precision("complex128"):
        found = np.asarray(exponential(jnp.asarray(angles), jnp.complex128))
        alone = np.asarray(exponential(jnp.asarray(angles[:1]), jnp.complex128))
    # an angle of size s carries rounding of s·eps, whatever is done with it
    np.testing.assert_allclose(found, expected, atol=1e-14 * max(1.0, norm))
    np.testing.assert_allclose(alone, expected[:1], atol=1e-14 * max(1.0, norm))
    with precision("complex64"):
        single = np.asarray(exponential(jnp.asarray(angles, dtype=jnp.float32), jnp.complex64))
    rounded = [expm(1j * np.tensordot(row, PAULIS, axes=1)) for row in angles.astype(np.float32).astype(float)]
    np.testing.assert_allclose(single, rounded, atol=5e-6 * max(1.0, norm))


def test_exponential_has_the_paulis_as_slope_at_zero() -> None:
    with precision("complex128"):

        def parts(angles: jax.Array) -> jax.Array:
            matrix = exponential(angles[None], jnp.complex128)[0]
            return jnp.stack([matrix.real, matrix.imag])

        slope = np.asarray(jax.jacrev(parts)(jnp.zeros(15)))
    np.testing.assert_allclose(slope[0] + 1j * slope[1], 1j * PAULIS.transpose(1, 2, 0), atol=1e-14)


def weighted_loss(ansatz: Ansatz, seed: int) -> tuple[object, object]:
    """A loss that sees real and imaginary parts, in JAX and in NumPy."""
    rng = np.random.default_rng(seed)
    mass, phase = rng.normal(size=(2, 2**ansatz.n_qubits))

    def compiled(params: jax.Array) -> jax.Array:
        state = statevector(ansatz, params, dtype="complex128")
        return mass @ jnp.abs(state) ** 4 + phase @ (state.real * state.imag)

    def plain(params: np.ndarray) -> float:
        state = ansatz.state(params)
        return float(mass @ np.abs(state) ** 4 + phase @ (state.real * state.imag))

    return compiled, plain


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_gradient_equals_central_differences(scale: float) -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=10)
    params, step = scale * params, 1e-5
    compiled, plain = weighted_loss(ansatz, seed=11)
    with precision("complex128"):
        gradient = np.asarray(jax.grad(compiled)(jnp.asarray(params)))
    shifts = step * np.eye(ansatz.n_params)
    expected = [(plain(params + shift) - plain(params - shift)) / (2 * step) for shift in shifts]
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_gradient_of_probabilities_equals_the_shift_rule() -> None:
    # one angle per block: exp(iθP) has the two eigenvalues ±1 of P, so f'(θ) = f(θ + π/4) − f(θ − π/4)
    ansatz, _ = random_ansatz(5, PAIRS, seed=12)
    rng = np.random.default_rng(13)
    active = 15 * np.arange(ansatz.n_blocks) + rng.integers(15, size=ansatz.n_blocks)
    params = np.zeros(ansatz.n_params)
    params[active] = rng.uniform(-np.pi, np.pi, len(active))
    values = rng.normal(size=2**ansatz.n_qubits)
    with precision("complex128"):
        gradient = jax.grad(lambda q: values @ jnp.abs(statevector(ansatz, q, dtype="complex128")) ** 2)(
            jnp.asarray(params)
        )
    for index in active:
        shift = np.pi / 4 * np.eye(ansatz.n_params)[index]
        forward, backward = (values @ np.abs(ansatz.state(params + sign * shift)) ** 2 for sign in (1, -1))
        assert float(gradient[index]) == pytest.approx(forward - backward, abs=1e-12)


def test_memory_of_a_gradient_does_not_grow_with_depth() -> None:
    """Eight times the blocks take less than two states more, where one state a gate would take 40."""
    n_qubits, needed = 19, []
    for n_layers in (1, 8):
        ansatz = Ansatz.linear_chain(n_qubits, n_layers)
        with precision("complex64"):
            plan, fixed = ansatz_plan(ansatz), jnp.asarray(ansatz.fixed.astype(np.complex64))

            def loss(params: jax.Array, plan: FusionPlan = plan, fixed: jax.Array = fixed) -> jax.Array:
                return (jnp.abs(circuit_state(plan, params, fixed)) ** 4).sum()

            compiled = jax.jit(jax.grad(loss)).lower(jnp.zeros(ansatz.n_params, jnp.float32)).compile()
        needed.append(compiled.memory_analysis().temp_size_in_bytes)
    one_state = 8 * 2**n_qubits
    assert needed[0] > 2 * one_state
    assert needed[1] - needed[0] < 2 * one_state


def test_single_precision_gradient_is_close_and_compiles() -> None:
    ansatz, params = random_ansatz(5, PAIRS, seed=14)
    weights = np.random.default_rng(15).normal(size=32)

    def loss(params: jax.Array, dtype: str) -> jax.Array:
        return weights.astype(dtype).real @ jnp.abs(statevector(ansatz, params, dtype=dtype)) ** 2

    single = jax.jit(jax.grad(lambda q: loss(q, "complex64")))(params.astype(np.float32))
    with precision("complex128"):
        double = jax.grad(lambda q: loss(q, "complex128"))(jnp.asarray(params))
    np.testing.assert_allclose(single, double, atol=5e-5)


def test_precision_ends_with_its_context() -> None:
    with precision("complex128"):
        assert jnp.zeros(1).dtype == jnp.float64
    assert jnp.zeros(1).dtype == jnp.float32
    with pytest.raises(InputError, match="complex64 or complex128, received float64"), precision("float64"):
        pass


def test_double_gradient_outside_its_context_is_refused() -> None:
    ansatz = Ansatz.linear_chain(2, 1)
    with pytest.raises(InputError, match="inside precision"):
        jax.grad(lambda q: statevector(ansatz, q, dtype="complex128").real[0])(jnp.zeros(15))


def test_wrong_params_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected shape \(30,\), received \(15,\)"):
        statevector(Ansatz.linear_chain(3, 1), np.zeros(15))


@pytest.mark.parametrize(("n_registers", "size"), [(1, 8), (2, 4), (3, 4)])
def test_psi_is_the_full_contraction(n_registers: int, size: int) -> None:
    rng = np.random.default_rng(16)
    state = rng.normal(size=size**n_registers) + 1j * rng.normal(size=size**n_registers)
    features = rng.normal(size=(7, n_registers, size))
    expected = np.empty(7, dtype=complex)
    for row in range(7):
        tensor = state.reshape((size,) * n_registers)
        for register in range(n_registers):
            tensor = np.tensordot(features[row, register], tensor, axes=1)
        expected[row] = tensor
    np.testing.assert_allclose(psi(state, features), expected, rtol=1e-12)
    np.testing.assert_allclose(log_ratio(state, features), np.log(np.abs(expected) ** 2), rtol=1e-10)
    compiled = log_ratio(jnp.asarray(state.astype(np.complex64)), jnp.asarray(features.astype(np.float32)))
    np.testing.assert_allclose(compiled, np.log(np.abs(expected) ** 2), atol=1e-3)


def test_zero_amplitude_counts_as_the_smallest_number() -> None:
    features = np.array([[[1.0, 0.0]]])
    assert log_ratio(np.array([0.0, 1.0 + 0j]), features)[0] == np.log(np.finfo(float).tiny)


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="features: expected shape"):
        psi(np.ones(8), np.ones((5, 2, 4)))
