"""Reverse stress: the most likely moves of all assets together that cost a book more than a given loss.

The joint density is that of the copula at u = F(x) times those of the marginals, of log-returns: that of simple
returns has a pole at −100 %, where all lower tails end. It is climbed in normal scores y = Φ⁻¹(u), where every asset
has the same scale. The empirical body of a marginal is a staircase whose every step would be a mode, so the way from
scores to returns, and its slope, are smooth curves through a few quantiles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import norm

from qfin._random import RandomLike, as_generator
from qfin._threads import one_blas_thread
from qfin._types import FloatArray
from qfin.copulas import EventProbability, draws_given, from_latent
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel
from qfin.scenarios._table import asset_names
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.return_events import LinearEvent, in_unit_cube
from qfin.scenarios.scenario_set import book_weights

_N_DRAWS = 2_000  # conditional draws to choose starts from
_BOUND = 5.0  # of the search, in normal scores: a move of one asset that comes once in 3.5 million days
_KNOTS = np.linspace(-_BOUND, _BOUND, 21)  # of the curves
_STEP = 1e-4  # of central differences, in normal scores
_SAME = 0.5  # optima nearer than this, root mean square over assets in normal scores, are one mode
_MAX_MODES = 5
_SINGULAR = 1e-10  # of the largest eigenvalue: rounding


@dataclass(frozen=True, eq=False)
class ReverseMode:
    """One locally most likely way to lose that much.

    Attributes
    ----------
    returns : array of shape (n_assets,), simple
    scores : the same move in normal scores
    log_density : of the log-returns under the model, nats
    share : density over that of the most likely mode
    contributions : array of shape (n_assets,), parts of the loss, with their sum the loss
    nearest_day, nearest_distance, nearest_book_return
        The past day nearest in Mahalanobis distance of normal scores; None without a history.
    """

    returns: FloatArray
    scores: FloatArray
    log_density: float
    share: float
    contributions: FloatArray
    nearest_day: pd.Timestamp | None
    nearest_distance: float | None
    nearest_book_return: float | None

    @property
    def loss(self) -> float:
        return float(self.contributions.sum())


@dataclass(frozen=True, eq=False)
class ReverseStress:
    """What a loss above `level` most likely looks like; `modes` from the likeliest on.

    `n_converged` of `n_starts` searches ended at an optimum; `likelihood` is P(loss > level).
    """

    assets: tuple[str, ...]
    level: float
    modes: tuple[ReverseMode, ...]
    likelihood: EventProbability
    n_starts: int
    n_converged: int


def reverse_stress(
    generator: ScenarioGenerator,
    level: float,
    *,
    weights: ArrayLike | None = None,
    history: pd.DataFrame | None = None,
    n_starts: int = 8,
    rng: RandomLike = None,
) -> ReverseStress:
    """The moves of highest density among those that cost the book at least `level` (0.1: 10 %), several if there are.

    The search starts from draws given the loss that lie far apart; it finds local optima and does not prove that there
    are no others.
    """
    if not isinstance(generator, ScenarioGenerator):
        raise InputError(f"reverse stress: expected a model with a copula, received {type(generator).__name__}")
    if not 0.0 < level < 1.0:
        raise InputError(f"loss: expected a number between 0 and 1 such as 0.1, received {level}")
    names = asset_names(generator)
    book = book_weights(weights, len(names))
    rng = as_generator(rng)
    event = in_unit_cube(LinearEvent(level, tuple(book.tolist())), generator.marginals_)
    draws = draws_given(generator.copula_, event, _N_DRAWS, rng=rng)
    surface = _Surface(generator, book, level)
    with one_blas_thread():
        starts = _spread_starts(surface, np.clip(ndtri(draws.equal(_N_DRAWS, rng)), -_BOUND, _BOUND), n_starts)
        found = [y for start in starts if (y := _climb(surface, start)) is not None]
    if not found:
        raise InputError(f"loss: expected one for which a most likely move is found, received {level:.2%}")
    tops = _distinct(surface, np.array(found))
    densities = surface.log_density(tops)
    past = None if history is None else _Past(history, generator.marginals_)
    modes = tuple(
        ReverseMode(log_density=float(value), share=float(np.exp(value - densities[0])), **_mode(surface, y, past))
        for y, value in zip(tops, densities, strict=True)
    )
    return ReverseStress(names, level, modes, draws.likelihood, len(starts), len(found))


class _Surface:
    """Log-density of returns and loss of a book as smooth functions of normal scores y, shape (n, n_assets)."""

    def __init__(self, generator: ScenarioGenerator, book: FloatArray, level: float) -> None:
        self.book, self.level = book, level
        self._copula = generator.copula_
        scores = np.repeat(from_latent(_KNOTS)[:, None], len(book), axis=1)
        returns = generator.marginals_.from_uniform(scores)
        if returns.min() <= -1.0:
            raise InputError("reverse stress: expected marginals with returns above -100%, received others")
        logs = np.log1p(returns)
        self._curves = [PchipInterpolator(_KNOTS, column) for column in logs.T]
        self._slopes = [curve.derivative() for curve in self._curves]
        middles = 0.5 * (_KNOTS[1:] + _KNOTS[:-1])
        self._log_slopes = CubicSpline(middles, np.log(np.diff(logs, axis=0) / np.diff(_KNOTS)[:, None]))

    def returns(self, y: FloatArray) -> FloatArray:
        logs = np.stack([curve(column) for curve, column in zip(self._curves, y.T, strict=True)], axis=1)
        return np.asarray(np.expm1(logs))

    def log_density(self, y: FloatArray) -> FloatArray:
        places = np.arange(y.shape[1])
        own = norm.logpdf(y) - self._log_slopes(y)[:, places, places]
        return np.asarray(self._copula.logpdf(from_latent(y)) + own.sum(axis=1))

    def objective(self, y: FloatArray) -> tuple[float, FloatArray]:
        """Minus the log-density, and its gradient by central differences in one batch."""
        steps = _STEP * np.eye(len(y))
        values = self.log_density(np.vstack([y[None], y + steps, y - steps]))
        up, down = values[1 : len(y) + 1], values[len(y) + 1 :]
        return -float(values[0]), (down - up) / (2.0 * _STEP)

    def excess_loss(self, y: FloatArray) -> float:
        return float(-self.returns(y[None])[0] @ self.book - self.level)

    def excess_gradient(self, y: FloatArray) -> FloatArray:
        slopes = np.array([slope(value) for slope, value in zip(self._slopes, y, strict=True)])
        return np.asarray(-self.book * (1.0 + self.returns(y[None])[0]) * slopes)


def _spread_starts(surface: _Surface, candidates: FloatArray, n_starts: int) -> FloatArray:
    """The likeliest draw, then one by one the draw of the likelier half that is farthest from those chosen."""
    values = surface.log_density(candidates)
    likelier = candidates[np.argsort(-values)[: max(len(candidates) // 2, 1)]]
    chosen = [0]
    distance = np.linalg.norm(likelier - likelier[0], axis=1)
    while len(chosen) < min(n_starts, len(likelier)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(likelier - likelier[chosen[-1]], axis=1))
    return likelier[chosen]


def _climb(surface: _Surface, start: FloatArray) -> FloatArray | None:
    """The local optimum above a start; None where the search did not end at one that meets the loss."""
    scale = 1.0 / surface.level  # the constraint in units of the loss asked for
    result = minimize(
        surface.objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(-_BOUND, _BOUND)] * len(start),
        constraints={
            "type": "ineq",
            "fun": lambda y: scale * surface.excess_loss(y),
            "jac": lambda y: scale * surface.excess_gradient(y),
        },
        options={"maxiter": 300, "ftol": 1e-9},
    )
    if not result.success or surface.excess_loss(result.x) < -1e-6 * surface.level:
        return None
    return np.asarray(result.x)


def _distinct(surface: _Surface, found: FloatArray) -> FloatArray:
    """The optima from the likeliest on, without those next to a likelier one."""
    kept: list[FloatArray] = []
    for y in found[np.argsort(-surface.log_density(found))]:
        if all(np.sqrt(np.mean((y - other) ** 2)) > _SAME for other in kept):
            kept.append(y)
    return np.array(kept[:_MAX_MODES])


class _Past:
    """Past days in normal scores, to find the one nearest to a move."""

    def __init__(self, history: pd.DataFrame, marginals: MarginalPanel) -> None:
        self.days = history.dropna()
        if len(self.days) < 2:
            raise InputError(f"history: expected at least 2 days with all returns, received {len(self.days)}")
        self._scores = ndtri(marginals.to_uniform(self.days))
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(self._scores, rowvar=False)))
        known = values > _SINGULAR * values[-1]  # fewer days than assets leave directions without a scale
        self._whiten = vectors[:, known] / np.sqrt(values[known])

    def nearest(self, y: FloatArray) -> tuple[pd.Timestamp, float, FloatArray]:
        distances = np.linalg.norm((self._scores - y) @ self._whiten, axis=1)
        place = int(distances.argmin())
        return self.days.index[place], float(distances[place]), self.days.to_numpy()[place]


def _mode(surface: _Surface, y: FloatArray, past: _Past | None) -> dict[str, Any]:
    """What a `ReverseMode` says of an optimum, but for its densities."""
    returns = surface.returns(y[None])
    nearest: tuple[Any, ...] = (None, None, None)
    if past is not None:
        day, distance, move = past.nearest(y)
        nearest = (day, distance, float(move @ surface.book))
    return {
        "returns": returns[0],
        "scores": y,
        "contributions": -returns[0] * surface.book,
        **dict(zip(("nearest_day", "nearest_distance", "nearest_book_return"), nearest, strict=True)),
    }
