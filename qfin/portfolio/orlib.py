"""OR-Library portfolio files (Beasley 1990; Chang et al. 2000): text -> numbers."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qfin._types import BoolArray, FloatArray, IntArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError


@dataclass(frozen=True, eq=False)
class OrLibraryInstance:
    """Weekly mean returns (n_assets,) and covariance (n_assets, n_assets)."""

    mean: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False)
class ReferenceOptimum:
    """A proven optimum of a `ccef` table: value and `lower_bound` agree to a relative 1e-6 or better.

    `parameter` is "lambda" or "min_return" and `setting` its value; `columns` (n_held,) are those held, from 0.
    """

    instance: str
    parameter: str
    setting: float
    value: float
    lower_bound: float
    mean: float
    variance: float
    columns: IntArray
    weights: FloatArray

    def support(self, n_assets: int) -> BoolArray:
        """Who is held, shape (n_assets,)."""
        return np.isin(np.arange(n_assets), self.columns)


def read_reference_optima(path: str | Path, instance: str | None = None) -> tuple[ReferenceOptimum, ...]:
    """The rows of a `ccef` table, of one instance such as "port1" or of all, in the order of the file."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        optima = tuple(_optimum(row) for row in rows if instance in (None, row["instance"]))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file, received: {error}") from None
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: expected the columns of a ccef table, received otherwise ({error})") from None
    if not optima:
        raise InputError(f"{path}: expected rows of {instance or 'some instance'}, received none")
    return optima


def _optimum(row: dict[str, str]) -> ReferenceOptimum:
    parameter = "lambda" if "lambda" in row else "min_return"
    numbers = [float(row[name]) for name in (parameter, "lower_bound", "mean", "variance")]
    setting, lower_bound, mean, variance = numbers
    columns = np.array([int(word) - 1 for word in row["assets"].split(";")])
    weights = np.array([float(word) for word in row["weights"].split(";")])
    value = float(row["objective"]) if parameter == "lambda" else variance
    return ReferenceOptimum(row["instance"], parameter, setting, value, lower_bound, mean, variance, columns, weights)


def read_instance(path: str | Path) -> OrLibraryInstance:
    """A `port` file: the number of assets, a line "mean deviation" for each, then lines "i j correlation"."""
    numbers = _numbers(path)
    if len(numbers) == 0 or numbers[0] != int(numbers[0]) or numbers[0] < 1:
        raise InputError(f"{path}: expected the number of assets first, received {numbers[:1].tolist()}")
    n_assets = int(numbers[0])
    n_pairs = n_assets * (n_assets + 1) // 2
    expected = 1 + 2 * n_assets + 3 * n_pairs
    if len(numbers) != expected:
        raise InputError(f"{path}: expected {expected} numbers for {n_assets} assets, received {len(numbers)}")
    moments = numbers[1 : 1 + 2 * n_assets].reshape(n_assets, 2)
    triples = numbers[1 + 2 * n_assets :].reshape(n_pairs, 3)
    correlation = np.full((n_assets, n_assets), np.nan)
    rows, columns = triples[:, 0].astype(int) - 1, triples[:, 1].astype(int) - 1
    if min(rows.min(), columns.min()) < 0 or max(rows.max(), columns.max()) >= n_assets:
        raise InputError(f"{path}: expected pairs of assets from 1 to {n_assets}, received one outside")
    correlation[rows, columns] = correlation[columns, rows] = triples[:, 2]
    if np.isnan(correlation).any():
        i, j = np.argwhere(np.isnan(correlation))[0] + 1
        raise InputError(f"{path}: expected every pair of assets once, received none for {i} and {j}")
    if (moments[:, 1] < 0.0).any() or np.abs(correlation).max() > 1.0 + 1e-9:
        raise InputError(f"{path}: expected deviations of at least 0 and correlations from -1 to 1, received others")
    return OrLibraryInstance(moments[:, 0].copy(), correlation * np.outer(moments[:, 1], moments[:, 1]))


def read_frontier(path: str | Path) -> tuple[FloatArray, FloatArray]:
    """A `portef` file: means and variances of the frontier without a limit on the number held, means ascending."""
    numbers = _numbers(path)
    if len(numbers) < 4 or len(numbers) % 2 == 1:
        raise InputError(f"{path}: expected lines of a mean and a variance, received {len(numbers)} numbers")
    means, variances = numbers.reshape(-1, 2).T
    order = np.argsort(means, kind="stable")
    return means[order], variances[order]


def read_tracking_prices(path: str | Path) -> pd.DataFrame:
    """An `indtrack` table (.csv or .csv.gz): weekly prices, column INDEX first, then one column per stock."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a readable table, received: {error}") from None
    if list(table.columns[:2]) != ["week", "INDEX"] or table.shape[1] < 3:
        raise InputError(f"{path}: expected columns week, INDEX and stocks, received {', '.join(table.columns[:3])}")
    prices = table.set_index("week")
    values = as_matrix(prices.to_numpy(), str(path), min_rows=2)
    if (values <= 0.0).any():
        row, column = np.argwhere(values <= 0.0)[0]
        raise InputError(
            f"{path}: expected prices above 0, received {values[row, column]} for {prices.columns[column]}"
        )
    return prices


def _numbers(path: str | Path) -> FloatArray:
    try:
        words = Path(path).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file, received: {error}") from None
    try:
        numbers = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path}: expected numbers only, received otherwise ({error})") from None
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: expected finite numbers, received {numbers[~np.isfinite(numbers)][0]}")
    return numbers
