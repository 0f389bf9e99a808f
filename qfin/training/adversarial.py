"""An adversarial loss: a small network learns to tell the model's outcomes from the data's, the model to pass for data.

What it is for: it needs nothing of the model but draws, so that it is the loss of quantum generative adversarial
networks and of models without a likelihood. Here both expectations are exact sums over all outcomes, for small
registers: the loss without its sampling noise, to be studied and to be beaten. Where exact probabilities are at hand
the KL divergence or the likelihood is the better loss: no second model, no saddle to circle, no settings of its own. At
its best a network gives the Jensen–Shannon divergence (Goodfellow et al. 2014, theorem 1); one that is too small, or
not trained long enough, gives less, and the model is then free where the network does not look.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.training._adam import adam

Network = Any
"""Weights and biases, layer by layer."""


def random_network(n_features: int, n_hidden: int, rng: np.random.Generator) -> Network:
    """Two hidden layers of `n_hidden` units and one logit, single precision."""
    sizes = (n_features, n_hidden, n_hidden, 1)
    return [
        (jnp.asarray(rng.standard_normal(shape) / np.sqrt(shape[0]), jnp.float32), jnp.zeros(shape[1], jnp.float32))
        for shape in pairwise(sizes)
    ]


def logits(network: Network, features: Any) -> Any:
    """log-odds that an outcome with features (n, n_features) comes from the data, shape (n,)."""
    hidden = features
    for weights, bias in network[:-1]:
        hidden = jnp.tanh(hidden @ weights + bias)
    weights, bias = network[-1]
    return (hidden @ weights + bias)[:, 0]


def network_loss(scores: Any, model: Any, data: Any) -> Any:
    """Cross-entropy of telling outcomes with probabilities `data` from those with `model`; log 4 knows nothing."""
    return data @ jax.nn.softplus(-scores) + model @ jax.nn.softplus(scores)


def model_loss(scores: Any, model: Any) -> Any:
    """How surely outcomes of the model are told from data: −Σ p log σ(logit), the form that does not saturate."""
    return model @ jax.nn.softplus(-scores)


@dataclass(frozen=True, eq=False)
class AdversarialState:
    """Parameters of the model after `step` steps, the network, and the memories of both optimisers."""

    params: FloatArray
    step: int
    network: Network
    memories: tuple[Any, Any]


@dataclass(frozen=True)
class AdversarialInfo:
    """The two losses before the model's move; `divergence` bounds the Jensen–Shannon divergence from below, nats."""

    loss: float
    network_loss: float

    @property
    def divergence(self) -> float:
        return float(np.log(2.0) - 0.5 * self.network_loss)


@dataclass(frozen=True, eq=False)
class AdversarialTraining:
    """The process: `init(params, rng=…) -> state`, `step(state) -> (state, info)`.

    Parameters
    ----------
    probabilities : function of params, JAX and differentiable
        The model's probability of every outcome (n_outcomes,).
    values : array (n_outcomes, d)
        What the outcomes mean; the network sees the values and their squares.
    target : array (n_outcomes,)
        The data's probabilities.
    learning_rate, network_rate, network_steps, n_hidden
        Adam's step for the model and for the network, steps of the network for one of the model, units a layer.
    """

    probabilities: Callable[[Any], Any]
    values: FloatArray
    target: FloatArray
    learning_rate: float = 0.01
    network_rate: float = 0.01
    network_steps: int = 10
    n_hidden: int = 32
    _move: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.target.shape != (len(self.values),):
            raise InputError(
                "AdversarialTraining: expected values (n, d) and target (n,), received "
                f"{self.values.shape} and {self.target.shape}"
            )
        if not (abs(float(self.target.sum()) - 1.0) <= 1e-6 and (self.target >= 0.0).all()):  # NaN fails too
            raise InputError(f"target: expected probabilities, received a sum of {float(self.target.sum())}")
        features = np.concatenate([self.values, self.values**2], axis=1).astype(np.float32)
        object.__setattr__(
            self, "_move", jax.jit(partial(self._step, jnp.asarray(features), jnp.asarray(self.target, jnp.float32)))
        )

    def init(self, params: ArrayLike, *, rng: np.random.Generator) -> AdversarialState:
        start = np.array(params, dtype=np.float64)
        network = random_network(2 * self.values.shape[1], self.n_hidden, rng)
        memories = adam(self.learning_rate).init(jnp.asarray(start, jnp.float32)), adam(self.network_rate).init(network)
        return AdversarialState(start, 0, network, memories)

    def step(self, state: AdversarialState) -> tuple[AdversarialState, AdversarialInfo]:
        """`network_steps` of the network against the model as it stands, then one of the model against the network."""
        params, network, memories, losses = self._move(
            jnp.asarray(state.params, jnp.float32), state.network, state.memories
        )
        after = AdversarialState(np.asarray(params, dtype=np.float64), state.step + 1, network, memories)
        return after, AdversarialInfo(*(float(loss) for loss in losses))

    def _step(self, features: Any, target: Any, params: Any, network: Network, memories: tuple[Any, Any]) -> Any:
        model_memory, network_memory = memories
        model = self.probabilities(params)

        def against(network: Network) -> Any:
            return network_loss(logits(network, features), model, target)

        def learn(carry: Any, _: None) -> Any:
            network, memory = carry
            return adam(self.network_rate).step(jax.grad(against)(network), memory, network), None

        (network, network_memory), _ = jax.lax.scan(learn, (network, network_memory), None, length=self.network_steps)
        scores = logits(network, features)
        value, slope = jax.value_and_grad(lambda q: model_loss(scores, self.probabilities(q)))(params)
        params, model_memory = adam(self.learning_rate).step(slope, model_memory, params)
        return params, network, (model_memory, network_memory), (value, against(network))
