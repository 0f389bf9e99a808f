"""Sweeps over all gates of a staircase circuit: each gate is replaced by the optimum of its environment.

The environment E of a gate g is the overlap ⟨target|circuit⟩ with that gate taken out: ⟨target|circuit⟩ = Σ g·E. With
E = U S V the gate that maximises |⟨target|circuit⟩| is (U V)*, and the maximum is Σ S (Rudolph et al., Quantum Sci.
Technol. 9, 015012 (2024), section 3). A sweep goes from the last gate to the first. It carries the state before the
gate and the target freed of all gates after it, so that a step costs one gate and not one circuit.

Two siblings hold the target: `DenseTarget` a vector of 2^n amplitudes, `ChainTarget` a matrix product state. Without
truncation they make the same updates. `layers` are listed in order of application.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from qfin._types import AnyArray
from qfin.born.staircase import (
    Tensors,
    apply_layer,
    compress,
    dense_vector,
    inner,
    split_vector,
    unapply_layer,
    zero_state,
)

Layers = list[AnyArray]
_INERTIA = 1e-9  # keeps a gate where it is in the directions that its environment does not see


class Target(Protocol):
    """A normalised state to prepare: what the growth of a circuit asks of it.

    `circuit_error` and `target_error` are the largest norms ‖exact − kept‖ that a bond limit has cost so far: in the
    circuit's state (the fidelity is exact up to twice its value) and in the target freed of layers (which steers the
    updates only).
    """

    circuit_error: float
    target_error: float

    def residual(self, layers: Sequence[AnyArray]) -> Tensors:
        """Right-canonical bond-2 truncation of layers†|target⟩."""

    def forward(self, layers: Sequence[AnyArray]) -> Any:
        """layers|0…0⟩, in the target's own form."""

    def fidelity(self, state: Any) -> float:
        """|⟨target|state⟩|² of what `forward` gave."""

    def sweep(self, layers: Sequence[AnyArray], state: Any) -> Layers:
        """New layers after one sweep; `state` is what `forward` gave for the old ones."""


def optimal_gate(environment: AnyArray, gate: AnyArray) -> AnyArray:
    """The unitary that maximises |Σ gate·environment|; undetermined directions and the phase stay those of `gate`."""
    scale = np.linalg.norm(environment)
    if scale == 0.0:
        return gate
    overlap = np.vdot(gate.conj(), environment)
    phase = overlap / abs(overlap) if overlap != 0.0 else 1.0
    u, _, v = np.linalg.svd(environment * (np.conj(phase) / scale) + _INERTIA * gate.conj())
    best: AnyArray = (u @ v).conj()
    return best


class DenseTarget:
    """A normalised state vector; exact environments.

    A vector is kept with the gate's two qubits in front, so that a gate is one product (4, 4)·(4, 2^n/4). `_next`
    carries the front qubit to the back, `_previous` undoes it; after n steps the vector is in order again.
    """

    circuit_error = 0.0
    target_error = 0.0

    def __init__(self, tensors: Sequence[AnyArray]) -> None:
        self.vector = dense_vector(tensors)

    def residual(self, layers: Sequence[AnyArray]) -> Tensors:
        rest = self.vector
        for layer in reversed(layers):
            rest = _previous(rest)
            for gate in layer[::-1]:
                rest = gate.conj().T @ _previous(rest).reshape(4, -1)
        return split_vector(rest.reshape(-1), max_bond=2)

    def forward(self, layers: Sequence[AnyArray]) -> AnyArray:
        state = np.zeros_like(self.vector)
        state[0] = 1.0
        for layer in layers:
            for gate in layer:
                state = _next(gate @ state.reshape(4, -1))
            state = _next(state)
        return state.reshape(-1)

    def fidelity(self, state: AnyArray) -> float:
        return float(abs(np.vdot(self.vector, state)) ** 2)

    def sweep(self, layers: Sequence[AnyArray], state: AnyArray) -> Layers:
        layers = [layer.copy() for layer in layers]
        rest = self.vector
        for layer in reversed(layers):
            state, rest = _previous(state), _previous(rest)
            for gate in layer[::-1]:
                state, rest = _previous(state).reshape(4, -1), _previous(rest).reshape(4, -1)
                state = gate.conj().T @ state
                gate[...] = optimal_gate(rest.conj() @ state.T, gate)
                rest = gate.conj().T @ rest
        return layers


def _next(vector: AnyArray) -> AnyArray:
    return np.ascontiguousarray(vector.reshape(2, -1).T)


def _previous(vector: AnyArray) -> AnyArray:
    return np.ascontiguousarray(vector.reshape(-1, 2).T)


