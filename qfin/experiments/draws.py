"""The scenario stage: a day's draws from each model, the book's losses, and how near the draws are to unseen days."""

from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.copulas import BornCopula
from qfin.copulas.born import uniform_margins_of
from qfin.evaluation import kendall_error, margin_deviation, tail_dependence_error
from qfin.experiments.checkpoints import Arrays, Progress
from qfin.experiments.config import RunConfig
from qfin.experiments.figures import tail_dependence_by_level
from qfin.experiments.models import Models
from qfin.experiments.panel import Panel
from qfin.risk import expected_shortfall, value_at_risk

LEVELS = {"95": 0.95, "975": 0.975, "99": 0.99}
_TAIL_PROBABILITY = 0.05
_SHOWN_DRAWS = 5_000
_SHOWN_ASSETS = 2


def draw_scenarios(
    config: RunConfig, panel: Panel, models: Models, copulas: dict[str, Any], progress: Progress
) -> tuple[dict[str, Any], Arrays]:
    """Risk of the equal-weight book and distances to the test days for historical simulation and every copula."""
    names = ["historical", *copulas]
    facts: dict[str, Any] = {}
    arrays: Arrays = {}
    for done, name in enumerate(names):
        progress.update(done, len(names))
        rng = stream(config.seed, "scenarios", name)
        raw = _draw(panel, copulas.get(name), config.scenarios.n_samples, rng)
        u, returns = _scenarios(panel, models, copulas.get(name), raw)
        losses = -returns.mean(axis=1)
        facts[name] = book_risk(losses) | {
            "tail_dep_err": tail_dependence_error(u, panel.u_test, _TAIL_PROBABILITY),
            "kendall_err": kendall_error(u, panel.u_test),
            "margin_dev": margin_deviation(u_of(raw, panel)),
        }
        arrays[f"losses_{name}"] = losses
        arrays[f"dependence_{name}"] = tail_dependence_by_level(u)
        arrays[f"draws_{name}"] = returns[:_SHOWN_DRAWS, :_SHOWN_ASSETS]
    return facts, arrays


def book_risk(losses: FloatArray) -> dict[str, float]:
    """VaR and ES of losses at the levels of the table; positive is bad."""
    risk = {f"var_{key}": value_at_risk(losses, level) for key, level in LEVELS.items()}
    return risk | {f"es_{key}": expected_shortfall(losses, level) for key, level in LEVELS.items()}


def _draw(panel: Panel, copula: Any, n_samples: int, rng: np.random.Generator) -> FloatArray:
    """u of the draws as the model gives them; rows of the training days (as indices) for historical simulation."""
    if copula is None:
        return rng.integers(len(panel.train), size=n_samples).astype(float)
    return np.asarray(copula.sample(n_samples, rng=rng))


def u_of(raw: FloatArray, panel: Panel) -> FloatArray:
    return raw if raw.ndim == 2 else panel.u_train[raw.astype(int)]


def _scenarios(panel: Panel, models: Models, copula: Any, raw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """u with uniform margins (a Born copula's are re-ranked; the table has the deviation before) and simple returns."""
    if copula is None:
        rows = raw.astype(int)
        return panel.u_train[rows], panel.train.to_numpy()[rows]
    if isinstance(copula, BornCopula):
        raw = uniform_margins_of(raw)
    return raw, models.marginals.from_uniform(raw)
