"""The problem: which assets may be held, how many, with which weights, and what is to be minimised."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qfin._types import AnyArray, BoolArray, FloatArray, IntArray
from qfin._validation import as_matrix
from qfin.exceptions import InputError
from qfin.portfolio.groups import Group
from qfin.portfolio.solutions import Solutions
from qfin.portfolio.trading import Trading
from qfin.scenarios import ScenarioSet


class Objective(Protocol):
    """What is minimised, with the data it needs; `solve` finds weights on given supports under a problem's rules."""

    @property
    def n_assets(self) -> int: ...

    @property
    def return_floor(self) -> tuple[FloatArray, float] | None:
        """Mean returns and the least mean return of a portfolio, where there is one."""
        ...

    def value(self, problem: "PortfolioProblem", weights: FloatArray) -> FloatArray:
        """The objective of weights (n_rows, n_assets); +inf where they break a rule."""
        ...

    def inner_value(self, problem: "PortfolioProblem", weights: FloatArray) -> FloatArray:
        """What the weights minimise on their support, rules aside; zeros where they follow a rule."""
        ...

    def mean_and_risk(self, problem: "PortfolioProblem", weights: FloatArray) -> tuple[float, float]:
        """Mean return after costs and risk of one portfolio (n_assets,)."""
        ...

    def solve(self, problem: "PortfolioProblem", supports: BoolArray) -> Solutions: ...


