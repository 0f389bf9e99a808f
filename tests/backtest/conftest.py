from typing import Any

import pandas as pd
import pytest

from qfin.backtest import BacktestInputs, BacktestPlan
from qfin.market import load_bundled


@pytest.fixture(scope="session")
def fx_returns() -> pd.DataFrame:
    panel = load_bundled("fx-usd").select(["EURUSD", "GBPUSD", "USDJPY", "USDCHF"])
    return panel.returns.loc["2007":"2008"]


@pytest.fixture
def fx_inputs(fx_returns: pd.DataFrame) -> Any:
    """Inputs of a short back-test: 40 days in two spans of 20, blocks of 10."""

    def make(*models: str, **changes: Any) -> BacktestInputs:
        settings = {"window": 400, "refit": 10, "n_draws": 1_000, "n_kept": 99, "levels": (0.9, 0.95)} | changes
        plan = BacktestPlan(models, **settings)
        return BacktestInputs.of(fx_returns.iloc[: 440 + plan.horizon - 1], plan)

    return make
