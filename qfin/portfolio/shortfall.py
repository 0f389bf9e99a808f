"""Weights of least expected shortfall or least worst loss on given supports, from scenarios.

The linear programme of Rockafellar and Uryasev (2000) is solved over the scenarios that are worst at equal weights.
Scenarios left out can only add to the shortfall, so the answer is exact as soon as the shortfall over all scenarios
is no larger than over those kept; the rows where it is larger are solved again with twice as many.
"""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray, IntArray
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.side_rules import Goal, minimise

_CHUNK_NUMBERS = 1 << 20
_EXACT = 1e-10
_WORST_ONLY = 2.0  # any price above 1 makes the threshold the largest loss


@dataclass(frozen=True, eq=False)
class TailProgramme:
    """min ζ + Σ_t price_t·max(0, loss_t − ζ) over weights; `returns` (T, n_assets), `prices` (T,).

    Prices of probability/(1 − level) make it the expected shortfall; prices above 1 make it the largest loss.
    """

    problem: PortfolioProblem
    returns: FloatArray
    prices: FloatArray

    def solve(
        self, supports: BoolArray, columns: IntArray, kept: BoolArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Weights (B, k) and residuals; `kept` (B, T) leaves scenarios out row by row."""
        n_rows, n_held = columns.shape
        weights, residuals = np.full((n_rows, n_held), np.nan), np.full(n_rows, np.nan)
        equal = np.full((n_rows, n_held), 1.0 / n_held)
        n_kept = min(len(self.returns), self._first_size(n_held))
        todo, guide = np.arange(n_rows), equal
        while len(todo) > 0:
            step = max(1, _CHUNK_NUMBERS // (n_kept * (n_held + 1)))
            left = []
            for start in range(0, len(todo), step):
                part = todo[start : start + step]
                mask = None if kept is None else kept[part]
                found = self._solve_chunk(supports[part], columns[part], guide[part], n_kept, mask)
                weights[part], residuals[part], exact = found
                left.append(part[~exact])
            todo, guide = np.concatenate(left), np.where(np.isnan(weights), equal, weights)
            n_kept = min(len(self.returns), 2 * n_kept)
        return weights, residuals

    def losses(self, columns: IntArray, weights: FloatArray) -> FloatArray:
        """Losses of every row's book, shape (B, T)."""
        full = np.zeros((len(columns), self.returns.shape[1]))
        np.put_along_axis(full, columns, weights, axis=1)
        return -(full @ self.returns.T)

    def _first_size(self, n_held: int) -> int:
        n_tail = int(np.ceil(np.minimum(1.0 / self.prices.mean(), len(self.returns))))
        return 3 * n_tail + 3 * n_held + 20

    def _solve_chunk(
        self, supports: BoolArray, columns: IntArray, guide: FloatArray, n_kept: int, mask: BoolArray | None
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        n_rows, n_held = columns.shape
        score = np.maximum(self.losses(columns, guide), self.losses(columns, np.full((n_rows, n_held), 1.0 / n_held)))
        if mask is not None:
            score = np.where(mask, score, -np.inf)
        chosen = np.argpartition(-score, n_kept - 1, axis=1)[:, :n_kept]
        if mask is not None:
            # Rows with fewer scenarios than places repeat their worst one, which changes no maximum.
            worst = score.argmax(axis=1)[:, None]
            chosen = np.where(np.take_along_axis(mask, chosen, axis=1), chosen, worst)
        losses = -self.returns[chosen[:, :, None], columns[:, None, :]]
        flat = np.zeros((n_rows, n_held))
        price = 0.0 if self.problem.trading is None else self.problem.trading.cost
        goal = Goal(np.zeros((n_rows, n_held, n_held)), flat, price, losses, self.prices[chosen])
        weights, residuals = minimise(self.problem, supports, columns, goal)
        if n_kept >= len(self.returns):
            return weights, residuals, np.ones(n_rows, dtype=bool)
        everything = self.losses(columns, weights)
        if mask is not None:
            everything = np.where(mask, everything, -np.inf)
        left_out = everything.copy()
        np.put_along_axis(left_out, chosen, -np.inf, axis=1)
        threshold = self._threshold(np.take_along_axis(everything, chosen, axis=1), self.prices[chosen])
        slack = _EXACT * np.abs(threshold)
        return weights, residuals, np.isnan(residuals) | ~(left_out.max(axis=1) > threshold + slack)

    def _threshold(self, losses: FloatArray, prices: FloatArray) -> FloatArray:
        """The ζ that minimises for given losses: the largest with prices of larger losses summing to at most 1."""
        order = np.argsort(-losses, axis=1, kind="stable")
        sorted_losses, mass = np.take_along_axis(losses, order, axis=1), np.take_along_axis(prices, order, axis=1)
        before = np.cumsum(mass, axis=1) - mass
        place = np.where(before <= 1.0 + 1e-12, np.arange(losses.shape[1]), 0).max(axis=1)
        return np.asarray(np.take_along_axis(sorted_losses, place[:, None], axis=1)[:, 0])


def worst_loss_prices(n_scenarios: int) -> FloatArray:
    """Prices that make a `TailProgramme` minimise the largest loss."""
    return np.full(n_scenarios, _WORST_ONLY)
