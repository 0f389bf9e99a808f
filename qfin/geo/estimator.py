"""The loop as an optimiser of skfolio: returns -> weights of a portfolio of few names; works in cross-validation."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from skfolio.optimization import BaseOptimization
from sklearn.utils.validation import validate_data

from qfin._random import as_generator
from qfin.geo.run import optimise
from qfin.portfolio import PortfolioProblem


class GEOOptimization(BaseOptimization):  # type: ignore[misc]
    """Long-only portfolio of `cardinality` names of least risk, by generator-enhanced optimisation.

    Parameters
    ----------
    cardinality : int or (int, int)
        Number of names held, or its range.
    measure : str
        What is minimised: "variance", or a loss of the returns' scenarios ("shortfall", "var").
    level : float
        Level of a loss; the variance has none.
    min_weights, max_weights : float
        Bounds of a weight that is held.
    target_return : float or None
        Least mean return per period.
    budget : int
        Unique supports solved in a fit.
    random_state : int or None
        Seed of a fit: with a number every fit to the same returns gives the same weights.
    portfolio_params, fallback, previous_weights, raise_on_failure
        As in every optimiser of skfolio.

    Attributes
    ----------
    weights_ : (n_assets,)
    value_ : float
        The measure on the returns of the fit.
    result_ : GEOResult
    """

    def __init__(
        self,
        cardinality: int | tuple[int, int] = 10,
        measure: str = "variance",
        level: float = 0.95,
        min_weights: float = 0.01,
        max_weights: float = 1.0,
        target_return: float | None = None,
        budget: int = 300,
        random_state: int | None = None,
        portfolio_params: Mapping[str, Any] | None = None,
        fallback: Any = None,
        previous_weights: Any = None,
        raise_on_failure: bool = True,
    ):
        super().__init__(
            portfolio_params=portfolio_params,
            fallback=fallback,
            previous_weights=previous_weights,
            raise_on_failure=raise_on_failure,
        )
        self.cardinality = cardinality
        self.measure = measure
        self.level = level
        self.min_weights = min_weights
        self.max_weights = max_weights
        self.target_return = target_return
        self.budget = budget
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Search the supports for simple returns X (n_observations, n_assets)."""
        returns = validate_data(self, X)
        n_assets = returns.shape[1]
        names = getattr(self, "feature_names_in_", np.arange(n_assets)).astype(str)
        lowest_highest = (self.cardinality,) * 2 if isinstance(self.cardinality, int) else tuple(self.cardinality)
        options = {} if self.measure == "variance" else {"level": self.level}
        problem = PortfolioProblem.from_returns(
            pd.DataFrame(returns, columns=names),
            measure=self.measure,
            target_return=self.target_return,
            cardinality=lowest_highest,
            bounds=(self.min_weights, self.max_weights),
            **options,
        )
        self.result_ = optimise(problem, budget=self.budget, rng=as_generator(self.random_state))
        self.weights_, self.value_ = self.result_.weights, self.result_.value
        return self
