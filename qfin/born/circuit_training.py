"""Maximum likelihood of a circuit's state on Hermite features: Adam on exact gradients, stopped on held-out days."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray, IntArray
from qfin.born.circuit import Progress
from qfin.born.circuit_state import has_exact_window, is_wide
from qfin.born.network import network_gradient, network_log_ratio
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
    max_bond: int = 64


class Likelihood(Protocol):
    """The observed days under a circuit: what the loop asks of a way to simulate it.

    `error` bounds ‖exact − kept‖ of the circuit's state so far.
    """

    @property
    def error(self) -> float: ...

    def log_ratios(self, params: Any) -> FloatArray:
        """log|Ψ|² of all days, shape (n,)."""

    def advanced(self, params: Any, state: Any, rows: IntArray) -> tuple[Any, Any]:
        """Parameters and optimiser's state after one step for each row of days, rows (steps, batch)."""


def train_circuit(
    ansatz: Ansatz,
    features: FloatArray,
    held_out: BoolArray,
    start: FloatArray,
    noise: FloatArray,
    settings: CircuitTrainingSettings,
    rng: np.random.Generator,
    on_step: Progress | None = None,
) -> tuple[FloatArray, TrainingRecord, float]:
    """The parameters with the highest log-likelihood on held-out days, the start included; record; truncation error.

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
        likelihood = _likelihood(ansatz, features, settings)

        def look(params: Any) -> tuple[float, float]:
            values = likelihood.log_ratios(jnp.asarray(params, dtype=real)).astype(np.float64)
            return float(values[~held_out].mean()), float(values[held_out].mean())

        params = jnp.asarray(start + noise, dtype=real)
        state = adam(settings.learning_rate).init(params)
        pool = np.flatnonzero(~held_out)
        best, stopped_at, looks = start, 0, [(0, *look(start))]
        best_validation, looks_without_gain = looks[0][2], 0
        for step in range(settings.check_every, settings.max_steps + 1, settings.check_every):
            rows = rng.choice(pool, (settings.check_every, min(settings.batch_size, len(pool))))
            params, state = likelihood.advanced(params, state, rows)
            looks.append((step, *look(params)))
            if on_step is not None:
                on_step(step, settings.max_steps, {"train": looks[-1][1], "validation": looks[-1][2]})
            looks_without_gain += 1
            if looks[-1][2] > best_validation + _MIN_GAIN:
                best, best_validation, looks_without_gain = np.asarray(params, dtype=np.float64), looks[-1][2], 0
                stopped_at = step
            if looks_without_gain >= settings.patience:
                break
    return best, _record(looks, stopped_at, time.perf_counter() - started), likelihood.error


def _likelihood(ansatz: Ansatz, features: FloatArray, settings: CircuitTrainingSettings) -> Likelihood:
    """By state vector, by an exact window, or within a bond limit: the first that the width allows."""
    n_registers, size = features.shape[1:]
    kind = np.dtype(settings.dtype)
    real = kind.type(0).real.dtype
    rate, fixed = settings.learning_rate, ansatz.fixed.astype(kind)
    if not is_wide(ansatz):
        weights = squared_degrees(n_registers, size).astype(real) * real.type(settings.penalty)
        return _DenseLikelihood(ansatz_plan(ansatz), fixed, features.astype(real), weights, rate)
    n_qubits_per_register = size.bit_length() - 1
    if not has_exact_window(ansatz, n_qubits_per_register):
        return _NetworkLikelihood(ansatz, features, rate, settings.max_bond)
    from qfin.quantum.window import feature_sites, window_plan

    sites, scale = feature_sites(features, ansatz.n_qubits)
    plan = window_plan(ansatz, n_qubits_per_register)
    return _WindowLikelihood(plan, fixed, np.moveaxis(sites, -1, 0).astype(real), 2.0 * scale, rate)


@dataclass(frozen=True)
class _DenseLikelihood:
    plan: FusionPlan
    fixed: AnyArray
    features: AnyArray
    weights: AnyArray
    learning_rate: float
    error: float = 0.0

    def log_ratios(self, params: Any) -> FloatArray:
        return np.asarray(_log_ratios(self.plan, params, self.fixed, self.features))

    def advanced(self, params: Any, state: Any, rows: IntArray) -> tuple[Any, Any]:
        batches = self.features[rows]
        advanced: tuple[Any, Any] = _train_chunk(
            self.plan, self.learning_rate, params, state, batches, self.fixed, self.weights
        )
        return advanced


@dataclass(frozen=True)
class _WindowLikelihood:
    """Exact; `sites` (n, n_qubits, bond, 2, bond) of the days, and what their scale adds to their log-ratios (n,)."""

    plan: Any
    fixed: AnyArray
    sites: AnyArray
    added: FloatArray
    learning_rate: float
    error: float = 0.0

    def log_ratios(self, params: Any) -> FloatArray:
        return self.added + np.asarray(_window_log_ratios(self.plan, params, self.fixed, self.sites), dtype=np.float64)

    def advanced(self, params: Any, state: Any, rows: IntArray) -> tuple[Any, Any]:
        for batch in rows:
            params, state = _window_step(self.plan, self.learning_rate, params, state, self.sites[batch], self.fixed)
        return params, state


@dataclass
class _NetworkLikelihood:
    """Within a bond limit, in NumPy."""

    ansatz: Ansatz
    features: FloatArray
    learning_rate: float
    max_bond: int
    error: float = 0.0

    def log_ratios(self, params: Any) -> FloatArray:
        values, error = network_log_ratio(self.ansatz, np.asarray(params), self.features, max_bond=self.max_bond)
        self.error = max(self.error, error)
        return values

    def advanced(self, params: Any, state: Any, rows: IntArray) -> tuple[Any, Any]:
        optimiser = adam(self.learning_rate)
        for batch in rows:
            found = network_gradient(self.ansatz, np.asarray(params), self.features[batch], max_bond=self.max_bond)
            self.error = max(self.error, found.state_error)
            params, state = optimiser.step(jnp.asarray(-found.gradient, dtype=params.dtype), state, params)
        return params, state


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


@partial(jax.jit, static_argnums=0)
def _window_log_ratios(plan: Any, params: Any, fixed: Any, sites: Any) -> Any:
    """log|Ψ|² of days in sites (n, …) of norm one; shape (n,)."""
    from qfin.quantum.window import window_contraction

    psi = window_contraction(plan, params, fixed, jnp.moveaxis(sites, 0, -1))
    density = psi.real**2 + psi.imag**2
    return jnp.log(jnp.maximum(density, np.finfo(density.dtype).tiny))


@partial(jax.jit, static_argnums=(0, 1))
def _window_step(plan: Any, learning_rate: float, params: Any, state: Any, sites: Any, fixed: Any) -> Any:
    gradient = jax.grad(lambda params: -_window_log_ratios(plan, params, fixed, sites).mean())(params)
    return adam(learning_rate).step(gradient, state, params)


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
