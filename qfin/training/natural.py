"""Natural gradients: descent by the distance between states instead of that between angles.

θ ← θ − η (g + λ)⁻¹ ∇L with g the Fubini–Study metric, 1 − |⟨ψ(θ)|ψ(θ + δ)⟩|² = δᵀ g δ + O(δ³) (Stokes, Izaac, Killoran
and Carleo, Quantum 4, 269 (2020)).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.training.contract import FidelityLoss, MetricLoss, StepInfo, pack, unpack
from qfin.training.spsa import SPSA, SPSAInfo, SPSAState


@dataclass(frozen=True)
class NaturalGradientState:
    """Parameters after `step` steps."""

    params: FloatArray
    step: int
    n_evaluations: int


@dataclass(frozen=True)
class NaturalGradient:
    """Block-diagonal natural gradient: two evaluations a step, the gradient and the metric.

    Parameters
    ----------
    learning_rate
        η.
    damping
        λ, in the metric's own units (g of a lone angle is at most one). Angles that do not move the state have g = 0;
        without damping their noise would be divided by nothing.
    max_distance
        Longest step √(δᵀ g δ), in radians between states; longer ones are shortened to it.
    """

    learning_rate: float
    damping: float = 1e-2
    max_distance: float = 0.1

    def __post_init__(self) -> None:
        if not min(self.learning_rate, self.damping, self.max_distance) > 0.0:
            raise InputError(
                "NaturalGradient: expected positive numbers, received "
                f"{self.learning_rate}, {self.damping}, {self.max_distance}"
            )

    def init(self, params: ArrayLike) -> NaturalGradientState:
        return NaturalGradientState(np.array(params, dtype=np.float64), 0, 0)

    def step(
        self, state: NaturalGradientState, loss: MetricLoss, rng: np.random.Generator
    ) -> tuple[NaturalGradientState, StepInfo]:
        value, gradient = loss.value_and_gradient(state.params)
        metric = loss.metric(state.params)
        size = metric.shape[-1]
        by_block = gradient.reshape(-1, size, 1)
        move = -self.learning_rate * np.linalg.solve(metric + self.damping * np.eye(size), by_block)
        distance = float(np.sqrt(max(0.0, (move * (metric @ move)).sum())))
        if distance > self.max_distance:
            move = move * (self.max_distance / distance)
        moved = move.reshape(-1)
        after = NaturalGradientState(state.params + moved, state.step + 1, state.n_evaluations + 2)
        return after, StepInfo(value, float(np.linalg.norm(moved)))

    def to_arrays(self, state: NaturalGradientState) -> dict[str, AnyArray]:
        return pack(state)

    def restore(self, arrays: Mapping[str, AnyArray]) -> NaturalGradientState:
        return unpack(NaturalGradientState, arrays)


@dataclass(frozen=True)
class QNSPSAState:
    """Parameters after `step` steps and the metric averaged so far; `loss` is the last accepted, NaN at the start."""

    params: FloatArray
    step: int
    n_evaluations: int
    loss: float
    metric: FloatArray  # (n_params, n_params)


@dataclass(frozen=True)
class QNSPSA:
    """Natural SPSA: two losses for the slope, four fidelities for the metric, one loss to refuse bad steps.

    Gacon, Zoufal, Carleo and Woerner, Quantum 5, 567 (2021). Along two random directions the second difference of the
    fidelity gives a rank-two estimate of g, unbiased to the order of the perturbation; estimates are averaged over
    steps, starting from the identity, and the average ḡ enters as (√(ḡḡ) + β)/(1 + β).

    Parameters
    ----------
    gains
        The gains a_k and c_k of the slope and whether steps are refused; c_k also shifts the fidelities.
    beta
        Weight of the identity.
    """

    gains: SPSA
    beta: float = 0.1

    def __post_init__(self) -> None:
        if not self.beta > 0.0:
            raise InputError(f"QNSPSA: expected beta > 0, received {self.beta}")

    def init(self, params: ArrayLike) -> QNSPSAState:
        start = np.array(params, dtype=np.float64)
        return QNSPSAState(start, 0, 0, float("nan"), np.eye(start.size))

    def step(self, state: QNSPSAState, loss: FidelityLoss, rng: np.random.Generator) -> tuple[QNSPSAState, SPSAInfo]:
        estimate = self._metric_estimate(state, loss, rng)
        weight = 1.0 / (state.step + 2.0)  # the identity counts as the first estimate
        metric = (1.0 - weight) * state.metric + weight * estimate
        spsa = SPSAState(state.params, state.step, state.loss, state.n_evaluations + 4)
        spsa, info = self.gains.step(spsa, loss, rng, metric=self._positive(metric))
        return QNSPSAState(spsa.params, spsa.step, spsa.n_evaluations, spsa.loss, metric), info

    def to_arrays(self, state: QNSPSAState) -> dict[str, AnyArray]:
        return pack(state)

    def restore(self, arrays: Mapping[str, AnyArray]) -> QNSPSAState:
        return unpack(QNSPSAState, arrays)

    def _metric_estimate(self, state: QNSPSAState, loss: FidelityLoss, rng: np.random.Generator) -> FloatArray:
        """−½ of the fidelity's second difference along two random directions, on their symmetrised outer product."""
        size = self.gains.perturbation(state.step)
        first, second = rng.choice([-1.0, 1.0], size=(2, state.params.size))
        here = state.params

        def fidelity(shift: FloatArray) -> float:
            return loss.fidelity(here, here + size * shift, rng)

        difference = fidelity(first + second) - fidelity(first) - fidelity(second - first) + fidelity(-first)
        outer = np.outer(first, second)
        estimate: FloatArray = -difference / (4.0 * size**2) * 0.5 * (outer + outer.T)
        return estimate

    def _positive(self, metric: FloatArray) -> FloatArray:
        values, vectors = np.linalg.eigh(metric)
        positive: FloatArray = (vectors * ((np.abs(values) + self.beta) / (1.0 + self.beta))) @ vectors.T
        return positive