class ChainTarget:
    """A normalised matrix product state; environments from matrix product states with bonds of at most `max_bond`.

    k layers make a bond of at most 2^k, and free the target of k layers at the price of a bond 2^k times its own: both
    are exact as long as that fits, and decomposed only beyond.
    """

    def __init__(self, tensors: Sequence[AnyArray], max_bond: int) -> None:
        self.tensors = compress(tensors, cutoff=0.0)[0]
        self.max_bond = max_bond
        self.circuit_error = 0.0
        self.target_error = 0.0

    def residual(self, layers: Sequence[AnyArray]) -> Tensors:
        rest, error = self.tensors, 0.0
        for layer in reversed(layers):
            rest, error = self._without(layer, rest, error)
        return compress(rest, max_bond=2)[0]

    def forward(self, layers: Sequence[AnyArray]) -> list[Tensors]:
        """|0…0⟩ and the state after each layer."""
        states, error = [zero_state(len(self.tensors), self.tensors[0].dtype)], 0.0
        for layer in layers:
            state, lost = self._within_limit(apply_layer(layer, states[-1]))
            states.append(state)
            error += lost
        self.circuit_error = max(self.circuit_error, error)
        return states

    def fidelity(self, state: list[Tensors]) -> float:
        return float(abs(inner(self.tensors, state[-1])) ** 2)

    def sweep(self, layers: Sequence[AnyArray], state: list[Tensors]) -> Layers:
        layers = [layer.copy() for layer in layers]
        rest, error = self.tensors, 0.0
        for later, (layer, before) in enumerate(zip(reversed(layers), state[-2::-1], strict=True), start=1):
            _sweep_layer(layer, before, rest)
            if later < len(layers):
                rest, error = self._without(layer, rest, error)
        return layers

    def _without(self, layer: AnyArray, rest: Tensors, error: float) -> tuple[Tensors, float]:
        """layer†|rest⟩ within the bond limit, and the norm lost so far."""
        rest, lost = self._within_limit(unapply_layer(layer, rest))
        self.target_error = max(self.target_error, error + lost)
        return rest, error + lost

    def _within_limit(self, chain: Tensors) -> tuple[Tensors, float]:
        """`chain` with bonds of at most `max_bond`, and the norm lost: itself where it fits, without decompositions."""
        if max(tensor.shape[2] for tensor in chain) <= self.max_bond:
            return chain, 0.0
        return compress(chain, self.max_bond)


# One layer between a state F below and the target B above. Gate i joins in F's site i+1 and B's site i; what lies left
# of it is an edge (bond of B, bond of F, input bit i), what lies right of it (bond of B, bond of F, output bit i+1).


def _from_left(edge: AnyArray, site: AnyArray) -> AnyArray:
    """Left edge with F's site i+1: (bond of B, in i, in i+1, bond of F)."""
    return np.tensordot(edge, site, axes=((1,), (0,)))


def _from_right(edge: AnyArray, site: AnyArray) -> AnyArray:
    """Right edge with B's site i: (bond of B, out i, bond of F, out i+1)."""
    return np.tensordot(site.conj(), edge, axes=((2,), (0,)))


def _sweep_layer(layer: AnyArray, state: Tensors, rest: Tensors) -> None:
    """Optimise the gates of one layer in place, last to first, between the state before it and the target after it."""
    edge: AnyArray = state[0].transpose(0, 2, 1)
    lefts = []
    for i in range(len(layer)):
        lefts.append(_from_left(edge, state[i + 1]))
        edge = _step_right(lefts[-1], layer[i], rest[i])
    edge = rest[-1].conj().transpose(0, 2, 1)
    for i in range(len(layer) - 1, -1, -1):
        right = _from_right(edge, rest[i])
        environment = np.tensordot(right, lefts[i], axes=((0, 2), (0, 3))).reshape(4, 4)
        layer[i] = optimal_gate(environment, layer[i])
        edge = _step_left(right, layer[i], state[i + 1])


def _step_right(left: AnyArray, gate: AnyArray, site: AnyArray) -> AnyArray:
    """The edge beyond gate i from `_from_left`, the gate and B's site i."""
    passed = np.tensordot(left, gate.reshape(2, 2, 2, 2), axes=((1, 2), (2, 3)))  # bond B, bond F, out i, out i+1
    return np.tensordot(site.conj(), passed, axes=((0, 1), (0, 2)))


def _step_left(right: AnyArray, gate: AnyArray, site: AnyArray) -> AnyArray:
    """The edge before gate i from `_from_right`, the gate and F's site i+1."""
    passed = np.tensordot(right, gate.reshape(2, 2, 2, 2), axes=((1, 3), (0, 1)))  # bond B, bond F, in i, in i+1
    return np.tensordot(passed, site, axes=((1, 3), (2, 1))).transpose(0, 2, 1)
