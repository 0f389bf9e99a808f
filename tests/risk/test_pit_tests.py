"""Tests on probability integral transforms against SciPy, closed forms, and laws that are wrong on purpose."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from qfin.exceptions import InputError
from qfin.risk import (
    anderson_darling,
    berkowitz,
    kolmogorov_smirnov,
    multinomial_var,
    probability_integral_transform,
)
from qfin.risk.pit import (
    autoregression_ratio,
    cell_probabilities,
    multinomial_null,
    nass_correction,
    pearson_statistic,
    tail_counts,
    tail_null,
    tail_ratio,
)


def test_transform_is_the_place_among_the_draws() -> None:
    draws = np.tile(np.arange(19.0), (3, 1))
    u = probability_integral_transform([-5.0, 9.0, 30.0], draws)
    np.testing.assert_allclose(u, [0.5 / 20, 10.0 / 20, 19.5 / 20])
    rng = np.random.default_rng(0)
    law = stats.norm(rng.standard_normal((400, 1)), 2.0)
    losses = law.rvs(size=(400, 1), random_state=rng)[:, 0]
    u = probability_integral_transform(losses, law.rvs(size=(400, 2000), random_state=rng))
    assert np.abs(u - law.cdf(losses[:, None])[:, 0]).max() < 5 * 0.5 / np.sqrt(2000)


def test_cells_of_the_tail() -> None:
    u = np.array([[0.5, 0.95, 0.951, 0.9749, 0.95 + 0.025, 0.9751, 0.99, 0.999]])
    np.testing.assert_array_equal(tail_counts(u, 0.05, 2), [[2, 3, 3]])
    np.testing.assert_allclose(cell_probabilities(0.05, 2), [0.95, 0.025, 0.025])
    u = np.random.default_rng(2).random(600)
    counts = np.histogram(u, [0.0, 0.95, 0.9625, 0.975, 0.9875, 1.0])[0]
    expected = stats.chisquare(counts, 600 * np.array([0.95, 0.0125, 0.0125, 0.0125, 0.0125]))
    test = multinomial_var(u, 0.95)
    assert test.statistic == pytest.approx(expected.statistic)
    assert test.details["pearson_p_value"] == pytest.approx(expected.pvalue)
    assert test.details["counts"] == " ".join(str(count) for count in counts)


def test_nass_matches_mean_and_variance() -> None:
    n, cells = 250, cell_probabilities(0.025, 4)
    values = multinomial_null(n, 0.025, 4)
    factor, freedom = nass_correction(n, cells)
    error = values.std() / np.sqrt(len(values))
    assert factor * values.mean() == pytest.approx(freedom, abs=5 * factor * error)
    kurtosis = np.mean((values - values.mean()) ** 4) / values.var() ** 2
    assert factor**2 * values.var() == pytest.approx(2 * freedom, rel=5 * np.sqrt((kurtosis - 1) / len(values)))
    assert pearson_statistic(np.array([[250 - 4, 1, 1, 1, 1]]), cells)[0] < 1.0


def test_autoregression_is_least_squares() -> None:
    z = np.random.default_rng(5).standard_normal((1, 200))
    fit = stats.linregress(z[0, :-1], z[0, 1:])
    residual = z[0, 1:] - fit.intercept - fit.slope * z[0, :-1]
    law = stats.norm(0.0, residual.std())
    expected = 2.0 * (law.logpdf(residual).sum() - stats.norm.logpdf(z[0, 1:]).sum())
    assert autoregression_ratio(z)[0] == pytest.approx(expected)


def test_tail_likelihood_is_the_censored_normal() -> None:
    z = np.random.default_rng(6).standard_normal((4, 300)) * 1.2
    cut = stats.norm.ppf(0.975)

    def negative(parameters: np.ndarray, row: np.ndarray) -> float:
        law = stats.norm(parameters[0], np.exp(parameters[1]))
        beyond = row > cut
        return -float(law.logpdf(row[beyond]).sum() + (~beyond).sum() * law.logcdf(cut))

    for row, ratio in zip(z, tail_ratio(z, 0.975), strict=True):
        best = minimize(
            negative, [0.0, 0.0], args=(row,), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11}
        )
        assert ratio == pytest.approx(2.0 * (negative(np.zeros(2), row) - best.fun), abs=1e-6)
    nothing = np.full((1, 300), -1.0)
    assert tail_ratio(nothing, 0.975)[0] == pytest.approx(-600 * np.log(0.975))
    assert np.isfinite(tail_null(250, 0.975)).all()


def test_right_laws_pass_and_wrong_ones_do_not() -> None:
    rng = np.random.default_rng(7)
    right = rng.random(1000)
    heavy = stats.norm.cdf(stats.t(3).rvs(size=1000, random_state=rng)).clip(1e-12, 1.0 - 1e-12)
    for test in (multinomial_var, berkowitz):
        assert not test(right, 0.975).reject
        assert test(heavy, 0.975).reject
    assert not berkowitz(right, 0.975, tail_only=True).reject
    assert berkowitz(heavy, 0.975, tail_only=True).reject
    for uniformity in (kolmogorov_smirnov, anderson_darling):
        assert not uniformity(right).reject
        assert uniformity(right**1.5).reject
    # A law wrong in the body alone is no concern of the tail test.
    body = np.where(right < 0.9, 0.9 * (right / 0.9) ** 3, right)
    assert berkowitz(body, 0.975).reject
    assert not berkowitz(body, 0.975, tail_only=True).reject


def test_uniformity_statistics_are_those_of_scipy() -> None:
    u = np.random.default_rng(9).random(150) ** 1.1
    fit = stats.goodness_of_fit(
        stats.uniform, u, known_params={"loc": 0, "scale": 1}, statistic="ad", n_mc_samples=2000, rng=1
    )
    test = anderson_darling(u)
    assert test.statistic == pytest.approx(fit.statistic)
    assert test.p_value == pytest.approx(fit.pvalue, abs=5 * np.sqrt(0.25 / 2000))
    assert kolmogorov_smirnov(u).p_value == pytest.approx(stats.kstest(u, "uniform").pvalue)


def test_wrong_transforms_are_refused() -> None:
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        kolmogorov_smirnov([0.5, 1.0])
    with pytest.raises(InputError, match="n_levels"):
        multinomial_var([0.5, 0.6], 0.975, n_levels=0)
    with pytest.raises(InputError, match="at least 19 draws"):
        probability_integral_transform([1.0, 2.0], np.ones((2, 5)))
