"""The sliding window against the full state vector, differences and, on wide circuits, against itself mirrored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qfin.basis import HermiteBasis
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, ry_cz_ansatz
from qfin.quantum.engine import log_ratio, precision, psi
from qfin.quantum.window import feature_sites, window_log_ratio, window_plan, window_psi, window_width

PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (5, 2)]


def random_ansatz(n_qubits: int, pairs: list[tuple[int, int]], seed: int) -> tuple[Ansatz, np.ndarray]:
    rng = np.random.default_rng(seed)
    ansatz = Ansatz.identity(n_qubits, pairs)
    return ansatz.absorbed(rng.normal(size=ansatz.n_params)), rng.uniform(-1.0, 1.0, ansatz.n_params)


def random_features(n: int, n_registers: int, size: int, seed: int) -> np.ndarray:
    return HermiteBasis(size).features(np.random.default_rng(seed).normal(size=(n, n_registers)))


@pytest.mark.parametrize("size", [2, 8, 64])
def test_psi_is_that_of_the_state_vector(size: int) -> None:
    n_registers = 6 // (size.bit_length() - 1)
    ansatz, params = random_ansatz(6, PAIRS, seed=1)
    features = random_features(70, n_registers, size, seed=2)
    found, scale = window_psi(ansatz, params, features, dtype="complex128")
    expected = psi(ansatz.state(params), features)
    np.testing.assert_allclose(np.asarray(found) * np.exp(scale), expected, atol=1e-12 * np.abs(expected).max())


def test_qubits_may_leave_in_any_order_of_registers() -> None:
    up = Ansatz.identity(6, 5 - Ansatz.linear_chain(6, 2).pairs)
    assert [qubit for qubit in window_plan(up, 2).leaving.tolist() if qubit >= 0] == [4, 5, 0, 1, 2, 3]
    features = random_features(3, 3, 4, seed=3)
    params = np.random.default_rng(4).normal(size=up.n_params)
    found = window_log_ratio(up, params, features, dtype="complex128")
    np.testing.assert_allclose(np.asarray(found), log_ratio(up.state(params), features), atol=1e-11)


def test_width_is_layers_plus_one_and_a_register_more_for_a_distant_gate() -> None:
    for n_layers in (1, 4, 8):
        assert [window_width(Ansatz.linear_chain(60, n_layers), m) for m in (1, 3)] == [n_layers + 1] * 2
    distant = Ansatz.linear_chain(60, 4).extended([(10, 40)])
    assert [window_width(distant, m) for m in (1, 3)] == [6, 8]


def test_gradient_equals_central_differences_with_some_angles_active() -> None:
    active = np.random.default_rng(5).random((len(PAIRS), 15)) < 0.3
    full, _ = random_ansatz(6, PAIRS, seed=6)
    ansatz = Ansatz(6, full.pairs, full.fixed, active)
    params = np.random.default_rng(7).normal(size=ansatz.n_params)
    features = random_features(9, 2, 8, seed=8)
    with precision("complex128"):
        gradient = np.asarray(
            jax.grad(lambda q: window_log_ratio(ansatz, q, features, dtype="complex128").mean())(jnp.asarray(params))
        )
    shifts = 1e-5 * np.eye(ansatz.n_params)
    means = [
        [log_ratio(ansatz.state(params + sign * shift), features).mean() for shift in shifts] for sign in (1.0, -1.0)
    ]
    np.testing.assert_allclose(gradient, (np.array(means[0]) - means[1]) / 2e-5, atol=1e-7)


def test_forty_qubits_factor_where_the_circuit_does() -> None:
    # two circuits of 20 qubits side by side: Ψ is the product, each checked by its own state vector at 2 × 10 qubits
    rng = np.random.default_rng(9)
    part = Ansatz.linear_chain(10, 2)
    part = part.absorbed(0.4 * rng.normal(size=part.n_params))
    pairs = np.concatenate([part.pairs + 10 * i for i in range(4)])
    wide = Ansatz(40, pairs, np.tile(part.fixed, (4, 1, 1)))
    features = random_features(5, 20, 4, seed=10)
    found = np.asarray(window_log_ratio(wide, np.zeros(wide.n_params), features, dtype="complex128"))
    pieces = [log_ratio(part.state(), features[:, 5 * i : 5 * (i + 1)]) for i in range(4)]
    np.testing.assert_allclose(found, np.sum(pieces, axis=0), atol=1e-10)


def test_single_precision_is_close_where_features_are_large() -> None:
    ansatz = ry_cz_ansatz(12, 2)
    params = np.random.default_rng(11).normal(size=ansatz.n_params)
    features = 1e12 * random_features(4, 4, 8, seed=12)  # the product of four overflows single precision
    found = np.asarray(window_log_ratio(ansatz, params, features))
    np.testing.assert_allclose(found, log_ratio(ansatz.state(params), features), rtol=1e-4)
    assert found.dtype == np.float32


def test_observations_as_chains_are_their_products() -> None:
    features = random_features(3, 2, 16, seed=13)
    sites, scale = feature_sites(features, 8)
    chain = np.ones((3, 1, 1))
    for site in sites:
        left = chain.shape[2]
        site = site[:left]
        chain = np.einsum("nxl,lbrn->nxbr", chain, site).reshape(3, -1, site.shape[2])
    dense = np.exp(scale)[:, None] * chain[:, :, 0]
    expected = np.einsum("na,nb->nab", features[:, 0], features[:, 1]).reshape(3, -1)
    np.testing.assert_allclose(dense, expected, atol=1e-12 * np.abs(expected).max())


def test_wrong_input_is_refused() -> None:
    ansatz = Ansatz.linear_chain(6, 1)
    features = random_features(2, 2, 8, seed=14)
    with pytest.raises(InputError, match=r"params: expected shape \(75,\), received \(74,\)"):
        window_psi(ansatz, np.zeros(74), features)
    with pytest.raises(InputError, match=r"d·m = 6 qubits, received shape \(2, 1, 8\)"):
        window_psi(ansatz, np.zeros(75), features[:, :1])
    with pytest.raises(InputError, match="other than zero"):
        window_psi(ansatz, np.zeros(75), np.zeros((2, 2, 8)))
    with pytest.raises(InputError, match="at most 18 qubits alive at a time, received 20"):
        window_plan(Ansatz.linear_chain(60, 19), 3)
    with pytest.raises(InputError, match="at least one block"):
        window_plan(Ansatz.identity(6, []), 3)
    with pytest.raises(InputError, match="inside precision"):
        jax.grad(lambda q: window_psi(ansatz, q, features, dtype="complex128")[0].real.sum())(jnp.zeros(75))
