"""The door of the generators: one rule for tables, names and incomplete days."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from qfin._random import RandomLike
from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.scenarios.scenario_set import ScenarioSet


def checked_returns(estimator: Any, table: ArrayLike | pd.DataFrame, *, reset: bool) -> FloatArray:
    """Simple returns as a matrix, NaN allowed; learns (reset) or compares feature names and their number."""
    try:
        matrix = validate_data(estimator, table, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
    except ValueError as error:
        raise InputError(str(error)) from error
    return np.asarray(matrix)


def complete_days(matrix: FloatArray) -> BoolArray:
    """Which days have a return for every asset; at least two must."""
    complete: BoolArray = np.asarray(~np.isnan(matrix).any(axis=1))
    if complete.sum() < 2:
        raise InputError(
            f"returns: expected at least 2 days with a return for every asset, "
            f"received {complete.sum()} of n_samples={len(matrix)}"
        )
    return complete


def asset_names(estimator: Any) -> tuple[str, ...]:
    """Column names seen in fit, or asset_0, asset_1, … where the table had none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return tuple(f"asset_{j}" for j in range(estimator.n_features_in_))
    return tuple(str(name) for name in names)


def check_n_samples(n_samples: int) -> int:
    """The number of draws as an int of at least one."""
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise InputError(f"n_samples: expected a whole number of at least 1, received {n_samples!r}")
    return int(n_samples)


def as_scenario_set(
    estimator: Any, returns: FloatArray, rng: RandomLike, provenance: dict[str, str | int | float]
) -> ScenarioSet:
    """Equally likely draws of `estimator`, with its name and, where it was an integer, the seed."""
    known: dict[str, str | int | float] = {"generator": type(estimator).__name__, **provenance}
    if isinstance(rng, int | np.integer):
        known["seed"] = int(rng)
    return ScenarioSet(returns, asset_names(estimator), provenance=known)
