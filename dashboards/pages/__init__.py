"""The pages, in the order of the data's way."""

from dashboards.pages import backtest, copula, crash, market, optimiser, overview, training

PAGES = (overview.PAGE, market.PAGE, copula.PAGE, training.PAGE, crash.PAGE, backtest.PAGE, optimiser.PAGE)
