"""Everything shown of a reversed or a named crash, as plain numbers: for the command line and the dashboard alike."""

from typing import Any

import pandas as pd

from qfin.exceptions import InputError
from qfin.scenarios.episodes import EPISODES, EpisodeStress, episode_days
from qfin.scenarios.reverse import ReverseMode, ReverseStress


def reverse_content(found: ReverseStress) -> dict[str, Any]:
    """A `ReverseStress` as JSON-ready numbers; `rows`, one per mode, the likeliest first."""
    return {
        "level": found.level,
        "probability": found.likelihood.probability,
        "probability_se": found.likelihood.standard_error,
        "n_starts": found.n_starts,
        "n_converged": found.n_converged,
        "rows": [_mode_row(found.assets, mode) for mode in found.modes],
    }


def _mode_row(assets: tuple[str, ...], mode: ReverseMode) -> dict[str, Any]:
    return {
        "loss": mode.loss,
        "log_density": mode.log_density,
        "share": mode.share,
        "nearest_day": None if mode.nearest_day is None else str(mode.nearest_day.date()),
        "nearest_distance": mode.nearest_distance,
        "nearest_book_return": mode.nearest_book_return,
        "assets": [
            {"asset": asset, "return": float(move), "contribution": float(part)}
            for asset, move, part in zip(assets, mode.returns, mode.contributions, strict=True)
        ],
    }


def episode_content(found: EpisodeStress) -> dict[str, Any]:
    """What an `EpisodeStress` says beyond its stress: the replay, its worst day, and who leads in the draws."""
    return {
        "episode": found.episode.name,
        "worst_day": str(found.worst_day.date()),
        "book_return": found.book_return,
        "replay": replay_rows(found.replay),
        "leads": found.rows(),
    }


def replay_rows(replay: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a day: date, return of the equal-weight book, and of every asset."""
    names = [str(name) for name in replay.columns]
    return [
        {"date": day, "book": float(moves.mean())} | dict(zip(names, moves.tolist(), strict=True))
        for day, moves in zip(replay.index.strftime("%Y-%m-%d"), replay.to_numpy(), strict=True)
    ]


def covered_episodes(returns: pd.DataFrame) -> list[str]:
    """Named crashes in which the equal-weight book lost on some day of the data."""
    return [name for name in EPISODES if _lost(returns, name)]


def _lost(returns: pd.DataFrame, name: str) -> bool:
    try:
        return bool((episode_days(returns, EPISODES[name]).mean(axis=1) < 0.0).any())
    except InputError:
        return False
