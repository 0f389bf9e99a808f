"""Paths of many days with their probabilities and where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.scenarios._files import save_frame
from qfin.scenarios.scenario_set import (
    PROBABILITY_COLUMN,
    ScenarioSet,
    as_probabilities,
    as_provenance,
    book_weights,
)

_INDEX_COLUMNS = ("path", "day", "date")


@dataclass(frozen=True, eq=False)
class ScenarioPaths:
    """Days that follow one another, in simple returns.

    Attributes
    ----------
    returns : read-only array of shape (n_paths, horizon, n_assets)
        Not copied: an array of float64 that is handed over becomes read-only.
    assets : tuple of str
        Names, each once.
    dates : DatetimeIndex of `horizon` days, or None
    probabilities : read-only array of shape (n_paths,) or None
        Non-negative with sum 1; None means equally likely.
    provenance : mapping of str to str or number
        What made the paths: generator, seed, counts, …
    """

    returns: FloatArray
    assets: tuple[str, ...]
    dates: pd.DatetimeIndex | None = None
    probabilities: FloatArray | None = None
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        returns = np.asarray(self.returns, dtype=np.float64)
        if returns.ndim != 3 or 0 in returns.shape:
            raise InputError(f"returns: expected shape (n_paths, horizon, n_assets), received {returns.shape}")
        if not np.isfinite(returns).all():
            path, day, _ = np.argwhere(~np.isfinite(returns))[0]
            raise InputError(f"returns: expected finite numbers, received others on path {path}, day {day + 1}")
        assets = tuple(self.assets)
        if len(assets) != returns.shape[2] or len(set(assets)) != len(assets):
            raise InputError(f"assets: expected {returns.shape[2]} different names, received {assets}")
        taken = {*_INDEX_COLUMNS, PROBABILITY_COLUMN} & set(assets)
        if taken:
            raise InputError(f"assets: expected no asset called {', '.join(sorted(taken))}")
        if self.dates is not None and len(self.dates) != returns.shape[1]:
            raise InputError(f"dates: expected {returns.shape[1]} days, received {len(self.dates)}")
        returns.setflags(write=False)
        object.__setattr__(self, "returns", returns)
        object.__setattr__(self, "assets", assets)
        object.__setattr__(self, "provenance", as_provenance(self.provenance))
        if self.probabilities is not None:
            object.__setattr__(self, "probabilities", as_probabilities(self.probabilities, len(returns)))

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def horizon(self) -> int:
        """Number of days."""
        return int(self.returns.shape[1])

    @property
    def effective_sample_size(self) -> float:
        """1/Σp² (Kish): the number of equally likely paths that say as much about a mean."""
        return float(len(self)) if self.probabilities is None else float(1.0 / np.sum(self.probabilities**2))

    def total(self, days: int | None = None) -> ScenarioSet:
        """Compound returns of the first `days` days (None: all of them), as a scenario set."""
        days = self.horizon if days is None else days
        if not 1 <= days <= self.horizon:
            raise InputError(f"days: expected 1 to {self.horizon}, received {days}")
        growth = np.ones((len(self), len(self.assets)))
        for day in range(days):
            growth *= 1.0 + self.returns[:, day]
        return ScenarioSet(growth - 1.0, self.assets, self.probabilities, {**self.provenance, "days": days})

    def book_returns(self, weights: ArrayLike | None = None) -> FloatArray:
        """Daily returns of a book that is brought back to its weights every day, shape (n_paths, horizon)."""
        if weights is None:
            return np.asarray(self.returns.mean(axis=2))
        return np.asarray(self.returns @ book_weights(weights, len(self.assets)))

    def to_frame(self) -> pd.DataFrame:
        """One row per path and day: `path` and `day` from 1 on, `date` where known, one column per asset, then
        `probability` (of the path) where the paths carry one; the provenance in `attrs`."""
        n_paths, horizon, n_assets = self.returns.shape
        flat = self.returns.reshape(-1, n_assets)
        frame = pd.DataFrame(flat, columns=list(self.assets), copy=False)
        if self.dates is not None:
            frame.insert(0, "date", np.tile(self.dates.to_numpy(), n_paths))
        frame.insert(0, "day", np.tile(np.arange(1, horizon + 1, dtype=np.int32), n_paths))
        frame.insert(0, "path", np.repeat(np.arange(1, n_paths + 1, dtype=np.int32), horizon))
        if self.probabilities is not None:
            frame[PROBABILITY_COLUMN] = np.repeat(self.probabilities, horizon)
        frame.attrs = dict(self.provenance)
        return frame

    def save(self, path: str | Path) -> Path:
        """Write `to_frame` as .csv, .csv.gz, .parquet or .xlsx, whole or not at all; returns the path."""
        return save_frame(self.to_frame(), path)
