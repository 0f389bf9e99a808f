"""Maximum likelihood of a circuit's state on Hermite features: Adam on exact gradients, stopped on held-out days."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray
from qfin.born.circuit import Progress
from qfin.quantum.ansatz import Ansatz
from qfin.quantum.engine import ansatz_plan, circuit_state, log_ratio, precision
from qfin.quantum.fusion import FusionPlan
from qfin.training import TrainingRecord, adam

_MIN_GAIN = 1e-5  # nats per day; smaller gains on held-out days are rounding in single precision
_CHUNK = 1024  # days evaluated at a time


@dataclass(frozen=True)
class CircuitTrainingSettings:
    """Settings of one run; `dtype` is complex64 or complex128."""

    learning_rate: float
    batch_size: int
    penalty: float
    max_steps: int
    check_every: int
    patience: int
    dtype: str


def train_circuit(
    ansatz: Ansatz,
    features: FloatArray,
    held_out: BoolArray,
    start: FloatArray,
    noise: FloatArray,
    settings: CircuitTrainingSettings,
    rng: np.random.Generator,
    on_step: Progress | None = None,
) -> tuple[FloatArray, TrainingRecord]:
    """The parameters with the highest log-likelihood on held-out days, the start included, and the record of the run.

    Parameters
    ----------
    features : (n, d, K), basis functions of all days.
    held_out : (n,), the days that do not train and that decide when to stop.
    start, noise : (ansatz.n_params,), the first candidate, and what is added to it before the first step.
    on_step : called as `on_step(step, max_steps, {"train": …, "validation": …})` at each look.
    """
    started = time.perf_counter()
    with precision(settings.dtype):
        real = np.dtype(settings.dtype).type(0).real.dtype
        run = _Run(ansatz_plan(ansatz), ansatz.fixed.astype(settings.dtype), features.astype(real), held_out)
        weights = squared_degrees(features.shape[1], features.shape[2]).astype(real) * real.type(settings.penalty)
        params = jnp.asarray(start + noise, dtype=real)
        state = adam(settings.learning_rate).init(params)
        pool = np.flatnonzero(~held_out)
        best, stopped_at, looks = start, 0, [(0, *run.log_likelihoods(jnp.asarray(start, dtype=real)))]
        best_validation, looks_without_gain = looks[0][2], 0
        for step in range(settings.check_every, settings.max_steps + 1, settings.check_every):
            batches = rng.choice(pool, (settings.check_every, min(settings.batch_size, len(pool))))
            params, state = _train_chunk(
                run.plan, settings.learning_rate, params, state, run.features[batches], run.fixed, weights
            )
            looks.append((step, *run.log_likelihoods(params)))
            if on_step is not None:
                on_step(step, settings.max_steps, {"train": looks[-1][1], "validation": looks[-1][2]})
            looks_without_gain += 1
            if looks[-1][2] > best_validation + _MIN_GAIN:
                best, best_validation, looks_without_gain = np.asarray(params, dtype=np.float64), looks[-1][2], 0
                stopped_at = step
            if looks_without_gain >= settings.patience:
                break
    return best, _record(looks, stopped_at, time.perf_counter() - started)


@dataclass(frozen=True)
class _Run:
    """What stays the same during a run."""

    plan: FusionPlan
    fixed: AnyArray
    features: AnyArray
    held_out: BoolArray

    def log_likelihoods(self, params: Any) -> tuple[float, float]:
        """Mean log-ratio on training days and on held-out days."""
        values = np.asarray(_log_ratios(self.plan, params, self.fixed, self.features), dtype=np.float64)
        return float(values[~self.held_out].mean()), float(values[self.held_out].mean())


@partial(jax.jit, static_argnums=0)
def _log_ratios(plan: FusionPlan, params: Any, fixed: Any, features: Any) -> Any:
    """log|Ψ|² of features (n, d, K), a chunk of days at a time; shape (n,)."""
    state, n_days = circuit_state(plan, params, fixed), len(features)
    padded = jnp.pad(features, ((0, -n_days % _CHUNK), (0, 0), (0, 0)))
    chunks = padded.reshape(-1, _CHUNK, *features.shape[1:])
    return jax.lax.map(lambda chunk: log_ratio(state, chunk), chunks).reshape(-1)[:n_days]


@partial(jax.jit, static_argnums=(0, 1))
def _train_chunk(
    plan: FusionPlan, learning_rate: float, params: Any, state: Any, batches: Any, fixed: Any, weights: Any
) -> Any:
    """One optimiser step for each batch of features (steps, batch, d, K)."""
    optimiser = adam(learning_rate)

    def loss(params: Any, batch: Any) -> Any:
        amplitudes = circuit_state(plan, params, fixed)
        probabilities = amplitudes.real**2 + amplitudes.imag**2
        return -log_ratio(amplitudes, batch).mean() + weights @ probabilities

    def step(carry: Any, batch: Any) -> Any:
        params, state = carry
        gradient = jax.grad(loss)(params, batch)
        params, state = optimiser.step(gradient, state, params)
        return (params, state), None

    return jax.lax.scan(step, (params, state), batches)[0]


def squared_degrees(n_registers: int, size: int) -> FloatArray:
    """Σ_i k_i² of each basis state, shape (size**n_registers,)."""
    total = np.zeros(1)
    for _ in range(n_registers):
        total = (total[:, None] + np.arange(size, dtype=np.float64) ** 2).reshape(-1)
    return total


def _record(looks: list[tuple[int, float, float]], stopped_at: int, seconds: float) -> TrainingRecord:
    steps, train, validation = (np.array(column) for column in zip(*looks, strict=True))
    return TrainingRecord(
        steps=steps,
        train=train,
        validation=validation,
        stopped_at=stopped_at,
        seconds=seconds,
        n_evaluations=int(steps[-1]),
    )
