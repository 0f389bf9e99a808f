"""Historical simulation: the rival that every model must be compared with."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import check_fitted
from qfin.scenarios._table import as_scenario_set, check_n_samples, checked_returns, complete_days
from qfin.scenarios.scenario_set import ScenarioSet


class HistoricalGenerator(BaseEstimator):  # type: ignore[misc]
    """Draws whole days of the past, with replacement.

    Attributes
    ----------
    returns_ : array of shape (n_complete_days, n_assets)
        The days drawn from: those with a return for every asset.
    n_incomplete_days_ : int
        Days left out because an asset had no return.
    """

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        """Keep the complete days of simple returns X, shape (n_days, n_assets)."""
        matrix = checked_returns(self, X, reset=True)
        complete = complete_days(matrix)
        self.returns_: FloatArray = matrix[complete]
        self.n_incomplete_days_ = int((~complete).sum())
        return self

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Simple returns of days drawn with replacement, shape (n_samples, n_assets)."""
        check_fitted(self, "returns_")
        days = as_generator(rng).integers(len(self.returns_), size=check_n_samples(n_samples))
        return self.returns_[days]

    def sample_set(self, n_samples: int, *, rng: RandomLike = None) -> ScenarioSet:
        """The same draws with asset names and provenance."""
        returns = self.sample(n_samples, rng=rng)
        return as_scenario_set(self, returns, rng, {"n_observations": len(self.returns_)})

    def to_arrays(self) -> dict[str, AnyArray]:
        """The days to draw from, with their names."""
        check_fitted(self, "returns_")
        return {
            "assets": np.array(getattr(self, "feature_names_in_", []), dtype=str),
            "returns": self.returns_,
            "n_incomplete_days": np.array(self.n_incomplete_days_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The generator that `to_arrays` wrote."""
        generator = cls()
        generator.returns_ = np.asarray(arrays["returns"], dtype=np.float64)
        generator.n_incomplete_days_ = int(arrays["n_incomplete_days"])
        generator.n_features_in_ = generator.returns_.shape[1]
        if len(arrays["assets"]):
            generator.feature_names_in_ = np.asarray(arrays["assets"]).astype(object)
        return generator

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
