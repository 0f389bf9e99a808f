"""Hermite functions against quadrature and their own orthogonality."""

import numpy as np
import pytest
from scipy import integrate

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite, hermite_functions, integrals_below, normal_density, product_coefficients
from qfin.exceptions import InputError


def test_first_functions_are_the_known_polynomials() -> None:
    y = np.array([-2.0, 0.3, 1.7])
    values = hermite_functions(y, 4)
    expected = np.stack([np.ones(3), y, (y**2 - 1) / np.sqrt(2), (y**3 - 3 * y) / np.sqrt(6)], axis=-1)
    np.testing.assert_allclose(values, expected, rtol=1e-13)


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, -1.2), (-0.4, 0.9), (1.5, np.inf), (-np.inf, np.inf)])
def test_gram_matrix_equals_quadrature(lower: float, upper: float) -> None:
    gram = HermiteBasis(5).gram(lower, upper)
    for k in range(5):
        for j in range(5):

            def integrand(t: float, k: int = k, j: int = j) -> float:
                h = hermite_functions(t, 5)
                return float(h[k] * h[j] * normal_density(t))

            expected = integrate.quad(integrand, lower, upper, epsabs=1e-12)[0]
            assert gram[k, j] == pytest.approx(expected, abs=1e-9)


def test_gram_over_the_whole_line_is_the_identity() -> None:
    np.testing.assert_allclose(HermiteBasis(8).gram(-np.inf, np.inf), np.eye(8), atol=1e-12)


def test_products_linearise() -> None:
    y = np.linspace(-3, 3, 11)
    h = hermite_functions(y, 4)
    direct = np.einsum("nk,nl->nkl", h, h)
    linear = np.einsum("klm,nm->nkl", product_coefficients(4), hermite_functions(y, 7))
    np.testing.assert_allclose(direct, linear, atol=1e-10)


def test_integrals_have_the_functions_as_derivative() -> None:
    y, step = np.linspace(-2, 2, 9), 1e-5
    slope = (integrals_below(y + step, 6) - integrals_below(y - step, 6)) / (2 * step)
    np.testing.assert_allclose(slope, hermite_functions(y, 6) * normal_density(y)[:, None], atol=1e-8)


@pytest.mark.parametrize("n_nodes", [8, 16, 32])
def test_transform_is_an_isometry(n_nodes: int) -> None:
    transform = HermiteBasis(8).transform(n_nodes)
    np.testing.assert_allclose(transform.T @ transform, np.eye(8), atol=1e-10)


def test_quadrature_reproduces_normal_moments() -> None:
    nodes, weights = gauss_hermite(8)
    np.testing.assert_allclose([weights @ nodes**p for p in (0, 2, 4, 6)], [1, 1, 3, 15], rtol=1e-12)


def test_too_few_nodes_and_functions_are_refused() -> None:
    with pytest.raises(InputError, match="at least n_functions = 8"):
        HermiteBasis(8).transform(4)
    with pytest.raises(InputError, match="expected 1 to 64"):
        HermiteBasis(0)
