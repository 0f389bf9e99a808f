"""Back-tests against figures that others have published; each test names its source."""

import numpy as np
import pytest
from scipy import stats

from qfin.risk import (
    acerbi_szekely_z2,
    christoffersen_coverage,
    christoffersen_independence,
    expectile,
    kupiec,
    multinomial_var,
    pnl_attribution,
    traffic_light,
    tuff,
)
from qfin.risk.pit import anderson_darling_null
from qfin.risk.shortfall_tests import minimal_bias_statistic, reference_nulls, z1_statistic, z2_statistic, z3_statistic


def matlab_hits() -> np.ndarray:
    """The transitions of MathWorks' VaRBacktestData, Normal95: 1,043 days, n00 932, n01 53, n10 53, n11 4."""
    hits = np.concatenate([np.tile([1, 0], 49), np.tile([1, 1, 0], 4)])
    return np.concatenate([np.zeros(1043 - len(hits), dtype=int), hits])


def test_likelihood_ratios_of_matlab() -> None:
    """MathWorks, Risk Management Toolbox, help pages of varbacktest: pof, cci, cc, tl and bin for Normal95."""
    hits = matlab_hits()
    proportion, independence = kupiec(hits, 0.95), christoffersen_independence(hits, 0.95)
    both, light = christoffersen_coverage(hits, 0.95), traffic_light(hits, 0.95)
    assert [independence.details[name] for name in ("n00", "n01", "n10", "n11")] == [932, 53, 53, 4]
    assert proportion.statistic == pytest.approx(0.46147, abs=5e-6)
    assert proportion.details["asymptotic_p_value"] == pytest.approx(0.49694, abs=5e-6)
    assert independence.statistic == pytest.approx(0.25866, abs=5e-6)
    assert independence.details["asymptotic_p_value"] == pytest.approx(0.61104, abs=5e-6)
    assert both.statistic == pytest.approx(0.72013, abs=5e-6)
    assert both.details["asymptotic_p_value"] == pytest.approx(0.69763, abs=5e-6)
    assert light.details["zone"] == "green"
    assert light.details["cumulative_probability"] == pytest.approx(0.77913, abs=5e-6)
    assert light.p_value == pytest.approx(0.26396, abs=5e-6)
    # The binomial z-score, 0.68905 with p-value 0.49079, squared: Pearson's statistic with one level.
    binomial = multinomial_var(np.where(hits == 1, 0.99, 0.5), 0.95, n_levels=1)
    assert np.sqrt(binomial.statistic) == pytest.approx(0.68905, abs=5e-6)
    assert binomial.details["pearson_p_value"] == pytest.approx(0.49079, abs=5e-6)


def test_time_until_first_failure_of_matlab() -> None:
    """MathWorks, help page of varbacktest.tuff: first failure on day 58 of 1,043 at 95 %."""
    hits = np.zeros(1043, dtype=bool)
    hits[57::18] = True
    test = tuff(hits, 0.95)
    assert test.details["first_exceedance"] == 58
    assert test.statistic == pytest.approx(1.7354, abs=5e-5)
    assert test.details["asymptotic_p_value"] == pytest.approx(0.18773, abs=5e-6)


def test_traffic_light_of_matlab_at_90_percent() -> None:
    """MathWorks, help page of risk.validation.trafficLightVaRTest: 40 exceedances in 250 days at 90 % are amber."""
    hits = np.arange(250) < 40
    assert traffic_light(hits, 0.90).details["zone"] == "yellow"


def test_exact_p_value_of_conditional_coverage() -> None:
    """R package ExactVaRTest 0.1.3, README: rbinom(300, 1, 0.03) after set.seed(42) against 5 %: 5.8882, 0.0442.

    The exceedances are those of R's generator: the days on which its uniform number is at least 0.97.
    """
    hits = np.zeros(300, dtype=bool)
    hits[[16, 22, 43, 48, 61, 234, 283]] = True
    test = christoffersen_coverage(hits, 0.95)
    assert test.statistic == pytest.approx(5.8882, abs=5e-5)
    assert test.p_value == pytest.approx(0.0442, abs=5e-5)
    assert test.reject


def test_zones_of_the_basel_framework() -> None:
    """Basel Committee 1996, "Supervisory framework for the use of backtesting", table 2, and MAR99 table 2."""
    cumulative = [8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99]
    multipliers = [1.50, 1.50, 1.50, 1.50, 1.50, 1.70, 1.76, 1.83, 1.88, 1.92, 2.00]
    for count, (percent, multiplier) in enumerate(zip(cumulative, multipliers, strict=True)):
        details = traffic_light(np.arange(250) < count, 0.99).details
        assert 100.0 * float(details["cumulative_probability"]) == pytest.approx(percent, abs=0.006)
        assert details["zone"] == ("green" if count <= 4 else "yellow" if count <= 9 else "red")
        assert details["multiplier"] == multiplier
    assert traffic_light(np.arange(250) < 60, 0.99).details["multiplier"] == 2.0
    assert traffic_light(np.arange(500) < 4, 0.99).details["multiplier"] is None


