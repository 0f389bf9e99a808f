"""Forecasts of the book's loss, one a day, each from the past alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.backtest.models import MODELS
from qfin.backtest.past import PastView, book_losses, realised_losses
from qfin.backtest.plan import BacktestPlan

# As in `qfin.risk`: a probability mass within this of the boundary lies on it.
_MASS_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class LossForecast:
    """The law of the book's loss over the next days, as equally likely draws in rising order.

    Attributes
    ----------
    ordered : array of shape (n_draws,)
    kept : array of shape (n_kept,)
        Some of them, chosen anew each day, so that those of different days are independent.
    """

    ordered: FloatArray
    kept: FloatArray

    def measures(self, levels: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
        """VaR and ES at each level, as `qfin.risk.value_at_risk` and `expected_shortfall` have them."""
        n = len(self.ordered)
        tails = 1.0 - np.array(levels)
        beyond = np.minimum(((tails + _MASS_TOLERANCE) * n).astype(np.int64), n - 1)
        var = self.ordered[n - 1 - beyond]
        sums = np.append(0.0, np.cumsum(self.ordered[::-1]))[beyond]
        return var, var + (sums - beyond * var) / (n * tails)

    def transform(self, loss: float) -> float:
        """Where a loss lies among the draws, as `qfin.risk.probability_integral_transform`."""
        below, until = np.searchsorted(self.ordered, loss, "left"), np.searchsorted(self.ordered, loss, "right")
        return float((0.5 * (below + until) + 0.5) / (len(self.ordered) + 1.0))


@dataclass(frozen=True, eq=False)
class Forecasts:
    """One model's forecasts of the losses over the `horizon` days from each day on.

    Attributes
    ----------
    var, es : arrays of shape (n_days, n_levels)
    pit : array of shape (n_days,)
        The forecast's distribution function at the realised loss.
    draws : array of shape (n_days, n_kept)
        Losses drawn by the model, independent from day to day.
    """

    var: FloatArray
    es: FloatArray
    pit: FloatArray
    draws: FloatArray

    @classmethod
    def join(cls, parts: "list[Forecasts]") -> "Forecasts":
        """Those of spans that follow one another."""
        names = ("var", "es", "pit", "draws")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def forecast_span(
    returns: FloatArray, weights: FloatArray, plan: BacktestPlan, span: range
) -> "Iterator[tuple[str, Forecasts]]":
    """The forecasts of each model of the plan for the days (rows of `returns`) of one span.

    Nothing is kept from span to span, so they can be done in any order and at the same time.
    """
    fits: list[BlockFits] = []
    for block in plan.blocks(span):
        past = PastView.until(returns, block[0] - 1)
        fits.append(BlockFits(past, plan, block[0], fits[-1] if fits else None))
    losses = realised_losses(returns, weights, plan.horizon)
    for name in plan.models:
        forecasts = [
            forecast
            for block, known in zip(plan.blocks(span), fits, strict=True)
            for forecast in forecast_block(name, returns, weights, plan, block, known)
        ]
        measures = [forecast.measures(plan.levels) for forecast in forecasts]
        pit = [forecast.transform(losses[day]) for day, forecast in zip(span, forecasts, strict=True)]
        var, es = (np.stack([pair[place] for pair in measures]) for place in (0, 1))
        yield name, Forecasts(var, es, np.array(pit), np.stack([forecast.kept for forecast in forecasts]))


def forecast_block(
    name: str, returns: FloatArray, weights: FloatArray, plan: BacktestPlan, block: range, fits: BlockFits
) -> "Iterator[LossForecast]":
    """One model's forecasts for the days of one block, each made at the end of the day before."""
    model = MODELS[name]
    pool = None if model.draw is None else model.draw(fits)
    state = fits.volatility.state_ if model.filtered else None
    recent = fits.residuals if model.filtered else None
    for day in block:
        past = PastView.until(returns, day - 1)
        if state is not None and recent is not None and day > block[0]:
            today = fits.volatility.filter(past.last(1), state)
            state, recent = today.state, np.concatenate([recent[1:], today.residuals])
        rng = stream(plan.seed, "backtest", "day", name, str(day))
        if pool is not None:
            losses = _losses(pool, fits, state, weights, plan, rng)
        elif recent is not None:
            losses = _losses(recent, fits, state, weights, plan, rng)
        else:
            losses = realised_losses(past.last(plan.window), weights, plan.horizon)
        yield LossForecast(np.sort(losses), rng.choice(losses, plan.n_kept))


def _losses(
    pool: FloatArray,
    fits: BlockFits,
    state: FloatArray | None,
    weights: FloatArray,
    plan: BacktestPlan,
    rng: np.random.Generator,
) -> FloatArray:
    """Losses over the horizon: each innovation of the pool for one day, paths of resampled ones for several."""
    if plan.horizon == 1:
        innovations = pool[:, None, :]
    else:
        innovations = pool[rng.integers(len(pool), size=(plan.n_draws, plan.horizon))]
    paths = innovations if state is None else fits.volatility.simulate(innovations, state).returns
    return book_losses(paths, weights)
