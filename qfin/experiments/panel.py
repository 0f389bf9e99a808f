"""The market stage: a price source -> training and test returns of the assets that can be used, in model order."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from qfin._types import FloatArray
from qfin.copulas.order import chain_order
from qfin.exceptions import InputError
from qfin.experiments.config import MarketConfig
from qfin.marginals import pseudo_observations
from qfin.market import ReturnPanel, load_panel

# An asset without a return on more than this share of the training days is left out, unless it was asked for by name.
_MISSING_SHARE = 0.5
_MIN_DAYS = 100


@dataclass(frozen=True)
class Panel:
    """Training and test days, assets ordered along the chain (see `chain_order`), the more systemic end first.

    Attributes
    ----------
    assets : names in model order.
    train_returns : DataFrame of all training days (NaN where an asset has no return), columns in model order.
    train, test : DataFrames of the complete days.
    u_train, u_test : ranks within each window, over n + 1, shape (n, d).
    facts : what the record says of the market.
    """

    assets: tuple[str, ...]
    train_returns: pd.DataFrame
    train: pd.DataFrame
    test: pd.DataFrame
    u_train: FloatArray
    u_test: FloatArray
    facts: dict[str, Any]


def load_market(config: MarketConfig) -> Panel:
    """Read, clean, split by date, leave out what has no history (counted), and order the assets.

    Nothing that is fitted looks at the test days: which assets stay, their order and every later stage depend on the
    training days alone.
    """
    panel = load_panel(config.prices, config.kind)
    if config.assets:
        panel = panel.select(list(config.assets))
    panel = panel.between(config.train_start, config.test_end)
    train, test = panel.split(config.train_end or _default_train_end(panel))
    left_out = [] if config.assets else _without_history(train)
    kept = [asset for asset in panel.assets if asset not in {item["asset"] for item in left_out}]
    if len(kept) < 2:
        raise InputError(f"{panel.source}: expected at least 2 assets with a training history, received {len(kept)}")
    train, test = train.select(kept), test.select(kept)
    train_days, n_incomplete_train = train.complete(min_rows=_MIN_DAYS)
    test_days, n_incomplete_test = test.complete()
    columns = chain_order(pseudo_observations(train_days.to_numpy()))
    order = [str(train_days.columns[i]) for i in columns]
    train_days, test_days = train_days[order], test_days[order]
    return Panel(
        assets=tuple(order),
        train_returns=train.returns[order],
        train=train_days,
        test=test_days,
        u_train=pseudo_observations(train_days.to_numpy()),
        u_test=pseudo_observations(test_days.to_numpy()),
        facts={
            "source": panel.source,
            "kind": config.kind or "prices",
            "assets": order,
            "n_train": len(train_days),
            "n_test": len(test_days),
            "train": _ends(train_days),
            "test": _ends(test_days),
            "left_out": left_out,
            "n_incomplete_train": n_incomplete_train,
            "n_incomplete_test": n_incomplete_test,
            "changes": [
                {
                    "date": _day(c.date),
                    "asset": c.asset,
                    "what": c.what,
                    "before": _text(c.before),
                    "after": _text(c.after),
                }
                for c in panel.changes
            ],
            "warnings": [{"date": _day(w.date), "asset": w.asset, "what": w.what} for w in train.warnings],
        },
    )


def _default_train_end(panel: ReturnPanel) -> str:
    dates = panel.returns.index
    return str(dates[int(0.7 * len(dates))].date())


def _without_history(train: ReturnPanel) -> list[dict[str, str]]:
    counts = train.counts["n_returns"]
    n_days = len(train.returns)
    return [
        {"asset": str(asset), "reason": f"a return on {int(n)} of {n_days} training days, fewer than half"}
        for asset, n in counts.items()
        if n < (1.0 - _MISSING_SHARE) * n_days
    ]


def _ends(frame: pd.DataFrame) -> list[str]:
    return [str(frame.index[0].date()), str(frame.index[-1].date())]


def _day(date: Any) -> str | None:
    return None if date is None else str(pd.Timestamp(date).date())


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
