"""Named crashes of the past: replayed, and as the seed of draws with other names leading."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray, IntArray
from qfin.copulas import EventProbability, draws_given
from qfin.exceptions import InputError
from qfin.scenarios._table import asset_names, check_n_samples
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.return_events import LinearEvent, in_unit_cube
from qfin.scenarios.scenario_paths import ScenarioPaths
from qfin.scenarios.scenario_set import book_weights
from qfin.scenarios.stress import StressResult, stress_scenarios
from qfin.scenarios.tempering import tilt_for_mean

_N_BATCHES = 5
_BIG = 0.5  # share of a run's loss above which one day counts as a crash of its own
_POOL_DAYS = 4_000  # of the model, and as many of its tail, that the runs of a batch are put together from
_MAX_ROUNDS = 50


@dataclass(frozen=True)
class Episode:
    """A crash by name: its first and last day, and what happened."""

    name: str
    first: date
    last: date
    what: str


_ROWS = (
    ("1987-10", (1987, 10, 14), (1987, 10, 26), "Black Monday, 19 October"),
    ("1998-08", (1998, 8, 17), (1998, 9, 1), "Russia defaults, 17 August; LTCM"),
    ("2001-09", (2001, 9, 17), (2001, 9, 21), "markets open again after 11 September"),
    ("2008-09", (2008, 9, 15), (2008, 9, 30), "Lehman Brothers files on the 15th; the House votes against on the 29th"),
    ("2010-05", (2010, 5, 6), (2010, 5, 7), "the flash crash, 6 May"),
    ("2011-08", (2011, 8, 4), (2011, 8, 10), "the United States lose their AAA on the 5th"),
    ("2015-01", (2015, 1, 15), (2015, 1, 16), "the Swiss National Bank drops its floor on the 15th"),
    ("2015-08", (2015, 8, 20), (2015, 8, 25), "China's markets fall, 24 August"),
    ("2018-02", (2018, 2, 2), (2018, 2, 8), "short-volatility products unwind on the 5th"),
    ("2020-03", (2020, 2, 20), (2020, 3, 23), "the pandemic; worst day 16 March"),
)
EPISODES = {name: Episode(name, date(*first), date(*last), what) for name, first, last, what in _ROWS}


@dataclass(frozen=True, eq=False)
class EpisodeStress:
    """An episode as it was, and draws given a day as bad for the book.

    Attributes
    ----------
    episode : Episode
    replay : DataFrame of the episode's daily simple returns
    worst_day : Timestamp, the day on which the book lost most
    book_return : of that day
    stress : StressResult given that the book loses more than on that day
    weights : array of shape (n_assets,)
    """

    episode: Episode
    replay: pd.DataFrame
    worst_day: pd.Timestamp
    book_return: float
    stress: StressResult
    weights: FloatArray

    def rows(self) -> list[dict[str, Any]]:
        """Per asset: its return on the worst day and over the episode, and, of the draws, its mean and how often it
        leads: how probable it is that no asset takes a larger part of the book's loss."""
        drawn = self.stress.scenarios
        parts = -drawn.returns * self.weights
        leads = np.eye(len(drawn.assets))[parts.argmax(axis=1)]
        chances = np.average(leads, axis=0, weights=drawn.probabilities)
        means = np.average(drawn.returns, axis=0, weights=drawn.probabilities)
        led = str(drawn.assets[int(np.argmax(-self.replay.loc[self.worst_day].to_numpy() * self.weights))])
        return [
            {
                "asset": asset,
                "worst_day": float(self.replay.loc[self.worst_day, asset]),
                "episode": float((1.0 + self.replay[asset]).prod() - 1.0),
                "mean_given": float(means[j]),
                "leads": float(chances[j]),
                "led": asset == led,
            }
            for j, asset in enumerate(drawn.assets)
        ]


