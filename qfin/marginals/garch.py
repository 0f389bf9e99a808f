"""GARCH filters: returns <-> standardised residuals and conditional volatilities, asset by asset."""

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._types import AnyArray, BoolArray, FloatArray
from qfin._validation import check_fitted
from qfin.exceptions import InputError
from qfin.marginals.panel import returns_matrix
from qfin.marginals.volatility import (
    MODELS,
    FilteredReturns,
    SimulatedReturns,
    filter_returns,
    simulate_returns,
)

INNOVATIONS = ("t", "normal")
MIN_DAYS = 100
# Above this persistence a variance has no level to return to within any horizon: half of a shock lives 693 days.
MAX_PERSISTENCE = 0.999
# A simulated volatility stays within this many times the highest of the fit, and above the lowest divided by it:
# heavy residuals, and EGARCH with a negative alpha, would else run away. What meets a bound is counted.
_VOLATILITY_RATIO = 2.0
# Where no fit converges: a slow GARCH with the sample's variance (alpha, beta as in RiskMetrics, not integrated).
_FALLBACK = {"alpha": 0.05, "beta": 0.93, "nu": 8.0}
_MAX_RESIDUAL_VARIANCE = 2.0  # of the fitted days, and its inverse: beyond, the recursion has run away
_BACKCAST_DAYS, _BACKCAST_DECAY = 75, 0.94  # of the first variance, as arch has them
_ARCH_ORDERS = {"garch": ("GARCH", 0), "gjr": ("GARCH", 1), "egarch": ("EGARCH", 1)}


