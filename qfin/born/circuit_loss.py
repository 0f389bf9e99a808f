"""A loss of the state a circuit prepares, with all that the optimisers of `qfin.training` ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz
from qfin.quantum.engine import ansatz_plan, circuit_state, log_ratio, precision
from qfin.quantum.fusion import FusionPlan
from qfin.quantum.metric import block_metric, fidelity


@dataclass(frozen=True, eq=False)
class CircuitLoss:
    """`of_state(state, *data)` of the circuit's exact amplitudes, JAX and differentiable, in double precision.

    Value, value with gradient, block-diagonal metric and fidelity between two settings of the angles; the generators
    that losses from shots need are not used. Losses of one function on one list of pairs share a compilation.
    """

    ansatz: Ansatz
    of_state: Callable[..., Any]
    data: tuple[AnyArray, ...] = ()

    def __call__(self, params: FloatArray, rng: np.random.Generator | None = None) -> float:
        return float(self._compiled(_value, params))

    def value_and_gradient(self, params: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = self._compiled(_value_and_gradient, params)
        return float(value), np.asarray(gradient)

    def metric(self, params: FloatArray) -> FloatArray:
        if not self.ansatz.active.all():
            raise InputError("ansatz: expected 15 active angles in every block for the metric, received fewer")
        return block_metric(self.ansatz, params)

    def fidelity(self, first: FloatArray, second: FloatArray, rng: np.random.Generator | None = None) -> float:
        return fidelity(self.ansatz, first, second)

    def _compiled(self, function: Callable[..., Any], params: FloatArray) -> Any:
        with precision("complex128"):
            return function(
                ansatz_plan(self.ansatz), self.of_state, jnp.asarray(params), jnp.asarray(self.ansatz.fixed), self.data
            )


def penalised_likelihood(state: Any, features: Any, penalties: Any) -> Any:
    """Minus the mean log-ratio of days with features (n, d, K), plus the probabilities weighed by penalties (2**n,)."""
    return penalties @ (state.real**2 + state.imag**2) - log_ratio(state, features).mean()


@partial(jax.jit, static_argnums=(0, 1))
def _value(plan: FusionPlan, of_state: Callable[..., Any], params: Any, fixed: Any, data: tuple[Any, ...]) -> Any:
    return of_state(circuit_state(plan, params, fixed), *data)


@partial(jax.jit, static_argnums=(0, 1))
def _value_and_gradient(
    plan: FusionPlan, of_state: Callable[..., Any], params: Any, fixed: Any, data: tuple[Any, ...]
) -> Any:
    return jax.value_and_grad(lambda angles: of_state(circuit_state(plan, angles, fixed), *data))(params)