@dataclass(frozen=True, eq=False)
class EpisodePaths:
    """The worst run of days of an episode as it was, and runs of days of a model on which the book loses as much.

    Attributes
    ----------
    episode : Episode
    replay : DataFrame of the run's daily simple returns
    book_return : of the run, compounded, the book brought back to its weights every day
    likelihood : EventProbability that independent days of the model lose as much
    paths : ScenarioPaths given that they do, weighted
    """

    episode: Episode
    replay: pd.DataFrame
    book_return: float
    likelihood: EventProbability
    paths: ScenarioPaths

    def rows(self) -> list[dict[str, Any]]:
        """Per asset: its compound return over the run, and its mean in the paths."""
        total = self.paths.total()
        means = np.average(total.returns, axis=0, weights=total.probabilities)
        return [
            {"asset": asset, "episode": float((1.0 + self.replay[asset]).prod() - 1.0), "mean_given": float(mean)}
            for asset, mean in zip(self.paths.assets, means, strict=True)
        ]


def episode_days(returns: pd.DataFrame, episode: Episode) -> pd.DataFrame:
    """The episode's days on which every asset has a return."""
    index = returns.index
    inside = (index >= pd.Timestamp(episode.first)) & (index <= pd.Timestamp(episode.last))
    days = returns[inside].dropna()
    if days.empty:
        covered = [name for name, other in EPISODES.items() if _covers(returns, other)]
        raise InputError(
            f"episode: expected one that the data cover ({', '.join(covered) or 'none of the named ones'}), received "
            f"{episode.name}, {episode.first} to {episode.last}"
        )
    return days


def episode_stress(
    generator: ScenarioGenerator,
    returns: pd.DataFrame,
    name: str,
    n_scenarios: int,
    *,
    weights: FloatArray | None = None,
    rng: RandomLike = None,
) -> EpisodeStress:
    """Days of the model on which the book loses more than on the episode's worst day; who falls is the model's."""
    replay, book = _replay(generator, returns, name, weights)
    moves = pd.Series(replay.to_numpy() @ book, index=replay.index)
    worst, move = moves.idxmin(), float(moves.min())
    if move >= 0.0:
        raise InputError(f"episode: expected one in which the book lost on some day, received {name}")
    stress = stress_scenarios(generator, LinearEvent(-move, tuple(book.tolist())), n_scenarios, rng=rng)
    stress = replace(stress, event=f"book < {move:.2%}, as on {worst:%Y-%m-%d}")
    return EpisodeStress(EPISODES[name], replay, worst, move, stress, book)


