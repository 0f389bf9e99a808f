"""Joint stress: qfin and skfolio's vine given that two assets fall together, each beside rejection from its own model.

Four assets with Student-t returns of equal correlation; the two that are conditioned on lie below their 5 % quantiles.
The conditional law of a fitted model is a fact that rejection finds out: what a tool draws should agree with it.
"""

import time
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from qfin._random import integer_seed, stream
from qfin._types import FloatArray
from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, StudentTCopula
from qfin.risk import batch_standard_error, expected_shortfall
from qfin.scenarios import ReturnInterval, ScenarioGenerator, stress_scenarios

ASSETS = ("A", "B", "C", "D")
_CORRELATION, _DEGREES, _SCALE, _QUANTILE, _LEVEL = 0.6, 4.0, 0.01, 0.05, 0.99
_N_BATCHES = 20


def bench_conditioning(
    *, n_days: int = 3_000, n_draws: int = 100_000, n_oracle: int = 400_000, seed: int = 0
) -> dict[str, Any]:
    """Rows per tool and way of drawing: P(box), Spearman(A, B) in the box, mean of A, 99 % ES of the equal-weight book.

    `deviation` counts, for the Spearman correlation and the ES, the standard errors between a tool's conditional draws
    and rejection from the same fitted model.
    """
    rng = stream(seed, "bench", "conditioning")
    days = pd.DataFrame(student_t_days(n_days, rng), columns=list(ASSETS))
    limits = {asset: float(days[asset].quantile(_QUANTILE)) for asset in ASSETS[:2]}
    rows = [*_qfin_rows(days, limits, n_draws, n_oracle, rng), *_skfolio_rows(days, limits, n_draws, n_oracle, rng)]
    truth = student_t_days(5 * n_oracle, rng)
    rows.append(_row("truth", "the true law", *_rejected(truth, limits), seconds=None))
    for mine, oracle in ((rows[0], rows[1]), (rows[2], rows[3])):
        mine["deviation"] = {key: _distance(mine, oracle, key) for key in ("spearman", "es_99")}
    facts = {"n_days": n_days, "correlation": _CORRELATION, "degrees_of_freedom": _DEGREES, "quantile": _QUANTILE}
    return facts | {"seed": seed, "rows": rows}


def student_t_days(n_days: int, rng: np.random.Generator) -> FloatArray:
    """Returns of four assets with a joint Student-t law, shape (n_days, 4)."""
    correlation = np.full((4, 4), _CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    normal = rng.standard_normal((n_days, 4)) @ np.linalg.cholesky(correlation).T
    return np.asarray(_SCALE * normal / np.sqrt(rng.chisquare(_DEGREES, size=(n_days, 1)) / _DEGREES))


def _qfin_rows(
    days: pd.DataFrame, limits: dict[str, float], n_draws: int, n_oracle: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    machine = MPSBornMachine(n_functions=5, max_bond=4, seed=integer_seed(rng))
    generator = ScenarioGenerator(copula=BornCopula(StudentTCopula(), machine)).fit(days)
    first, second = (ReturnInterval(asset, upper=limit) for asset, limit in limits.items())
    started = time.perf_counter()
    result = stress_scenarios(generator, first & second, n_draws, rng=rng)
    seconds = time.perf_counter() - started
    given = result.scenarios
    chosen = rng.choice(len(given), size=n_draws, p=given.probabilities)
    size = given.effective_sample_size
    mine = _row("qfin", "conditional", given.returns[chosen], result.likelihood.probability, seconds, size)
    inside, share = _rejected(generator.sample(n_oracle, rng=rng), limits)
    return [mine, _row("qfin", "rejection", inside, share, None)]


def _skfolio_rows(
    days: pd.DataFrame, limits: dict[str, float], n_draws: int, n_oracle: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    from skfolio.distribution import VineCopula

    seed = integer_seed(rng)
    vine = VineCopula(central_assets=list(limits), max_depth=None, random_state=seed).fit(days)
    started = time.perf_counter()
    conditioned = vine.sample(n_draws, conditioning={asset: (None, limit) for asset, limit in limits.items()})
    seconds = time.perf_counter() - started
    inside, share = _rejected(vine.sample(n_oracle), limits)
    return [
        _row("skfolio", "conditional", conditioned, None, seconds),
        _row("skfolio", "rejection", inside, share, None),
    ]


def _rejected(returns: FloatArray, limits: dict[str, float]) -> tuple[FloatArray, float]:
    inside = (returns[:, :2] < np.array(list(limits.values()))).all(axis=1)
    return returns[inside], float(inside.mean())


def _row(
    tool: str,
    way: str,
    returns: FloatArray,
    probability: float | None,
    seconds: float | None,
    size: float | None = None,
) -> dict[str, Any]:
    """`size`: how many independent draws the rows are worth, all of them if not given."""
    losses = -returns.mean(axis=1)
    worth = len(returns) if size is None else size
    batches = batch_standard_error(expected_shortfall, losses, _LEVEL, n_batches=_N_BATCHES)
    return {
        "tool": tool,
        "draws": way,
        "probability": probability,
        "spearman": float(spearmanr(returns[:, 0], returns[:, 1])[0]),
        "spearman_se": float(1.0 / np.sqrt(worth)),
        "mean_a": float(returns[:, 0].mean()),
        "es_99": expected_shortfall(losses, _LEVEL),
        "es_99_se": batches * float(np.sqrt(len(returns) / worth)),
        "n": len(returns),
        "seconds": seconds,
    }


def _distance(first: dict[str, Any], second: dict[str, Any], key: str) -> float:
    return float(abs(first[key] - second[key]) / np.hypot(first[f"{key}_se"], second[f"{key}_se"]))
