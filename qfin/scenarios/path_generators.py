"""Paths from the past itself: independent days, blocks of days, and days rescaled to today's volatility."""

from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin._validation import check_fitted
from qfin.exceptions import InputError
from qfin.marginals import GarchFilter, stationary_block_length
from qfin.scenarios._table import asset_names, check_n_samples, checked_returns, complete_days
from qfin.scenarios.historical import HistoricalGenerator
from qfin.scenarios.scenario_paths import ScenarioPaths


class PathGenerator(Protocol):
    """What every source of paths offers."""

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        """Learn from simple returns, shape (n_days, n_assets), NaN where an asset has none."""
        ...

    def sample_paths(
        self, n_paths: int, horizon: int, *, rng: RandomLike = None, dates: pd.DatetimeIndex | None = None
    ) -> ScenarioPaths:
        """Paths of `horizon` days that follow the last day of the fit; `dates` are theirs."""
        ...


class IndependentPaths(BaseEstimator):  # type: ignore[misc]
    """Days drawn one by one, each as if it knew nothing of the others.

    Parameters
    ----------
    generator : estimator with `fit(X)` and `sample(n_samples, rng=)`, or None
        None means `HistoricalGenerator()`, days of the past.

    Attributes
    ----------
    generator_ : the fitted copy
    """

    def __init__(self, generator: Any = None) -> None:
        self.generator = generator

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        self.generator_ = (HistoricalGenerator() if self.generator is None else clone(self.generator)).fit(X)
        return self

    @classmethod
    def from_generator(cls, generator: Any) -> Self:
        """Paths of an already fitted generator, which is not copied."""
        paths = cls(generator)
        paths.generator_ = generator
        return paths

    def sample_paths(
        self, n_paths: int, horizon: int, *, rng: RandomLike = None, dates: pd.DatetimeIndex | None = None
    ) -> ScenarioPaths:
        check_fitted(self, "generator_")
        n_paths, horizon = check_size(n_paths, horizon)
        days = self.generator_.sample(n_paths * horizon, rng=rng).reshape(n_paths, horizon, -1)
        provenance = {"days": type(self.generator_).__name__}
        return as_paths(self, days, asset_names(self.generator_), rng, dates, provenance)


class BlockBootstrapPaths(BaseEstimator):  # type: ignore[misc]
    """The stationary bootstrap: runs of days of the past, of random length (Politis & Romano 1994).

    Parameters
    ----------
    block_length : float or None
        Mean length in days, at least 1; None means `stationary_block_length` of the returns.

    Attributes
    ----------
    returns_ : the complete days, shape (n_days, n_assets); the first follows the last
    block_length_ : float
    n_incomplete_days_ : int
    """

    def __init__(self, block_length: float | None = None) -> None:
        self.block_length = block_length

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        if self.block_length is not None and not self.block_length >= 1.0:
            raise InputError(f"block_length: expected at least 1 day, received {self.block_length}")
        matrix = checked_returns(self, X, reset=True)
        complete = complete_days(matrix)
        self.returns_: FloatArray = matrix[complete]
        self.n_incomplete_days_ = int((~complete).sum())
        self.block_length_ = (
            stationary_block_length(self.returns_) if self.block_length is None else float(self.block_length)
        )
        return self

    def sample_paths(
        self, n_paths: int, horizon: int, *, rng: RandomLike = None, dates: pd.DatetimeIndex | None = None
    ) -> ScenarioPaths:
        check_fitted(self, "returns_")
        n_paths, horizon = check_size(n_paths, horizon)
        generator, n_days = as_generator(rng), len(self.returns_)
        rows = generator.integers(n_days, size=(n_paths, horizon))
        goes_on = generator.random((n_paths, horizon)) >= 1.0 / self.block_length_
        for day in range(1, horizon):
            rows[:, day] = np.where(goes_on[:, day], (rows[:, day - 1] + 1) % n_days, rows[:, day])
        provenance = {"block_length": self.block_length_, "n_observations": n_days}
        return as_paths(self, self.returns_[rows], asset_names(self), rng, dates, provenance)


