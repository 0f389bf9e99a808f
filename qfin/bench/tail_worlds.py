"""The two worlds of `qfin bench tails`: Tail-GAN's five synthetic series, and 20 US stocks split by date."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qfin._random import integer_seed, stream
from qfin._types import FloatArray
from qfin.bench.tail_strategies import Strategies, eigen_weights, static_weights, strategies, tail_statistics
from qfin.exceptions import InputError
from qfin.market import load_panel

SYNTHETIC_DAYS = 100
MAX_COPULA_DAYS = 50_000  # of the synthetic set, whose days are all of one law
_AUTOREGRESSION = (0.0, 0.5, -0.12, 0.0, 0.0)
_FREEDOM = (np.inf, np.inf, np.inf, 5.0, 10.0)
_CHUNK = 5_000
STOCK_DAYS = 20
TRAIN_END = "2010-12-31"
MEMORY_DAYS = 1_000
_LEAST_TEST_DAYS = 100

Draw = Callable[[int, np.random.Generator], FloatArray]


@dataclass(frozen=True, eq=False)
class World:
    """A set to be compared on.

    Attributes
    ----------
    name : str
    training : array of shape (n_paths, n_days, n_assets)
        Log-returns (increments where prices are additive) that models are fitted to.
    strategies : Strategies
    truth : array of shape (2, n_strategies), VaR and ES at 5 % of the strategies' P&L.
    floor, historical : P&L of n draws from the truth, and from the past; shape (n, n_strategies).
    additive : whether a price is one plus the sum of the increments.
    days : of a path
    copula_days : the last training days, which copulas are fitted to
    known : array of shape (n_known, n_assets) or None
        The paths start after days of it, from what a filter knows then; None: of the training.
    n_starts : how many of its last days these are, 0 for all
    """

    name: str
    training: FloatArray
    strategies: Strategies
    truth: FloatArray
    floor: Draw
    historical: Draw
    additive: bool
    days: int
    copula_days: int
    known: FloatArray | None = None
    n_starts: int = 0

    def pnl(self, x: FloatArray) -> FloatArray:
        """P&L of the strategies on paths (n_paths, n_days, n_assets)."""
        return self.strategies.pnl(prices(x, self.additive))


def prices(x: FloatArray, additive: bool) -> FloatArray:
    """Prices from one on, shape (n_paths, n_days + 1, n_assets)."""
    sums = np.concatenate([np.zeros_like(x[:, :1]), np.cumsum(x, axis=1)], axis=1)
    return 1.0 + sums if additive else np.exp(sums)


@dataclass(frozen=True, eq=False)
class SyntheticLaw:
    """Tail-GAN's five series: Gaussian, AR(1) 0.5, AR(1) −0.12, GARCH(1, 1) with t5 and with t10 innovations.

    As in the authors' program: Gaussian noise of |correlation| of a random positive definite matrix and of each series'
    standard deviation, U(0.3, 0.5)/√25,000; α ~ U(0.08, 0.12), β ~ U(0.825, 0.875), ω ~ U(0.03, 0.07); the t series
    divide their noise by √(χ²/ν); the first 100 of 200 days are dropped; every path of every series is divided by its
    own standard deviation. Because that noise is of size 0.003 beside ω ~ 0.05, α moves next to nothing there: the two
    GARCH series are independent t draws to within a part in a thousand, and no model can find clusters in them.
    """

    covariance: FloatArray
    alpha: FloatArray
    beta: FloatArray
    omega: FloatArray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "SyntheticLaw":
        """The parameters, drawn once."""
        from sklearn.datasets import make_sparse_spd_matrix

        n = len(_FREEDOM)
        seed = integer_seed(rng)
        correlation = np.abs(make_sparse_spd_matrix(n, alpha=0.0, norm_diag=True, random_state=seed))
        deviation = rng.uniform(0.3, 0.5, n) / np.sqrt(250 * SYNTHETIC_DAYS)
        alpha, beta, omega = (rng.uniform(*ends, n) for ends in ((0.08, 0.12), (0.825, 0.875), (0.03, 0.07)))
        return cls(correlation * np.outer(deviation, deviation), alpha, beta, omega)

    def paths(self, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Increments, shape (n_paths, 100, 5)."""
        n, n_days = len(_FREEDOM), 2 * SYNTHETIC_DAYS
        factor = np.linalg.cholesky(self.covariance)
        noise = rng.standard_normal((n_paths, n_days, n)) @ factor.T
        for j, freedom in enumerate(_FREEDOM):
            if np.isfinite(freedom):
                noise[:, :, j] /= np.sqrt(rng.chisquare(freedom, (n_paths, n_days)) / freedom)
        x = np.zeros((n_paths, n_days, n))
        value, variance = np.zeros((n_paths, n)), np.zeros((n_paths, n))
        clustered = np.isfinite(_FREEDOM)
        for day in range(n_days):
            variance = self.omega + self.alpha * value**2 + self.beta * variance
            value = np.where(
                clustered, np.sqrt(variance) * noise[:, day], np.multiply(_AUTOREGRESSION, value) + noise[:, day]
            )
            x[:, day] = value
        x = x[:, SYNTHETIC_DAYS:]
        return np.asarray(x * (np.sqrt(np.diag(self.covariance)) / x.std(axis=1, keepdims=True)))


