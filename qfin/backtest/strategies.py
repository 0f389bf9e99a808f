"""Rules over paths: returns -> wealth, with costs, drift between trades and a limit on leverage."""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray
from qfin.backtest.rules import Rule
from qfin.exceptions import InputError

_ROUNDING = 1e-9  # above the limit on leverage that is not counted


@dataclass(frozen=True)
class Trading:
    """How weights become trades.

    Attributes
    ----------
    cost : share of every amount bought or sold
    every : days between two looks of the rule; in between the holdings drift
    max_leverage : of Σ|w|; weights above it are scaled down, and counted
    """

    cost: float = 0.001
    every: int = 5
    max_leverage: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.cost < 1.0:
            raise InputError(f"cost: expected a share in [0, 1), received {self.cost}")
        if self.every < 1:
            raise InputError(f"every: expected at least 1 day, received {self.every}")
        if not self.max_leverage > 0.0:
            raise InputError(f"max_leverage: expected a number above 0, received {self.max_leverage}")


@dataclass(frozen=True, eq=False)
class StrategyPaths:
    """What became of one unit of wealth.

    Attributes
    ----------
    rule : str
    wealth : array of shape (n_paths, horizon + 1), 1 at the start, never below 0 (where it ends)
    turnover : array of shape (n_paths,), Σ|trade| over wealth
    n_capped : looks of the rule at which leverage was above its limit
    """

    rule: str
    wealth: FloatArray
    turnover: FloatArray
    n_capped: int

    @property
    def max_drawdown(self) -> FloatArray:
        """Deepest fall from a peak, as a share of it; shape (n_paths,)."""
        return np.asarray((1.0 - self.wealth / np.maximum.accumulate(self.wealth, axis=1)).max(axis=1))

    @property
    def recovery_days(self) -> FloatArray:
        """Days from the peak before the deepest drawdown until wealth is back there; ∞ where it is not, 0 where it
        never fell."""
        peaks = np.maximum.accumulate(self.wealth, axis=1)
        trough = (1.0 - self.wealth / peaks).argmax(axis=1)
        rows = np.arange(len(self.wealth))
        peak = peaks[rows, trough]
        days = np.arange(self.wealth.shape[1])
        first = (self.wealth >= peak[:, None]).argmax(axis=1)
        later = (self.wealth >= peak[:, None]) & (days >= trough[:, None])
        back = np.where(later.any(axis=1), later.argmax(axis=1), np.inf)
        return np.where(trough == 0, 0.0, back - first)

    def ruined(self, level: float) -> BoolArray:
        """Whether wealth ever fell by `level` of what it was at the start."""
        return np.asarray(self.wealth.min(axis=1) <= 1.0 - level)


def run_rule(
    rule: Rule, returns: FloatArray, *, past: FloatArray | None = None, trading: Trading | None = None
) -> StrategyPaths:
    """Let a rule trade on simple returns, shape (n_paths, horizon, n_assets).

    The rule sees prices up to today, each asset's price being one on the first day of the path. `past` are the returns
    of the days before, shape (1 or n_paths, n_days, n_assets). Cash earns nothing.
    """
    trading = Trading() if trading is None else trading
    prices, first = _prices(returns, past)
    n_paths, horizon, n_assets = returns.shape
    wealth = np.ones((n_paths, horizon + 1))
    holdings, turnover, n_capped = np.zeros((n_paths, n_assets)), np.zeros(n_paths), 0
    for day in range(horizon):
        value = wealth[:, day]
        if day % trading.every == 0:
            target, capped = _limited(_weights(rule, prices[:, : first + day + 1], day), trading.max_leverage)
            n_capped += capped
            target = target * value[:, None]
            traded = np.abs(target - holdings).sum(axis=1)
            turnover += np.divide(traded, value, out=np.zeros(n_paths), where=value > 0.0)
            paid = np.minimum(trading.cost * traded, value)
            # What the trade costs comes off everything in proportion, so that the weights stay as asked for.
            holdings = target * np.divide(value - paid, value, out=np.zeros(n_paths), where=value > 0.0)[:, None]
            value = value - paid
        cash = value - holdings.sum(axis=1)
        holdings = holdings * (1.0 + returns[:, day])
        wealth[:, day + 1] = np.maximum(cash + holdings.sum(axis=1), 0.0)
        holdings[wealth[:, day + 1] == 0.0] = 0.0
    return StrategyPaths(rule.name, wealth, turnover, n_capped)


