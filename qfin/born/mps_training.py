"""Maximum likelihood of matrix product states on Hermite features, several members in one compiled call.

The members share shapes and differ in their start, their held-out days and, if wished, their observations, so that one
`vmap` trains an ensemble at nearly the price of one model.

What was tried and did not help (20 US stocks, t base): Adam at 4e-3 and above diverges; Legendre polynomials in u and
uniform cells are the wrong basis from ten assets on; χ = 16 on cells overfits at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qfin._types import AnyArray, BoolArray, FloatArray
from qfin.basis.hermite import hermite_functions
from qfin.training import TrainingRecord, adam

Progress = Callable[[int, int, dict[str, float]], None]
_TINY = 1e-30


@dataclass(frozen=True)
class MPSTrainingSettings:
    """Settings shared by every machine that trains a matrix product state."""

    n_functions: int
    max_bond: int
    penalty: float
    learning_rate: float
    batch_size: int
    max_steps: int
    check_every: int
    patience: int
    start_noise: float


def log_ratio_kernel(tensors: Any, features: Any) -> Any:
    """log |Ψ(y)|² − log ⟨Ψ|Ψ⟩ for tensors (d, χ, K, χ) and features (d, n, K); shape (n,)."""
    bond = tensors.shape[1]
    start = jnp.zeros(bond, features.dtype).at[0].set(1.0)

    def site(carry: Any, item: Any) -> Any:
        vector, log_scale, norm, log_norm = carry
        tensor, feature = item
        vector = jnp.einsum("nl,lkr,nk->nr", vector, tensor, feature)
        scale = jnp.sqrt((vector * vector).sum(1) + _TINY)
        norm = jnp.einsum("lm,lkr,mkq->rq", norm, tensor, tensor)
        trace = jnp.trace(norm)
        return (vector / scale[:, None], log_scale + jnp.log(scale), norm / trace, log_norm + jnp.log(trace)), None

    n = features.shape[1]
    zero = jnp.zeros((), features.dtype)
    carry = (jnp.tile(start, (n, 1)), jnp.zeros(n, features.dtype), jnp.outer(start, start), zero)
    (vector, log_scale, norm, log_norm), _ = jax.lax.scan(site, carry, (tensors, features))
    return 2.0 * log_scale + jnp.log(vector[:, 0] ** 2 + _TINY) - log_norm - jnp.log(norm[0, 0])


@partial(jax.jit, static_argnames=("penalty", "learning_rate"))
def _train_chunk(tensors: Any, state: Any, indices: Any, features: Any, penalty: float, learning_rate: float) -> Any:
    """One optimiser step for each row of indices (members, steps, batch), all members side by side."""
    optimiser = adam(learning_rate)
    degree = jnp.arange(tensors.shape[-2], dtype=tensors.dtype)[:, None] ** 2

    def loss(member: Any, batch: Any) -> Any:
        return -log_ratio_kernel(member, batch).mean() + penalty * (degree * member * member).sum()

    def train_member(member: Any, member_state: Any, batches: Any, member_features: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            member, member_state = carry
            gradient = jax.grad(loss)(member, member_features[:, batch])
            return optimiser.step(gradient, member_state, member), None

        return jax.lax.scan(step, (member, member_state), batches)[0]

    return jax.vmap(train_member)(tensors, state, indices, features)


_evaluate = jax.jit(jax.vmap(log_ratio_kernel))


def random_start(rng: np.random.Generator, n_members: int, n_registers: int, settings: MPSTrainingSettings) -> AnyArray:
    """The product state |0…0⟩ plus noise that falls with the degree; shape (members, d, χ, K, χ), float32."""
    shape = (n_members, n_registers, settings.max_bond, settings.n_functions, settings.max_bond)
    decay = 0.6 ** np.arange(settings.n_functions)[:, None] / np.sqrt(settings.max_bond)
    noise = rng.standard_normal(shape) * settings.start_noise * decay
    noise[:, :, 0, 0, 0] = 0.0
    tensors = product_state(shape[1:]) + noise
    return np.asarray(tensors, dtype=np.float32)


def train_members(
    y: FloatArray,
    held_out: BoolArray,
    settings: MPSTrainingSettings,
    rng: np.random.Generator,
    *,
    on_step: Progress | None = None,
) -> tuple[list[list[FloatArray]], list[TrainingRecord], FloatArray]:
    """Train one matrix product state per row of `held_out`.

    Parameters
    ----------
    y : (n, d), or (members, n, d) where each member has latent values of its own.
    held_out : (members, n); the days a member does not train on and stops by.

    Returns
    -------
    tensors : per member the float64 site tensors (left, K, right), normalised and right-canonical.
    records : per member.
    held_out_log_ratio : (members, n), log |Ψ|² of the kept parameters on every day; out of sample where `held_out`.
    """
    members, n = held_out.shape
    observations = np.broadcast_to(y, (members, n, y.shape[-1]))
    features = jnp.asarray(
        np.moveaxis(hermite_functions(observations, settings.n_functions), 2, 1).astype(np.float32)
    )  # (members, d, n, K)
    tensors = jnp.asarray(random_start(rng, members, y.shape[-1], settings))
    started = time.perf_counter()
    best, curves, ratios = _run(tensors, features, held_out, settings, rng, on_step)
    seconds = time.perf_counter() - started
    records = [
        TrainingRecord(
            steps=np.asarray(curves["steps"]),
            train=np.asarray(curves["train"])[:, s],
            validation=np.asarray(curves["validation"])[:, s],
            stopped_at=int(curves["stopped_at"][s]),
            seconds=seconds,
            n_evaluations=int(curves["steps"][-1]),
        )
        for s in range(members)
    ]
    return [canonical_tensors(best[s]) for s in range(members)], records, ratios


def _run(
    tensors: Any,
    features: Any,
    held_out: BoolArray,
    settings: MPSTrainingSettings,
    rng: np.random.Generator,
    on_step: Progress | None,
) -> tuple[AnyArray, dict[str, Any], FloatArray]:
    """The loop over chunks of steps with early stopping; keeps the best of every member, |0…0⟩ included."""
    members = len(held_out)
    pools = [np.flatnonzero(~row) for row in held_out]
    state = jax.vmap(adam(settings.learning_rate).init)(tensors)
    # The first answer is the base itself, not the noise that the search begins with.
    best, ratios = np.tile(product_state(tensors.shape[1:]), (members, 1, 1, 1, 1)), np.zeros(held_out.shape)
    curves: dict[str, Any] = {"steps": [0], "stopped_at": np.zeros(members, dtype=int)}
    curves["train"], curves["validation"] = [[r] for r in _means(ratios, held_out)]
    best_validation, checks_since_best = curves["validation"][0].copy(), 0
    batch = min(settings.batch_size, min(len(pool) for pool in pools))
    for step in range(settings.check_every, settings.max_steps + 1, settings.check_every):
        indices = np.stack([rng.choice(pool, (settings.check_every, batch)) for pool in pools])
        tensors, state = _train_chunk(tensors, state, indices, features, settings.penalty, settings.learning_rate)
        current = np.asarray(_evaluate(tensors, features), dtype=float)
        train, validation = _means(current, held_out)
        for name, value in (("steps", step), ("train", train), ("validation", validation)):
            curves[name].append(value)
        improved = validation > best_validation + 1e-5
        for s in np.flatnonzero(improved):
            best[s], ratios[s], best_validation[s] = np.asarray(tensors[s]), current[s], validation[s]
            curves["stopped_at"][s] = step
        checks_since_best = 0 if improved.any() else checks_since_best + 1
        if on_step is not None:
            on_step(step, settings.max_steps, {"train": float(train.mean()), "validation": float(validation.mean())})
        if checks_since_best >= settings.patience:
            break
    return best, curves, ratios


def product_state(shape: tuple[int, ...]) -> AnyArray:
    """|0…0⟩ as site tensors of the given shape (d, χ, K, χ), float32."""
    tensors = np.zeros(shape, dtype=np.float32)
    tensors[:, 0, 0, 0] = 1.0
    return tensors


def _means(ratios: FloatArray, held_out: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mean log-ratio of each member on its training and on its held-out days."""
    validation = np.array([row[mask].mean() for row, mask in zip(ratios, held_out, strict=True)])
    train = np.array([row[~mask].mean() for row, mask in zip(ratios, held_out, strict=True)])
    return train, validation


def canonical_tensors(tensors: AnyArray) -> list[FloatArray]:
    """Site tensors (left, K, right) of a stacked (d, χ, K, χ) state: open ends, float64, right-canonical, norm one."""
    from qfin.born.mps import right_canonical

    sites = [np.asarray(site, dtype=np.float64) for site in tensors]
    sites[0], sites[-1] = sites[0][:1], sites[-1][:, :, :1]
    return right_canonical(sites)
