"""The door: raw columns become a checked table of prices, levels or returns; every change made is logged.

Missing values stay missing: an empty cell, NaN, NA, N/A, null or None. Anything else must be a number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError

KINDS = ("prices", "levels", "returns")
MIN_ROWS = 30

_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Change:
    """One change made to the data on the way in; `date` or `asset` is None where it concerns all of them."""

    date: pd.Timestamp | None
    asset: str | None
    what: str
    before: str
    after: str


@dataclass(frozen=True, eq=False)
class MarketTable:
    """Checked values (dates × assets, float64, NaN = missing), what they are, what was changed, whence they come."""

    values: pd.DataFrame
    kind: str
    changes: tuple[Change, ...]
    source: str


def check_kind(kind: str) -> str:
    """`kind` if it is one of `KINDS`."""
    if kind not in KINDS:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, received {kind!r}")
    return kind


def table_from_frame(frame: pd.DataFrame, *, kind: str, source: str, min_rows: int = MIN_ROWS) -> MarketTable:
    """A checked table from a DataFrame whose index, or else first column, holds the dates."""
    if isinstance(frame.index, pd.DatetimeIndex) or str(frame.index.name).casefold() == "date":
        frame = frame.rename_axis("date").reset_index(allow_duplicates=True)
    columns = [frame.iloc[:, j] for j in range(frame.shape[1])]
    return build_table(list(frame.columns), columns, kind=kind, source=source, min_rows=min_rows)


def build_table(
    header: Sequence[Any], columns: Sequence[Any], *, kind: str, source: str, min_rows: int = MIN_ROWS
) -> MarketTable:
    """A checked table from a header and its columns, the first of them the dates.

    Rows without a single value are dropped and logged, white space around tickers is stripped and logged; nothing else
    is altered. Rows are counted as a spreadsheet shows them: the header is row 1.

    Raises
    ------
    InputError
        No date column; no, empty or duplicate tickers; dates that cannot be read, are unsorted or duplicate; cells that
        are not finite numbers; prices or levels not above 0, returns not above −1; fewer than `min_rows` rows; a column
        without a value, or with the same value on every row.
    """
    check_kind(kind)
    tickers, changes = _tickers(header, source)
    dates = _dates(columns[0], source)
    values = np.empty((len(dates), len(tickers)))
    for j, (ticker, cells) in enumerate(zip(tickers, columns[1:], strict=True)):
        values[:, j] = _numbers(cells, ticker, dates, source)
    _check_range(values, tickers, dates, kind, source)
    empty = np.isnan(values).all(axis=1)
    changes += [Change(day, None, "row dropped", "no value for any asset", "no row") for day in dates[empty]]
    frame = pd.DataFrame(values[~empty], index=dates[~empty], columns=pd.Index(tickers, dtype="str"))
    _check_columns(frame, source, min_rows)
    return MarketTable(frame, kind, tuple(changes), source)


def _tickers(header: Sequence[Any], source: str) -> tuple[list[str], list[Change]]:
    names = ["" if name is None else str(name) for name in header]
    if not names or names[0].strip().casefold() != "date":
        received = repr(names[0]) if names else "no column"
        raise InputError(f"{source}: expected the first column to be 'date', received {received}")
    tickers = [name.strip() for name in names[1:]]
    if not tickers:
        raise InputError(f"{source}: expected one column per ticker after 'date', received none")
    seen: dict[str, int] = {}
    for number, ticker in enumerate(tickers, 2):
        if not ticker:
            raise InputError(f"{source}: expected a ticker at the head of column {number}, received an empty name")
        if ticker in seen:
            raise InputError(
                f"{source}: expected each ticker once, received {ticker} in columns {seen[ticker]} and {number}"
            )
        seen[ticker] = number
    changes = [
        Change(None, ticker, "white space stripped from ticker", name, ticker)
        for name, ticker in zip(names[1:], tickers, strict=True)
        if name != ticker
    ]
    return tickers, changes


def _dates(cells: Sequence[Any], source: str) -> pd.DatetimeIndex:
    days = []
    for row, cell in enumerate(cells, 2):
        try:
            days.append(as_day(cell))
        except ValueError as error:
            raise InputError(f"{source}: expected a date such as 2020-01-31, received {error} in row {row}") from None
    for row, (before, day) in enumerate(pairwise(days), 3):
        if day == before:
            raise InputError(f"{source}: expected each date once, received {day} in rows {row - 1} and {row}")
        if day < before:
            raise InputError(f"{source}: expected dates in ascending order, received {day} after {before} in row {row}")
    return pd.DatetimeIndex(np.array(days, dtype="datetime64[D]").astype("datetime64[us]"), name="date")


def as_day(cell: Any) -> date:
    """The day meant by a date, a date-time at midnight or text like 2020-01-31; else ValueError tells what came."""
    if cell is pd.NaT or cell is None:
        raise ValueError("no date")
    if isinstance(cell, datetime):
        if cell.tzinfo is not None:
            raise ValueError(f"{cell} with a time zone")
        if cell != datetime(cell.year, cell.month, cell.day):
            raise ValueError(f"{cell} with a time of day")
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, str) and _ISO_DATE.fullmatch(cell.strip()):
        try:
            return date.fromisoformat(cell.strip())
        except ValueError:
            pass
    raise ValueError(repr(cell))


def _numbers(cells: Sequence[Any], ticker: str, dates: pd.DatetimeIndex, source: str) -> FloatArray:
    if isinstance(cells, pd.Series) and getattr(cells.dtype, "kind", "O") in "iuf":
        return np.asarray(cells.to_numpy(dtype=np.float64, na_value=np.nan))
    numbers = np.empty(len(dates))
    for i, cell in enumerate(cells):
        try:
            numbers[i] = _number(cell)
        except (ValueError, OverflowError):
            place = f"{ticker} on {dates[i]:%Y-%m-%d} (row {i + 2})"
            raise InputError(f"{source}: expected a number, received {cell!r} for {place}") from None
    return numbers


def _number(cell: Any) -> float:
    if cell is None or cell is pd.NA:
        return np.nan
    if isinstance(cell, str):
        if cell.strip().casefold() in _MISSING:
            return np.nan
        if "_" in cell:
            raise ValueError
        return float(cell)
    if isinstance(cell, bool) or not isinstance(cell, (Real, Decimal)):
        raise ValueError
    return float(cell)


def _check_range(values: FloatArray, tickers: Sequence[str], dates: pd.DatetimeIndex, kind: str, source: str) -> None:
    def refuse(bad: BoolArray, expected: str) -> None:
        if bad.any():
            i, j = np.argwhere(bad)[0]
            place = f"{tickers[j]} on {dates[i]:%Y-%m-%d} (row {i + 2})"
            raise InputError(f"{source}: expected {expected}, received {values[i, j]:g} for {place}")

    refuse(np.isinf(values), "finite numbers")
    if kind == "returns":
        refuse(values <= -1.0, "returns above -1 (decimals, -0.02 for -2 %)")
    else:
        refuse(values <= 0.0, f"{kind} above 0")


def _check_columns(frame: pd.DataFrame, source: str, min_rows: int) -> None:
    if len(frame) < min_rows:
        raise InputError(f"{source}: expected at least {min_rows} rows with values, received {len(frame)}")
    for ticker, column in frame.items():
        known = column.dropna()
        if known.empty:
            raise InputError(f"{source}: expected values in every column, received none for {ticker}")
        if (known == known.iloc[0]).all():
            raise InputError(
                f"{source}: expected values that vary, received {known.iloc[0]:g} on every row of {ticker}"
            )
