"""What optimisers ask of a loss and what they give back: one `init`/`step` contract for all of them.

`init(params) -> state` and `step(state, loss, rng) -> (state, info)`. States are frozen; `to_arrays` makes one a plain
dictionary of arrays, `restore` makes it a state again, and a restored run goes on to the same bits. An optimiser asks
for the least it needs: the bare value, a gradient, a metric or a fidelity, each a method that a loss has or has not.

An evaluation is one value, one value with its gradient, one fidelity or one metric. A simulator pays about three values
for a gradient whatever the number of angles; a device pays for each angle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar, get_type_hints, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from qfin._types import AnyArray, FloatArray

State = TypeVar("State")
LossT = TypeVar("LossT", contravariant=True)


class Loss(Protocol):
    """A loss, exact or from shots; `rng` is for the shots."""

    def __call__(self, params: FloatArray, rng: np.random.Generator, /) -> float: ...


class DifferentiableLoss(Protocol):
    """An exact loss with its gradient (n_params,)."""

    def value_and_gradient(self, params: FloatArray) -> tuple[float, FloatArray]: ...


class MetricLoss(DifferentiableLoss, Protocol):
    """With the metric of its states, the blocks on the diagonal alone: (n_blocks, size, size), blocks in the order of
    the parameters."""

    def metric(self, params: FloatArray) -> FloatArray: ...


class FidelityLoss(Loss, Protocol):
    """With the fidelity between the states of two sets of parameters, exact or from shots."""

    def fidelity(self, first: FloatArray, second: FloatArray, rng: np.random.Generator, /) -> float: ...


class OptimiserState(Protocol):
    """What all states have."""

    @property
    def params(self) -> FloatArray: ...
    @property
    def step(self) -> int: ...
    @property
    def n_evaluations(self) -> int: ...


class Info(Protocol):
    """What a step says: the loss it saw on the way, and how far it moved (Euclidean, radians)."""

    @property
    def loss(self) -> float: ...
    @property
    def step_norm(self) -> float: ...


@dataclass(frozen=True)
class StepInfo:
    """The plain `Info`; `loss` is that of the parameters before the step, unless the optimiser says otherwise."""

    loss: float
    step_norm: float


@runtime_checkable
class Optimiser(Protocol[State, LossT]):
    """`State` is an `OptimiserState`, `LossT` the least protocol of a loss that the optimiser can work with."""

    def init(self, params: ArrayLike) -> State: ...
    def step(self, state: State, loss: LossT, rng: np.random.Generator) -> tuple[State, Info]: ...
    def to_arrays(self, state: State) -> dict[str, AnyArray]: ...
    def restore(self, arrays: Mapping[str, AnyArray]) -> State: ...


def pack(state: Any) -> dict[str, AnyArray]:
    """A dataclass of numbers and arrays as a dictionary of arrays."""
    return {field.name: np.asarray(getattr(state, field.name)) for field in fields(state)}


def unpack(kind: type[State], arrays: Mapping[str, AnyArray]) -> State:
    """The dataclass that `pack` took apart."""
    hints = get_type_hints(kind)
    read = {int: int, float: float}
    return kind(**{name: read.get(hint, np.array)(arrays[name]) for name, hint in hints.items()})
