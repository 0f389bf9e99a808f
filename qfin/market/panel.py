"""Tables -> returns: the panel that every later stage starts from.

Missing-data rule: nothing is filled. An asset has a return on a row if it has a price on that row and on the previous
row of the table. Missing returns before the first one are a late listing, after the last one a delisting, between them
gaps; all are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from qfin._types import AnyArray, BoolArray
from qfin.exceptions import InputError
from qfin.market.table import MIN_ROWS, Change, MarketTable, as_day

JUMP = 0.5  # |return| above which a move that is undone the next day is suspect
UNDONE = 0.1  # two-day |return| below which a jump counts as undone
FLAT_DAYS = 20  # zero returns in a row above which a run is suspect


@dataclass(frozen=True)
class Flag:
    """A suspect part of the data, reported and left as it is; `date` is its first day."""

    date: pd.Timestamp
    asset: str
    what: str


@dataclass(frozen=True, eq=False)
class ReturnPanel:
    """Simple returns (dates × assets, NaN where there is none), with the log of changes and the source of the data."""

    returns: pd.DataFrame
    changes: tuple[Change, ...]
    source: str

    def __post_init__(self) -> None:
        values = self.returns.to_numpy(dtype=np.float64, copy=True)
        bad = np.isinf(values) | (values <= -1.0)
        if bad.any():
            i, j = np.argwhere(bad)[0]
            place = f"{self.returns.columns[j]} on {self.returns.index[i]:%Y-%m-%d}"
            raise InputError(f"{self.source}: expected finite returns above -1, received {values[i, j]:g} for {place}")
        values.setflags(write=False)
        frame = pd.DataFrame(values, index=self.returns.index, columns=self.returns.columns, copy=False)
        object.__setattr__(self, "returns", frame)

    @property
    def assets(self) -> tuple[str, ...]:
        """Tickers, in the order of the columns."""
        return tuple(self.returns.columns)

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per asset: first and last return, number of returns, missing returns, zeros, longest flat run."""
        rows = []
        for asset, column in self.returns.items():
            known = np.flatnonzero(column.notna())
            first, last = (known[0], known[-1]) if known.size else (len(column), len(column) - 1)
            zero = (column == 0.0).to_numpy()
            rows.append(
                {
                    "asset": asset,
                    "first": column.index[first] if known.size else pd.NaT,
                    "last": column.index[last] if known.size else pd.NaT,
                    "n_returns": known.size,
                    "missing_leading": first,
                    "missing_interior": last - first + 1 - known.size,
                    "missing_trailing": len(column) - 1 - last,
                    "zero_returns": zero.sum(),
                    "longest_flat_run": _runs(zero)[1].max(initial=0),
                }
            )
        return pd.DataFrame(rows).set_index("asset")

    @cached_property
    def warnings(self) -> tuple[Flag, ...]:
        """Suspect cells: jumps of more than 50 % undone the next day, and more than 20 zero returns in a row."""
        flags = []
        for asset, column in self.returns.items():
            values = column.to_numpy()
            starts, lengths = _runs(values == 0.0)
            for start, length in zip(starts, lengths, strict=True):
                if length > FLAT_DAYS:
                    flags.append(Flag(column.index[start], asset, f"unchanged for {length} days"))
            two_days = (1.0 + values[:-1]) * (1.0 + values[1:]) - 1.0
            for i in np.flatnonzero((np.abs(values[:-1]) > JUMP) & (np.abs(two_days) < UNDONE)):
                flags.append(Flag(column.index[i], asset, f"return of {values[i]:+.1%} undone the next day"))
        return tuple(sorted(flags, key=lambda flag: (flag.date, flag.asset)))

    def select(self, assets: Sequence[str]) -> "ReturnPanel":
        """The panel of `assets`, in that order."""
        unknown = [asset for asset in assets if asset not in self.returns.columns]
        if unknown:
            shown = ", ".join(self.assets[:40]) + (" …" if len(self.assets) > 40 else "")
            raise InputError(f"{self.source}: expected tickers among {shown}, received {', '.join(unknown)}")
        if not assets or len(set(assets)) < len(assets):
            raise InputError(f"assets: expected at least one ticker and each once, received {list(assets)}")
        changes = tuple(change for change in self.changes if change.asset is None or change.asset in assets)
        return ReturnPanel(self.returns[list(assets)], changes, self.source)

    def between(self, first: str | date | None, last: str | date | None, *, min_rows: int = MIN_ROWS) -> "ReturnPanel":
        """The days from `first` to `last`, both included; None leaves that end as it is."""
        index, ends = self.returns.index, []
        for name, value in (("first", first), ("last", last)):
            try:
                ends.append(None if value is None else pd.Timestamp(as_day(value)))
            except ValueError as error:
                raise InputError(f"{name} day: expected a date such as 2010-12-31, received {error}") from None
        inside = np.ones(len(index), dtype=bool)
        if ends[0] is not None:
            inside &= np.asarray(index >= ends[0])
        if ends[1] is not None:
            inside &= np.asarray(index <= ends[1])
        if inside.sum() < min_rows:
            raise InputError(
                f"{self.source}: expected at least {min_rows} days from {first} to {last} within "
                f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, received {inside.sum()}"
            )
        return ReturnPanel(self.returns[inside], self.changes, self.source)

    def split(self, train_end: str | date, *, min_rows: int = MIN_ROWS) -> tuple["ReturnPanel", "ReturnPanel"]:
        """The days up to and including `train_end`, and the days after it; both hold at least `min_rows` rows."""
        try:
            end = pd.Timestamp(as_day(train_end))
        except ValueError as error:
            raise InputError(f"train-end: expected a date such as 2010-12-31, received {error}") from None
        index = self.returns.index
        n_train = int((index <= end).sum())
        if min(n_train, len(index) - n_train) < min_rows:
            raise InputError(
                f"train-end: expected a date that leaves at least {min_rows} days on either side of it within "
                f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, received {end:%Y-%m-%d}, which leaves {n_train} days "
                f"up to it and {len(index) - n_train} after it"
            )
        before = tuple(change for change in self.changes if change.date is None or change.date <= end)
        after = tuple(change for change in self.changes if change.date is None or change.date > end)
        return (
            ReturnPanel(self.returns.iloc[:n_train], before, self.source),
            ReturnPanel(self.returns.iloc[n_train:], after, self.source),
        )

    def complete(self, *, min_rows: int = MIN_ROWS) -> tuple[pd.DataFrame, int]:
        """The days on which every asset has a return, and the number of other days."""
        full = self.returns.notna().all(axis=1)
        n_full = int(full.sum())
        if n_full < min_rows:
            raise InputError(
                f"{self.source}: expected at least {min_rows} days on which all {len(self.assets)} assets "
                f"have a return, received {n_full}; fewest returns: {self._scarcest()}"
            )
        return self.returns[full], len(full) - n_full

    def _scarcest(self) -> str:
        def describe(asset: str, first: pd.Timestamp, last: pd.Timestamp, n_returns: int) -> str:
            return f"{asset} {n_returns}" + (f" ({first:%Y-%m-%d} to {last:%Y-%m-%d})" if n_returns else "")

        worst = self.counts.sort_values("n_returns", kind="stable").head(3)
        columns = (worst.index, worst["first"], worst["last"], worst["n_returns"])
        return ", ".join(describe(*row) for row in zip(*columns, strict=True))


def to_returns(table: MarketTable) -> ReturnPanel:
    """Simple returns p_t / p_{t−1} − 1 of prices or levels under the missing-data rule; returns stay as they are."""
    frame = table.values
    if table.kind != "returns":
        values = frame.to_numpy()
        with np.errstate(over="ignore"):
            ratios = values[1:] / values[:-1]
        frame = pd.DataFrame(ratios - 1.0, index=frame.index[1:], columns=frame.columns)
    return ReturnPanel(frame, table.changes, table.source)


def _runs(mask: BoolArray) -> tuple[AnyArray, AnyArray]:
    """First positions and lengths of the runs of True."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts
