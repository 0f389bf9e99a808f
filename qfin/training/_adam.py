"""Adam with a global gradient clip: as a pure pair for compiled loops, and as an optimiser like the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.training.contract import DifferentiableLoss, StepInfo, pack, unpack


@dataclass(frozen=True)
class AdamTransform:
    """`init(params) -> state`, `step(gradient, state, params) -> (params, state)`; pure: JAX may trace it."""

    transform: Any

    def init(self, params: Any) -> Any:
        return self.transform.init(params)

    def step(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
        updates, state = self.transform.update(gradient, state, params)
        return optax.apply_updates(params, updates), state


def adam(learning_rate: float, *, clip: float = 1.0) -> AdamTransform:
    """Adam (Kingma & Ba 2015, default moments) after clipping the gradient's global norm to `clip`."""
    return AdamTransform(optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate)))


@dataclass(frozen=True)
class AdamState:
    """Parameters after `step` steps, and the moments of the gradient."""

    params: FloatArray
    step: int
    n_evaluations: int
    first_moment: FloatArray
    second_moment: FloatArray


@dataclass(frozen=True)
class Adam:
    """`adam` on the optimisers' contract, in double precision: one value with its gradient a step."""

    learning_rate: float
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0.0 and self.clip > 0.0):
            raise InputError(f"Adam: expected positive numbers, received {self.learning_rate} and clip {self.clip}")

    def init(self, params: ArrayLike) -> AdamState:
        start = np.array(params, dtype=np.float64)
        return AdamState(start, 0, 0, np.zeros_like(start), np.zeros_like(start))

    def step(self, state: AdamState, loss: DifferentiableLoss, rng: np.random.Generator) -> tuple[AdamState, StepInfo]:
        value, gradient = loss.value_and_gradient(state.params)
        with jax.enable_x64(True):
            transform = adam(self.learning_rate, clip=self.clip)
            params = jnp.asarray(state.params)
            count = jnp.asarray(state.step, dtype=jnp.int32)
            moments = [count, jnp.asarray(state.first_moment), jnp.asarray(state.second_moment)]
            memory = jax.tree.unflatten(jax.tree.structure(transform.init(params)), moments)
            moved, memory = transform.step(jnp.asarray(gradient), memory, params)
            _, first, second = (np.asarray(leaf) for leaf in jax.tree.leaves(memory))
        params_after = np.asarray(moved)
        info = StepInfo(value, float(np.linalg.norm(params_after - state.params)))
        return AdamState(params_after, state.step + 1, state.n_evaluations + 1, first, second), info

    def to_arrays(self, state: AdamState) -> dict[str, AnyArray]:
        return pack(state)

    def restore(self, arrays: Mapping[str, AnyArray]) -> AdamState:
        return unpack(AdamState, arrays)
