"""The pages, in the order of the data's way."""

from dashboards.pages import copula, crash, market, overview, training

PAGES = (overview.PAGE, market.PAGE, copula.PAGE, training.PAGE, crash.PAGE)
