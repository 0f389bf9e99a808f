"""Who is ahead: every model beside its classical twin on the same unseen days, with intervals."""

from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.evaluation import mean_log_likelihood, paired_difference
from qfin.evaluation.likelihood import DifferenceEstimate
from qfin.experiments.circuits import Circuits
from qfin.experiments.draws import LEVELS
from qfin.experiments.models import Models

# A quarter of trading days: volatility clusters for longer than a month.
_BLOCK_LENGTH = 60
KINDS = {"mps": "quantum-inspired", "circuit": "quantum circuit"}
_RISK_KEYS = [f"{measure}_{key}" for key in LEVELS for measure in ("var", "es")]
_SHAPE_KEYS = ["tail_dep_err", "kendall_err", "margin_dev"]


def daily_log_likelihoods(copulas: dict[str, Any], u_test: FloatArray) -> dict[str, FloatArray]:
    """Log density of each test day under each copula, shape (n_test,), nats."""
    return {name: np.asarray(copula.logpdf(u_test)) for name, copula in copulas.items()}


def model_rows(
    daily: dict[str, FloatArray],
    copulas: dict[str, Any],
    draws: dict[str, Any],
    base: str,
    fit_seconds: dict[str, float],
    seed: int,
) -> list[dict[str, Any]]:
    """One row per model, classical models first; null where a model has no such number."""
    rows = []
    for name in ["historical", *copulas]:
        row: dict[str, Any] = {"model": name, "kind": KINDS.get(name, "classical")}
        row |= _likelihood(daily.get(name), daily[base] if name != base else None, seed, name)
        row |= {key: draws[name][key] for key in [*_RISK_KEYS, *_SHAPE_KEYS]}
        row |= {"n_params": copulas[name].n_params_ if name in copulas else None, "fit_s": fit_seconds.get(name)}
        rows.append(row)
    return rows


def head_rows(
    models: Models, circuits: Circuits, y_test: FloatArray, u_test: FloatArray, seed: int
) -> tuple[list[dict[str, Any]], dict[str, FloatArray]]:
    """The first assets alone: the base, the chain's marginal and the machines of the circuit stage; rows and days."""
    n_head = circuits.trained.n_registers_
    head = y_test[:, :n_head]
    base = _base_head_log_density(models.base, u_test, n_head)
    daily = {models.base_name: base, "mps (exact marginal)": base + models.mps.head_log_ratio(head)}
    daily |= {name: base + machine.log_ratio(head) for name, machine in circuits.heads.items()}
    n_params = {"mps (exact marginal)": models.mps.n_params_}
    n_params |= {name: machine.n_params_ for name, machine in circuits.heads.items()}
    rows = []
    for name, values in daily.items():
        reference = None if name == models.base_name else base
        rows.append({"model": name, "n_params": n_params.get(name)} | _likelihood(values, reference, seed, name))
    return rows, daily


def _base_head_log_density(base: Any, u_test: FloatArray, n_head: int) -> FloatArray:
    """Log density of the base's marginal on the first assets.

    The Rosenblatt transform of the first assets depends on them alone, so the marginal of a base of correlations is the
    base of their correlations; a vine has no such form, and the gain over it is reported from zero.
    """
    arrays = base.to_arrays()
    if "correlation" not in arrays:
        return np.zeros(len(u_test))
    correlation = arrays["correlation"][:n_head, :n_head]
    marginal = type(base).from_arrays(arrays | {"correlation": correlation})
    return np.asarray(marginal.logpdf(u_test[:, :n_head]))


def gap(values: FloatArray, reference: FloatArray, seed: int, name: str) -> DifferenceEstimate:
    """Difference in nats a day with its interval; the same `name` and reference give the same interval everywhere."""
    return paired_difference(values, reference, rng=stream(seed, "bootstrap", name))


def _likelihood(values: FloatArray | None, reference: FloatArray | None, seed: int, name: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(["loglik", "loglik_se", "diff", "diff_lo", "diff_hi"])
    if values is not None:
        block_length = max(1, min(_BLOCK_LENGTH, len(values) // 5))
        estimate = mean_log_likelihood(values, block_length=block_length)
        row |= {"loglik": estimate.mean, "loglik_se": estimate.standard_error}
    if values is not None and reference is not None:
        difference = gap(values, reference, seed, name)
        row |= {"diff": difference.mean, "diff_lo": difference.lower, "diff_hi": difference.upper}
    return row