class FilteredHistoricalPaths(BaseEstimator):  # type: ignore[misc]
    """Filtered historical simulation: whole days of residuals, rescaled by each path's own volatility.

    Barone-Adesi, Giannopoulos & Vosper (1999): each asset's GARCH filter starts from today's volatility; the residuals
    of all assets on a past day are drawn together.

    Parameters
    ----------
    volatility : GarchFilter or None
        None means `GarchFilter()`.

    Attributes
    ----------
    volatility_ : the fitted filter
    residuals_ : array of shape (n_complete_days, n_assets)
    n_incomplete_days_ : int
    """

    def __init__(self, volatility: GarchFilter | None = None) -> None:
        self.volatility = volatility

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None, *, init_params: FloatArray | None = None) -> Self:
        """Learn; `init_params` are the `volatility_.params_` of an earlier fit."""
        self.volatility_, self.residuals_, self.n_incomplete_days_ = fitted_residuals(
            self, self.volatility, X, init_params
        )
        return self

    def sample_paths(
        self,
        n_paths: int,
        horizon: int,
        *,
        rng: RandomLike = None,
        dates: pd.DatetimeIndex | None = None,
        state: FloatArray | None = None,
    ) -> ScenarioPaths:
        """Paths from the volatilities `state` on, such as `volatility_.filter(past).state`; None: after the fit."""
        check_fitted(self, "residuals_")
        size = check_size(n_paths, horizon)
        z = self.residuals_[as_generator(rng).integers(len(self.residuals_), size=size)]
        return volatility_paths(self, z, rng, dates, state)


def fitted_residuals(
    estimator: Any, volatility: GarchFilter | None, X: ArrayLike | pd.DataFrame, init_params: FloatArray | None
) -> tuple[GarchFilter, FloatArray, int]:
    """A fitted filter, its residuals on the days with a return for every asset, and how many days had none."""
    matrix = checked_returns(estimator, X, reset=True)
    complete = complete_days(matrix)
    named = pd.DataFrame(matrix, columns=list(asset_names(estimator)))
    fitted = (GarchFilter() if volatility is None else clone(volatility)).fit(named, init_params=init_params)
    return fitted, fitted.filter(named).residuals[complete], int((~complete).sum())


def volatility_paths(
    estimator: Any, z: FloatArray, rng: RandomLike, dates: pd.DatetimeIndex | None, state: FloatArray | None
) -> ScenarioPaths:
    """Paths of innovations z under the estimator's filter; what the filter counted is in the provenance."""
    simulated = estimator.volatility_.simulate(z, state)
    provenance = {
        "volatility": estimator.volatility_.model,
        "n_bounded": simulated.n_bounded,
        **{f"n_{status}": count for status, count in estimator.volatility_.counts.items()},
    }
    return as_paths(estimator, simulated.returns, asset_names(estimator), rng, dates, provenance)


def as_paths(
    estimator: Any,
    returns: FloatArray,
    assets: tuple[str, ...],
    rng: RandomLike,
    dates: pd.DatetimeIndex | None,
    provenance: dict[str, Any],
) -> ScenarioPaths:
    """Equally likely paths of `estimator`, with its name and, where it was an integer, the seed."""
    known = {"generator": type(estimator).__name__, **provenance}
    if isinstance(rng, int | np.integer):
        known["seed"] = int(rng)
    return ScenarioPaths(returns, assets, dates, provenance=known)


def check_size(n_paths: int, horizon: int) -> tuple[int, int]:
    """Numbers of paths and days of at least one."""
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
        raise InputError(f"horizon: expected a whole number of at least 1, received {horizon!r}")
    return check_n_samples(n_paths), int(horizon)
