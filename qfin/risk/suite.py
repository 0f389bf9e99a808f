"""Every back-test that a forecast's inputs allow, in one call."""

import numpy as np
from numpy.typing import ArrayLike

from qfin._validation import check_level
from qfin.risk._inputs import model_draws, shortfall_forecasts
from qfin.risk.calibration import expected_shortfall_regression, nolde_ziegel
from qfin.risk.coverage import christoffersen_coverage, christoffersen_independence, kupiec, traffic_light, tuff
from qfin.risk.duration import dynamic_quantile, weibull_duration
from qfin.risk.hypothesis import HypothesisTest
from qfin.risk.pit import (
    anderson_darling,
    berkowitz,
    kolmogorov_smirnov,
    multinomial_var,
    probability_integral_transform,
)
from qfin.risk.shortfall_tests import (
    acerbi_szekely_minimal_bias,
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    acerbi_szekely_z3,
)

# Draws that the regression's null is simulated from: it is fitted anew to each, and any number gives an exact p-value.
_REGRESSION_DRAWS = 199


def back_tests(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    draws: ArrayLike | None = None,
    size: float = 0.05,
) -> tuple[HypothesisTest, ...]:
    """All tests of one model's VaR and ES at one level.

    With the model's `draws`, shape (n_days, n_draws), the tests of ES have the model's own null law, and those on
    probability integral transforms are run as well. Tests that need forecasts to vary are left out where they are
    constant. Each test is at `size` by itself: of 20 tests of a right model one rejects at 0.05.
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    check_level(level)
    drawn = None if draws is None else model_draws(draws, len(loss))
    hits = loss > quantile
    varies = np.ptp(shortfall) > 1e-9 * shortfall.max()
    tests = [test(hits, level, size=size) for test in (kupiec, tuff, christoffersen_independence)]
    tests += [test(hits, level, size=size) for test in (christoffersen_coverage, weibull_duration, traffic_light)]
    tests.append(dynamic_quantile(hits, level, var=quantile if varies else None, size=size))
    forecasts = (loss, quantile, shortfall, level)
    tests += [test(*forecasts, draws=drawn, size=size) for test in (acerbi_szekely_z1, acerbi_szekely_z2)]
    tests += [test(*forecasts, draws=drawn, size=size) for test in (acerbi_szekely_minimal_bias, nolde_ziegel)]
    few = None if drawn is None else drawn[:, :_REGRESSION_DRAWS]
    if varies:
        tests.append(expected_shortfall_regression(*forecasts, version="strict", draws=few, size=size))
    tests.append(expected_shortfall_regression(*forecasts, version="intercept", draws=few, size=size))
    if drawn is not None:
        u = probability_integral_transform(loss, drawn)
        tests.append(acerbi_szekely_z3(*forecasts, draws=drawn, size=size))
        tests += [multinomial_var(u, level, size=size), berkowitz(u, level, size=size)]
        tests.append(berkowitz(u, level, tail_only=True, size=size))
        tests += [kolmogorov_smirnov(u, size=size), anderson_darling(u, size=size)]
    return tuple(tests)
