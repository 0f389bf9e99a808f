"""Tables of scenarios -> files: whole or not at all."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pandas as pd

from qfin._files import write_whole
from qfin.exceptions import InputError

_XLSX_MAX_ROWS = 2**20 - 1  # a sheet's rows less the header


def save_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as .csv, .csv.gz, .parquet or .xlsx; Parquet and Excel (second sheet) also hold its `attrs`."""
    path = Path(path)
    write = next((writer for suffix, writer in _WRITERS.items() if path.name.lower().endswith(suffix)), None)
    if write is None:
        raise InputError(f"{path}: expected a name ending in {', '.join(_WRITERS)}, received {path.name!r}")
    if write is _write_xlsx and len(frame) > _XLSX_MAX_ROWS:
        raise InputError(f"{path}: expected at most {_XLSX_MAX_ROWS} rows for Excel, received {len(frame)}")

    def fill(partial: Path) -> None:
        with partial.open("wb") as file:
            write(frame, file)

    return write_whole(path, fill)


def _write_csv(frame: pd.DataFrame, file: IO[bytes]) -> None:
    frame.to_csv(file, index=False)


def _write_csv_gz(frame: pd.DataFrame, file: IO[bytes]) -> None:
    # Neither a time nor a name inside, so that the same draws give the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed:
        frame.to_csv(packed, index=False)


def _write_parquet(frame: pd.DataFrame, file: IO[bytes]) -> None:
    frame.to_parquet(file, index=False, engine="pyarrow")


def _write_xlsx(frame: pd.DataFrame, file: IO[bytes]) -> None:
    with pd.ExcelWriter(file, engine="xlsxwriter") as book:
        frame.to_excel(book, sheet_name="scenarios", index=False)
        provenance = pd.DataFrame({"name": list(frame.attrs), "value": list(frame.attrs.values())})
        provenance.to_excel(book, sheet_name="provenance", index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".csv.gz": _write_csv_gz,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}
