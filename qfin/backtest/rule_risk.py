"""How a rule fares: drawdown, time to recover and ruin over paths with intervals, beside the windows of history."""

from typing import Any

import numpy as np
from scipy.stats import binomtest

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.backtest.strategies import StrategyPaths

TOLERATED = 0.01  # probability of ruin above which a rule is not safe
_CONFIDENCE = 0.95
_RESAMPLES = 400


def rule_row(
    paths: StrategyPaths, history: StrategyPaths | None, ruin_level: float, *, rng: RandomLike = None
) -> dict[str, Any]:
    """One row on a rule.

    Probabilities have exact binomial intervals, quantiles of the drawdown bootstrap ones, both at 95 %.
    `history_percentile` is the share of the paths whose drawdown is at most history's worst: what history showed is
    the tail of the law where it is near one, and nothing like it where it is small. `verdict` compares how the rule
    looks on history (no window fell by `ruin_level`) with the paths (the interval of the probability is below, around
    or above 1 %).
    """
    rng = as_generator(rng)
    depth, days = paths.max_drawdown, paths.recovery_days
    n_ruined, n_back = int(paths.ruined(ruin_level).sum()), int(np.isfinite(days).sum())
    ruin = _interval(n_ruined, len(depth))
    row: dict[str, Any] = {
        "rule": paths.rule,
        "n_paths": len(depth),
        "ruin_level": ruin_level,
        "ruin": n_ruined / len(depth),
        "ruin_lo": ruin[0],
        "ruin_hi": ruin[1],
        "drawdown_mean": float(depth.mean()),
    }
    for name, level in (("q50", 0.5), ("q95", 0.95), ("q99", 0.99)):
        low, high = _bootstrap(depth, level, rng)
        row |= {f"drawdown_{name}": float(np.quantile(depth, level))}
        row |= {f"drawdown_{name}_lo": low, f"drawdown_{name}_hi": high}
    back = _interval(n_back, len(days))
    median = float(np.quantile(days, 0.5, method="inverted_cdf"))
    row |= {
        "recovered": n_back / len(days),
        "recovered_lo": back[0],
        "recovered_hi": back[1],
        "recovery_days_q50": median if np.isfinite(median) else None,
        "final_mean": float(paths.wealth[:, -1].mean()),
        "turnover_mean": float(paths.turnover.mean()),
        "n_capped": paths.n_capped,
    }
    return row | _beside_history(depth, ruin, history, ruin_level)


def _beside_history(
    depth: FloatArray, ruin: tuple[float, float], history: StrategyPaths | None, ruin_level: float
) -> dict[str, Any]:
    if history is None:
        names = ("windows", "drawdown", "drawdown_q50", "percentile", "ruin", "recovered")
        return {f"history_{name}": None for name in names} | {"verdict": _risk_words(ruin)}
    past = history.max_drawdown
    worst, ruined = float(past.max()), float(history.ruined(ruin_level).mean())
    looks = "looks safe on history" if ruined == 0.0 else "lost this much in history"
    return {
        "history_windows": len(past),
        "history_drawdown": worst,
        "history_drawdown_q50": float(np.median(past)),
        "history_percentile": float(np.mean(depth <= worst)),
        "history_ruin": ruined,
        "history_recovered": float(np.isfinite(history.recovery_days).mean()),
        "verdict": f"{looks}, {_risk_words(ruin)}",
    }


def _risk_words(ruin: tuple[float, float]) -> str:
    if ruin[1] < TOLERATED:
        return "safe on the paths"
    return "not safe on the paths" if ruin[0] > TOLERATED else "undecided on the paths"


def _interval(count: int, n: int) -> tuple[float, float]:
    found = binomtest(count, n).proportion_ci(_CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def _bootstrap(values: FloatArray, level: float, rng: np.random.Generator) -> tuple[float, float]:
    drawn = [np.quantile(values[rng.integers(len(values), size=len(values))], level) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [(1.0 - _CONFIDENCE) / 2.0, (1.0 + _CONFIDENCE) / 2.0])
    return float(low), float(high)
