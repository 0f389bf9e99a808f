"""The generalised Pareto law against scipy's, and its fit against known parameters."""

import numpy as np
import pytest
from scipy import optimize, stats

from qfin.exceptions import InputError
from qfin.marginals.gpd import (
    MAX_SHAPE,
    MIN_SHAPE,
    _mean_loss,
    fit_gpd,
    gpd_inverse_survival,
    gpd_logpdf,
    gpd_survival,
)


@pytest.mark.parametrize("shape", [1e-8, 0.1, 0.45])
def test_law_equals_scipy(shape: float) -> None:
    law, z = stats.genpareto(shape, scale=0.7), np.array([1e-9, 0.2, 3.0, 40.0])
    np.testing.assert_allclose(gpd_survival(z, shape, 0.7), law.sf(z), rtol=1e-6)
    np.testing.assert_allclose(gpd_logpdf(z, shape, 0.7), law.logpdf(z), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(gpd_inverse_survival(law.sf(z), shape, 0.7), z, rtol=1e-6, atol=1e-12)


def test_gradient_equals_finite_difference() -> None:
    z = np.random.default_rng(1).exponential(size=50)
    for point in ([0.3, 0.2], [-0.5, 0.45], [0.0, 0.01]):
        numeric = optimize.approx_fprime(np.array(point), lambda p: _mean_loss(p, z)[0], 1e-7)
        np.testing.assert_allclose(_mean_loss(np.array(point), z)[1], numeric, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_fit_is_the_maximum_of_scipys_likelihood(seed: int) -> None:
    z = stats.genpareto.rvs(0.2, scale=0.01, size=400, random_state=np.random.default_rng(seed))
    shape, scale = fit_gpd(z)
    best_shape, _, best_scale = stats.genpareto.fit(z, floc=0.0)
    assert MIN_SHAPE < best_shape < MAX_SHAPE
    assert shape == pytest.approx(best_shape, abs=1e-3)
    assert scale == pytest.approx(best_scale, rel=1e-3)
    assert gpd_logpdf(z, shape, scale).sum() >= stats.genpareto.logpdf(z, best_shape, scale=best_scale).sum() - 1e-6


def test_fit_finds_the_parameters_of_a_large_sample() -> None:
    n, shape, scale = 40_000, 0.25, 0.02
    found = fit_gpd(stats.genpareto.rvs(shape, scale=scale, size=n, random_state=np.random.default_rng(3)))
    # Asymptotic covariance of the maximum-likelihood estimate (Smith 1987).
    assert abs(found[0] - shape) < 5 * (1 + shape) / np.sqrt(n)
    assert abs(found[1] - scale) < 5 * scale * np.sqrt(2 * (1 + shape) / n)


def test_a_tail_with_an_end_is_fitted_as_exponential() -> None:
    z = np.random.default_rng(4).uniform(0.0, 2.0, size=500)
    shape, scale = fit_gpd(z)
    assert shape == pytest.approx(MIN_SHAPE, abs=1e-7)
    assert scale == pytest.approx(z.mean(), rel=1e-4)


def test_a_tail_without_variance_is_held_at_the_bound() -> None:
    z = stats.genpareto.rvs(1.2, size=500, random_state=np.random.default_rng(5))
    assert fit_gpd(z)[0] == MAX_SHAPE


@pytest.mark.parametrize("excesses", [[], [1.0, 0.0], [1.0, np.nan], [[1.0]]])
def test_wrong_excesses_are_refused(excesses: list[float]) -> None:
    with pytest.raises(InputError, match="finite positive"):
        fit_gpd(excesses)
