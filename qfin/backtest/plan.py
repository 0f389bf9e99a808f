"""What a back-test does when: days to forecast, refits, and the spans within which slow copulas are kept."""

from dataclasses import dataclass

import numpy as np

from qfin._validation import check_level
from qfin.exceptions import InputError

# A vine of 20 assets takes 17 seconds to fit, a Born machine 5 to 10: such copulas are kept for about a year.
_SPAN_DAYS = 250
MIN_WINDOW = 250


@dataclass(frozen=True)
class BacktestPlan:
    """The settings of a back-test, which with the returns and the book determine every number.

    Attributes
    ----------
    models : names of `qfin.backtest.MODELS`
    levels : confidences of VaR and ES
    window : days that a model learns from
    refit : days after which volatility parameters, margins and fast copulas are fitted anew
    horizon : days over which the book is held
    seed : of every random number
    n_draws : joint innovations drawn from a copula
    n_kept : losses kept of each forecast, for the tests' own null laws
    """

    models: tuple[str, ...]
    levels: tuple[float, ...] = (0.95, 0.975, 0.99)
    window: int = 1000
    refit: int = 20
    horizon: int = 1
    seed: int = 7
    n_draws: int = 10_000
    n_kept: int = 499

    def __post_init__(self) -> None:
        from qfin.backtest.models import MODELS

        unknown = [name for name in self.models if name not in MODELS]
        if unknown or not self.models or len(set(self.models)) < len(self.models):
            received = ", ".join(unknown or self.models) or "none"
            raise InputError(f"models: expected names among {', '.join(MODELS)}, each once, received {received}")
        if not self.levels or list(self.levels) != sorted({check_level(level) for level in self.levels}):
            raise InputError(f"levels: expected confidences in rising order, received {self.levels}")
        _check("window", self.window, MIN_WINDOW)
        _check("refit", self.refit, 1)
        _check("horizon", self.horizon, 1)
        _check("n_draws", self.n_draws, 1_000)
        _check("n_kept", self.n_kept, 99)

    @property
    def span(self) -> int:
        """Days between fits of the slow copulas: a multiple of `refit` near a year."""
        return self.refit * max(1, round(_SPAN_DAYS / self.refit))

    def spans(self, days: range) -> list[range]:
        """The days, cut where slow copulas are fitted anew."""
        return _pieces(days, self.span)

    def blocks(self, span: range) -> list[range]:
        """A span, cut where everything else is fitted anew."""
        return _pieces(span, self.refit)


def _pieces(days: range, size: int) -> list[range]:
    return [days[first : first + size] for first in range(0, len(days), size)]


def _check(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}: expected a whole number of at least {least}, received {value!r}")
