"""Copula-GARCH: volatility per asset, a copula of what is left."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin._validation import check_fitted
from qfin.copulas.born import uniform_margins_of
from qfin.marginals import EmpiricalGPD, GarchFilter, MarginalPanel, pseudo_observations
from qfin.scenarios.generator import ScenarioCopula, default_copula
from qfin.scenarios.path_generators import check_size, fitted_residuals, volatility_paths
from qfin.scenarios.scenario_paths import ScenarioPaths

_LEAST_RANKED = 20_000  # draws among which ranks are taken at least


class GarchCopulaPaths(BaseEstimator):  # type: ignore[misc]
    """Paths whose days share a copula and whose volatilities follow each asset's own GARCH from today on.

    The marginals of the residuals and the copula of their ranks are fitted to the days on which every asset has a
    return (Jondeau & Rockinger 2006).

    Parameters
    ----------
    volatility : GarchFilter or None
        None means `GarchFilter()`.
    copula : copula of `qfin.copulas` or None
        None means `StudentTCopula()`.
    marginals : MarginalPanel or None
        Of the residuals; None means `MarginalPanel(EmpiricalGPD(lower_bound=None))`.

    Attributes
    ----------
    volatility_, copula_, marginals_ : the fitted copies
    n_incomplete_days_ : int
    """

    def __init__(
        self,
        volatility: GarchFilter | None = None,
        copula: ScenarioCopula | None = None,
        marginals: MarginalPanel | None = None,
    ) -> None:
        self.volatility = volatility
        self.copula = copula
        self.marginals = marginals

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None, *, init_params: FloatArray | None = None) -> Self:
        """Learn from simple returns; `init_params` are the `volatility_.params_` of an earlier fit."""
        self.volatility_, residuals, self.n_incomplete_days_ = fitted_residuals(self, self.volatility, X, init_params)
        panel = MarginalPanel(EmpiricalGPD(lower_bound=None)) if self.marginals is None else clone(self.marginals)
        self.marginals_: MarginalPanel = panel.fit(residuals)
        copula = default_copula() if self.copula is None else clone(self.copula)
        self.copula_: ScenarioCopula = copula.fit(pseudo_observations(residuals))
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
        n_paths, horizon = check_size(n_paths, horizon)
        z = self.innovations(n_paths * horizon, rng).reshape(n_paths, horizon, -1)
        return volatility_paths(self, z, rng, dates, state)

    def innovations(self, n_days: int, rng: RandomLike = None) -> FloatArray:
        """Standardised residuals of days that do not know of each other, shape (n_days, n_assets).

        Draws of the copula are replaced by their ranks, so that each asset keeps the law of its own residuals: the
        margins of a Born copula are only about uniform, and what is wrong in a day's tail adds up along a path.
        """
        check_fitted(self, "copula_")
        u = uniform_margins_of(self.copula_.sample(max(n_days, _LEAST_RANKED), rng=as_generator(rng)))
        return np.asarray(self.marginals_.from_uniform(u[:n_days]))
