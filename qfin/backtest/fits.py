"""What the models of a back-test share: one volatility fit and one set of margins a block, kept until the next."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.backtest.past import PastView
from qfin.backtest.plan import BacktestPlan
from qfin.marginals import EmpiricalGPD, GarchFilter, MarginalPanel


class BlockFits:
    """What is learnt at the start of a block of days, each part when it is first asked for.

    Parameters
    ----------
    past : PastView
        Up to the day before the block.
    plan : BacktestPlan
    first_day : int
        The block's first row; it names the streams of random numbers.
    before : BlockFits, optional
        Of the block before within the same span: its volatility parameters are the start of the next fit, and its
        slow copulas are kept. None starts a span.
    """

    def __init__(self, past: PastView, plan: BacktestPlan, first_day: int, before: "BlockFits | None" = None) -> None:
        self.returns: FloatArray = past.last(plan.window)
        self.n_draws = plan.n_draws
        self._seed, self._day, self._before = plan.seed, first_day, before
        self._first: BlockFits = self if before is None else before._first
        self._kept: dict[str, Any] = {}

    def rng(self, name: str) -> np.random.Generator:
        """The stream of random numbers of one model on this block."""
        return stream(self._seed, "backtest", str(self._day), name)

    def of_span(self, name: str, compute: "Callable[[BlockFits], Any]") -> Any:
        """`compute` of the span's first block, done once for the whole span."""
        kept = self._first._kept
        if name not in kept:
            kept[name] = compute(self._first)
        return kept[name]

    @cached_property
    def volatility(self) -> GarchFilter:
        start = None if self._before is None else self._before.volatility.params_
        return GarchFilter().fit(self.returns, init_params=start)

    @cached_property
    def residuals(self) -> FloatArray:
        """Standardised residuals of the window, under the parameters fitted to it."""
        return self.volatility.filter(self.returns).residuals

    @cached_property
    def return_margins(self) -> MarginalPanel:
        return MarginalPanel().fit(self.returns)

    @cached_property
    def residual_margins(self) -> MarginalPanel:
        return MarginalPanel(EmpiricalGPD(lower_bound=None)).fit(self.residuals)
