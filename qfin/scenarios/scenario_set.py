"""Scenarios with their probabilities and where they came from."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qfin._files import write_whole
from qfin._types import FloatArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError

PROBABILITY_COLUMN = "probability"
_XLSX_MAX_ROWS = 2**20 - 1  # a sheet's rows less the header


@dataclass(frozen=True, eq=False)
class ScenarioSet:
    """Draws in simple returns.

    Attributes
    ----------
    returns : read-only array of shape (n_scenarios, n_assets)
    assets : tuple of str
        Column names, each once.
    probabilities : read-only array of shape (n_scenarios,) or None
        Non-negative with sum 1; None means equally likely.
    provenance : mapping of str to str or number
        What made the draws: generator, copula, seed, …
    """

    returns: FloatArray
    assets: tuple[str, ...]
    probabilities: FloatArray | None = None
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        returns = as_matrix(self.returns, "returns", min_rows=1).copy()
        assets = tuple(self.assets)
        if len(assets) != returns.shape[1] or len(set(assets)) != len(assets):
            raise InputError(f"assets: expected {returns.shape[1]} different names, received {assets}")
        returns.setflags(write=False)
        object.__setattr__(self, "returns", returns)
        object.__setattr__(self, "assets", assets)
        for name, value in self.provenance.items():
            if not isinstance(name, str) or not isinstance(value, str | int | float):
                raise InputError(f"provenance: expected text -> text or number, received {name!r}: {value!r}")
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        if self.probabilities is not None:
            object.__setattr__(self, "probabilities", _as_probabilities(self.probabilities, len(returns)))
            if PROBABILITY_COLUMN in assets:
                raise InputError(f"assets: expected no asset called {PROBABILITY_COLUMN!r} beside probabilities")

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def effective_sample_size(self) -> float:
        """1/Σp² (Kish): the number of equally likely scenarios that say as much about a mean."""
        return float(len(self)) if self.probabilities is None else float(1.0 / np.sum(self.probabilities**2))

    def losses(self, weights: ArrayLike | None = None) -> FloatArray:
        """Loss of a book per scenario, positive when money is lost; None weighs all assets equally."""
        if weights is None:
            return np.asarray(-self.returns.mean(axis=1))
        vector = np.asarray(weights, dtype=np.float64)
        if vector.shape != (len(self.assets),) or not np.isfinite(vector).all():
            raise InputError(f"weights: expected {len(self.assets)} finite numbers, received shape {vector.shape}")
        return -(self.returns @ vector)

    def to_frame(self) -> pd.DataFrame:
        """One column per asset, then `probability` where the scenarios carry one; the provenance in `attrs`."""
        frame = pd.DataFrame(self.returns, columns=list(self.assets))
        if self.probabilities is not None:
            frame[PROBABILITY_COLUMN] = self.probabilities
        frame.attrs = dict(self.provenance)
        return frame

    def save(self, path: str | Path) -> Path:
        """Write a table as .csv, .csv.gz, .parquet or .xlsx, whole or not at all; returns the path.

        Parquet and Excel (second sheet) also hold the provenance.
        """
        path = Path(path)
        write = next((writer for suffix, writer in _WRITERS.items() if path.name.lower().endswith(suffix)), None)
        if write is None:
            raise InputError(f"{path}: expected a name ending in {', '.join(_WRITERS)}, received {path.name!r}")
        frame = self.to_frame()
        if write is _write_xlsx and len(frame) > _XLSX_MAX_ROWS:
            raise InputError(f"{path}: expected at most {_XLSX_MAX_ROWS} scenarios for Excel, received {len(frame)}")

        def fill(partial: Path) -> None:
            with partial.open("wb") as file:
                write(frame, file)

        return write_whole(path, fill)


def _as_probabilities(values: ArrayLike, n_scenarios: int) -> FloatArray:
    probabilities = np.array(values, dtype=np.float64)
    if probabilities.shape != (n_scenarios,):
        raise InputError(f"probabilities: expected {n_scenarios} numbers, received shape {probabilities.shape}")
    if not (probabilities >= 0.0).all() or abs(float(probabilities.sum()) - 1.0) > 1e-9:
        raise InputError(f"probabilities: expected non-negative with sum 1, received sum {probabilities.sum()}")
    probabilities.setflags(write=False)
    return probabilities


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