def episode_paths(
    generator: ScenarioGenerator,
    returns: pd.DataFrame,
    name: str,
    n_paths: int,
    days: int,
    *,
    weights: FloatArray | None = None,
    rng: RandomLike = None,
) -> EpisodePaths:
    """Runs of `days` days of the model over which the book loses at least what it lost in the episode's worst run.

    Days are independent under the model. Half of the runs are drawn tempered, so that their mean loses as much; half
    have one day that loses most of it alone; both are weighted back. The standard error is that between batches, each
    with days of its own, half of them from the model's tail.
    """
    replay, book = _replay(generator, returns, name, weights)
    if not 2 <= days <= len(replay):
        raise InputError(f"days: expected 2 to {len(replay)}, the days of {name} that the data have, received {days}")
    n_batch, rng = -(-check_n_samples(n_paths) // _N_BATCHES), as_generator(rng)
    runs = np.lib.stride_tricks.sliding_window_view(_log_losses(replay.to_numpy(), book), days).sum(axis=1)
    first, loss = int(runs.argmax()), float(runs.max())
    if loss <= 0.0:
        raise InputError(f"episode: expected one in which the book lost over {days} days, received {name}")
    batches = [
        _runs_given(_pool(generator, book, loss, rng), book, (n_batch, days), loss, rng) for _ in range(_N_BATCHES)
    ]
    chances = np.array([chance for _, _, chance in batches])
    likelihood = EventProbability(float(chances.mean()), float(chances.std(ddof=1) / np.sqrt(_N_BATCHES)), False)
    probabilities = np.concatenate([chance * share for _, share, chance in batches])
    move = float(np.expm1(-loss))
    provenance: dict[str, str | int | float] = {
        "generator": type(generator).__name__,
        "copula": type(generator.copula_).__name__,
        "event": f"book < {move:.2%} in {days} days",
    }
    paths = ScenarioPaths(
        np.concatenate([drawn for drawn, _, _ in batches]),
        asset_names(generator),
        None,
        probabilities / probabilities.sum(),
        provenance,
    )
    return EpisodePaths(EPISODES[name], replay.iloc[first : first + days], move, likelihood, paths)


def _pool(
    generator: ScenarioGenerator, book: FloatArray, loss: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Days of the model and their probabilities; days that lose most of `loss` alone are drawn on their own."""
    level = -float(np.expm1(-_BIG * loss))
    event = in_unit_cube(LinearEvent(level, tuple(book.tolist())), generator.marginals_)
    tail = draws_given(generator.copula_, event, _POOL_DAYS, rng=rng)
    body = generator.sample(_POOL_DAYS, rng=rng)
    body = body[-(body @ book) <= level]
    mass = tail.likelihood.probability
    shares = np.full(len(tail.u), 1.0 / len(tail.u)) if tail.weights is None else tail.weights
    kept = shares > 0.0  # a weight may underflow
    probabilities = np.concatenate([np.full(len(body), (1.0 - mass) / len(body)), mass * shares[kept]])
    return np.vstack([body, generator.marginals_.from_uniform(tail.u[kept])]), probabilities


def _runs_given(
    pool: tuple[FloatArray, FloatArray],
    book: FloatArray,
    size: tuple[int, int],
    target: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, float]:
    """Runs that lose `target`, their shares with sum 1, and the probability that a run does."""
    days, probabilities = pool
    losses = _log_losses(days, book)
    tempered = softmax(tilt_for_mean(losses, target / size[1], probabilities) * losses + np.log(probabilities))
    log_tempered = np.log(tempered) - np.log(probabilities)
    big = np.where(losses >= _BIG * target, probabilities, 0.0)
    kept: list[IntArray] = []
    values: list[FloatArray] = []
    for _ in range(_MAX_ROUNDS):
        rows = rng.choice(len(losses), size=size, p=tempered)
        alone = rng.random(size[0]) < 0.5
        rows[alone] = rng.choice(len(losses), size=(int(alone.sum()), size[1]), p=probabilities)
        rows[alone, rng.integers(size[1], size=int(alone.sum()))] = rng.choice(
            len(losses), size=int(alone.sum()), p=big / big.sum()
        )
        # How much likelier a run is drawn than it is: the mean over both ways, whichever it came by.
        proposed = 0.5 * np.exp(log_tempered[rows].sum(axis=1)) + 0.5 * (big[rows] > 0.0).mean(axis=1) / big.sum()
        enough = losses[rows].sum(axis=1) >= target
        kept.append(rows[enough])
        values.append(np.where(enough, 1.0 / proposed, 0.0))
        if sum(map(len, kept)) >= size[0]:
            break
    else:
        raise InputError(f"episode: expected a loss that the model's days reach together, received {target:.2%}")
    weights = np.concatenate(values)
    shares = weights[weights > 0.0]
    runs = np.concatenate(kept)[: size[0]]
    return days[runs], shares[: size[0]] / shares[: size[0]].sum(), float(weights.mean())


def _log_losses(returns: FloatArray, book: FloatArray) -> FloatArray:
    return np.asarray(-np.log1p(np.maximum(returns @ book, -1.0 + 1e-12)))


def _replay(
    generator: Any, returns: pd.DataFrame, name: str, weights: FloatArray | None
) -> tuple[pd.DataFrame, FloatArray]:
    """The episode's days in the generator's order of assets, and the book."""
    if name not in EPISODES:
        raise InputError(f"episode: expected one of {', '.join(EPISODES)}, received {name!r}")
    names = list(asset_names(generator))
    missing = [asset for asset in names if asset not in returns.columns]
    if missing:
        raise InputError(f"returns: expected a column for every asset of the model, received none for {missing[0]}")
    return episode_days(returns[names], EPISODES[name]), book_weights(weights, len(names))


def _covers(returns: pd.DataFrame, episode: Episode) -> bool:
    inside = (returns.index >= pd.Timestamp(episode.first)) & (returns.index <= pd.Timestamp(episode.last))
    return bool(returns[inside].notna().all(axis=1).any())
