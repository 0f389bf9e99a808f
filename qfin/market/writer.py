"""Frames -> files: whole or not at all."""

import gzip
from io import BytesIO
from pathlib import Path

import pandas as pd

from qfin._files import write_whole
from qfin.exceptions import InputError
from qfin.market.reader import suffix_of

_XLSX_ROWS = 1_048_576


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write `frame` to a .csv, .csv.gz, .parquet or .xlsx file, so that the file is there whole or not at all.

    A DatetimeIndex becomes the first column, `date`; any other index is not written. CSV and Parquet keep every bit of
    a float, XLSX 16 decimal digits.

    Raises
    ------
    InputError
        Unknown ending; the folder is missing or unwritable; the disk is full; more rows than a sheet can hold.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis("date").reset_index()
    if suffix == ".xlsx" and len(frame) >= _XLSX_ROWS:
        raise InputError(f"{path}: expected fewer than {_XLSX_ROWS} rows for an XLSX sheet, received {len(frame)}")
    content = _encode(frame, suffix)
    return write_whole(path, lambda partial: partial.write_bytes(content))


def _encode(frame: pd.DataFrame, suffix: str) -> bytes:
    if suffix in (".csv", ".csv.gz"):
        text = frame.to_csv(index=False, lineterminator="\n").encode()
        return text if suffix == ".csv" else gzip.compress(text, mtime=0)
    buffer = BytesIO()
    if suffix == ".parquet":
        frame.to_parquet(buffer, index=False)
    else:
        options = {"options": {"in_memory": True}}
        with pd.ExcelWriter(buffer, "xlsxwriter", datetime_format="yyyy-mm-dd", engine_kwargs=options) as book:
            frame.to_excel(book, index=False)
    return buffer.getvalue()
