"""Files -> tables: CSV, CSV.gz, Parquet and XLSX, read strictly."""

import csv
import gzip
import zlib
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pandas as pd

from qfin.exceptions import InputError
from qfin.market.table import MIN_ROWS, MarketTable, build_table, check_kind, table_from_frame

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".xlsx")


def suffix_of(path: Path) -> str:
    """The one of `SUFFIXES` that ends the file's name."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise InputError(f"{path}: expected a file name ending in {', '.join(SUFFIXES)}, received {path.name!r}")


def read_table(path: str | Path, *, kind: str, min_rows: int = MIN_ROWS) -> MarketTable:
    """Read and check a table: first column `date` (YYYY-MM-DD, ascending), then one column of numbers per ticker.

    Parameters
    ----------
    path : CSV (UTF-8, commas), CSV.gz, Parquet, or XLSX with one sheet.
    kind : "prices", "levels" (of an index or a rate; above 0 like prices) or "returns" (simple, decimals).
    min_rows : fewest rows with values.

    Raises
    ------
    InputError
        The file is missing, a folder, empty, unreadable or of another format, or `build_table` refuses its content.
    """
    path = Path(path)
    check_kind(kind)
    if path.is_dir():
        raise InputError(f"{path}: expected a file, received a folder")
    if not path.exists():
        raise InputError(f"{path}: expected an existing file, received a path where there is none")
    suffix = suffix_of(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: expected a table, received an empty file")
    if suffix == ".parquet":
        return table_from_frame(_read_parquet(path), kind=kind, source=str(path), min_rows=min_rows)
    rows = _read_xlsx(path) if suffix == ".xlsx" else _read_csv(path, gzip.open if suffix == ".csv.gz" else open)
    if not rows:
        raise InputError(f"{path}: expected a table, received an empty file")
    columns = _columns(rows, str(path))
    return build_table(rows[0], columns, kind=kind, source=str(path), min_rows=min_rows)


def _columns(rows: list[Sequence[Any]], source: str) -> list[Sequence[Any]]:
    width = len(rows[0])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != width:
            raise InputError(f"{source}: expected {width} cells in every row, received {len(row)} in row {number}")
    return [[row[j] for row in rows[1:]] for j in range(width)]


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path}: expected {what}, received one that cannot be read ({reason})")


def _read_csv(path: Path, opener: Callable[..., TextIOWrapper]) -> list[Sequence[Any]]:
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            rows: list[Sequence[Any]] = list(csv.reader(stream, strict=True))
    except (OSError, EOFError, zlib.error, UnicodeError, csv.Error) as error:
        raise _unreadable(path, "a CSV file in UTF-8" + (", gzipped" if opener is not open else ""), error) from None
    return _without_blank_end(rows)


def _read_xlsx(path: Path) -> list[Sequence[Any]]:
    import openpyxl

    try:
        with path.open("rb") as stream:
            workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            sheets = [list(sheet.iter_rows(values_only=True)) for sheet in workbook.worksheets]
    except Exception as error:
        raise _unreadable(path, "an XLSX workbook", error) from None
    if len(sheets) != 1:
        raise InputError(f"{path}: expected one sheet, received {len(sheets)}: {', '.join(workbook.sheetnames)}")
    width = max(map(len, sheets[0]), default=0)  # a row may end at its last filled cell
    return _without_blank_end([(*row, *[None] * (width - len(row))) for row in sheets[0]])


def _without_blank_end(rows: list[Sequence[Any]]) -> list[Sequence[Any]]:
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    return rows


def _read_parquet(path: Path) -> pd.DataFrame:
    from pyarrow import parquet

    try:
        names = parquet.read_schema(path).names
        repeated = sorted({name for name in names if names.count(name) > 1})
        frame = pd.DataFrame() if repeated else pd.read_parquet(path)
    except Exception as error:
        raise _unreadable(path, "a Parquet file", error) from None
    if repeated:
        raise InputError(f"{path}: expected each ticker once, received {', '.join(repeated)} more than once")
    return frame