def synthetic_world(n_paths: int, n_fitted: int, seed: int) -> World:
    """`n_paths` training paths, the first `n_fitted` of which models are fitted to, and as many others as the truth."""
    law = SyntheticLaw.draw(stream(seed, "tails", "law"))
    rng = {name: stream(seed, "tails", "synthetic", name) for name in ("train", "truth", "weights")}
    fitted = law.paths(n_fitted, rng["train"])
    weights = static_weights(len(_FREEDOM), rng["weights"])
    rules = strategies(prices(fitted, True), weights)

    def table(paths_rng: np.random.Generator, first: list[FloatArray], n: int) -> FloatArray:
        parts = first
        for start in range(0, n, _CHUNK):
            parts = [*parts, rules.pnl(prices(law.paths(min(_CHUNK, n - start), paths_rng), True))]
        return np.concatenate(parts)

    past = table(rng["train"], [rules.pnl(prices(fitted, True))], n_paths - n_fitted)
    truth = table(rng["truth"], [], n_paths)
    return World(
        "tail-gan synthetic",
        fitted,
        rules,
        tail_statistics(truth),
        lambda n, own: rules.pnl(prices(law.paths(n, own), True)),
        lambda n, own: past[own.integers(len(past), size=n)],
        additive=True,
        days=SYNTHETIC_DAYS,
        copula_days=MAX_COPULA_DAYS,
    )


def stock_worlds(seed: int, train_end: str = TRAIN_END, last: str | None = None) -> list[World]:
    """Two questions on 20 US stocks, training to 2010, every window of 20 days from 2011 on as the truth.

    "us20": what the past says of the windows to come, as Tail-GAN's tables have it; the paths start from days of the
    training. "us20, day by day": each path starts from what was known before one of the windows: filters from that
    day's volatilities with innovations that are learnt anew every 250 days, historical simulation from the 1,000 days
    before. (Dividing returns by a trailing level of volatility was worse on 2004 to 2010 after 1990 to 2003, inside the
    training days, and is not done.)
    """
    returns = load_panel("us20").between(None, last).complete()[0]
    x = np.log1p(returns.to_numpy())
    n_train, days = int((returns.index <= train_end).sum()), STOCK_DAYS
    least = MEMORY_DAYS + STOCK_DAYS, _LEAST_TEST_DAYS
    if n_train < least[0] or len(x) - n_train < least[1]:
        raise InputError(
            f"train_end: expected at least {least[0]:,} days up to it and {least[1]:,} after it, received "
            f"{n_train:,} and {len(x) - n_train:,}"
        )
    train = x[:n_train]
    past, future = _windows(train, days), _windows(x[n_train:], days)
    weights = static_weights(x.shape[1], stream(seed, "tails", "stocks", "weights"))
    weights = np.concatenate([weights, eigen_weights(np.expm1(train))], axis=1)
    rules = strategies(prices(past, False), weights)
    pnl_past, pnl_future = rules.pnl(prices(past, False)), rules.pnl(prices(future, False))
    pnl_all = rules.pnl(prices(_windows(x, days), False))
    truth = tail_statistics(pnl_future)

    def recent(n: int, rng: np.random.Generator) -> FloatArray:
        starts = n_train + rng.integers(len(pnl_future), size=n)
        return np.asarray(pnl_all[starts - days - rng.integers(MEMORY_DAYS - days + 1, size=n)])

    def floor(n: int, rng: np.random.Generator) -> FloatArray:
        return pnl_future[rng.integers(len(pnl_future), size=n)]

    def historical(n: int, rng: np.random.Generator) -> FloatArray:
        return pnl_past[rng.integers(len(pnl_past), size=n)]

    known = x[: len(x) - days + 1]
    return [
        World("us20", train[None], rules, truth, floor, historical, False, days, MEMORY_DAYS),
        World(
            "us20, day by day",
            train[None],
            rules,
            truth,
            floor,
            recent,
            False,
            days,
            MEMORY_DAYS,
            known,
            len(pnl_future),
        ),
    ]


def _windows(x: FloatArray, days: int) -> FloatArray:
    return np.asarray(np.moveaxis(np.lib.stride_tricks.sliding_window_view(x, days, axis=0), 2, 1))
