"""Conditional draws of a fitted Born copula as the scenarios of a skfolio optimiser."""

import numpy as np
import pandas as pd
import pytest

from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, StudentTCopula
from qfin.risk import expected_shortfall, portfolio_losses
from qfin.scenarios import ScenarioGenerator

ASSETS = ["AAA", "BBB", "CCC"]
EVENT = "AAA < -2%"


def returns(n_days: int = 800) -> pd.DataFrame:
    """AAA and BBB move together, CCC apart from them and twice as far."""
    rng = np.random.default_rng(0)
    common, own = rng.standard_t(4, size=(n_days, 1)), rng.standard_t(4, size=(n_days, 3))
    days = 0.005 * (common * [1.0, 1.0, 0.0] + own * [1.0, 1.0, 2.0])
    return pd.DataFrame(days, columns=ASSETS)


def test_a_book_is_made_for_days_on_which_an_asset_falls() -> None:
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk
    from skfolio.prior import SyntheticData

    data = returns()
    model = ScenarioGenerator(copula=BornCopula(StudentTCopula(), MPSBornMachine(4, 2, max_steps=50, batch_size=128)))
    books = {}
    for name, conditions in {"any day": {}, "a fall": {"given": EVENT}}.items():
        prior = SyntheticData(model, n_samples=1_000, sample_args={"rng": 5} | conditions)
        books[name] = MeanRisk(risk_measure=RiskMeasure.CVAR, prior_estimator=prior).fit(data)
    scenarios = np.asarray(books["a fall"].prior_estimator_.return_distribution_.returns)
    np.testing.assert_array_equal(scenarios, model.fit(data).sample(1_000, rng=5, given=EVENT))
    assert (scenarios[:, 0] < -0.02).all()
    assert scenarios[:, 1].mean() < data["BBB"].mean() - 0.005
    weights = books["a fall"].weights_
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    best = expected_shortfall(portfolio_losses(scenarios, weights), 0.95)
    for other in (np.full(3, 1 / 3), *np.eye(3)):
        assert best <= expected_shortfall(portfolio_losses(scenarios, other), 0.95) + 1e-9
    # The book for any day is not the one for such days.
    assert best < expected_shortfall(portfolio_losses(scenarios, books["any day"].weights_), 0.95) - 1e-4
    assert weights[0] < books["any day"].weights_[0]
