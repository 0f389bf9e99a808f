"""Tests of expected shortfall: statistics by hand, null laws by simulation, and forecasts that are wrong on purpose."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from qfin.exceptions import InputError
from qfin.risk import (
    acerbi_szekely_minimal_bias,
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    acerbi_szekely_z3,
    expected_shortfall_regression,
    nolde_ziegel,
)
from qfin.risk._joint_regression import joint_regression
from qfin.risk.calibration import calibration_statistic, regression_statistic
from qfin.risk.shortfall_tests import minimal_bias_statistic, z2_statistic, z3_statistic

LEVEL, TAIL = 0.975, 0.025
VAR = float(stats.norm.ppf(LEVEL))
ES = float(stats.norm.pdf(VAR)) / TAIL


def market(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Losses with a scale that moves, and that scale."""
    rng = np.random.default_rng(seed)
    scale = np.exp(0.5 * np.sin(np.arange(n) / 40.0) + 0.1 * rng.standard_normal(n))
    return scale * rng.standard_normal(n), scale, rng


def test_statistics_by_hand() -> None:
    losses = np.zeros(40)
    losses[[3, 7]] = 4.0, 2.0
    z1 = acerbi_szekely_z1(losses, 1.0, 2.0, 0.95)
    z2 = acerbi_szekely_z2(losses, 1.0, 2.0, 0.95)
    assert z1.statistic == pytest.approx(1.0 - (2.0 + 1.0) / 2.0)
    assert z2.statistic == pytest.approx(1.0 - 3.0 / (40 * 0.05))
    assert z2.details["exceedances"] == 2
    assert z2.details["zone"] is None
    none = acerbi_szekely_z1(np.zeros(40), 1.0, 2.0, 0.95)
    assert (none.statistic, none.p_value) == (0.0, 1.0)
    # A loss equal to the VaR is no exceedance.
    assert acerbi_szekely_z2(np.ones(40), 1.0, 2.0, 0.95).statistic == 1.0


def test_minimal_bias_is_hardly_moved_by_the_var() -> None:
    losses = np.zeros(40)
    losses[[3, 7]] = 4.0, 2.0
    test = acerbi_szekely_minimal_bias(losses, 1.0, 2.0, 0.95)
    assert test.statistic == pytest.approx(1.0 - (1.0 + (3.0 + 1.0) / (40 * 0.05)) / 2.0)
    many = np.random.default_rng(2).standard_normal(200_000)
    right = minimal_bias_statistic(many, VAR, ES, TAIL)
    assert abs(minimal_bias_statistic(many, 0.95 * VAR, ES, TAIL) - right) < 0.01
    assert abs(z2_statistic(many, 0.95 * VAR, ES, TAIL)) > 0.15
    assert minimal_bias_statistic(many, 0.9 * VAR, 0.9 * ES, TAIL) == pytest.approx(-0.11, abs=0.03)


def test_zones_at_250_days() -> None:
    for count, zone in ((10, "green"), (11, "yellow"), (18, "red")):
        losses = np.where(np.arange(250) < count, ES, 0.0)
        assert acerbi_szekely_z2(losses, VAR, ES, LEVEL).details["zone"] == zone


def test_own_null_agrees_with_the_normal_one_for_a_normal_model() -> None:
    losses, scale, rng = market(250, 1)
    draws = scale[:, None] * rng.standard_normal((250, 4000))
    for test in (acerbi_szekely_z1, acerbi_szekely_z2, acerbi_szekely_minimal_bias):
        own = test(losses, VAR * scale, ES * scale, LEVEL, draws=draws)
        table = test(losses, VAR * scale, ES * scale, LEVEL)
        assert own.statistic == table.statistic
        assert own.details["null_law"] != table.details["null_law"]
        assert own.p_value == pytest.approx(table.p_value, abs=5 * np.sqrt(0.25 / 4000))


