"""Who is ahead: every model beside its classical twin on the same unseen days, with intervals."""

from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.evaluation import mean_log_likelihood, paired_difference
from qfin.experiments.circuits import Circuits
from qfin.experiments.draws import LEVELS
from qfin.experiments.models import Models

# A quarter of trading days: volatility clusters for longer than a month.
_BLOCK_LENGTH = 60
# Nats a day below which a difference is not worth a word, however narrow its interval.
_NEGLIGIBLE = 5e-4
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
) -> list[dict[str, Any]]:
    """The first assets alone: the base, the chain's marginal, and the machines of the circuit stage."""
    n_head = circuits.trained.n_registers_
    head = y_test[:, :n_head]
    base = _base_head_log_density(models.base, u_test, n_head)
    ratios = {
        models.base_name: (np.zeros(len(head)), None),
        "mps (exact marginal)": (models.mps.head_log_ratio(head), models.mps.n_params_),
    }
    ratios |= {name: (machine.log_ratio(head), machine.n_params_) for name, machine in circuits.heads.items()}
    rows = []
    for name, (ratio, n_params) in ratios.items():
        reference = None if name == models.base_name else base
        rows.append({"model": name, "n_params": n_params} | _likelihood(base + ratio, reference, seed, f"head {name}"))
    return rows


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


def _likelihood(values: FloatArray | None, reference: FloatArray | None, seed: int, name: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(["loglik", "loglik_se", "diff", "diff_lo", "diff_hi"])
    if values is not None:
        block_length = max(1, min(_BLOCK_LENGTH, len(values) // 5))
        estimate = mean_log_likelihood(values, block_length=block_length)
        row |= {"loglik": estimate.mean, "loglik_se": estimate.standard_error}
    if values is not None and reference is not None:
        difference = paired_difference(values, reference, rng=stream(seed, "bootstrap", name))
        row |= {"diff": difference.mean, "diff_lo": difference.lower, "diff_hi": difference.upper}
    return row


def verdict(
    rows: list[dict[str, Any]],
    head: list[dict[str, Any]],
    daily: dict[str, FloatArray],
    realised: dict[str, float],
    seed: int,
) -> list[str]:
    """Plain sentences, each from an interval or a figure of the tables."""
    by_name = {row["model"]: row for row in rows}
    ranked = sorted((row for row in rows if row["loglik"] is not None), key=lambda row: -row["loglik"])
    best_classical = next(row for row in ranked if row["kind"] == "classical")
    sentences = [_likelihood_sentence(ranked[0], best_classical, daily, seed)]
    if "circuit" in by_name:
        sentences.append(_pair_sentence("The circuit", "the matrix product state", "circuit", "mps", daily, seed))
        sentences.append(_twin_sentence(head))
    nearest = min(rows, key=lambda row: abs(row["es_975"] - realised["es_975"]))
    sentences.append(
        f"The book's realised 97.5 % expected shortfall in the test window was {realised['es_975']:.2%}; "
        f"nearest is {LABELS[nearest['model']]} with {nearest['es_975']:.2%}."
    )
    return sentences


LABELS = {
    "historical": "historical simulation",
    "gaussian": "the Gaussian copula",
    "student_t": "the Student-t copula",
    "vine": "the vine copula",
    "independence": "independence",
    "mps": "the Born machine (MPS)",
    "circuit": "the Born machine (circuit)",
}


def _likelihood_sentence(
    best: dict[str, Any], classical: dict[str, Any], daily: dict[str, FloatArray], seed: int
) -> str:
    if best is classical:
        return f"On unseen days {LABELS[best['model']]}, a classical model, is ahead: {best['loglik']:.3f} nats a day."
    gap = paired_difference(daily[best["model"]], daily[classical["model"]], rng=stream(seed, "bootstrap", "best"))
    return (
        f"On unseen days {LABELS[best['model']]} is ahead with {best['loglik']:.3f} nats a day, {gap.mean:+.3f} on "
        f"{LABELS[classical['model']]}, the best classical model here "
        f"(95 % interval {gap.lower:+.3f} to {gap.upper:+.3f})."
    )


def _pair_sentence(first: str, second: str, a: str, b: str, daily: dict[str, FloatArray], seed: int) -> str:
    gap = paired_difference(daily[a], daily[b], rng=stream(seed, "bootstrap", f"{a} against {b}"))
    interval = f"95 % interval {gap.lower:+.4f} to {gap.upper:+.4f} nats a day"
    return f"{first} {_standing(gap.lower, gap.upper)} {second} ({gap.mean:+.4f}, {interval})."


def _standing(lower: float, upper: float) -> str:
    if max(abs(lower), abs(upper)) < _NEGLIGIBLE:
        return "equals, to the third decimal,"
    if lower > 0:
        return "is ahead of"
    return "is behind" if upper < 0 else "cannot be told from"


def _twin_sentence(head: list[dict[str, Any]]) -> str:
    by_name = {row["model"]: row for row in head}
    trained, twin = by_name["circuit (trained)"], by_name["mps (equal parameters)"]
    gap = trained["loglik"] - twin["loglik"]
    outcome = "passes" if gap > 0 else "does not pass"
    return (
        f"On the first assets alone the trained circuit {outcome} a matrix product state with as many parameters: "
        f"{gap:+.4f} nats a day ({trained['n_params']} angles against {twin['n_params']} numbers)."
    )