@dataclass(frozen=True, eq=False)
class PortfolioProblem:
    """A long-only, fully invested portfolio of few assets.

    Attributes
    ----------
    assets : tuple of str
    objective : Objective
    cardinality : (int, int)
        Lowest and highest number of assets held; equal means exactly so many.
    bounds : (float, float)
        Lowest and highest weight of an asset that is held.
    groups : tuple of Group
    must_hold, must_not : tuple of str
    trading : Trading or None
    lot : float or None
        Weights are whole multiples of this; 1 must be one too.

    Raises
    ------
    InputError
        Unknown names, numbers out of range, or rules that no portfolio meets; then a smallest set of rules that
        conflict is named.
    """

    assets: tuple[str, ...]
    objective: Objective
    cardinality: tuple[int, int]
    bounds: tuple[float, float] = (0.0, 1.0)
    groups: tuple[Group, ...] = ()
    must_hold: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    trading: Trading | None = None
    lot: float | None = None

    def __post_init__(self) -> None:
        for name in ("assets", "groups", "must_hold", "must_not"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_names()
        self._check_numbers()
        from qfin.portfolio.conflicts import conflicting_rules

        conflict = conflicting_rules(self)
        if conflict:
            raise InputError(
                f"problem: expected rules that some portfolio meets, received a conflict: {'; '.join(conflict)}"
            )

    @classmethod
    def from_covariance(
        cls,
        mean: ArrayLike,
        covariance: ArrayLike,
        *,
        risk_weight: float = 1.0,
        target_return: float | None = None,
        assets: Sequence[str] | None = None,
        **rules: Any,
    ) -> Self:
        """Mean and variance from a mean (n_assets,) and a covariance; `rules` are the attributes of the problem."""
        from qfin.portfolio.objectives import MeanVariance

        objective = MeanVariance(np.asarray(mean), np.asarray(covariance), risk_weight, target_return)
        names = _numbered(objective.n_assets) if assets is None else tuple(assets)
        return cls(names, objective, **rules)

    @classmethod
    def from_orlib(
        cls, path: str | Path, *, risk_weight: float = 1.0, target_return: float | None = None, **rules: Any
    ) -> Self:
        """Mean and variance from an OR-Library `port` file; by default the rules of Chang et al. (2000).

        These are: exactly 10 assets, each with a weight from 0.01 to 1.
        """
        from qfin.portfolio.orlib import read_instance

        instance = read_instance(path)
        rules = {"cardinality": (10, 10), "bounds": (0.01, 1.0)} | rules
        return cls.from_covariance(
            instance.mean, instance.covariance, risk_weight=risk_weight, target_return=target_return, **rules
        )

    @classmethod
    def from_scenarios(
        cls, scenarios: ScenarioSet, *, measure: str = "shortfall", level: float = 0.95, **options: Any
    ) -> Self:
        """A measure of the loss over scenarios; given a crash where the scenarios are.

        `options`: `mean`, `target_return` and `equal_weights` of `ScenarioLoss`, and the attributes of the problem.
        """
        from qfin.portfolio.scenario_objectives import ScenarioLoss

        own = {name: options.pop(name) for name in ("mean", "target_return", "equal_weights") if name in options}
        objective = ScenarioLoss(scenarios.returns, measure, level, scenarios.probabilities, **own)
        return cls(scenarios.assets, objective, **options)

    @classmethod
    def from_paths(cls, paths: ArrayLike, assets: Sequence[str], *, level: float | None = None, **options: Any) -> Self:
        """Maximum drawdown over paths (n_paths, n_periods, n_assets).

        `options`: `target_return` and `equal_weights` of `PathDrawdown`, and the attributes of the problem.
        """
        from qfin.portfolio.scenario_objectives import PathDrawdown

        own = {name: options.pop(name) for name in ("target_return", "equal_weights") if name in options}
        return cls(tuple(assets), PathDrawdown(np.asarray(paths), level, **own), **options)

    @classmethod
    def from_returns(cls, returns: pd.DataFrame, *, measure: str = "variance", **options: Any) -> Self:
        """Observed simple returns, one column per asset: their variance, or a measure of `from_scenarios`.

        A missing return is an error: which rows to leave out is the caller's choice.
        """
        names = tuple(str(name) for name in returns.columns)
        matrix = as_matrix(returns.to_numpy(), "returns", min_rows=2)
        if measure != "variance":
            return cls.from_scenarios(ScenarioSet(matrix, names), measure=measure, **options)
        covariance = np.atleast_2d(np.cov(matrix, rowvar=False))
        return cls.from_covariance(matrix.mean(axis=0), covariance, assets=names, **options)

    @property
    def n_assets(self) -> int:
        return len(self.assets)

    @property
    def has_side_rules(self) -> bool:
        """Whether the weights meet more than their bounds and Σw = 1: group weights, turnover or cost."""
        return self.trading is not None or any(group.weight is not None for group in self.groups)

    @cached_property
    def current(self) -> FloatArray:
        """The current book's weights, shape (n_assets,); zeros without one."""
        book = self.trading.current if self.trading is not None else {}
        return np.array([book.get(asset, 0.0) for asset in self.assets])

    def mask(self, names: tuple[str, ...]) -> BoolArray:
        """Which assets are named, shape (n_assets,)."""
        chosen = np.zeros(self.n_assets, dtype=bool)
        chosen[[self._columns[name] for name in names]] = True
        return chosen

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {asset: column for column, asset in enumerate(self.assets)}

    @cached_property
    def _counted(self) -> list[tuple[IntArray, int, int]]:
        """Columns of which a lowest and a highest number may be held, for every rule on who is held."""
        held, barred = np.flatnonzero(self.mask(self.must_hold)), np.flatnonzero(self.mask(self.must_not))
        counted = [(held, len(held), len(held)), (barred, 0, 0)]
        for group in self.groups:
            if group.count is not None:
                counted.append((np.flatnonzero(self.mask(group.members)), *group.count))
        return [rule for rule in counted if len(rule[0]) > 0]

    def feasible(self, supports: AnyArray) -> BoolArray:
        """Which rows meet the rules on who is held: cardinality, must-hold, must-not and group counts."""
        rows = np.asarray(supports, dtype=bool)
        n_held = rows.sum(axis=1)
        good = (n_held >= self.cardinality[0]) & (n_held <= self.cardinality[1])
        for columns, lowest, highest in self._counted:
            n_members = rows[:, columns].sum(axis=1)
            good &= (n_members >= lowest) & (n_members <= highest)
        return np.asarray(good)

    def solve(self, supports: AnyArray) -> Solutions:
        """Best weights and values on supports (n_supports, n_assets), each of which must be `feasible`."""
        rows = np.asarray(supports, dtype=bool)
        if rows.ndim != 2 or rows.shape[1] != self.n_assets or not self.feasible(rows).all():
            raise InputError(f"supports: expected feasible rows of {self.n_assets} columns, received otherwise")
        solutions = self.objective.solve(self, rows)
        if self.lot is None:
            return solutions
        from qfin.portfolio.lots import round_to_lots

        return round_to_lots(self, rows, solutions, self.lot)

    def _check_names(self) -> None:
        if len(self.assets) != self.objective.n_assets or len(set(self.assets)) != len(self.assets):
            expected = f"{self.objective.n_assets} different names, as many as the objective has assets"
            raise InputError(
                f"assets: expected {expected}, received {len(set(self.assets))} different of {len(self.assets)}"
            )
        known = set(self.assets)
        named = [("must_hold", self.must_hold), ("must_not", self.must_not)]
        named += [(f"group {group.name}", group.members) for group in self.groups]
        if self.trading is not None:
            named.append(("current", tuple(self.trading.current)))
        for where, names in named:
            unknown = sorted(set(names) - known)
            if unknown:
                raise InputError(f"{where}: expected names of assets, received {', '.join(unknown)}")

    def _check_numbers(self) -> None:
        lowest, highest = self.cardinality
        if not all(isinstance(number, int | np.integer) for number in self.cardinality):
            raise InputError(f"cardinality: expected whole numbers, received {self.cardinality}")
        if not 1 <= lowest <= highest:
            raise InputError(f"cardinality: expected 1 <= lowest <= highest, received {self.cardinality}")
        if highest > self.n_assets:
            raise InputError(
                f"cardinality: expected at most {self.n_assets} (the number of assets), received {highest}"
            )
        low, high = self.bounds
        if not 0.0 <= low <= high <= 1.0:
            raise InputError(f"bounds: expected 0 <= low <= high <= 1, received {self.bounds}")
        sizes = range(lowest, highest + 1)
        if not any(size * low <= 1.0 + 1e-12 and size * high >= 1.0 - 1e-12 for size in sizes):
            held = f"{lowest} to {highest} assets" if lowest != highest else f"{lowest} assets"
            raise InputError(f"bounds: expected weights of {held} that can sum to 1, received {self.bounds}")
        if self.lot is not None and (not 0.0 < self.lot <= 1.0 or abs(round(1.0 / self.lot) * self.lot - 1.0) > 1e-9):
            raise InputError(f"lot: expected 1 divided by a whole number, received {self.lot}")


def _numbered(n_assets: int) -> tuple[str, ...]:
    width = len(str(n_assets))
    return tuple(f"A{number:0{width}d}" for number in range(1, n_assets + 1))