def test_z3_denominator_is_the_expected_mean_of_the_largest() -> None:
    rng = np.random.default_rng(3)
    grid = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)[None, :]
    values = z3_statistic(rng.random((4000, 200)), grid, TAIL)
    assert values.mean() == pytest.approx(0.0, abs=5 * values.std() / np.sqrt(4000))
    losses = rng.standard_normal((1, 200))
    top = np.sort(losses[0])[-5:].mean()
    expected = np.sort(rng.standard_normal((20_000, 200)), axis=1)[:, -5:].mean(axis=1)
    error = expected.std() / np.sqrt(20_000)
    assert z3_statistic(stats.norm.cdf(losses), grid, TAIL)[0] == pytest.approx(
        1.0 - top / expected.mean(), abs=5 * error + 2e-3
    )


def test_each_day_has_its_own_law_in_z3() -> None:
    losses, scale, rng = market(120, 4)
    grid = stats.norm.ppf((np.arange(500) + 0.5) / 500)
    same = z3_statistic(stats.norm.cdf(losses / scale)[None, :], grid[None, :], TAIL)
    each = z3_statistic(stats.norm.cdf(losses / scale)[None, :], scale[:, None] * grid, TAIL)
    np.testing.assert_allclose(same, each)
    draws = scale[:, None] * rng.standard_normal((120, 500))
    assert not acerbi_szekely_z3(losses, 0.0, 1.0, LEVEL, draws=draws).reject
    assert acerbi_szekely_z3(3.0 * losses, 0.0, 1.0, LEVEL, draws=draws).reject


def test_calibration_by_hand() -> None:
    losses, scale, _ = market(300, 5)
    var, es = VAR * scale, ES * scale
    instruments = np.column_stack([np.ones(300), 1.0 / scale])
    for columns in (np.ones((300, 1)), instruments):
        v = np.column_stack([(losses > var) - TAIL, es - var - np.maximum(losses - var, 0.0) / TAIL])
        z = np.concatenate([v[:, [0]] * columns, v[:, [1]] * columns], axis=1)
        mean, omega = z.mean(axis=0), z.T @ z / 300
        test = nolde_ziegel(losses, var, es, LEVEL, instruments=columns)
        assert test.statistic == pytest.approx(300 * mean @ np.linalg.solve(omega, mean), rel=1e-6)
        assert test.p_value == pytest.approx(stats.chi2.sf(test.statistic, 2 * columns.shape[1]))


def test_calibration_is_asymptotically_chi_squared() -> None:
    n, repetitions = 5000, 1500
    rng = np.random.default_rng(6)
    losses = rng.standard_normal((repetitions, n))
    level = 0.9
    var = float(stats.norm.ppf(level))
    es = float(stats.norm.pdf(var)) / 0.1
    values = calibration_statistic(losses, np.full(n, var), np.full(n, es), 0.1, np.ones((n, 1)))
    error = np.sqrt(0.05 * 0.95 / repetitions)
    assert np.mean(values > stats.chi2.ppf(0.95, 2)) == pytest.approx(0.05, abs=5 * error + 0.005)


def test_joint_fit_is_the_minimum_of_the_score() -> None:
    losses, scale, _ = market(800, 7)
    x = scale / scale.mean()
    fit = joint_regression(losses[None], x[None], x[None], TAIL)
    assert np.isfinite(fit.precision).all()

    def score(parameters: np.ndarray) -> float:
        v, e = parameters[0] + parameters[1] * x, parameters[2] + parameters[3] * x
        if (e <= 0.0).any():
            return 1e9
        return float(np.mean((v + np.maximum(losses - v, 0.0) / TAIL) / e + np.log(e)))

    start = np.concatenate([fit.quantile[0], fit.shortfall[0]])
    options = {"maxiter": 8000, "maxfev": 8000, "xatol": 1e-8, "fatol": 1e-12}
    best = min(
        (minimize(score, s, method="Nelder-Mead", options=options) for s in (start, [0.0, 2.0, 0.0, 2.3])),
        key=lambda result: result.fun,
    )
    assert score(start) - best.fun < 1e-3
    error = np.sqrt(np.diag(np.linalg.inv(fit.precision[0])))
    assert np.abs(fit.shortfall[0] - best.x[2:]).max() < 0.2 * error.max()


