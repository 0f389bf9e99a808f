"""From the options of an optimisation to its data and its problem."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qfin._random import stream
from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.market import load_panel
from qfin.market.bundled import data_file
from qfin.portfolio import PortfolioProblem, Trading, read_instance, sector_groups
from qfin.portfolio.groups import Group
from qfin.portfolio.objectives import MeanVariance
from qfin.portfolio.problem import Objective
from qfin.portfolio.scenario_objectives import PathDrawdown, ScenarioLoss

OBJECTIVES = {
    "variance": "least variance",
    "es": "least expected shortfall",
    "var": "least value at risk",
    "drawdown": "least drawdown",
    "crash": "least expected shortfall in a crash",
}
_CRASH_SHARE = 0.05  # of the days, the worst of the equal-weight book, that count as a crash
_N_PATHS, _PATH_DAYS, _BLOCK_DAYS = 200, 60, 20
_INSTANCES = tuple(f"port{number}" for number in range(1, 6))


@dataclass(frozen=True)
class GeoRules:
    """What is minimised, and which portfolios may be held.

    `risk_weight` λ (λ·variance − (1 − λ)·mean) or `target_return` a period. `sectors` and `current` are CSV files with
    the columns asset and sector, and asset and weight. `groups` are limits in words, such as "JPM, BAC <= 30%".
    """

    objective: str = "variance"
    cardinality: tuple[int, int] = (10, 10)
    bounds: tuple[float, float] = (0.01, 1.0)
    level: float = 0.95
    risk_weight: float | None = None
    target_return: float | None = None
    sectors: str | None = None
    sector_limit: float | None = None
    current: str | None = None
    max_turnover: float | None = None
    must_hold: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.risk_weight is not None and (self.objective != "variance" or self.target_return is not None):
            raise InputError("lambda: expected the objective variance and no target return with it, received others")
        if (self.sectors is None) != (self.sector_limit is None):
            raise InputError("sectors: expected a file together with a limit, received one of the two")
        if (self.current is None) != (self.max_turnover is None):
            raise InputError("max-turnover: expected it together with the current book, received one of the two")

    def at(self, target_return: float | None) -> "GeoRules":
        """The same rules for a point of the frontier."""
        return replace(self, risk_weight=None, target_return=target_return)


@dataclass(frozen=True, eq=False)
class GeoData:
    """Assets with their mean returns, and either days (n_days, n_assets) or the covariance alone."""

    source: str
    assets: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    days: FloatArray | None
    n_days: int | None
    period: tuple[str, str] | None
    paths: FloatArray | None


def load_geo_data(config: Any) -> GeoData:
    """Read what a `GeoConfig` names."""
    if config.instance is not None:
        return _instance_data(config)
    panel = load_panel(config.prices, config.kind)
    if config.assets:
        panel = panel.select(list(config.assets))
    days, _ = panel.between(config.start, config.end).complete(min_rows=100)
    returns = days.to_numpy()
    return GeoData(
        Path(str(config.prices)).name,
        tuple(str(name) for name in days.columns),
        returns.mean(axis=0),
        np.atleast_2d(np.cov(returns, rowvar=False)),
        returns,
        len(returns),
        (str(days.index[0].date()), str(days.index[-1].date())),
        _paths(returns, config.seed) if config.rules.objective == "drawdown" else None,
    )


def _instance_data(config: Any) -> GeoData:
    if config.rules.objective != "variance":
        raise InputError(f"objective: expected variance for an instance, received {config.rules.objective}")
    if config.assets or config.kind or config.start or config.end:
        raise InputError("instance: expected no assets, kind or dates with it, received some")
    name = config.instance
    path = data_file(f"orlib/{name}.txt") if name in _INSTANCES else Path(name)
    instance = read_instance(path)
    width = len(str(len(instance.mean)))
    names = tuple(f"A{number:0{width}d}" for number in range(1, len(instance.mean) + 1))
    return GeoData(path.stem, names, instance.mean, instance.covariance, None, None, None, None)


def _paths(returns: FloatArray, seed: int) -> FloatArray:
    """Paths made of blocks of consecutive days, (n_paths, n_days, n_assets)."""
    starts = stream(seed, "geo", "paths").integers(
        len(returns) - _BLOCK_DAYS, size=(_N_PATHS, _PATH_DAYS // _BLOCK_DAYS)
    )
    days = (starts[:, :, None] + np.arange(_BLOCK_DAYS)).reshape(_N_PATHS, _PATH_DAYS)
    return np.asarray(returns[days])


def problem_of(data: GeoData, rules: GeoRules) -> PortfolioProblem:
    """The problem of the rules on the data."""
    return PortfolioProblem(
        data.assets,
        _objective(data, rules),
        rules.cardinality,
        rules.bounds,
        groups=_groups(data, rules),
        must_hold=rules.must_hold,
        must_not=rules.must_not,
        trading=_trading(rules),
    )


def _objective(data: GeoData, rules: GeoRules) -> Objective:
    target = rules.target_return
    if rules.objective == "variance" or data.days is None:
        weight = 1.0 if rules.risk_weight is None else rules.risk_weight
        return MeanVariance(data.mean, data.covariance, weight, target)
    if rules.objective == "drawdown":
        assert data.paths is not None
        return PathDrawdown(data.paths, rules.level, target)
    days = data.days
    if rules.objective == "crash":
        book = days.mean(axis=1)
        days = days[book <= np.quantile(book, _CRASH_SHARE)]
    measure = "var" if rules.objective == "var" else "shortfall"
    return ScenarioLoss(days, measure, rules.level, mean=data.mean, target_return=target)


def read_group(text: str) -> Group:
    """A limit on what assets weigh together: "JPM, BAC <= 30%", or with a name "Banks: JPM, BAC <= 30%"."""
    found = re.fullmatch(r"(?:([^:<=]+):)?([^:<=]+)<=\s*([0-9.]+)\s*%\s*", text)
    members = () if found is None else tuple(name.strip() for name in found[2].split(","))
    if found is None or not all(members):
        raise InputError(f"group: expected assets and a limit such as JPM, BAC <= 30%, received {text!r}")
    limit = float(found[3]) / 100.0
    return Group((found[1] or " + ".join(members)).strip(), members, weight=(0.0, limit))


def _groups(data: GeoData, rules: GeoRules) -> tuple[Group, ...]:
    return (*(read_group(text) for text in rules.groups), *_sectors(data, rules))


def _sectors(data: GeoData, rules: GeoRules) -> tuple[Group, ...]:
    if rules.sectors is None or rules.sector_limit is None:
        return ()
    frame = _two_columns(rules.sectors, "sector")
    sectors = {str(asset): str(sector) for asset, sector in frame.to_numpy()}
    missing = [asset for asset in data.assets if asset not in sectors]
    if missing:
        raise InputError(f"{rules.sectors}: expected a sector for every asset, received none for {missing[0]}")
    own = {asset: sectors[asset] for asset in data.assets}
    return sector_groups(own, weight=dict.fromkeys(own.values(), (0.0, rules.sector_limit)))


def _trading(rules: GeoRules) -> Trading | None:
    if rules.current is None:
        return None
    frame = _two_columns(rules.current, "weight")
    try:
        book = {str(asset): float(weight) for asset, weight in frame.to_numpy()}
    except ValueError:
        raise InputError(f"{rules.current}: expected numbers in the column weight, received others") from None
    return Trading(book, max_turnover=rules.max_turnover)


def _two_columns(path: str, second: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a readable table, received: {error}") from None
    if list(frame.columns) != ["asset", second] or frame.isna().to_numpy().any():
        raise InputError(f"{path}: expected the columns asset and {second} without gaps, received others")
    return frame


def aim_words(rules: GeoRules) -> str:
    """What is sought, in words."""
    if rules.risk_weight is not None:
        return f"λ = {rules.risk_weight:g}"
    floor = "" if rules.target_return is None else f" at a mean of at least {100.0 * rules.target_return:g}%"
    return OBJECTIVES[rules.objective] + floor


def risk_word(rules: GeoRules) -> str:
    """What the risk of a portfolio is called."""
    level = f"{100.0 * rules.level:g}%"
    return {
        "variance": "Standard deviation",
        "es": f"Expected shortfall {level}",
        "var": f"Value at risk {level}",
        "drawdown": f"Drawdown over {_PATH_DAYS} days, mean of the worst {100.0 - 100.0 * rules.level:g}%",
        "crash": f"Expected shortfall {level} in a crash",
    }[rules.objective]
