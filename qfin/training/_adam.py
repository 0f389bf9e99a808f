"""Adam with a global gradient clip, as an `init`/`step` pair."""

from dataclasses import dataclass
from typing import Any

import optax


@dataclass(frozen=True)
class Adam:
    """`init(params) -> state`, `step(gradient, state, params) -> (params, state)`; pure: JAX may trace it."""

    transform: Any

    def init(self, params: Any) -> Any:
        return self.transform.init(params)

    def step(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
        updates, state = self.transform.update(gradient, state, params)
        return optax.apply_updates(params, updates), state


def adam(learning_rate: float, *, clip: float = 1.0) -> Adam:
    """Adam (Kingma & Ba 2015, default moments) after clipping the gradient's global norm to `clip`."""
    return Adam(optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate)))
