"""Back-test: the past alone -> daily forecasts of loss -> exceedances, tests and losses by model."""

from qfin.backtest.evaluation import REGIMES
from qfin.backtest.forecasts import Forecasts, LossForecast, forecast_block, forecast_span
from qfin.backtest.inputs import BacktestInputs
from qfin.backtest.models import MODELS, ForecastModel
from qfin.backtest.past import PastView, book_losses, realised_losses
from qfin.backtest.plan import BacktestPlan
from qfin.backtest.rules import Rule, load_rule
from qfin.backtest.run import run_backtest
from qfin.backtest.strategies import StrategyPaths, Trading, run_rule

__all__ = [
    "MODELS",
    "REGIMES",
    "BacktestInputs",
    "BacktestPlan",
    "ForecastModel",
    "Forecasts",
    "LossForecast",
    "PastView",
    "Rule",
    "StrategyPaths",
    "Trading",
    "book_losses",
    "forecast_block",
    "forecast_span",
    "load_rule",
    "realised_losses",
    "run_backtest",
    "run_rule",
]
