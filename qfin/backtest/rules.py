"""Trading rules: past prices -> weights of wealth, the rest is cash; built in for many paths at once, or of a file."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qfin._types import FloatArray
from qfin.exceptions import InputError

TREND_DAYS = 100
VOLATILITY_DAYS = 60
TARGET_VOLATILITY = 0.10  # a year
STOP_LOSS = 0.10
PERIODS_PER_YEAR = 252
FUNCTION = "weights"  # what a file must define


@dataclass(frozen=True)
class Rule:
    """From prices up to today to weights from today on.

    Attributes
    ----------
    name : str
    weights : function
        Of many paths: prices (n_paths, n_days, n_assets) to weights (n_paths, n_assets). Of one: without n_paths.
    many_paths : bool
    """

    name: str
    weights: Callable[[FloatArray], FloatArray]
    many_paths: bool


def buy_and_hold(prices: FloatArray) -> FloatArray:
    """Equal weights on the first day (where all prices are one), then whatever they have become."""
    last = prices[:, -1]
    return np.asarray(last / last.sum(axis=1, keepdims=True))


def trend(prices: FloatArray) -> FloatArray:
    """1/n in each asset whose price is above its mean of up to 100 days, cash for the others."""
    last = prices[:, -1]
    return np.asarray((last >= prices[:, -TREND_DAYS:].mean(axis=1)) / last.shape[1])


def volatility_target(prices: FloatArray) -> FloatArray:
    """Equal weights, scaled down to 10 % volatility a year over up to 60 days; never above one."""
    moves = _moves(prices).mean(axis=2)
    volatility = moves.std(axis=1) * np.sqrt(PERIODS_PER_YEAR) if moves.shape[1] > 1 else np.zeros(len(moves))
    exposure = np.minimum(1.0, TARGET_VOLATILITY / np.maximum(volatility, 1e-12))
    return np.repeat(exposure[:, None] / prices.shape[2], prices.shape[2], axis=1)


def risk_parity(prices: FloatArray) -> FloatArray:
    """Weights inverse to each asset's volatility of up to 60 days: equal risk where all correlations are equal."""
    moves = _moves(prices)
    if moves.shape[1] < 2:
        return np.full((len(prices), prices.shape[2]), 1.0 / prices.shape[2])
    inverse = 1.0 / np.maximum(moves.std(axis=1), 1e-12)
    return np.asarray(inverse / inverse.sum(axis=1, keepdims=True))


def stop_loss(prices: FloatArray) -> FloatArray:
    """Equal weights; cash while the mean price is more than 10 % below its peak of up to 60 days."""
    book = np.cumprod(1.0 + _moves(prices).mean(axis=2), axis=1)
    if book.shape[1] == 0:
        return np.full((len(prices), prices.shape[2]), 1.0 / prices.shape[2])
    invested = book[:, -1] >= (1.0 - STOP_LOSS) * np.maximum(book.max(axis=1), 1.0)
    return np.repeat(invested[:, None] / prices.shape[2], prices.shape[2], axis=1)


BUILT_IN = {
    "buy-hold": buy_and_hold,
    "trend": trend,
    "vol-target": volatility_target,
    "risk-parity": risk_parity,
    "stop-loss": stop_loss,
}


def load_rule(text: str) -> Rule:
    """`builtin:NAME`, or the file of a function `weights(prices)`; the file is executed."""
    kind, colon, name = text.partition(":")
    if colon and kind == "builtin":
        if name not in BUILT_IN:
            raise InputError(f"--rule: expected builtin: and one of {', '.join(BUILT_IN)}, received {name!r}")
        return Rule(name, BUILT_IN[name], True)
    path = Path(text)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"--rule: expected builtin:NAME or the name of a .py file, received {text!r}")
    try:
        function = runpy.run_path(str(path)).get(FUNCTION)
    except Exception as error:  # whatever the user's file raises
        raise InputError(f"--rule: {path} raised {type(error).__name__}: {error}") from error
    if not callable(function):
        raise InputError(f"--rule: expected {path} to define {FUNCTION}(prices), received none")
    return Rule(path.stem, function, False)


def _moves(prices: FloatArray) -> FloatArray:
    window = prices[:, -VOLATILITY_DAYS - 1 :]
    return np.asarray(window[:, 1:] / window[:, :-1] - 1.0)
