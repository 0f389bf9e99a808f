"""Rules that no portfolio meets together: a mixed-integer programme asks, deletion finds a smallest such set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import optimize, sparse

from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.portfolio.groups import Group
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.trading import Trading

_INFEASIBLE = 2  # status of scipy.optimize.milp
_TIME_LIMIT_S = 5.0  # rules not refuted in this time count as possible


@dataclass(eq=False)
class _Programme:
    """Blocks of n columns: held (0 or 1), weights, trades, lots; and rows lower ≤ A x ≤ upper."""

    n_assets: int
    rows: list[tuple[dict[int, Any], Any, Any]] = field(default_factory=list)
    fixed: dict[int, tuple[float, float]] = field(default_factory=dict)
    whole_lots: bool = False

    def add(self, blocks: dict[int, Any], lower: Any, upper: Any) -> None:
        """Rows from {block: matrix or vector}; a vector is one row."""
        whole = {block: np.atleast_2d(m) if isinstance(m, np.ndarray) else m for block, m in blocks.items()}
        matrices = {block: sparse.csr_array(m) for block, m in whole.items()}
        self.rows.append((matrices, lower, upper))

    def answer(self, costs: FloatArray | None = None) -> Any:
        n, n_blocks = self.n_assets, 4
        matrices, lowers, uppers = [], [], []
        for blocks, lower, upper in self.rows:
            height = next(iter(blocks.values())).shape[0]
            zero = sparse.csr_array((height, n))
            matrices.append(sparse.hstack([blocks.get(b, zero) for b in range(n_blocks)]))
            lowers.append(np.broadcast_to(lower, height))
            uppers.append(np.broadcast_to(upper, height))
        low, high = np.zeros(n_blocks * n), np.repeat([1.0, 1.0, 2.0, np.inf], n)
        for column, (lowest, highest) in self.fixed.items():
            low[column], high[column] = max(low[column], lowest), min(high[column], highest)
        if (low > high).any():
            return optimize.OptimizeResult(status=_INFEASIBLE, x=None)
        objective = np.zeros(n_blocks * n)
        if costs is not None:
            objective[:n] = costs
        return optimize.milp(
            objective,
            integrality=np.repeat([1, 0, 0, int(self.whole_lots)], n),
            bounds=optimize.Bounds(low, high),
            constraints=optimize.LinearConstraint(
                sparse.vstack(matrices), np.concatenate(lowers), np.concatenate(uppers)
            ),
            options={"time_limit": _TIME_LIMIT_S},
        )


_HELD, _WEIGHTS, _TRADES, _LOTS = range(4)
_Rule = Callable[[_Programme], None]


def conflicting_rules(problem: PortfolioProblem) -> tuple[str, ...]:
    """A smallest set of the problem's rules that no portfolio meets together; empty where some portfolio meets all.

    Smallest: leave out any one of them and the rest can be met (Chinneck 2008, deletion filter). Rules that five
    seconds of search neither meet nor refute count as possible.
    """
    rules = _rules(problem)
    if not set(rules) - {"cardinality", "bounds"} or _possible(problem, list(rules.values())):
        return ()
    kept = dict(rules)
    for name in rules:
        others = [rule for other, rule in kept.items() if other != name]
        if not _possible(problem, others):
            del kept[name]
    return tuple(kept)


def cheapest_support(problem: PortfolioProblem, costs: FloatArray) -> BoolArray:
    """The feasible support with the least sum of `costs` (n_assets,)."""
    programme = _Programme(problem.n_assets)
    for name, rule in _rules(problem).items():
        if name in ("cardinality", "must_hold", "must_not") or name.endswith("members held"):
            rule(programme)
    answer = programme.answer(costs)
    if answer.x is None:
        raise InputError("problem: expected a feasible support, found none")
    return np.asarray(answer.x[: problem.n_assets] > 0.5)


def _possible(problem: PortfolioProblem, rules: list[_Rule]) -> bool:
    n = problem.n_assets
    programme = _Programme(n)
    programme.add({_WEIGHTS: np.ones(n)}, 1.0, 1.0)
    programme.add({_WEIGHTS: sparse.eye_array(n), _HELD: -sparse.eye_array(n)}, -np.inf, 0.0)
    for rule in rules:
        rule(programme)
    return bool(programme.answer().status != _INFEASIBLE)


def _rules(problem: PortfolioProblem) -> dict[str, _Rule]:
    n, (low, high) = problem.n_assets, problem.bounds
    lowest, highest = problem.cardinality
    identity = sparse.eye_array(n)

    def cardinality(programme: _Programme) -> None:
        programme.add({_HELD: np.ones(n)}, lowest, highest)

    def bounds(programme: _Programme) -> None:
        programme.add({_WEIGHTS: identity, _HELD: -low * identity}, 0.0, np.inf)
        programme.add({_WEIGHTS: identity, _HELD: -high * identity}, -np.inf, 0.0)

    rules: dict[str, _Rule] = {"cardinality": cardinality, "bounds": bounds}
    for name, value in (("must_hold", 1.0), ("must_not", 0.0)):
        if getattr(problem, name):
            rules[name] = _fixing(problem.mask(getattr(problem, name)), value)
    for group in problem.groups:
        members = problem.mask(group.members).astype(float)
        if group.count is not None:
            rules[f"group {group.name}: {_range(group.count)} members held"] = _group_count(group, members)
        if group.weight is not None:
            rules[f"group {group.name}: weight {_range(group.weight)}"] = _group_weight(group, members)
    if problem.trading is not None and problem.trading.max_turnover is not None:
        rules[f"max_turnover {problem.trading.max_turnover:g}"] = _turnover(
            problem.current, problem.trading.max_turnover
        )
    floor = problem.objective.return_floor
    if floor is not None:
        after = " after costs" if problem.trading is not None and problem.trading.cost > 0.0 else ""
        rules[f"target_return {floor[1]:g}{after}"] = _target(*floor, problem.current, problem.trading)
    if problem.lot is not None:
        rules[f"lot {problem.lot:g}"] = _lots(problem.lot, n)
    return rules


def _range(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g} to {limits[1]:g}"


def _fixing(chosen: BoolArray, value: float) -> _Rule:
    def rule(programme: _Programme) -> None:
        for column in np.flatnonzero(chosen):
            lowest, highest = programme.fixed.get(int(column), (0.0, 1.0))
            programme.fixed[int(column)] = (max(lowest, value), min(highest, value))

    return rule


def _group_count(group: Group, members: FloatArray) -> _Rule:
    return lambda programme: programme.add({_HELD: members}, *(group.count or (0, np.inf)))


def _group_weight(group: Group, members: FloatArray) -> _Rule:
    return lambda programme: programme.add({_WEIGHTS: members}, *(group.weight or (0.0, 1.0)))


def _trades(programme: _Programme, current: FloatArray) -> None:
    """Trades are at least the distance from the current book."""
    identity = sparse.eye_array(len(current))
    programme.add({_WEIGHTS: identity, _TRADES: -identity}, -np.inf, current)
    programme.add({_WEIGHTS: identity, _TRADES: identity}, current, np.inf)


def _turnover(current: FloatArray, limit: float) -> _Rule:
    def rule(programme: _Programme) -> None:
        _trades(programme, current)
        programme.add({_TRADES: np.full(len(current), 0.5)}, -np.inf, limit)

    return rule


def _target(mean: FloatArray, target: float, current: FloatArray, trading: Trading | None) -> _Rule:
    def rule(programme: _Programme) -> None:
        cost = 0.0 if trading is None else trading.cost
        if cost > 0.0:
            _trades(programme, current)
        # In units of the largest mean, so that the solver's absolute tolerance does not swallow small returns.
        scale = max(float(np.abs(mean).max()), abs(target), 1e-300)
        programme.add(
            {_WEIGHTS: mean / scale, _TRADES: np.full(len(mean), -cost / scale)}, target / scale - 1e-9, np.inf
        )

    return rule


def _lots(lot: float, n_assets: int) -> _Rule:
    def rule(programme: _Programme) -> None:
        programme.whole_lots = True
        identity = sparse.eye_array(n_assets)
        programme.add({_WEIGHTS: identity, _LOTS: -lot * identity}, 0.0, 0.0)

    return rule
