"""`qfin bench copula`: every dependence model on the same pseudo-observations, judged on days it has not seen."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.bench.circuit_copula import CircuitOnChain
from qfin.born import BornEnsemble, MPSBornMachine
from qfin.copulas import (
    BornCopula,
    GaussianCopula,
    IndependenceCopula,
    RegimeCopula,
    StudentTCopula,
    TriangularTCopula,
    VineCopula,
    born_copula,
    born_fast_copula,
    classical_stack,
)
from qfin.evaluation import mean_log_likelihood, paired_difference
from qfin.exceptions import InputError

BLOCK_LENGTH = 60
_DRAWS = 10_000


def _on(base: Any) -> Callable[[int, int], Any]:
    """A Born ensemble on one base."""
    return lambda d, seed: BornCopula(base, BornEnsemble(5, MPSBornMachine(max_steps=1500, seed=seed)))


# name -> (classical?, how to make it for d assets and a seed)
MODELS: dict[str, tuple[bool, Callable[[int, int], Any]]] = {
    "independence": (True, lambda d, seed: IndependenceCopula()),
    "gaussian": (True, lambda d, seed: GaussianCopula()),
    "student_t": (True, lambda d, seed: StudentTCopula()),
    "factor_t": (True, lambda d, seed: StudentTCopula(factors=True)),
    "triangular_t": (True, lambda d, seed: TriangularTCopula()),
    "regimes_t": (True, lambda d, seed: RegimeCopula()),
    "vine_tll": (True, lambda d, seed: VineCopula("tll")),
    "vine_student": (True, lambda d, seed: VineCopula("student")),
    "vine_parametric": (True, lambda d, seed: VineCopula("parametric")),
    "classical_stack": (True, lambda d, seed: classical_stack(d, seed=seed)),
    "born_pure": (False, _on(IndependenceCopula())),
    "born_gaussian": (False, _on(GaussianCopula())),
    "born_t": (False, _on(StudentTCopula())),
    "born_vine": (False, _on(VineCopula("student"))),
    "born_triangular": (False, _on(TriangularTCopula())),
    "born_circuit": (False, lambda d, seed: CircuitOnChain(seed)),
    "born_fast": (False, lambda d, seed: born_fast_copula(d, seed=seed)),
    "born": (False, lambda d, seed: born_copula(d, seed=seed)),
}
# The others are asked for by name: a Born machine on each base apart, and the circuit, which runs on a simulator.
DEFAULT_MODELS = (
    "independence",
    "gaussian",
    "student_t",
    "factor_t",
    "triangular_t",
    "regimes_t",
    "vine_tll",
    "vine_student",
    "vine_parametric",
    "classical_stack",
    "born_fast",
    "born",
)


def check_models(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise InputError(f"--models: expected names among {', '.join(MODELS)}, received {unknown[0]!r}")
    if not any(MODELS[name][0] for name in names):
        raise InputError("--models: expected at least one classical model to compare with, received none")
    return names


def bench_copulas(
    u_train: FloatArray,
    u_test: FloatArray,
    models: list[str],
    *,
    n_seeds: int = 1,
    on_model: Callable[[str], None] = lambda name: None,
) -> list[dict[str, Any]]:
    """One row per model: mean log-likelihood of the test days, difference to the best classical model, costs.

    With several seeds a Born row's density is that of the first seed; `loglik_seeds` has the mean of each.
    """
    results = {}
    for name in check_models(models):
        on_model(name)
        results[name] = _measure(name, u_train, u_test, n_seeds)
    best = max((name for name in results if MODELS[name][0]), key=lambda name: results[name]["days"].mean())
    return [_row(name, results, best) for name in results]


def _measure(name: str, u_train: FloatArray, u_test: FloatArray, n_seeds: int) -> dict[str, Any]:
    classical, make = MODELS[name]
    seeds = [0] if classical else list(range(n_seeds))
    fitted, days, seconds = [], [], []
    for seed in seeds:
        started = time.perf_counter()
        fitted.append(make(u_train.shape[1], seed).fit(u_train))
        seconds.append(time.perf_counter() - started)
        days.append(np.asarray(fitted[-1].logpdf(u_test)))
    started = time.perf_counter()
    fitted[0].sample(_DRAWS, rng=stream(0, "bench", name))
    return {
        "days": days[0],
        "loglik_seeds": [float(values.mean()) for values in days],
        "fit_s": float(np.median(seconds)),
        "n_params": int(fitted[0].n_params_),
        "draws_per_s": _DRAWS / (time.perf_counter() - started),
    }


def _row(name: str, results: dict[str, dict[str, Any]], best: str) -> dict[str, Any]:
    result = results[name]
    estimate = mean_log_likelihood(result["days"], block_length=min(BLOCK_LENGTH, len(result["days"]) // 5))
    row = {
        "model": name,
        "classical": MODELS[name][0],
        "loglik": estimate.mean,
        "loglik_se": estimate.standard_error,
        "best_classical": best,
        "diff_best_classical": 0.0,
        "diff_lo": 0.0,
        "diff_hi": 0.0,
        "fit_s": result["fit_s"],
        "n_params": result["n_params"],
        "draws_per_s": result["draws_per_s"],
        "loglik_seeds": result["loglik_seeds"],
    }
    if name != best:
        gap = paired_difference(result["days"], results[best]["days"], rng=stream(0, "bench", "bootstrap", name))
        row |= {"diff_best_classical": gap.mean, "diff_lo": gap.lower, "diff_hi": gap.upper}
    return row
