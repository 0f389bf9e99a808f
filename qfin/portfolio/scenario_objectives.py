"""Objectives on scenarios and paths: mean loss, expected shortfall, value at risk, maximum drawdown."""

from dataclasses import dataclass, field

import numpy as np

from qfin._types import BoolArray, FloatArray
from qfin._validation import as_matrix, check_level
from qfin.exceptions import InputError
from qfin.portfolio.measures import maximum_drawdown, tail_measures
from qfin.portfolio.objectives import MeanVariance, check_mean, solve_by_size
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.quadratic import BoxSolution, fill_by_rank
from qfin.portfolio.rules import meets_rules, trading_cost
from qfin.portfolio.shortfall import TailProgramme, worst_loss_prices
from qfin.portfolio.side_rules import Goal, minimise
from qfin.portfolio.solutions import Solutions, held_columns
from qfin.scenarios.scenario_set import as_probabilities

MEASURES = ("mean", "shortfall", "var")
_DESCENTS = 10
_CHUNK_NUMBERS = 1 << 22


@dataclass(frozen=True, eq=False)
class ScenarioLoss:
    """A measure of the loss over scenarios of simple returns; trading costs are added to every loss.

    Attributes
    ----------
    returns : array of shape (n_scenarios, n_assets)
        Given a crash, for the loss in a crash.
    measure : "shortfall", "var" or "mean"
        Expected shortfall and mean loss are minimised exactly on every support. Value at risk is not convex: weights
        start at the least expected shortfall and descend. The scenarios beyond the value at risk are given up and the
        worst loss of the others is minimised, until that gains nothing: a local minimum.
    level : float
        Confidence of shortfall and value at risk.
    probabilities : array of shape (n_scenarios,) or None
    mean : array of shape (n_assets,) or None
        Mean returns for `target_return`; None takes those of the scenarios.
    target_return : float or None
        Least mean return.
    equal_weights : bool
        Hold equal weights in place of the best ones; +inf where these break a rule.
    """

    returns: FloatArray
    measure: str = "shortfall"
    level: float = 0.95
    probabilities: FloatArray | None = None
    mean: FloatArray | None = None
    target_return: float | None = None
    equal_weights: bool = False

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise InputError(f"measure: expected one of {', '.join(MEASURES)}, received {self.measure!r}")
        check_level(self.level)
        if self.target_return is not None and not np.isfinite(self.target_return):
            raise InputError(f"target_return: expected a finite number, received {self.target_return}")
        returns = as_matrix(self.returns, "returns").copy()
        if self.probabilities is not None:
            mass = as_probabilities(self.probabilities, len(returns))
            returns, mass = returns[mass > 0.0], mass[mass > 0.0]
            mass.setflags(write=False)
            object.__setattr__(self, "probabilities", mass)
        returns.setflags(write=False)
        object.__setattr__(self, "returns", returns)
        own = np.average(returns, axis=0, weights=self.probabilities)
        object.__setattr__(self, "mean", check_mean(own if self.mean is None else self.mean, returns.shape[1]))

    @property
    def n_assets(self) -> int:
        return int(self.returns.shape[1])

    @property
    def return_floor(self) -> tuple[FloatArray, float] | None:
        return None if self.target_return is None or self.mean is None else (self.mean, self.target_return)

    def value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The measure at weights (n_rows, n_assets); +inf where they break a rule of the problem."""
        return np.where(meets_rules(problem, weights), self._measured(problem, weights), np.inf)

    def inner_value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The measure, rules aside; zeros where weights are equal."""
        return np.zeros(len(weights)) if self.equal_weights else self._measured(problem, weights)

    def mean_and_risk(self, problem: PortfolioProblem, weights: FloatArray) -> tuple[float, float]:
        """Mean return after costs, and the measure, of one portfolio (n_assets,)."""
        cost = float(trading_cost(problem, weights[None, :])[0])
        return float(weights @ np.asarray(self.mean)) - cost, float(self._measured(problem, weights[None, :])[0])

    def _measured(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        values = np.empty(len(weights))
        step = max(1, _CHUNK_NUMBERS // len(self.returns))
        for start in range(0, len(weights), step):
            losses = -(weights[start : start + step] @ self.returns.T)
            values[start : start + step] = self._measure(losses)
        return values + trading_cost(problem, weights)

    def solve(self, problem: PortfolioProblem, supports: BoolArray) -> Solutions:
        """Weights on every support, by the method of the measure."""
        if self.equal_weights:
            weights = supports / supports.sum(axis=1, keepdims=True)
            return Solutions(self.value(problem, weights), weights, np.full(len(supports), np.nan))
        weights, residuals = solve_by_size(supports, lambda rows: self._solve_equal_sizes(problem, rows))
        return Solutions(self.value(problem, weights), weights, residuals)

    def _measure(self, losses: FloatArray) -> FloatArray:
        if self.measure == "mean":
            return np.average(losses, axis=1, weights=self.probabilities)
        threshold, shortfall = tail_measures(losses, self.level, self.probabilities)
        return shortfall if self.measure == "shortfall" else threshold

    def _solve_equal_sizes(self, problem: PortfolioProblem, supports: BoolArray) -> BoxSolution:
        columns = held_columns(supports)
        if self.measure == "mean":
            return self._least_mean_loss(problem, supports)
        mass = self.probabilities
        equal = np.full(len(self.returns), 1.0 / len(self.returns))
        prices = (equal if mass is None else mass) / (1.0 - self.level)
        weights, residuals = TailProgramme(problem, self.returns, prices).solve(supports, columns)
        if self.measure == "var":
            weights = self._descend(problem, supports, weights)
            residuals = np.full(len(weights), np.nan)
        return BoxSolution(weights, residuals)

    def _least_mean_loss(self, problem: PortfolioProblem, supports: BoolArray) -> BoxSolution:
        columns = held_columns(supports)
        gain = np.average(self.returns, axis=0, weights=self.probabilities)[columns]
        if not problem.has_side_rules and self.target_return is None:
            return BoxSolution(fill_by_rank(gain, *problem.bounds), np.zeros(len(gain)))
        cost = 0.0 if problem.trading is None else problem.trading.cost
        flat = np.zeros((len(gain), gain.shape[1], gain.shape[1]))
        return BoxSolution(*minimise(problem, supports, columns, Goal(flat, -gain, cost)))

    def _descend(self, problem: PortfolioProblem, supports: BoolArray, weights: FloatArray) -> FloatArray:
        """Each round gives up the scenarios beyond the value at risk and minimises the worst of the others."""
        columns = held_columns(supports)
        worst = TailProgramme(problem, self.returns, worst_loss_prices(len(self.returns)))
        active = np.flatnonzero(~np.isnan(weights[:, 0]))
        for _ in range(_DESCENTS):
            if len(active) == 0:
                break
            losses = worst.losses(columns[active], weights[active])
            threshold, _ = tail_measures(losses, self.level, self.probabilities)
            kept = losses <= threshold[:, None] + 1e-12 * np.abs(threshold[:, None])
            found, _ = worst.solve(supports[active], columns[active], kept)
            with np.errstate(invalid="ignore"):
                after, _ = tail_measures(
                    np.nan_to_num(worst.losses(columns[active], found), nan=np.inf), self.level, self.probabilities
                )
            better = after < threshold - 1e-9 * np.abs(threshold)
            weights[active[better]] = found[better]
            active = active[better]
        return weights


@dataclass(frozen=True, eq=False)
class PathDrawdown:
    """Maximum drawdown over paths: its mean, or its expected shortfall over the paths at `level`.

    A book is rebalanced to its weights every period and returns compound; trading costs are paid once at the start,
    as a share of the whole. Weights follow a rule, not the drawdown: those of least variance of one period's return
    (exact, with all rules of the problem), or equal ones.

    `paths` are simple returns, shape (n_paths, n_periods, n_assets); `target_return` is the least mean return of one
    period.
    """

    paths: FloatArray
    level: float | None = None
    target_return: float | None = None
    equal_weights: bool = False
    _rule: MeanVariance = field(init=False, repr=False)
    _by_asset: FloatArray = field(init=False, repr=False)  # (n_assets, n_periods, n_paths), a copy that reads fast

    def __post_init__(self) -> None:
        paths = np.array(self.paths, dtype=np.float64)
        if paths.ndim != 3 or paths.size == 0 or not np.isfinite(paths).all() or paths.min() <= -1.0:
            expected = "finite returns above -1 of shape (n_paths, n_periods, n_assets)"
            raise InputError(f"paths: expected {expected}, received shape {paths.shape}")
        paths.setflags(write=False)
        object.__setattr__(self, "paths", paths)
        if self.level is not None:
            check_level(self.level)
        flat = paths.reshape(-1, paths.shape[2])
        spread = np.atleast_2d(np.cov(flat, rowvar=False)) if len(flat) > 1 else np.eye(paths.shape[2])
        object.__setattr__(self, "_rule", MeanVariance(flat.mean(axis=0), spread, target_return=self.target_return))
        by_asset = np.ascontiguousarray(paths.transpose(2, 1, 0))
        by_asset.setflags(write=False)
        object.__setattr__(self, "_by_asset", by_asset)

    @property
    def n_assets(self) -> int:
        return int(self.paths.shape[2])

    @property
    def return_floor(self) -> tuple[FloatArray, float] | None:
        return self._rule.return_floor

    def value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The drawdown at weights (n_rows, n_assets); +inf where they break a rule of the problem."""
        values = np.full(len(weights), np.inf)
        costs = trading_cost(problem, weights)
        for row in np.flatnonzero(meets_rules(problem, weights)):
            held = np.flatnonzero(weights[row])
            returns = weights[row, held[0]] * self._by_asset[held[0]]
            for column in held[1:]:
                returns += weights[row, column] * self._by_asset[column]
            falls = maximum_drawdown(returns)
            falls = costs[row] + (1.0 - costs[row]) * falls
            if self.level is None:
                values[row] = falls.mean()
            else:
                values[row] = tail_measures(falls[None, :], self.level, None)[1][0]
        return values

    def inner_value(self, problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
        """The variance of one period; zeros where weights are equal."""
        return np.zeros(len(weights)) if self.equal_weights else self._rule.inner_value(problem, weights)

    def mean_and_risk(self, problem: PortfolioProblem, weights: FloatArray) -> tuple[float, float]:
        """Mean return of a period after costs, and the drawdown, of one portfolio (n_assets,)."""
        mean, _ = self._rule.mean_and_risk(problem, weights)
        return mean, float(self.value(problem, weights[None, :])[0])

    def solve(self, problem: PortfolioProblem, supports: BoolArray) -> Solutions:
        """Weights by the rule, and their drawdown."""
        if self.equal_weights:
            weights = supports / supports.sum(axis=1, keepdims=True)
        else:
            weights = self._rule.solve(problem, supports).weights
        return Solutions(self.value(problem, weights), weights, np.full(len(supports), np.nan))
