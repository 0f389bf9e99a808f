"""Decoding against the exact law of decoded values, and that law against the density it stands for."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite, hermite_functions
from qfin.born.decoding import cell_edges, decode_nodes, sample_circuit
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, StatevectorCircuitSampler, to_qiskit

GRID = np.linspace(-6.0, 6.0, 2001)


def shares_below(y: np.ndarray, n_nodes: int) -> np.ndarray:
    """Share of each cell's mass at or below y, shape (n, n_nodes); cells above 0 are measured from the right."""
    edges = cell_edges(n_nodes)
    lower, upper, y = edges[:-1], edges[1:], np.clip(y[:, None], edges[:-1], edges[1:])
    from_left = (ndtr(y) - ndtr(lower)) / (ndtr(upper) - ndtr(lower) + (lower >= 0.0))
    from_right = (ndtr(-lower) - ndtr(-y)) / (ndtr(-lower) - ndtr(-upper) + (lower < 0.0))
    return np.where(lower < 0.0, from_left, from_right)


def decoded_cdf(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """P(decoded ≤ y) for the probabilities of a register's nodes: a cell fills up as the normal law within it."""
    return shares_below(y, len(probabilities)) @ probabilities


@pytest.mark.parametrize("n_nodes", [2, 3, 8, 16, 32, 64])
def test_cells_hold_their_node_and_its_weight(n_nodes: int) -> None:
    nodes, weights = gauss_hermite(n_nodes)
    edges = cell_edges(n_nodes)
    assert (edges[:-1] < nodes).all()
    assert (nodes < edges[1:]).all()
    np.testing.assert_allclose(edges, -edges[::-1], atol=1e-12)
    lower = slice(0, n_nodes // 2)
    np.testing.assert_allclose(ndtr(edges[1:][lower]) - ndtr(edges[:-1][lower]), weights[lower], rtol=1e-9)


@pytest.mark.parametrize("n_nodes", [7, 8, 64])
def test_values_lie_in_the_cell_and_are_finite(n_nodes: int) -> None:
    nodes = np.repeat(np.arange(n_nodes), 500).reshape(-1, 5)
    y = decode_nodes(nodes, n_nodes, rng=1)
    assert y.shape == nodes.shape
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(np.searchsorted(cell_edges(n_nodes), y) - 1, nodes)


@pytest.mark.parametrize("n_nodes", [5, 8, 16])
def test_decoded_values_follow_the_analytic_law(n_nodes: int) -> None:
    rng, n = np.random.default_rng(4), 40_000
    probabilities = rng.dirichlet(np.ones(n_nodes))
    y = np.sort(decode_nodes(rng.choice(n_nodes, n, p=probabilities), n_nodes, rng=rng))
    expected = decoded_cdf(probabilities, GRID)
    empirical = np.searchsorted(y, GRID, side="right") / n
    assert (np.abs(empirical - expected) <= 5.0 * np.sqrt(expected * (1.0 - expected) / n) + 1e-12).all()


@pytest.mark.parametrize("n_nodes", [4, 8, 32])
def test_the_classical_model_is_decoded_exactly(n_nodes: int) -> None:
    # |0…0⟩ gives node j with probability ω_j
    np.testing.assert_allclose(decoded_cdf(gauss_hermite(n_nodes)[1], GRID), ndtr(GRID), atol=1e-12)
    rng = np.random.default_rng(2)
    y = decode_nodes(rng.choice(n_nodes, 200_000, p=gauss_hermite(n_nodes)[1]), n_nodes, rng=rng)
    for tail in (np.mean(y < norm.ppf(1e-3)), np.mean(y > norm.ppf(1.0 - 1e-3))):
        assert abs(tail - 1e-3) <= 5.0 * np.sqrt(1e-3 / len(y))


def correlated_coefficients(correlation: float, n_functions: int) -> np.ndarray:
    """The state of two registers whose |Ψ|² is a Gaussian copula's density ratio, up to the K functions kept."""
    y, weights = gauss_hermite(60)
    quadratic = correlation**2 * (y[:, None] ** 2 + y**2) - 2.0 * correlation * y[:, None] * y
    root = np.exp(-quadratic / (4.0 * (1.0 - correlation**2)))
    features = hermite_functions(y, n_functions) * weights[:, None]
    coefficients = features.T @ root @ features
    return coefficients / np.linalg.norm(coefficients)


def skewed_coefficients() -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((8, 8)) * 0.6 ** np.add.outer(np.arange(8), np.arange(8))
    coefficients = 0.2 * noise
    coefficients[0, 0] += 1.0
    return coefficients / np.linalg.norm(coefficients)


def test_the_law_of_decoded_values_approaches_the_density_as_registers_grow() -> None:
    basis, coefficients = HermiteBasis(8), skewed_coefficients()
    reduced = coefficients @ coefficients.T
    exact = np.einsum("kl,nkl->n", reduced, basis.gram(np.full_like(GRID, -np.inf), GRID))
    distances = []
    for n_extra in range(4):
        transform = basis.transform(8 * 2**n_extra)
        probabilities = np.einsum("jk,kl,jl->j", transform, reduced, transform)
        distances.append(np.abs(decoded_cdf(probabilities, GRID) - exact).max())
    assert distances[0] < 0.02
    assert all(finer < 0.8 * coarser for coarser, finer in pairwise(distances))


def test_dependence_lost_inside_the_cells_returns_as_registers_grow() -> None:
    coefficients, correlations = correlated_coefficients(0.5, 8), []
    for n_nodes in (8, 16, 32, 64):
        edges, weights = cell_edges(n_nodes), gauss_hermite(n_nodes)[1]
        means = -np.diff(norm.pdf(edges)) / weights  # of the normal law within each cell
        transform = HermiteBasis(8).transform(n_nodes)
        joint = (transform @ coefficients @ transform.T) ** 2
        correlations.append(means @ joint @ means)
    np.testing.assert_allclose(correlations, [0.451, 0.474, 0.486, 0.493], atol=0.002)


@pytest.mark.parametrize("n_nodes", [4, 8, 32])
def test_squared_cardinal_functions_have_variance_one_on_every_grid(n_nodes: int) -> None:
    # why they are not what a node is decoded to
    nodes, _ = gauss_hermite(n_nodes)
    y, weights = gauss_hermite(2 * n_nodes)
    cardinal = hermite_functions(y, n_nodes) @ HermiteBasis(n_nodes).transform().T
    density = weights[:, None] * cardinal**2
    np.testing.assert_allclose(density.sum(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose((density * (y[:, None] - nodes) ** 2).sum(axis=0), 1.0, rtol=1e-8)


@pytest.mark.parametrize("n_extra", [0, 1])
def test_shots_of_a_circuit_follow_the_decoded_law(n_extra: int) -> None:
    blocks = Ansatz.identity(4, np.array([[0, 1], [2, 3], [1, 2], [0, 3]]))
    ansatz = blocks.absorbed(0.4 * np.random.default_rng(6).standard_normal(blocks.n_params))
    basis, n = HermiteBasis(4), 20_000
    y = sample_circuit(to_qiskit(ansatz), basis, 2, n, sampler=StatevectorCircuitSampler(), n_extra=n_extra, rng=8)
    assert y.shape == (n, 2)
    transform = basis.transform(4 * 2**n_extra)
    joint = np.abs(transform @ ansatz.state().reshape(4, 4) @ transform.T) ** 2
    assert np.abs(joint.sum(axis=1) - joint.sum(axis=0)).max() > 0.02
    for register in range(2):
        expected = decoded_cdf(joint.sum(axis=1 - register), GRID)
        empirical = np.searchsorted(np.sort(y[:, register]), GRID, side="right") / n
        assert (np.abs(empirical - expected) <= 5.0 * np.sqrt(expected * (1.0 - expected) / n) + 1e-12).all()
    both = (y < -0.5).all(axis=1).mean()
    share = shares_below(np.array([-0.5]), len(transform))[0]
    expected_both = share @ joint @ share
    assert abs(both - expected_both) <= 5.0 * np.sqrt(expected_both * (1.0 - expected_both) / n)


def test_draws_depend_on_the_generator_alone() -> None:
    nodes = np.arange(8)
    np.testing.assert_array_equal(decode_nodes(nodes, 8, rng=3), decode_nodes(nodes, 8, rng=3))
    generator = np.random.default_rng(3)
    assert (decode_nodes(nodes, 8, rng=generator) != decode_nodes(nodes, 8, rng=generator)).all()


@pytest.mark.parametrize("nodes", [[0, 8], [-1, 2], [0.5, 1.0]])
def test_nodes_off_the_grid_are_refused(nodes: list[float]) -> None:
    with pytest.raises(InputError, match=r"nodes: expected integers 0 … 7, received"):
        decode_nodes(nodes, 8)
