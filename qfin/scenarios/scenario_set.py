"""Scenarios with their probabilities and where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError
from qfin.scenarios._files import save_frame

PROBABILITY_COLUMN = "probability"


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
        object.__setattr__(self, "provenance", as_provenance(self.provenance))
        if self.probabilities is not None:
            object.__setattr__(self, "probabilities", as_probabilities(self.probabilities, len(returns)))
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
        return -(self.returns @ book_weights(weights, len(self.assets)))

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
        return save_frame(self.to_frame(), path)


def book_weights(weights: ArrayLike | None, n_assets: int) -> FloatArray:
    """One finite number an asset; None weighs all assets equally."""
    if weights is None:
        return np.full(n_assets, 1.0 / n_assets)
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (n_assets,) or not np.isfinite(vector).all():
        raise InputError(f"weights: expected {n_assets} finite numbers, received shape {vector.shape}")
    return vector


def as_probabilities(values: ArrayLike, n_scenarios: int) -> FloatArray:
    """Read-only probabilities with sum 1."""
    probabilities = np.array(values, dtype=np.float64)
    if probabilities.shape != (n_scenarios,):
        raise InputError(f"probabilities: expected {n_scenarios} numbers, received shape {probabilities.shape}")
    if not (probabilities >= 0.0).all() or abs(float(probabilities.sum()) - 1.0) > 1e-9:
        expected = f"{n_scenarios} non-negative numbers with sum 1"
        raise InputError(f"probabilities: expected {expected}, received sum {probabilities.sum()}")
    probabilities.setflags(write=False)
    return probabilities


def as_provenance(provenance: Mapping[str, str | int | float]) -> Mapping[str, str | int | float]:
    """Read-only text -> text or number."""
    for name, value in provenance.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            raise InputError(f"provenance: expected text -> text or number, received {name!r}: {value!r}")
    return MappingProxyType(dict(provenance))