def history_windows(returns: FloatArray, horizon: int, n_past: int) -> tuple[FloatArray, FloatArray]:
    """Windows of `horizon` days of the past, a tenth of it apart, and the `n_past` days before each."""
    if len(returns) < n_past + horizon:
        raise InputError(
            f"history: expected at least {n_past + horizon} complete days for a horizon of {horizon}, "
            f"received {len(returns)}"
        )
    starts = np.arange(n_past, len(returns) - horizon + 1, max(1, horizon // 10))
    windows = returns[starts[:, None] + np.arange(horizon)]
    return windows, returns[starts[:, None] + np.arange(-n_past, 0)]


def _prices(returns: FloatArray, past: FloatArray | None) -> tuple[FloatArray, int]:
    """Prices with one on the first day of the path, and the place of that day."""
    if returns.ndim != 3 or 0 in returns.shape:
        raise InputError(f"returns: expected shape (n_paths, horizon, n_assets), received {returns.shape}")
    if not np.isfinite(returns).all() or (returns < -1.0).any():
        raise InputError("returns: expected finite simple returns not below −1")
    n_paths, _, n_assets = returns.shape
    if past is None:
        past = np.empty((1, 0, n_assets))
    n_past = past.shape[1]
    every = np.concatenate([np.broadcast_to(past, (n_paths, n_past, n_assets)), returns], axis=1)
    prices = np.concatenate([np.ones((n_paths, 1, n_assets)), np.cumprod(1.0 + every, axis=1)], axis=1)
    prices /= prices[:, n_past : n_past + 1]
    prices.setflags(write=False)
    return prices, n_past


def _weights(rule: Rule, seen: FloatArray, day: int) -> FloatArray:
    """Weights of every path, checked; what a rule of one path sees is a copy that leads nowhere else."""
    n_paths, _, n_assets = seen.shape
    if rule.many_paths:
        return _checked(rule.weights(seen), (n_paths, n_assets), day, 0)
    found = np.empty((n_paths, n_assets))
    for path in range(n_paths):
        own = seen[path].copy()
        own.setflags(write=False)
        try:
            answer = np.asarray(rule.weights(own), dtype=np.float64)
        except Exception as error:  # whatever the user's rule raises
            words = f"{type(error).__name__}: {error}"
            raise InputError(f"rule: expected weights, received {words} on path {path + 1}, day {day + 1}") from error
        found[path] = _checked(answer[None], (1, n_assets), day, path)[0]
    return found


def _checked(weights: FloatArray, shape: tuple[int, int], day: int, first_path: int) -> FloatArray:
    if weights.shape != shape:
        raise InputError(
            f"rule: expected {shape[1]} weights, received shape {weights.shape[1:]} on path {first_path + 1}, "
            f"day {day + 1}"
        )
    bad = ~np.isfinite(weights).all(axis=1)
    if bad.any():
        path = first_path + int(bad.argmax())
        raise InputError(f"rule: expected finite weights, received others on path {path + 1}, day {day + 1}")
    return weights


def _limited(weights: FloatArray, max_leverage: float) -> tuple[FloatArray, int]:
    gross = np.abs(weights).sum(axis=1)
    over = gross > max_leverage + _ROUNDING
    scale = np.where(over, max_leverage / np.maximum(gross, 1e-300), 1.0)
    return weights * scale[:, None], int(over.sum())
