"""Back-tests against R: figures that the packages GAS 0.3.4 and esback 0.3.1 gave for series anyone can draw again.

Source: github.com/WatchTree-19/vetted at 9279456, `tests/data/backtest_oracle.json` (R 4.3.3) for the series that
`oracle/make_fixtures.py` describes: GARCH(1, 1) with ω = 0.02, α = 0.08, β = 0.9, from variance one on, and
Student-t(5) shocks of variance one from NumPy's generator; 250 days with seed 11, 1,000 with seed 12. VaR and ES are
those of the law, of the law with 0.8 of its volatility, or of the unconditional law.

No printed value on data that can be drawn again was found for three tests, and they are checked a second way instead:
Weibull durations (`tests/risk/test_exact_tests.py`), Berkowitz (`tests/risk/test_pit_tests.py`) and ES regression
(`tests/risk/test_shortfall_tests.py`). rugarch's examples of the first two and those of esback and esreg of the third
show code without output, or rest on data that come with the package alone.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from qfin.risk import fissler_ziegel_loss, nolde_ziegel
from qfin.risk.duration import dynamic_quantile_statistic

FREEDOM = 5.0
UNIT = np.sqrt((FREEDOM - 2.0) / FREEDOM)
SEEDS = {250: 11, 1000: 12}
KINDS = ("right", "low", "constant")

DQ = {  # GAS::BacktestVaR, four lags; 99 % and 97.5 %
    ("right", 250): (0.890717566995083, 11.5773506607411),
    ("low", 250): (27.580598217736, 8.71188433824722),
    ("right", 1000): (8.34574696837212, 7.57371823293198),
    ("low", 1000): (30.0831044295451, 18.5381118112608),
    ("constant", 1000): (10.0954312954935, 18.8888185563903),
}
CALIBRATION = {  # esback::cc_backtest, simple and two-sided, 97.5 %
    ("right", 250): 5.61610222216125e-07,
    ("low", 250): 0.463187162288443,
    ("right", 1000): 0.559195913810804,
    ("low", 1000): 0.00603971231547529,
    ("constant", 1000): 0.641200823143898,
}
LOSS = {  # GAS::FZLoss, mean, 97.5 %
    ("right", 250): 0.652411427151844,
    ("low", 250): 0.631790136804737,
    ("constant", 250): 0.754034114497247,
    ("right", 1000): 0.859285795091287,
    ("low", 1000): 0.945357280320788,
    ("constant", 1000): 1.01567262633527,
}


@cache
def garch_returns(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns and their volatilities."""
    shocks = np.random.default_rng(SEEDS[n]).standard_t(FREEDOM, n) * UNIT
    variance, returns, volatility = 1.0, np.empty(n), np.empty(n)
    for day, shock in enumerate(shocks):
        volatility[day] = np.sqrt(variance)
        returns[day] = volatility[day] * shock
        variance = 0.02 + 0.08 * returns[day] ** 2 + 0.9 * variance
    return returns, volatility


def forecasts(kind: str, n: int, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """VaR and ES, positive where money is lost."""
    volatility = {"right": 1.0, "low": 0.8, "constant": 0.0}[kind] * garch_returns(n)[1] + (kind == "constant")
    quantile = stats.t.ppf(tail, FREEDOM)
    es = stats.t.pdf(quantile, FREEDOM) / tail * (FREEDOM + quantile**2) / (FREEDOM - 1.0)
    return -quantile * UNIT * volatility, es * UNIT * volatility


@pytest.mark.parametrize(("kind", "n"), DQ)
@pytest.mark.parametrize("place", [0, 1])
def test_dynamic_quantile_of_gas(kind: str, n: int, place: int) -> None:
    """Regressors there: one, four past exceedances, the VaR and the square of yesterday's return."""
    tail = (0.01, 0.025)[place]
    returns, var = garch_returns(n)[0], forecasts(kind, n, tail)[0]
    known = np.column_stack([var, np.append(0.0, returns[:-1] ** 2)])
    statistic, rank = dynamic_quantile_statistic((returns < -var)[None, :], tail, known, 4)
    assert statistic[0] == pytest.approx(DQ[kind, n][place], rel=1e-9)
    assert rank[0] == (6 if kind == "constant" else 7)


@pytest.mark.parametrize(("kind", "n"), CALIBRATION)
def test_conditional_calibration_of_esback(kind: str, n: int) -> None:
    var, es = forecasts(kind, n, 0.025)
    test = nolde_ziegel(-garch_returns(n)[0], var, es, 0.975)
    assert test.p_value == pytest.approx(CALIBRATION[kind, n], rel=1e-7)


@pytest.mark.parametrize(("kind", "n"), LOSS)
def test_fissler_ziegel_loss_of_gas(kind: str, n: int) -> None:
    var, es = forecasts(kind, n, 0.025)
    loss = fissler_ziegel_loss(-garch_returns(n)[0], var, es, 0.975)
    assert loss.mean() == pytest.approx(LOSS[kind, n], rel=1e-9)
