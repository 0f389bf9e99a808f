"""All tests at once: which are run, that a right model passes and a wrong one does not."""

import numpy as np
import pytest
from scipy import stats

from qfin.exceptions import InputError
from qfin.risk import back_tests, kupiec

LEVEL = 0.975
VAR = float(stats.norm.ppf(LEVEL))
ES = float(stats.norm.pdf(VAR)) / 0.025


def test_all_tests_of_a_right_and_a_wrong_model() -> None:
    rng = np.random.default_rng(21)
    scale = np.exp(0.4 * np.sin(np.arange(500) / 30.0))
    losses = scale * rng.standard_normal(500)
    draws = scale[:, None] * rng.standard_normal((500, 300))
    right = back_tests(losses, VAR * scale, ES * scale, LEVEL, draws=draws)
    names = [test.name for test in right]
    assert len(names) == len(set(names)) == 19
    # Tests of one history go together, so that several may reject at 5 %; none may where chance is 19 in 10,000.
    assert min(test.p_value for test in right) > 1e-4
    assert right[0] == kupiec(losses > VAR * scale, LEVEL)
    wrong = {test.name: test for test in back_tests(losses, VAR * scale / 2, ES * scale / 2, LEVEL, draws=draws / 2)}
    for name in ("kupiec", "acerbi_szekely_z2", "acerbi_szekely_z3", "nolde_ziegel", "esr_strict", "esr_intercept"):
        assert wrong[name].reject, name
    assert all(np.isfinite([test.statistic, test.p_value]).all() for test in right)


def test_constant_forecasts_without_draws() -> None:
    losses = np.random.default_rng(22).standard_normal(300)
    names = [test.name for test in back_tests(losses, VAR, ES, LEVEL, size=0.01)]
    assert "esr_strict" not in names
    assert "berkowitz" not in names
    assert names[-1] == "esr_intercept"
    with pytest.raises(InputError, match="draws"):
        back_tests(losses, VAR, ES, LEVEL, draws=np.zeros((299, 100)))
