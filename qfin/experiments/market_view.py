"""What a price file holds, before anything is learned from it: for the dashboard's page of the market."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.market import ReturnPanel, load_panel

WINDOW = 250  # days of a rolling correlation
_PERIODS_PER_YEAR = 252


@dataclass(frozen=True, eq=False)
class MarketView:
    """A panel seen as a whole.

    Attributes
    ----------
    source : str
    assets : tuple of str
    dates : array of days, shape (n_days,)
    returns : DataFrame of simple returns, shape (n_days, n_assets), NaN where an asset has none
    book_returns : array, shape (n_days,)
        Of equal weights over the assets that have a return that day, rebalanced daily.
    book_drawdown : array, shape (n_days,)
        Of the same book; zero or negative.
    correlation : array, shape (n_days,)
        Mean pairwise correlation over the last `WINDOW` days, NaN before.
    rows : one dict per asset: first and last day, days, gaps, yearly return and volatility, worst day, worst drawdown.
    changes, warnings : what was cleaned, and what is suspect and was left as it is.
    """

    source: str
    assets: tuple[str, ...]
    dates: AnyArray
    returns: pd.DataFrame
    book_returns: FloatArray
    book_drawdown: FloatArray
    correlation: FloatArray
    rows: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    warnings: list[str]


def market_view(source: str, kind: str | None = None) -> MarketView:
    """Read and clean a price file or a bundled set; raises `InputError` where it is none."""
    panel = load_panel(source, kind)
    returns = panel.returns
    book = returns.mean(axis=1).fillna(0.0).to_numpy()
    return MarketView(
        source=panel.source,
        assets=panel.assets,
        dates=returns.index.to_numpy().astype("datetime64[D]"),
        returns=returns,
        book_returns=book,
        book_drawdown=drawdown(book),
        correlation=mean_correlation(returns, WINDOW),
        rows=[_asset_row(panel, asset) for asset in panel.assets],
        changes=[
            {
                "date": None if c.date is None else f"{c.date:%Y-%m-%d}",
                "asset": c.asset,
                "what": c.what,
                "before": c.before,
                "after": c.after,
            }
            for c in panel.changes
        ],
        warnings=[f"{flag.asset}, {flag.date:%Y-%m-%d}: {flag.what}" for flag in panel.warnings],
    )


def series_of(view: MarketView, asset: str | None) -> tuple[AnyArray, FloatArray, FloatArray]:
    """Days, returns and drawdown of the equal-weight book (None) or of one asset, on the days it has returns."""
    if asset is None:
        return view.dates, view.book_returns, view.book_drawdown
    if asset not in view.assets:
        raise InputError(f"asset: expected one of the file's assets, received {asset!r}")
    column = view.returns[asset].dropna()
    return column.index.to_numpy().astype("datetime64[D]"), column.to_numpy(), drawdown(column.to_numpy())


def drawdown(returns: FloatArray) -> FloatArray:
    """Wealth over its highest so far, less one, shape (n_days,), for simple returns reinvested daily."""
    wealth = np.cumprod(1.0 + np.asarray(returns))
    return np.asarray(wealth / np.maximum(1.0, np.maximum.accumulate(wealth)) - 1.0)


def mean_correlation(returns: pd.DataFrame, window: int) -> FloatArray:
    """Mean pairwise correlation over rolling windows, shape (n_days,); pairs count while both have all returns.

    From sums of standardised returns: the mean of all entries of a correlation matrix is the variance of the mean of
    the standardised columns.
    """
    values = returns.to_numpy()
    result = np.full(len(values), np.nan)
    for end in range(window, len(values) + 1):
        block = values[end - window : end]
        whole = ~np.isnan(block).any(axis=0)
        spread = block[:, whole].std(axis=0)
        whole_block = block[:, whole][:, spread > 0.0]
        n_assets = whole_block.shape[1]
        if n_assets > 1:
            standard = (whole_block - whole_block.mean(axis=0)) / spread[spread > 0.0]
            everything = float((standard.mean(axis=1) ** 2).mean()) * n_assets**2
            result[end - 1] = (everything - n_assets) / (n_assets * (n_assets - 1))
    return result


def _asset_row(panel: ReturnPanel, asset: str) -> dict[str, Any]:
    column = panel.returns[asset].dropna()
    count = panel.counts.loc[asset]
    if column.empty:
        return {"asset": asset, "n": 0}
    growth = float(np.log1p(column).mean()) * _PERIODS_PER_YEAR
    return {
        "asset": asset,
        "first": f"{count['first']:%Y-%m-%d}",
        "last": f"{count['last']:%Y-%m-%d}",
        "n": int(count["n_returns"]),
        "gaps": int(count["missing_interior"]),
        "yearly_return": float(np.expm1(growth)),
        "yearly_volatility": float(column.std()) * float(np.sqrt(_PERIODS_PER_YEAR)),
        "worst_day": float(column.min()),
        "worst_day_date": f"{column.idxmin():%Y-%m-%d}",
        "worst_drawdown": float(drawdown(column.to_numpy()).min()),
    }