def test_critical_values_of_acerbi_and_szekely() -> None:
    """Acerbi and Székely 2014: at 250 days and 97.5 %, Z2 is below −0.70 with 5 % and below −1.8 with 0.01 %."""
    simulated = reference_nulls(250, 0.025, np.inf)[1]
    assert np.mean(simulated < -0.70) == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / len(simulated)))
    assert np.mean(simulated < -1.80) < 0.0001 + 5 * np.sqrt(0.0001 / len(simulated))


@pytest.mark.parametrize(("degrees", "p_value"), [(np.inf, 0.0054099), (3.0, 0.018566)])
def test_tabulated_p_values_of_matlab(degrees: float, p_value: float) -> None:
    """MathWorks, help pages of esbacktest.unconditionalNormal and unconditionalT: Z2 = −0.38265, 1,966 days, 97.5 %."""
    n, tail, var, es = 1966, 0.025, 1.0, 2.0
    losses = np.zeros(n)
    losses[:50] = 1.38265 * n * tail * es / 50
    test = acerbi_szekely_z2(losses, var, es, 1.0 - tail, degrees_of_freedom=degrees)
    assert test.statistic == pytest.approx(-0.38265)
    assert test.p_value == pytest.approx(p_value, abs=5 * np.sqrt(p_value / 9999))


@pytest.mark.parametrize(
    ("level", "conditional", "unconditional", "quantile", "relative"),
    [
        (0.95, -0.043941, -0.16252, -0.055798, -0.056072),
        (0.975, -0.052575, -0.22680, -0.073513, None),
        (0.99, None, -0.38264, -0.10117, None),
    ],
)
def test_simulated_critical_values_of_matlab(
    level: float, conditional: float | None, unconditional: float, quantile: float, relative: float | None
) -> None:
    """MathWorks, help pages of esbacktestbysim.conditional, unconditional, quantile and minBiasRelative: 5 % critical
    values of Z1, Z2, Z3 and minimal bias for a t(10) model on 1,966 days, from 1,000 scenarios; here from 2,000.
    """
    n, n_draws, tail = 1966, 2000, 1.0 - level
    law = stats.t(10)
    q = float(law.ppf(level))
    es = np.full(n, (10 + q**2) / 9 * float(law.pdf(q)) / tail)
    u = np.random.default_rng(3).random((n_draws, n))
    losses = np.zeros_like(u)
    beyond = u > level
    losses[beyond] = law.ppf(u[beyond])
    grid = law.ppf((np.arange(20_000) + 0.5) / 20_000)[None, :]
    for critical, values in (
        (conditional, z1_statistic(losses, np.full(n, q), es)),
        (unconditional, z2_statistic(losses, np.full(n, q), es, tail)),
        (quantile, z3_statistic(u, grid, tail)),
        (relative, minimal_bias_statistic(losses, np.full(n, q), es, tail)),
    ):
        # Both are simulated: the share below their value is binomial with the error of 1,000 and 2,000 draws.
        error = np.sqrt(0.05 * 0.95 * (1 / 1000 + 1 / n_draws))
        if critical is not None:
            assert np.mean(values < critical) == pytest.approx(0.05, abs=5 * error)


def test_distances_of_profit_and_loss_attribution() -> None:
    """Basel Committee MAR32.42 gives p-values with the bounds for 250 days: 0.09 has 0.264, 0.12 has 0.055."""
    for bound, p_value in ((0.09, 0.264), (0.12, 0.055)):
        assert stats.kstwobign.sf(bound * np.sqrt(125.0)) == pytest.approx(p_value, abs=1e-3)
    days = np.arange(250.0)
    for shifted, zone in ((22, "green"), (23, "amber"), (29, "amber"), (31, "red")):
        moved = np.where(days < shifted, days + 1000.0, days)
        assert pnl_attribution(days, moved).distance == pytest.approx(shifted / 250)
        assert pnl_attribution(days, moved).distance_zone == zone


def test_percentage_points_of_anderson_and_darling() -> None:
    """D'Agostino and Stephens 1986, table 4.2, case 0: 10 %, 5 % and 1 % points 1.933, 2.492, 3.857."""
    simulated = anderson_darling_null(250)
    for point, share in ((1.933, 0.10), (2.492, 0.05), (3.857, 0.01)):
        assert np.mean(simulated > point) == pytest.approx(share, abs=5 * np.sqrt(share / len(simulated)))


def test_expectile_level_of_bellini_and_di_bernardino() -> None:
    """Bellini and Di Bernardino 2017: the 0.99855 expectile of a normal law is near its 99 % quantile, 2.326."""
    grid = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    assert expectile(grid, 0.99855) == pytest.approx(2.326, abs=0.003)
