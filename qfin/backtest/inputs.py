"""What a back-test is of: the complete days of some assets, the book, and the days to forecast."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qfin._types import FloatArray
from qfin.backtest.past import realised_losses
from qfin.backtest.plan import BacktestPlan
from qfin.exceptions import InputError

MIN_FORECASTS = 20


@dataclass(frozen=True, eq=False)
class BacktestInputs:
    """Everything that determines a back-test's numbers.

    Attributes
    ----------
    plan : BacktestPlan
    returns : array of shape (n_days, n_assets)
        Simple returns of the days on which every asset has one.
    dates : tuple of ISO days, one a row
    assets : tuple of str
    weights : array of shape (n_assets,)
    days : range
        Rows to forecast: each is the first of `plan.horizon` days.
    n_incomplete_days : int
        Days left out because an asset has no return, from the first day learnt from to the last.
    """

    plan: BacktestPlan
    returns: FloatArray
    dates: tuple[str, ...]
    assets: tuple[str, ...]
    weights: FloatArray
    days: range
    n_incomplete_days: int

    @classmethod
    def of(
        cls,
        returns: pd.DataFrame,
        plan: BacktestPlan,
        *,
        book: Mapping[str, float] | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> "BacktestInputs":
        """From a table of returns; `book` gives the weights (None: equal), `start` and `end` the first and last day.

        Without `start` the first `plan.window` complete days are learnt from. A last day has `plan.horizon` − 1 after
        it.
        """
        complete = returns[returns.notna().all(axis=1)]
        if len(complete) < plan.window + plan.horizon - 1 + MIN_FORECASTS:
            raise InputError(
                f"window: expected at least {plan.window} days to learn from and {MIN_FORECASTS} to forecast on which "
                f"all {returns.shape[1]} assets have a return, received {len(complete)} in all"
            )
        assets = tuple(str(name) for name in returns.columns)
        dates = tuple(f"{day:%Y-%m-%d}" for day in complete.index)
        values = complete.to_numpy(dtype=np.float64)
        days = _days(dates, plan, start, end)
        used = complete.index[days[0] - plan.window], complete.index[days[-1] + plan.horizon - 1]
        n_incomplete = int(returns.loc[used[0] : used[1]].isna().any(axis=1).sum())
        return cls(plan, values, dates, assets, _weights(assets, book), days, n_incomplete)

    @property
    def spans(self) -> list[range]:
        return self.plan.spans(self.days)

    @property
    def losses(self) -> FloatArray:
        """The book's realised loss over the horizon from each day to forecast on."""
        return realised_losses(self.returns, self.weights, self.plan.horizon)[self.days[0] : self.days[-1] + 1]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it."""
        from qfin import __version__

        digest = hashlib.sha256(repr((__version__, self.plan, self.assets, self.dates, self.days)).encode())
        digest.update(self.returns.tobytes() + self.weights.tobytes())
        return digest.hexdigest()


def _days(dates: tuple[str, ...], plan: BacktestPlan, start: str | None, end: str | None) -> range:
    days = np.array(dates)
    first = plan.window if start is None else int(np.searchsorted(days, _day("start", start), "left"))
    last = len(days) if end is None else int(np.searchsorted(days, _day("end", end), "right"))
    if first < plan.window:
        raise InputError(
            f"start: expected {dates[plan.window]} or later, with {plan.window} complete days before it, "
            f"received {start}"
        )
    chosen = range(first, min(last, len(days) - plan.horizon + 1))
    if len(chosen) < MIN_FORECASTS:
        raise InputError(
            f"start, end: expected at least {MIN_FORECASTS} days to forecast from {dates[plan.window]} to {dates[-1]}, "
            f"received {len(chosen)}"
        )
    return chosen


def _day(name: str, text: str) -> str:
    try:
        return f"{pd.Timestamp(text):%Y-%m-%d}"
    except ValueError:
        raise InputError(f"{name}: expected a date such as 2010-12-31, received {text!r}") from None


def _weights(assets: tuple[str, ...], book: Mapping[str, float] | None) -> FloatArray:
    if book is None:
        return np.full(len(assets), 1.0 / len(assets))
    unknown = [name for name in book if name not in assets]
    weights = np.array([float(book.get(name, 0.0)) for name in assets])
    if unknown or not np.isfinite(weights).all() or not weights.any():
        received = f"{', '.join(unknown)}" if unknown else str(list(book.values()))
        raise InputError(f"book: expected finite weights, not all zero, of {', '.join(assets)}, received {received}")
    return weights