@pytest.mark.parametrize("version", ["strict", "auxiliary"])
def test_regression_finds_intercept_and_slope(version: str) -> None:
    losses, scale, _ = market(20_000, 8)
    # Forecast half of what it should be plus a constant: the true ES is 2 (forecast − 0.3).
    es = 0.5 * ES * scale + 0.3
    var = 0.5 * VAR * scale
    test = expected_shortfall_regression(losses, var, es, LEVEL, version=version)
    assert test.details["slope"] == pytest.approx(2.0, abs=0.15)
    assert test.details["intercept"] == pytest.approx(-0.6, abs=0.3)
    assert test.reject
    right = expected_shortfall_regression(losses, VAR * scale, ES * scale, LEVEL, version=version)
    assert not right.reject


def test_intercept_version_is_the_mean_shortfall_of_the_residuals() -> None:
    losses, scale, rng = market(1000, 9)
    es = ES * scale
    test = expected_shortfall_regression(losses, VAR * scale, es, LEVEL, version="intercept")
    worst = np.sort(losses - es)[-25:]
    assert test.details["intercept"] == pytest.approx(worst.mean())
    too_small = expected_shortfall_regression(losses, VAR * 0.6 * scale, 0.6 * es, LEVEL, version="intercept")
    assert too_small.statistic > 2.0
    draws = scale[:, None] * rng.standard_normal((1000, 200))
    simulated = expected_shortfall_regression(losses, VAR * scale, es, LEVEL, version="intercept", draws=draws)
    assert not simulated.reject
    assert simulated.statistic == pytest.approx(test.statistic, rel=0.5)


@pytest.mark.parametrize("version", ["strict", "intercept"])
def test_own_null_has_the_nominal_size_at_250_days(version: str) -> None:
    losses, scale, rng = market(250, 10)
    var, es = VAR * scale, ES * scale
    histories = scale * rng.standard_normal((2000, 250))
    statistic = np.abs(regression_statistic(histories, var, es, TAIL, version, 1.0)[0])
    draws = scale[:, None] * rng.standard_normal((250, 400))
    test = expected_shortfall_regression(losses, var, es, LEVEL, version=version, draws=draws)
    spread = float(np.mean(((var[:, None] + np.maximum(draws - var[:, None], 0.0) / TAIL) / es[:, None] - 1.0) ** 2))
    unit = spread if version == "strict" else np.sqrt(spread)
    share = np.mean(statistic >= abs(test.statistic) * unit)
    assert test.p_value == pytest.approx(share, abs=5 * np.sqrt(0.25 / 400))


def test_wrong_forecasts_are_refused() -> None:
    losses = np.zeros(50)
    with pytest.raises(InputError, match="not below var"):
        acerbi_szekely_z2(losses, 2.0, 1.0, LEVEL)
    with pytest.raises(InputError, match="es: expected 50 days"):
        acerbi_szekely_z2(losses, 1.0, np.ones(49), LEVEL)
    with pytest.raises(InputError, match="draws: expected losses of shape"):
        acerbi_szekely_z2(losses, 1.0, 2.0, LEVEL, draws=np.zeros((10, 50)))
    with pytest.raises(InputError, match="degrees_of_freedom"):
        acerbi_szekely_z2(losses, 1.0, 2.0, LEVEL, degrees_of_freedom=1.0)
    with pytest.raises(InputError, match="at least 40 days"):
        acerbi_szekely_z3(losses[:30], 1.0, 2.0, LEVEL, draws=np.zeros((30, 50)))
    with pytest.raises(InputError, match="worst losses are positive on every day"):
        acerbi_szekely_z3(losses, 1.0, 2.0, LEVEL, draws=np.full((50, 50), -1.0))
    with pytest.raises(InputError, match="vary for the strict version"):
        expected_shortfall_regression(losses, 1.0, 2.0, LEVEL)
    varying = np.linspace(2.0, 3.0, 50)
    with pytest.raises(InputError, match="var: expected positive forecasts"):
        expected_shortfall_regression(losses, varying - 2.5, varying, LEVEL, version="auxiliary")
    with pytest.raises(InputError, match="version"):
        expected_shortfall_regression(losses, 1.0, 2.0, LEVEL, version="loose")
    with pytest.raises(InputError, match="instruments"):
        nolde_ziegel(losses, 1.0, 2.0, LEVEL, instruments=np.ones((3, 1)))
