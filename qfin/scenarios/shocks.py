"""Supervisory scenarios: given moves of some assets, or of factors, and what the rest does."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.copulas import And, EventProbability, draws_given
from qfin.copulas.events import Intervals
from qfin.exceptions import InputError
from qfin.marginals import U_MAX, U_MIN
from qfin.scenarios._table import asset_names, check_n_samples
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.scenario_set import ScenarioSet
from qfin.scenarios.stress import StressResult

_NAME_COLUMNS = ("asset", "factor", "name")
_MIN_DAYS_PER_FACTOR = 10


def read_shocks(path: str | Path) -> dict[str, float]:
    """Moves by name from a CSV file with the columns asset (or factor) and shock; −5% or −0.05."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a CSV file, received: {error}") from None
    header = list(rows[0]) if rows else []
    names = [column for column in header if column in _NAME_COLUMNS]
    if len(names) != 1 or "shock" not in header:
        raise InputError(f"{path}: expected the columns asset (or factor) and shock, received {header or 'no rows'}")
    shocks: dict[str, float] = {}
    for line, row in enumerate(rows, start=2):
        name = (row[names[0]] or "").strip()
        if not name or name in shocks:
            raise InputError(f"{path}, line {line}: expected each name once, received {name!r}")
        shocks[name] = _move(row["shock"], f"{path}, line {line}")
    return shocks


def shock_scenarios(
    generator: ScenarioGenerator, shocks: Mapping[str, float], n_scenarios: int, *, rng: RandomLike = None
) -> StressResult:
    """Draws of the other assets given exact simple returns of some, under the model's own dependence."""
    names = asset_names(generator)
    unknown = [name for name in shocks if name not in names]
    if unknown or not shocks:
        raise InputError(f"shocks: expected names among {', '.join(names)}, received {', '.join(unknown) or 'none'}")
    if len(shocks) == len(names):
        raise InputError("shocks: expected at least one asset without a shock, received one for each")
    n, rng = check_n_samples(n_scenarios), as_generator(rng)
    given: dict[int, Intervals] = {}
    for name, move in shocks.items():
        column = names.index(name)
        u = float(generator.marginals_.marginals_[column].cdf(np.array(move)))
        if u in (U_MIN, U_MAX):
            received = f"{move:+.2%} for {name}"
            raise InputError(f"shocks: expected moves that the model can tell from larger ones, received {received}")
        given[column] = ((u, u),)
    draws = draws_given(generator.copula_, And(()), n, rng=rng, given=given)
    returns = generator.marginals_.from_uniform(draws.u)
    for name, move in shocks.items():
        returns[:, names.index(name)] = move
    words = _words(shocks)
    provenance: dict[str, str | int | float] = {"copula": type(generator.copula_).__name__, "event": words}
    baseline = ScenarioSet(generator.sample(n, rng=rng), names, provenance=provenance)
    scenarios = ScenarioSet(returns, names, draws.weights, provenance)
    return StressResult(words, EventProbability(0.0, 0.0, True), scenarios, baseline)


def factor_scenarios(
    returns: pd.DataFrame,
    factors: pd.DataFrame,
    shocks: Mapping[str, float],
    n_scenarios: int,
    *,
    rng: RandomLike = None,
) -> StressResult:
    """Each asset's move by its betas to the shocked factors, plus what the factors did not explain on a past day.

    Betas are ordinary least squares with a constant, of the assets on the shocked factors alone, over the days that
    both tables have; residual days of all assets are drawn together. The baseline are the past days themselves.
    """
    unknown = [name for name in shocks if name not in factors.columns]
    if unknown or not shocks:
        known = ", ".join(str(name) for name in factors.columns)
        raise InputError(f"shocks: expected factors among {known}, received {', '.join(unknown) or 'none'}")
    joined = pd.concat([returns, factors[list(shocks)]], axis=1, join="inner").dropna()
    n_needed = _MIN_DAYS_PER_FACTOR * (len(shocks) + 1)
    if len(joined) < n_needed:
        raise InputError(f"factors: expected at least {n_needed} days that the assets share, received {len(joined)}")
    n, rng = check_n_samples(n_scenarios), as_generator(rng)
    assets = joined.iloc[:, : returns.shape[1]].to_numpy()
    betas, residuals = factor_betas(assets, joined.iloc[:, returns.shape[1] :].to_numpy())
    rows = rng.integers(len(joined), size=(2, n))
    names = tuple(str(name) for name in returns.columns)
    moved = np.array(list(shocks.values())) @ betas + residuals[rows[0]]
    if moved.min() <= -1.0:
        name = names[int(moved.min(axis=0).argmin())]
        raise InputError(f"shocks: expected ones under which no asset falls by 100%, received them for {name}")
    words = _words(shocks)
    provenance: dict[str, str | int | float] = {"mapping": "ols betas", "n_observations": len(joined), "event": words}
    return StressResult(
        words,
        EventProbability(0.0, 0.0, True),
        ScenarioSet(moved, names, provenance=provenance),
        ScenarioSet(assets[rows[1]], names, provenance={"generator": "HistoricalGenerator"}),
    )


def factor_betas(returns: FloatArray, factors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Betas (n_factors, n_assets) by least squares with a constant, and residuals (n_days, n_assets) without it."""
    design = factors - factors.mean(axis=0)
    centred = returns - returns.mean(axis=0)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError("factors: expected factors that no others explain fully, received collinear ones")
    betas = np.linalg.lstsq(design, centred, rcond=None)[0]
    return betas, centred - design @ betas


def _move(text: str | None, where: str) -> float:
    stripped = (text or "").strip()
    try:
        value = float(stripped.removesuffix("%")) * (0.01 if stripped.endswith("%") else 1.0)
    except ValueError:
        raise InputError(f"{where}: expected a shock such as -5% or -0.05, received {text!r}") from None
    if not -1.0 < value < np.inf:
        raise InputError(f"{where}: expected a simple return above -100%, received {text!r}")
    return value


def _words(shocks: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {move:+.2%}" for name, move in shocks.items())
