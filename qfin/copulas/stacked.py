"""Stacking: several copulas as one density, with the weights under which days that none of them saw are likeliest."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted

_EM_STEPS = 2_000


class StackedCopula(BaseEstimator):  # type: ignore[misc]
    """c(u) = Σ_j w_j c_j(u).

    The components are fitted to a random share of the days; the weights maximise the log-likelihood of the days left
    out (EM), with `prior_days` days' worth of pull towards equal weights; then every component is fitted to all days.
    Known as stacking of predictive distributions (Yao, Vehtari, Simpson & Gelman 2018).

    Parameters
    ----------
    components : list of copulas
    held_out_fraction : float
        Share of the days that decide the weights; 0 for equal weights.
    prior_days : float
        Days, per component, that count for equal weights.
    seed : int
        Of the days left out.

    Attributes
    ----------
    components_ : fitted copies; weights_ : (n_components,)
    """

    def __init__(
        self, components: list[Any], held_out_fraction: float = 0.2, prior_days: float = 10.0, seed: int = 0
    ) -> None:
        self.components = components
        self.held_out_fraction = held_out_fraction
        self.prior_days = prior_days
        self.seed = seed

    def fit(self, u: FloatArray, y: None = None) -> Self:
        u = as_unit_cube(u)
        self.weights_ = self._weights(u)
        self.components_ = [clone(component).fit(u) for component in self.components]
        return self

    def _weights(self, u: FloatArray) -> FloatArray:
        n_held = round(self.held_out_fraction * len(u))
        if n_held == 0 or len(self.components) == 1:
            return np.full(len(self.components), 1.0 / len(self.components))
        order = np.random.default_rng(self.seed).permutation(len(u))
        held, kept = u[np.sort(order[:n_held])], u[np.sort(order[n_held:])]
        unseen = np.stack([clone(component).fit(kept).logpdf(held) for component in self.components])
        return stacking_weights(unseen, self.prior_days)

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "components_")
        return int(self.components_[0].n_assets_)

    @property
    def n_params_(self) -> int:
        check_fitted(self, "components_")
        return int(sum(component.n_params_ for component in self.components_)) + len(self.components_) - 1

    def logpdf(self, u: FloatArray) -> FloatArray:
        check_fitted(self, "components_")
        values = np.stack([component.logpdf(u) for component in self.components_])
        with np.errstate(divide="ignore"):
            return np.asarray(np.logaddexp.reduce(values + np.log(self.weights_)[:, None], axis=0))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        check_fitted(self, "components_")
        rng = as_generator(rng)
        chosen = rng.choice(len(self.weights_), size=n_samples, p=self.weights_)
        u = np.empty((n_samples, self.n_assets_))
        for j, component in enumerate(self.components_):
            rows = np.flatnonzero(chosen == j)
            if len(rows):
                u[rows] = component.sample(len(rows), rng=rng)
        return u

    def to_arrays(self) -> dict[str, AnyArray]:
        from qfin.copulas.persistence import nested_arrays

        check_fitted(self, "components_")
        parts = {f"component_{j}": component for j, component in enumerate(self.components_)}
        return {"weights": self.weights_, **nested_arrays(**parts)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        from qfin.copulas.persistence import nested_parts

        parts = nested_parts({key: value for key, value in arrays.items() if key != "weights"})
        copula = cls([parts[f"component_{j}"] for j in range(len(parts))])
        copula.components_, copula.weights_ = copula.components, np.asarray(arrays["weights"])
        return copula


def stacking_weights(log_densities: FloatArray, prior_days: float) -> FloatArray:
    """Weights (n_components,) of the mixture under which the days, log densities (n_components, n), are likeliest."""
    n_components, n = log_densities.shape
    densities = np.exp(log_densities - log_densities.max(axis=0))
    weights = np.full(n_components, 1.0 / n_components)
    for _ in range(_EM_STEPS):
        shares = weights[:, None] * densities
        weights = (shares / shares.sum(axis=0)).sum(axis=1) + prior_days
        weights /= n + n_components * prior_days
    return weights
