"""How the pool of a search moves: which names its best portfolios hold, as more of them are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qfin._types import BoolArray, FloatArray

POOL = 20  # best portfolios that are looked at
_MOST_NAMES = 30  # shown, those held most in the end


class PoolMoves:
    """Share of the `POOL` best portfolios known that hold each asset, look by look."""

    def __init__(self, assets: Sequence[str]) -> None:
        self._assets = tuple(assets)
        self._calls: list[int] = []
        self._shares: list[FloatArray] = []

    def look(self, n_calls: int, supports: BoolArray, values: FloatArray) -> None:
        """After `n_calls` portfolios, all of which are known: supports (n, n_assets) and values (n,)."""
        best = supports[np.argsort(values, kind="stable")[:POOL]]
        self._calls.append(n_calls)
        self._shares.append(best.mean(axis=0))

    @property
    def newest(self) -> dict[str, float]:
        """Share by asset at the last look, of those that the pool holds or held one look before."""
        known = self._shares[-1] + (self._shares[-2] if len(self._shares) > 1 else 0.0)
        return {self._assets[place]: float(self._shares[-1][place]) for place in np.flatnonzero(known)}

    def content(self) -> dict[str, Any]:
        """`calls`, `assets` and one list of shares an asset; empty without a look."""
        if not self._shares:
            return {}
        shares = np.array(self._shares)
        order = np.lexsort((-shares.max(axis=0), -shares[-1]))[:_MOST_NAMES]
        shown = [int(place) for place in order if shares[:, place].max() > 0.0]
        return {
            "calls": self._calls,
            "assets": [self._assets[place] for place in shown],
            "share": [shares[:, place].tolist() for place in shown],
        }
