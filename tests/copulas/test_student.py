"""Student-t tables against scipy, and the Student-t vine built on them against pyvinecopulib."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from qfin.copulas import StudentTCopula, VineCopula
from qfin.copulas.student import normal_score, t_distribution, t_quantile, t_score
from qfin.copulas.student_vine import inverse_rosenblatt, student_pairs

DEGREES = (2.0, 2.1, 3.0, 4.7, 22.5, 60.0, 300.0)


@pytest.mark.parametrize("degrees", DEGREES)
def test_quantiles_and_distribution_equal_scipy(degrees: float) -> None:
    """From the middle to beyond the end of the tables, at a billionth of a billionth of a percent."""
    y = np.random.default_rng(0).uniform(-12.0, 0.0, 20_000)
    u = ndtr(y)
    z = stdtrit(degrees, u)
    np.testing.assert_allclose(t_quantile(u, degrees), z, rtol=1e-10)
    np.testing.assert_allclose(t_distribution(z, degrees), stdtr(degrees, z), rtol=1e-10)
    np.testing.assert_allclose(normal_score(t_score(y, degrees), degrees), y, rtol=1e-10)
    # Above the middle by symmetry; u there has lost its tail to rounding.
    np.testing.assert_allclose(t_quantile(1.0 - u, degrees), -t_quantile(1.0 - (1.0 - u), degrees), rtol=1e-9)


def test_each_column_has_its_own_degrees() -> None:
    u, degrees = np.random.default_rng(1).random((9_000, 3)), np.array([3.0, 5.5, 40.0])
    z = t_quantile(u, degrees)
    np.testing.assert_allclose(z, stdtrit(degrees, u), rtol=1e-9)
    np.testing.assert_allclose(t_distribution(z, degrees), u, rtol=1e-9)
    assert t_quantile(u[:0], degrees).shape == (0, 3)
    assert t_distribution(u[:0], 4.0).shape == (0, 3)


@pytest.fixture(scope="module")
def observations() -> np.ndarray:
    correlation = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    correlation[4, :4] = correlation[:4, 4] = 0.0
    copula = StudentTCopula.from_arrays({"correlation": correlation, "degrees_of_freedom": np.array(5.0)})
    return copula.sample(1_500, rng=2)


@pytest.mark.parametrize("truncation_level", [None, 2])
def test_the_vine_equals_that_of_pyvinecopulib(observations: np.ndarray, truncation_level: int | None) -> None:
    copula = VineCopula("student", truncation_level).fit(observations)
    pairs = student_pairs(copula.vine_)
    assert pairs is not None
    assert [len(tree) for tree in pairs] == [4, 3, 2, 1][:truncation_level]
    w = np.random.default_rng(3).random((9_000, 5))
    expected = copula.vine_.inverse_rosenblatt(np.asfortranarray(w))
    np.testing.assert_allclose(inverse_rosenblatt(copula.vine_, pairs, w), expected, atol=1e-9)
    np.testing.assert_array_equal(copula.inverse_rosenblatt(w), inverse_rosenblatt(copula.vine_, pairs, w))


def test_independent_pairs_leave_scores_alone() -> None:
    copula = VineCopula("student").fit(np.random.default_rng(4).random((800, 3)))
    assert student_pairs(copula.vine_) is not None
    w = ndtr(np.random.default_rng(5).standard_normal((50, 3)))
    expected = copula.vine_.inverse_rosenblatt(np.asfortranarray(w))
    np.testing.assert_allclose(ndtri(copula.inverse_rosenblatt(w)), ndtri(expected), atol=1e-9)


def test_other_families_are_left_to_pyvinecopulib(observations: np.ndarray) -> None:
    assert student_pairs(VineCopula("tll").fit(observations[:300, :2]).vine_) is None
