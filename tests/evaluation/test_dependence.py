"""Kendall's tau, tail dependence and margins against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr, ndtri

from qfin.evaluation import (
    kendall_error,
    kendall_matrix,
    margin_deviation,
    tail_dependence,
    tail_dependence_error,
)
from qfin.exceptions import InputError

CORRELATION = np.array([[1.0, 0.7, -0.3], [0.7, 1.0, 0.1], [-0.3, 0.1, 1.0]])


def gaussian_draws(n_samples: int, seed: int) -> np.ndarray:
    return ndtr(np.random.default_rng(seed).standard_normal((n_samples, 3)) @ np.linalg.cholesky(CORRELATION).T)


def test_tau_of_a_gaussian_copula() -> None:
    n = 20_000
    found = kendall_matrix(gaussian_draws(n, 0))
    # Var(tau) <= 2/n (1 − tau²) (Kendall 1949): a bound for the standard error.
    expected = 2 / np.pi * np.arcsin(CORRELATION)
    assert (np.abs(found - expected) <= 5 * np.sqrt(2 / n * (1 - expected**2))).all()


def test_tau_counts_concordant_pairs() -> None:
    u = np.random.default_rng(1).uniform(size=(60, 2))
    i, j = np.triu_indices(60, k=1)
    signs = np.sign((u[i, 0] - u[j, 0]) * (u[i, 1] - u[j, 1]))
    assert kendall_matrix(u)[0, 1] == pytest.approx(signs.mean())


def test_many_rows_are_thinned_evenly() -> None:
    u = gaussian_draws(1000, 2)
    np.testing.assert_array_equal(
        kendall_matrix(u, max_rows=500), kendall_matrix(u[np.linspace(0, 999, 500).round().astype(int)])
    )


def test_kendall_error_is_the_mean_gap_over_pairs() -> None:
    u, independent = gaussian_draws(20_000, 3), np.random.default_rng(4).uniform(size=(20_000, 3))
    gap = np.abs(2 / np.pi * np.arcsin(CORRELATION))[np.triu_indices(3, k=1)].mean()
    assert kendall_error(independent, u) == pytest.approx(gap, abs=5 * np.sqrt(2 * 2 / 20_000))
    assert kendall_error(u, u) == 0.0


@pytest.mark.parametrize("q", [0.01, 0.05, 0.2])
def test_tail_dependence_of_known_copulas(q: float) -> None:
    n = 200_000
    u = gaussian_draws(n, 5)
    for tail in tail_dependence(np.random.default_rng(6).uniform(size=(n, 2)), q):
        assert tail[0, 1] == pytest.approx(q, abs=5 * np.sqrt(q**2 * (1 - q**2) / n) / q)  # independence
    for tail in tail_dependence(np.column_stack([u[:, 0], u[:, 0], 1 - u[:, 0]]), q):
        assert tail[0, 1] == tail[0, 0] == pytest.approx(1.0, abs=5 * np.sqrt((1 - q) / (n * q)))
        assert tail[0, 2] == 0.0  # countermonotone
    joint = stats.multivariate_normal(cov=CORRELATION[:2, :2]).cdf([ndtri(q), ndtri(q)])
    for tail in tail_dependence(u, q):
        assert tail[0, 1] == pytest.approx(joint / q, abs=5 * np.sqrt(joint * (1 - joint) / n) / q)
        np.testing.assert_array_equal(tail, tail.T)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), q=st.floats(0.02, 0.5))
def test_reflection_swaps_the_tails_and_order_of_assets_does_not_matter(seed: int, q: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.001, 0.999, size=(2, 80, 4))
    lower, upper = tail_dependence(a, q)
    reflected_lower, reflected_upper = tail_dependence(1.0 - a, q)
    np.testing.assert_allclose(lower, reflected_upper)
    np.testing.assert_allclose(upper, reflected_lower)
    order = rng.permutation(4)
    assert tail_dependence_error(a[:, order], b[:, order], q) == pytest.approx(tail_dependence_error(a, b, q))
    assert kendall_error(a[:, order], b[:, order]) == pytest.approx(kendall_error(b, a))
    assert tail_dependence_error(a, a, q) == 0.0


def test_margin_deviation_is_the_largest_kolmogorov_distance() -> None:
    u = np.random.default_rng(8).uniform(size=(500, 3)) ** np.array([1.0, 1.3, 0.9])
    expected = max(stats.kstest(column, "uniform").statistic for column in u.T)
    assert margin_deviation(u) == pytest.approx(expected, abs=1e-14)
    assert margin_deviation(1.0 - u) == pytest.approx(expected, abs=1e-14)
    assert margin_deviation((np.arange(100) + 0.5)[:, None] / 100) == pytest.approx(0.005)


def test_wrong_input_is_refused() -> None:
    u = gaussian_draws(50, 9)
    with pytest.raises(InputError, match="tail_probability"):
        tail_dependence(u, 0.95)
    with pytest.raises(InputError, match="u_model: expected 3 columns, received 2"):
        kendall_error(u[:, :2], u)
    with pytest.raises(InputError, match="u_model: expected 3 columns, received 2"):
        tail_dependence_error(u[:, :2], u)
    with pytest.raises(InputError, match="at least 2 columns"):
        kendall_error(u[:, :1], u[:, :1])
    with pytest.raises(InputError, match="strictly between"):
        margin_deviation(np.ones((3, 1)))
