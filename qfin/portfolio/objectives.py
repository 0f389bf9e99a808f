"""Objectives whose weights are exact or trivial: mean and variance, and any function of the support."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.quadratic import BoxSolution, fill_by_rank, minimise_in_box
from qfin.portfolio.rules import meets_rules, trading_cost
from qfin.portfolio.side_rules import Goal, minimise
from qfin.portfolio.solutions import Solutions, held_columns, spread_weights

_PSD_TOLERANCE = 1e-10  # a smallest eigenvalue this far below zero, relative to the largest, is rounding
_RIDGE = 1e-12


@dataclass(frozen=True, eq=False)
class MeanVariance:
    """λ·variance − (1 − λ)·mean with λ = `risk_weight` (Chang et al. 2000), or the variance where the mean is at least
    `target_return`.

    `mean` has shape (n_assets,), `covariance` (n_assets, n_assets), symmetric and positive semidefinite. Trading costs
    are taken off the mean.
    """

    mean: FloatArray
    covariance: FloatArray
    risk_weight: float = 1.0
    target_return: float | None = None

    def __post_init__(self) -> None:
        covariance = check_covariance(self.covariance)
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "mean", check_mean(self.mean, len(covariance)))
        if not 0.0 <= self.risk_weight <= 1.0:
            raise InputError(f"risk_weight: expected a number from 0 to 1, received {self.risk_weight}")
        if self.target_return is not None:
            if not np.isfinite(self.target_return):
                raise InputError(f"target_return: expected a finite number, received {self.target_return}")
            if self.risk_weight != 1.0:
                raise InputError(f"risk_weight: expected 1 with a target_return, received {self.risk_weight}")

    @property
    def n_assets(self) -> int:
        return len(self.mean)

    @property
    def return_floor(self) -> tuple[FloatArray, float] | None:
        return None if self.target_return is None else (self.mean, self.target_return)

    def value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The objective of weights (n_rows, n_assets); +inf where they break a rule of the problem."""
        return np.where(meets_rules(problem, weights), self.inner_value(problem, weights), np.inf)

    def inner_value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The objective, rules aside."""
        variance = ((weights @ self.covariance) * weights).sum(axis=1)
        earned = weights @ self.mean - trading_cost(problem, weights)
        return np.asarray(self.risk_weight * variance - (1.0 - self.risk_weight) * earned)

    def mean_and_risk(self, problem: PortfolioProblem, weights: FloatArray) -> tuple[float, float]:
        """Mean return after costs and standard deviation of one portfolio (n_assets,)."""
        cost = float(trading_cost(problem, weights[None, :])[0])
        return float(weights @ self.mean) - cost, float(np.sqrt(weights @ self.covariance @ weights))

    def solve(self, problem: PortfolioProblem, supports: BoolArray) -> Solutions:
        """Exact weights on every support."""
        weights, residuals = solve_by_size(supports, lambda rows: self._solve_equal_sizes(problem, rows))
        return Solutions(self.value(problem, weights), weights, residuals)

    def _solve_equal_sizes(self, problem: PortfolioProblem, supports: BoolArray) -> BoxSolution:
        columns = held_columns(supports)
        means = self.mean[columns]
        quadratic = 2.0 * self.risk_weight * self.covariance[columns[:, :, None], columns[:, None, :]]
        linear = -(1.0 - self.risk_weight) * means
        if problem.has_side_rules:
            cost = 0.0 if problem.trading is None else problem.trading.cost
            goal = Goal(quadratic, linear, (1.0 - self.risk_weight) * cost)
            return BoxSolution(*minimise(problem, supports, columns, goal))
        if self.risk_weight == 0.0:
            weights = fill_by_rank(means, *problem.bounds)
            return BoxSolution(weights, np.zeros(len(weights)))
        return minimise_in_box(quadratic, linear, *problem.bounds, means=means, target=self.target_return)


@dataclass(frozen=True, eq=False)
class BlackBox:
    """Any function of supports, boolean (n_supports, n_assets) -> values (n_supports,), at equal weights.

    Where equal weights break a rule on weights the value is +inf.
    """

    function: Callable[[BoolArray], FloatArray]
    n_assets: int

    @property
    def return_floor(self) -> tuple[FloatArray, float] | None:
        return None

    def solve(self, problem: PortfolioProblem, supports: BoolArray) -> Solutions:
        """Values of the function; the weights are 1/k each."""
        weights = supports / supports.sum(axis=1, keepdims=True)
        return Solutions(self.value(problem, weights), weights, np.full(len(weights), np.nan))

    def value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The function of the supports; +inf where the weights break a rule of the problem."""
        values = np.full(len(weights), np.inf)
        good = meets_rules(problem, weights)
        if good.any():
            found = np.asarray(self.function(weights[good] > 0.0), dtype=np.float64)
            if found.shape != (good.sum(),) or np.isnan(found).any():
                raise InputError(f"function: expected {good.sum()} values, none NaN, received shape {found.shape}")
            values[good] = found
        return values

    def inner_value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """Zeros: the weights are not chosen for the function."""
        return np.zeros(len(weights))

    def mean_and_risk(self, problem: PortfolioProblem, weights: FloatArray) -> tuple[float, float]:
        """No mean is known; the risk is the value."""
        return float("nan"), float(self.value(problem, weights[None, :])[0])


def solve_by_size(supports: BoolArray, solve: Callable[[BoolArray], BoxSolution]) -> tuple[FloatArray, FloatArray]:
    """Weights (n_supports, n_assets) and residuals, solved together for all supports of one size."""
    weights, residuals = np.zeros(supports.shape), np.full(len(supports), np.nan)
    sizes = supports.sum(axis=1)
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        part = solve(supports[rows])
        weights[rows] = spread_weights(supports[rows], part.weights)
        residuals[rows] = part.residuals
    return weights, residuals


def check_mean(values: FloatArray, n_assets: int) -> FloatArray:
    """Finite numbers of shape (n_assets,), read-only."""
    mean = np.array(values, dtype=np.float64)
    if mean.shape != (n_assets,) or not np.isfinite(mean).all():
        raise InputError(f"mean: expected {n_assets} finite numbers, received shape {mean.shape}")
    mean.setflags(write=False)
    return mean


def check_covariance(values: FloatArray) -> FloatArray:
    """A symmetric positive semidefinite matrix, read-only; a singular one gets 1e-12 of its mean variance on top."""
    covariance = as_matrix(values, "covariance").copy()
    n_assets = len(covariance)
    if covariance.shape != (n_assets, n_assets):
        raise InputError(f"covariance: expected a square matrix, received shape {covariance.shape}")
    largest = float(np.abs(covariance).max())
    if not np.allclose(covariance, covariance.T, rtol=0.0, atol=1e-9 * largest):
        raise InputError("covariance: expected a symmetric matrix, received one that is not")
    covariance = 0.5 * (covariance + covariance.T)
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] < -_PSD_TOLERANCE * max(float(eigenvalues[-1]), 1e-300):
        received = f"a smallest eigenvalue of {eigenvalues[0]:.3g}"
        raise InputError(f"covariance: expected a positive semidefinite matrix, received {received}")
    if eigenvalues[0] <= _RIDGE * eigenvalues[-1]:
        covariance[np.diag_indices(n_assets)] += _RIDGE * max(float(np.trace(covariance)) / n_assets, 1e-300)
    covariance.setflags(write=False)
    return covariance