class GarchFilter(BaseEstimator):  # type: ignore[misc]
    """One conditional volatility per asset, fitted by the package arch to log-returns and then held fixed.

    Parameters
    ----------
    model : "gjr", "garch" or "egarch"
        With constant mean and orders (1, 1).
    innovations : "t" or "normal"
        The law of the likelihood; what is drawn later may be any residuals.

    Attributes
    ----------
    params_ : array of shape (n_assets, 6)
        Mean, omega, alpha, gamma, beta and degrees of freedom (∞ for normal), see `qfin.marginals.volatility`.
    status_ : tuple of str
        Per asset "fitted"; "near_integrated" where the persistence was above `MAX_PERSISTENCE` and was lowered to it,
        with omega set to the sample's variance; "not_converged" where the parameters are a fallback.
    state_ : array of shape (n_assets,)
        Volatility forecast for the day after the last one.
    initial_variance_ : array of shape (n_assets,)
    bounds_ : array of shape (2, n_assets)
        Lowest and highest variance that a simulation may reach; a filter keeps to the lower one alone.
    assets_ : tuple of str
    """

    def __init__(self, model: str = "gjr", innovations: str = "t") -> None:
        self.model = model
        self.innovations = innovations

    def fit(self, returns: ArrayLike | pd.DataFrame, y: None = None, *, init_params: FloatArray | None = None) -> Self:
        """Learn from simple returns (n_days, n_assets), NaN where an asset has none.

        `init_params` are the `params_` of an earlier fit to start from: about twice as fast.
        """
        if self.model not in MODELS:
            raise InputError(f"model: expected one of {', '.join(MODELS)}, received {self.model!r}")
        if self.innovations not in INNOVATIONS:
            raise InputError(f"innovations: expected one of {', '.join(INNOVATIONS)}, received {self.innovations!r}")
        x, names = _log_returns(returns)
        if init_params is not None and np.shape(init_params) != (len(names), 6):
            raise InputError(f"init_params: expected shape {(len(names), 6)}, received {np.shape(init_params)}")
        fits = [
            self._fit_asset(x[:, j], name, None if init_params is None else init_params[j])
            for j, name in enumerate(names)
        ]
        self.assets_: tuple[str, ...] = names
        self.params_: FloatArray = np.array([params for params, _ in fits])
        self.initial_variance_: FloatArray = self._initial_variance(x)
        filtered = self._filtered(x)
        unusable = ~_plausible(filtered.residuals, ~np.isnan(x))
        if unusable.any():
            self.params_[unusable] = [self._fallback(column[~np.isnan(column)]) for column in x.T[unusable]]
            self.initial_variance_ = self._initial_variance(x)
            filtered = self._filtered(x)
        self.status_: tuple[str, ...] = tuple(
            "not_converged" if bad else status for (_, status), bad in zip(fits, unusable, strict=True)
        )
        lowest, highest = filtered.volatilities.min(axis=0), filtered.volatilities.max(axis=0)
        self.bounds_: FloatArray = np.square([lowest / _VOLATILITY_RATIO, highest * _VOLATILITY_RATIO])
        self.state_: FloatArray = filtered.state
        return self

    @property
    def counts(self) -> dict[str, int]:
        """How many assets have which status."""
        check_fitted(self, "params_")
        return {status: self.status_.count(status) for status in ("fitted", "near_integrated", "not_converged")}

    def filter(self, returns: ArrayLike | pd.DataFrame, state: FloatArray | None = None) -> FilteredReturns:
        """Residuals and volatilities of `returns` (n_days, n_assets), each from the days before alone.

        `state` is the volatility of the first day, such as the `state` of an earlier filter; None: as in the fit.
        """
        check_fitted(self, "params_")
        x, names = _log_returns(returns)
        if x.shape[1] != len(self.assets_):
            raise InputError(f"returns: expected {len(self.assets_)} columns, received {x.shape[1]}")
        if isinstance(returns, pd.DataFrame) and names != self.assets_:
            raise InputError(f"returns: expected columns {', '.join(self.assets_)}, received {', '.join(names)}")
        variance = self.initial_variance_ if state is None else self._variance(state)
        return filter_returns(self.model, self.params_, x, variance, self.bounds_[0])

    def simulate(self, z: FloatArray, state: FloatArray | None = None) -> SimulatedReturns:
        """Simple returns for innovations z (n_paths, horizon, n_assets), from a volatility (None: after the fit) on."""
        check_fitted(self, "params_")
        z = np.asarray(z, dtype=np.float64)
        if z.ndim != 3 or z.shape[2] != len(self.assets_):
            raise InputError(f"z: expected shape (n_paths, horizon, {len(self.assets_)}), received {z.shape}")
        variance = self._variance(self.state_ if state is None else state)
        return simulate_returns(self.model, self.params_, z, variance, (self.bounds_[0], self.bounds_[1]))

    def to_arrays(self) -> dict[str, AnyArray]:
        """The fitted filter."""
        check_fitted(self, "params_")
        return {
            "settings": np.array([self.model, self.innovations]),
            "assets": np.array(self.assets_),
            "status": np.array(self.status_),
            "params": self.params_,
            "initial_variance": self.initial_variance_,
            "bounds": self.bounds_,
            "state": self.state_,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The filter that `to_arrays` wrote."""
        model, innovations = (str(value) for value in arrays["settings"])
        found = cls(model, innovations)
        found.assets_ = tuple(str(name) for name in arrays["assets"])
        found.status_ = tuple(str(status) for status in arrays["status"])
        found.params_ = np.asarray(arrays["params"], dtype=np.float64)
        found.initial_variance_ = np.asarray(arrays["initial_variance"], dtype=np.float64)
        found.bounds_ = np.asarray(arrays["bounds"], dtype=np.float64)
        found.state_ = np.asarray(arrays["state"], dtype=np.float64)
        return found

    def _filtered(self, x: FloatArray) -> FilteredReturns:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # seen and counted as not plausible
            return filter_returns(self.model, self.params_, x, self.initial_variance_)

    def _variance(self, state: FloatArray) -> FloatArray:
        volatility = np.asarray(state, dtype=np.float64)
        if volatility.shape != (len(self.assets_),) or not (volatility > 0.0).all():
            raise InputError(f"state: expected {len(self.assets_)} positive volatilities, received {state}")
        return np.square(volatility)

    def _fit_asset(self, column: FloatArray, name: str, start: FloatArray | None) -> tuple[FloatArray, str]:
        """Parameters and status of one asset, in units of its log-returns."""
        x = column[~np.isnan(column)]
        if len(x) < MIN_DAYS or x.std() <= 0.0:
            raise InputError(
                f"column {name}: expected at least {MIN_DAYS} returns that differ, received {len(x)} with "
                f"standard deviation {x.std() if len(x) else 0.0:g}"
            )
        scale = float(x.std())
        fallback = self._in_units(self._fallback(x), 1.0 / scale)
        starts = [None, fallback] if start is None else [self._in_units(start, 1.0 / scale), None, fallback]
        estimates = (self._estimate(x / scale, values) for values in starts)
        params = next((found for found in estimates if found is not None), None)
        if params is None:
            return self._fallback(x), "not_converged"
        if self._persistence(params) > MAX_PERSISTENCE:
            return self._in_units(self._lowered(params), scale), "near_integrated"
        return self._in_units(params, scale), "fitted"

    def _estimate(self, x: FloatArray, start: FloatArray | None) -> FloatArray | None:
        """Maximum likelihood by arch for returns of variance one; None where it did not converge."""
        from arch import arch_model

        volatility, asymmetry = _ARCH_ORDERS[self.model]
        law = "t" if self.innovations == "t" else "normal"
        kept = [0, 1, 2, *([3] if asymmetry else []), 4, *([5] if law == "t" else [])]
        with warnings.catch_warnings():
            # A start outside arch's bounds is replaced by its own; what did not converge is seen in the flag.
            warnings.simplefilter("ignore")
            model = arch_model(x, mean="Constant", vol=volatility, p=1, o=asymmetry, q=1, dist=law, rescale=False)
            found = model.fit(disp="off", show_warning=False, starting_values=None if start is None else start[kept])
        params = np.array([0.0, 0.0, 0.0, 0.0, 0.0, np.inf])
        params[kept] = found.params
        residuals = np.asarray(found.std_resid)[:, None]
        usable = found.convergence_flag == 0 and np.isfinite(params[:5]).all()
        return params if usable and _plausible(residuals, np.isfinite(residuals)).all() else None

    def _fallback(self, x: FloatArray) -> FloatArray:
        """In units of x."""
        nu = _FALLBACK["nu"] if self.innovations == "t" else np.inf
        params = np.array([x.mean() / x.std(), 0.0, _FALLBACK["alpha"], 0.0, _FALLBACK["beta"], nu])
        return self._in_units(self._aimed_at_variance_one(params), float(x.std()))

    def _lowered(self, params: FloatArray) -> FloatArray:
        """The same reaction to news with the persistence at its bound, around the sample's variance."""
        lowered = params.copy()
        lowered[4] -= self._persistence(params) - MAX_PERSISTENCE
        return self._aimed_at_variance_one(lowered)

    def _aimed_at_variance_one(self, params: FloatArray) -> FloatArray:
        params[1] = 0.0 if self.model == "egarch" else 1.0 - self._persistence(params)
        return params

    def _persistence(self, params: FloatArray) -> float:
        """The share of a day's excess variance that is left the day after."""
        return float(params[4] if self.model == "egarch" else params[2] + 0.5 * params[3] + params[4])

    def _in_units(self, params: FloatArray, scale: float) -> FloatArray:
        """Parameters of returns that are `scale` times as large."""
        changed = params.copy()
        changed[0] *= scale
        if self.model == "egarch":
            changed[1] += 2.0 * (1.0 - params[4]) * np.log(scale)
        else:
            changed[1] *= scale**2
        return changed

    def _initial_variance(self, x: FloatArray) -> FloatArray:
        """Variance of the first day: the forecast after a day with the weighted mean of the first squares."""
        backcast = np.empty(x.shape[1])
        for j, column in enumerate(x.T):
            known = column[~np.isnan(column)]
            squares = np.square(known[:_BACKCAST_DAYS] - known.mean())
            backcast[j] = np.average(squares, weights=_BACKCAST_DECAY ** np.arange(len(squares)))
        _, omega, alpha, gamma, beta, _ = self.params_.T
        if self.model == "egarch":
            return np.asarray(np.exp(omega + beta * np.log(backcast)))
        return np.asarray(omega + (alpha + 0.5 * gamma + beta) * backcast)


def _plausible(residuals: FloatArray, known: BoolArray) -> BoolArray:
    """Per asset, whether the residuals have about the variance that they should have."""
    variance = np.sum(np.square(residuals), axis=0, where=known) / known.sum(axis=0)
    inside = (variance > 1.0 / _MAX_RESIDUAL_VARIANCE) & (variance < _MAX_RESIDUAL_VARIANCE)  # False for NaN
    return np.asarray(inside)


def _log_returns(returns: ArrayLike | pd.DataFrame) -> tuple[FloatArray, tuple[str, ...]]:
    matrix: Any
    matrix, names = returns_matrix(returns)
    if (matrix <= -1.0).any():
        row, column = np.argwhere(matrix <= -1.0)[0]
        raise InputError(f"returns: expected numbers above -1, received {matrix[row, column]} in {names[column]}")
    return np.asarray(np.log1p(matrix)), names
