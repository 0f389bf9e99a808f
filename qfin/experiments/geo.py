"""One optimisation: prices or an instance -> portfolio, frontier, who found it; everything stored in one folder."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import qfin
from qfin._random import stream
from qfin._threads import one_blas_thread
from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.experiments.checkpoints import Progress, Silent
from qfin.experiments.geo_pool import PoolMoves
from qfin.experiments.geo_problem import (
    OBJECTIVES,
    GeoData,
    GeoRules,
    aim_words,
    load_geo_data,
    problem_of,
    risk_word,
)
from qfin.experiments.geo_rivals import RIVALS, rival_rows
from qfin.experiments.run_folder import RunFolder
from qfin.geo import default_solver, run_solver
from qfin.geo.solver import StepInfo
from qfin.portfolio import Budget, Evaluator, Frontier, Portfolio, PortfolioProblem, portfolio_of, relax

_POINT_SHARE, _LEAST_CALLS = 0.25, 40  # calls of a point of the frontier, of the budget and at least
_PATIENCE = 60  # calls of a point without a better value after which the next one has its turn
_HANDED_ON = 8  # supports that a point takes over from what was found before
Say = Callable[[str], None]


@dataclass(frozen=True)
class GeoConfig:
    """Where the data come from, the rules, and how much may be spent.

    `prices` (a file or a bundled set, with `kind`, `assets`, `start` and `end`) or `instance` (port1 to port5 of the
    OR-Library, or a file like them). `budget` counts unique supports solved for the portfolio,
    and again for each of `rivals`.
    """

    rules: GeoRules
    prices: str | None = None
    instance: str | None = None
    kind: str | None = None
    assets: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    budget: int = 1_000
    n_points: int = 8
    seed: int = 7
    rivals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.prices is None) == (self.instance is None):
            raise InputError("geo: expected prices or an instance, received both or neither")
        if self.rules.objective not in OBJECTIVES:
            expected = ", ".join(OBJECTIVES)
            raise InputError(f"objective: expected one of {expected}, received {self.rules.objective!r}")
        unknown = [name for name in self.rivals if name not in RIVALS]
        if unknown:
            raise InputError(f"rivals: expected some of {', '.join(RIVALS)}, received {unknown[0]!r}")
        if self.budget < 10 or self.n_points < 0:
            raise InputError(
                f"budget: expected at least 10 calls and 0 points, received {self.budget} and {self.n_points}"
            )


@dataclass(frozen=True, eq=False)
class _Found:
    portfolio: Portfolio
    support: BoolArray
    found_by: str
    n_calls: int
    history: dict[str, list[Any]]
    moves: dict[str, Any]
    pool: BoolArray  # the best supports, the best first


def run_geo(
    config: GeoConfig, out: str | Path, *, progress: Progress | None = None, say: Say | None = None
) -> RunFolder:
    """Search the portfolio and a small frontier, and leave record, tables and weights in the folder `out`."""
    if (Path(out) / "record.json").exists():
        raise InputError(f"{out}: expected a folder without a record, received one that has one")
    progress, started = progress or Silent(), time.perf_counter()
    data = load_geo_data(config)
    problem = problem_of(data, config.rules)
    folder = RunFolder.create(out)
    with one_blas_thread():
        progress.start("search", f"Search: {config.budget:,} portfolios of {len(data.assets)} assets")
        found = _search(problem, config.budget, stream(config.seed, "geo"), progress=progress, say=say)
        searched = time.perf_counter() - started
        progress.finish("search", searched, False)
        progress.start("frontier", f"Frontier: {config.n_points} points")
        frontier, relaxed, n_impossible = _frontier(config, data, found, progress)
        progress.finish("frontier", time.perf_counter() - started - searched, False)
        rivals = rival_rows(problem, config.rivals, config.budget, config.seed, progress)
    for name in ("portfolio.csv", "portfolio.xlsx"):
        found.portfolio.save(folder.path / name)
    if frontier is not None:
        frontier.save(folder.path / "frontier.csv")
    record = _record(config, data, found, frontier, relaxed) | {
        "n_impossible": n_impossible,
        "rivals": rivals,
        "timings": {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "search_s": searched,
            "total_s": time.perf_counter() - started,
        },
    }
    folder.write_json("record.json", record)
    return folder


def _search(
    problem: PortfolioProblem,
    budget: int,
    rng: np.random.Generator,
    *,
    seeds: BoolArray | None = None,
    patience: int | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> _Found:
    evaluator = Evaluator(problem, Budget(budget))
    moves = PoolMoves(problem.assets)

    def look(info: StepInfo) -> None:
        if say is not None and info.found_by is not None:
            support, value = evaluator.best
            names = [name for name, held in zip(problem.assets, support, strict=True) if held]
            say(f"{info.n_calls:,} calls: {value:.6g} by {info.found_by}: {', '.join(names)}")
        if progress is not None:
            moves.look(info.n_calls, *evaluator.pool())
            progress.look("geo", info.n_calls, {"best": info.best_value})
            progress.look("pool", info.n_calls, moves.newest)
            progress.update(info.n_calls, budget)

    state = run_solver(default_solver(problem, seeds=seeds), evaluator, rng, on_step=look, patience=patience)
    support, value = evaluator.best
    if not np.isfinite(value):
        raise InputError("geo: expected rules that some portfolio meets, found none that meets them")
    supports, values = evaluator.pool()
    portfolio = portfolio_of(problem, support, bound=_bound(problem))
    best = supports[np.argsort(values, kind="stable")[:_HANDED_ON]]
    calls, least = evaluator.history
    history = {"calls": calls.tolist(), "values": least.tolist()}
    return _Found(portfolio, support, state.found_by, evaluator.n_calls, history, moves.content(), best)


def _bound(problem: PortfolioProblem) -> float | None:
    """The value of the problem without a limit on the number held, where it is convex."""
    try:
        return relax(problem).value
    except InputError:
        return None


def _frontier(
    config: GeoConfig, data: GeoData, found: _Found, progress: Progress
) -> tuple[Frontier | None, list[tuple[float, float] | None], int]:
    """Least risk at rising least mean returns; the same without a limit on the number held; targets nobody meets."""
    calls = max(_LEAST_CALLS, int(_POINT_SHARE * config.budget))
    pool = found.pool
    settings: list[float] = []
    portfolios: list[Portfolio] = []
    relaxed: list[tuple[float, float] | None] = []
    targets: list[float | None] = [None]
    n_impossible = 0
    while len(settings) + n_impossible < config.n_points:
        place = len(settings) + n_impossible
        progress.update(place, config.n_points)
        rng = stream(config.seed, "frontier", str(place))
        try:
            problem = problem_of(data, config.rules.at(targets[place]))
            point = _search(problem, calls, rng, seeds=pool, patience=_PATIENCE)
        except InputError:  # no portfolio earns so much
            n_impossible += 1
            if place == 0:
                break
            continue
        if place == 0:
            targets += _targets(point.portfolio.mean, problem, data.mean, config.n_points)
        pool = point.pool
        target = targets[place]
        settings.append(point.portfolio.mean if target is None else target)
        portfolios.append(point.portfolio)
        relaxed.append(_relaxed_point(problem))
    if not portfolios:
        return None, [], n_impossible
    return Frontier("target_return", np.array(settings), tuple(portfolios)), relaxed, n_impossible


def _targets(least: float, problem: PortfolioProblem, mean: FloatArray, n_points: int) -> list[float]:
    """Mean returns from that of the least risk towards the highest that the number held and the bounds allow."""
    size, (low, high) = problem.cardinality[0], problem.bounds
    best = np.sort(mean)[::-1][:size]
    rest, weights = 1.0 - size * low, np.full(size, low)
    for place in range(size):
        weights[place] += min(rest, high - low)
        rest -= weights[place] - low
    return [float(target) for target in np.linspace(least, float(weights @ best), n_points + 1)[1:-1]]


def _relaxed_point(problem: PortfolioProblem) -> tuple[float, float] | None:
    try:
        weights = relax(problem).weights
    except InputError:
        return None
    mean, risk = problem.objective.mean_and_risk(problem, weights)
    return risk, mean


def _record(
    config: GeoConfig,
    data: GeoData,
    found: _Found,
    frontier: Frontier | None,
    relaxed: list[tuple[float, float] | None],
) -> dict[str, Any]:
    best, lowest = found.portfolio, config.rules.cardinality
    held = f"{lowest[0]}" if lowest[0] == lowest[1] else f"{lowest[0]} to {lowest[1]}"
    return {
        "kind": "geo",
        "title": f"{data.source}: {held} of {len(data.assets)} assets, {aim_words(config.rules)}",
        "seed": config.seed,
        "version": qfin.__version__,
        "config": asdict(config),
        "market": {"source": data.source, "assets": list(data.assets), "n_days": data.n_days, "period": data.period},
        "risk_word": risk_word(config.rules),
        "portfolio": {
            "rows": best.to_frame().to_dict("records"),
            **{name: _plain(getattr(best, name)) for name in ("value", "risk", "mean", "bound", "gap")},
        },
        "found_by": found.found_by,
        "n_calls": found.n_calls,
        "history": found.history,
        "pool": found.moves,
        "frontier": [] if frontier is None else _frontier_rows(frontier, relaxed),
    }


def _frontier_rows(frontier: Frontier, relaxed: list[tuple[float, float] | None]) -> list[dict[str, Any]]:
    return [
        {
            "target_return": float(setting),
            **{name: _plain(getattr(one, name)) for name in ("value", "risk", "mean", "gap")},
            "relaxed_risk": None if free is None else _plain(free[0]),
            "relaxed_mean": None if free is None else _plain(free[1]),
            "assets": list(one.to_frame()["asset"]),
        }
        for setting, one, free in zip(frontier.settings, frontier.portfolios, relaxed, strict=True)
    ]


def _plain(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
