"""Marginals and a copula joined to a generator of scenarios."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike
from qfin._types import AnyArray, FloatArray
from qfin._validation import check_fitted
from qfin.copulas.events import Event
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel, pseudo_observations
from qfin.scenarios._table import as_scenario_set, asset_names, check_n_samples, checked_returns, complete_days
from qfin.scenarios.scenario_set import ScenarioSet


class ScenarioCopula(Protocol):
    """What the generator needs of a copula; u has shape (n, n_assets) and lies strictly inside (0, 1)."""

    def fit(self, u: FloatArray) -> Self: ...

    def logpdf(self, u: FloatArray) -> FloatArray: ...

    def sample(self, n_samples: int, *, rng: RandomLike = None) -> FloatArray: ...


class ScenarioGenerator(BaseEstimator):  # type: ignore[misc]
    """Learns simple returns as one law per asset and a copula, and draws new days.

    Every asset's law uses all of that asset's days; the copula uses the ranks of the days on which every asset has a
    return (canonical maximum likelihood, Genest, Ghoudi & Rivest 1995).

    Parameters
    ----------
    marginals : MarginalPanel or None
        None means `MarginalPanel()`, empirical body with generalised-Pareto tails.
    copula : copula of `qfin.copulas` or None
        None means `StudentTCopula()`.

    Attributes
    ----------
    marginals_, copula_ : the fitted copies of the two arguments
    n_incomplete_days_ : int
        Days the copula could not use because an asset had no return.
    n_features_in_, feature_names_in_ : as in scikit-learn
    """

    def __init__(self, marginals: MarginalPanel | None = None, copula: ScenarioCopula | None = None) -> None:
        self.marginals = marginals
        self.copula = copula

    def fit(self, X: ArrayLike | pd.DataFrame, y: None = None) -> Self:
        """Learn from simple returns X, shape (n_days, n_assets), NaN where an asset has no return."""
        matrix = checked_returns(self, X, reset=True)
        complete = complete_days(matrix)
        marginals = MarginalPanel() if self.marginals is None else clone(self.marginals)
        self.marginals_: MarginalPanel = marginals.fit(pd.DataFrame(matrix, columns=list(asset_names(self))))
        copula = default_copula() if self.copula is None else clone(self.copula)
        self.copula_: ScenarioCopula = copula.fit(pseudo_observations(matrix[complete]))
        self.n_incomplete_days_ = int((~complete).sum())
        return self

    @classmethod
    def from_parts(cls, marginals: MarginalPanel, copula: ScenarioCopula, *, n_incomplete_days: int = 0) -> Self:
        """A generator of already fitted marginals and an already fitted copula, which it does not copy."""
        check_fitted(marginals, "marginals_")
        generator = cls(marginals, copula)
        generator.marginals_, generator.copula_ = marginals, copula
        generator.n_incomplete_days_ = n_incomplete_days
        generator.n_features_in_ = len(marginals.assets_)
        if marginals.assets_ != asset_names(generator):  # the table had names of its own
            generator.feature_names_in_ = np.array(marginals.assets_, dtype=object)
        return generator

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None, given: Event | str | None = None) -> FloatArray:
        """New days of simple returns, shape (n_samples, n_assets).

        With an event `given`, as text ("AAPL < -5%") or as objects, equally likely days on which it happens; see
        `stress_scenarios` for weighted ones.
        """
        check_fitted(self, "copula_")
        if given is not None:
            from qfin.scenarios.stress import returns_given

            return returns_given(self, given, check_n_samples(n_samples), rng=rng)
        return self.marginals_.from_uniform(self.copula_.sample(check_n_samples(n_samples), rng=rng))

    def sample_set(self, n_samples: int, *, rng: RandomLike = None) -> ScenarioSet:
        """The same draws with asset names and provenance."""
        returns = self.sample(n_samples, rng=rng)
        return as_scenario_set(self, returns, rng, {"copula": type(self.copula_).__name__})

    def score_samples(self, X: ArrayLike | pd.DataFrame) -> FloatArray:
        """Joint log-density of each day's simple returns, shape (n_days,), in nats; days must be complete.

        The log-density of the copula at u = F(X), plus those of the marginals.
        """
        check_fitted(self, "copula_")
        matrix = checked_returns(self, X, reset=False)
        if np.isnan(matrix).any():
            row, column = np.argwhere(np.isnan(matrix))[0]
            raise InputError(f"returns: expected complete days, received NaN in {asset_names(self)[column]}, row {row}")
        u = self.marginals_.to_uniform(matrix)
        return np.asarray(self.copula_.logpdf(u) + self.marginals_.logpdf(matrix).sum(axis=1))

    def score(self, X: ArrayLike | pd.DataFrame, y: None = None) -> float:
        """Mean of `score_samples`, in nats per day."""
        return float(self.score_samples(X).mean())

    def to_arrays(self) -> dict[str, AnyArray]:
        """The fitted generator; keys begin with `marginals.` or `copula.`."""
        check_fitted(self, "copula_")
        from qfin.copulas import copula_to_arrays

        parts = {"marginals": self.marginals_.to_arrays(), "copula": copula_to_arrays(self.copula_)}
        arrays = {f"{part}.{key}": value for part, table in parts.items() for key, value in table.items()}
        return {"n_incomplete_days": np.array(self.n_incomplete_days_), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The generator that `to_arrays` wrote; its copula must be one of `qfin.copulas`."""
        from qfin.copulas import copula_from_arrays

        marginals = MarginalPanel.from_arrays(_part(arrays, "marginals"))
        copula = copula_from_arrays(_part(arrays, "copula"))
        return cls.from_parts(marginals, copula, n_incomplete_days=int(arrays["n_incomplete_days"]))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _part(arrays: Mapping[str, AnyArray], part: str) -> dict[str, AnyArray]:
    return {key.removeprefix(f"{part}."): value for key, value in arrays.items() if key.startswith(f"{part}.")}


def default_copula() -> Any:
    """The copula of whoever names none."""
    from qfin.copulas import StudentTCopula

    return StudentTCopula()
