"""SPSA: descent on a noisy loss with two evaluations per step, whatever the number of parameters.

Spall, "Implementation of the simultaneous perturbation algorithm for stochastic optimization", IEEE Trans. Aerospace
and Electronic Systems 34 (1998): gains a_k = a/(k + 1 + A)^α and c_k = c/(k + 1)^γ, k = 0, 1, …
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.training.contract import pack, unpack

NoisyLoss = Callable[[FloatArray, np.random.Generator], float]


@dataclass(frozen=True)
class SPSAState:
    """Parameters after `step` steps; `loss` is the last accepted loss where steps are blocked, else NaN."""

    params: FloatArray
    step: int
    loss: float
    n_evaluations: int


@dataclass(frozen=True)
class SPSAInfo:
    """What a step did: both losses, gain a_k, perturbation c_k, length of the move tried, whether it was accepted."""

    loss_plus: float
    loss_minus: float
    gain: float
    perturbation: float
    step_norm: float
    accepted: bool

    @property
    def loss(self) -> float:
        """Mean of the two losses."""
        return 0.5 * (self.loss_plus + self.loss_minus)


@dataclass(frozen=True)
class SPSA:
    """Simultaneous perturbation stochastic approximation as an `init`/`step` pair.

    Parameters
    ----------
    a, c
        Scale of the gain and of the perturbation (per parameter); `calibrated_gain` finds `a`.
    stability
        A; about a tenth of the planned number of steps.
    alpha, gamma
        Decay of the gain and of the perturbation.
    max_increase
        Blocking: a step whose loss exceeds the last accepted loss by more is not taken, at one more evaluation per step
        (and one for the start). None takes every step. About twice the loss's standard error is usual.
    """

    a: float
    c: float
    stability: float = 0.0
    alpha: float = 0.602
    gamma: float = 0.101
    max_increase: float | None = None

    def __post_init__(self) -> None:
        if not (self.a > 0.0 and self.c > 0.0 and self.stability >= 0.0):
            received = f"a={self.a}, c={self.c}, stability={self.stability}"
            raise InputError(f"SPSA: expected a > 0, c > 0 and stability ≥ 0, received {received}")

    def init(self, params: ArrayLike) -> SPSAState:
        """The state before the first step."""
        return SPSAState(np.array(params, dtype=np.float64), 0, float("nan"), 0)

    def perturbation(self, step: int) -> float:
        """c_k."""
        return float(self.c / (step + 1.0) ** self.gamma)

    def step(
        self, state: SPSAState, loss: NoisyLoss, rng: np.random.Generator, *, metric: FloatArray | None = None
    ) -> tuple[SPSAState, SPSAInfo]:
        """One step; `loss(params, rng)` is evaluated twice, three times with blocking.

        The move is −a_k times the slope, or metric⁻¹ times the slope where a metric (n_params, n_params) is given.
        """
        gain = self.a / (state.step + 1.0 + self.stability) ** self.alpha
        perturbation = self.perturbation(state.step)
        params, current, n_evaluations = state.params, state.loss, state.n_evaluations
        if self.max_increase is not None and np.isnan(current):
            current, n_evaluations = loss(params, rng), n_evaluations + 1
        signs = rng.choice([-1.0, 1.0], size=params.shape)
        plus, minus = loss(params + perturbation * signs, rng), loss(params - perturbation * signs, rng)
        move = -gain * (plus - minus) / (2.0 * perturbation) * signs
        if metric is not None:
            move = np.linalg.solve(metric, move)
        accepted, n_evaluations = True, n_evaluations + 2
        if self.max_increase is not None:
            proposed, n_evaluations = loss(params + move, rng), n_evaluations + 1
            accepted = proposed <= current + self.max_increase
            current = proposed if accepted else current
        info = SPSAInfo(plus, minus, gain, perturbation, float(np.linalg.norm(move)), accepted)
        params = params + move if accepted else params
        return replace(state, params=params, step=state.step + 1, loss=current, n_evaluations=n_evaluations), info

    def to_arrays(self, state: SPSAState) -> dict[str, AnyArray]:
        return pack(state)

    def restore(self, arrays: Mapping[str, AnyArray]) -> SPSAState:
        return unpack(SPSAState, arrays)


def calibrated_gain(
    loss: NoisyLoss,
    params: ArrayLike,
    *,
    c: float,
    first_step: float,
    rng: np.random.Generator,
    n_probes: int = 5,
    stability: float = 0.0,
    alpha: float = 0.602,
) -> float:
    """The `a` with which the first step moves by `first_step` (Euclidean) on average; 2 · n_probes evaluations."""
    start = np.asarray(params, dtype=np.float64)
    slopes = []
    for _ in range(n_probes):
        signs = rng.choice([-1.0, 1.0], size=start.shape)
        slopes.append(abs(loss(start + c * signs, rng) - loss(start - c * signs, rng)) / (2.0 * c))
    mean_slope = float(np.mean(slopes))
    if not mean_slope > 0.0:
        raise InputError(f"loss: expected a loss that changes with the parameters, received a slope of {mean_slope}")
    return float(first_step * (1.0 + stability) ** alpha / (mean_slope * np.sqrt(start.size)))
