"""Gradients from measured shots by the parameter-shift rule, in one primitive job.

The blocks U0 · exp(iΣθP) of an `Ansatz` have no two-term rule, for their Paulis do not commute. Here a block is
U0 · exp(iθ₁₄P₁₄) ⋯ exp(iθ₀P₀), one rotation per active Pauli, in the order of `PAULI_LABELS`. At θ = 0 the two forms
agree and so do their gradients; `ansatz.absorbed(params)` moves any circuit there. Every expectation f is
a + b cos 2θ + c sin 2θ in each of these angles, so that ∂f/∂θ = f(θ + π/4) − f(θ − π/4) exactly (Mitarai et al. 2018;
Schuld et al. 2019).

The price on a device is nine two-qubit rotations a block, 18 CNOTs, where the compiled block has three: for training on
hardware, extend a compiled circuit by few trainable blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector
from qiskit.circuit.library import UnitaryGate

from qfin._random import RandomLike
from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import PAULI_LABELS, PAULIS, Ansatz
from qfin.quantum.samplers import Bits, PointSampler

_SHIFT = np.pi / 4.0


def rotation_circuit(ansatz: Ansatz, trainable: ArrayLike | None = None) -> QuantumCircuit:
    """The circuit of the ansatz with one rotation per angle; `circuit.parameters` are the trainable ones, in order.

    `trainable` are indices of angles, all by default; the others are left out, which means zero.
    """
    places = np.argwhere(ansatz.active)[_indices(ansatz, trainable)]
    angles = dict(zip(map(tuple, places.tolist()), ParameterVector("angle", len(places)), strict=True))
    circuit = QuantumCircuit(ansatz.n_qubits)
    for block, ((a, b), fixed) in enumerate(zip(ansatz.pairs.tolist(), ansatz.fixed, strict=True)):
        for pauli, label in enumerate(PAULI_LABELS):
            if (block, pauli) in angles:
                _rotate(circuit, label, (a, b), angles[block, pauli])
        circuit.append(UnitaryGate(fixed, label=f"block {block}"), [b, a])
    return circuit


def rotation_unitaries(ansatz: Ansatz, angles: ArrayLike) -> ComplexArray:
    """The blocks U0 · exp(iθ₁₄P₁₄) ⋯ exp(iθ₀P₀), shape (n_blocks, 4, 4); angles (n_params,)."""
    theta = ansatz.angles(angles)
    product = np.tile(np.eye(4, dtype=np.complex128), (ansatz.n_blocks, 1, 1))
    for pauli, column in zip(PAULIS, theta.T, strict=True):
        turn = np.cos(column)[:, None, None] * np.eye(4) + 1j * np.sin(column)[:, None, None] * pauli
        product = turn @ product
    blocks: ComplexArray = ansatz.fixed @ product
    return blocks


@dataclass(frozen=True, eq=False)
class ShiftedShots:
    """Bits of one job: each angle shifted `up` and `down` (n_angles, shots, n_qubits); `middle` (shots, n_qubits)."""

    up: Bits
    down: Bits
    middle: Bits

    def gradient(self, observable: Callable[[Bits], AnyArray]) -> tuple[FloatArray, FloatArray]:
        """Gradient of E[observable] and its standard errors, both (n_angles,).

        `observable` maps bits (…, n_qubits) to values (…). It may depend on `middle`, whose shots are independent of
        the shifted ones: with the witness of a quadratic loss estimated there, the gradient of that loss is unbiased.
        """
        above, below = np.asarray(observable(self.up)), np.asarray(observable(self.down))
        variance = above.var(axis=1, ddof=1) + below.var(axis=1, ddof=1)
        return above.mean(axis=1) - below.mean(axis=1), np.sqrt(variance / above.shape[1])


def shifted_shots(
    circuit: QuantumCircuit, angles: ArrayLike, shots: int, *, sampler: PointSampler, rng: RandomLike = None
) -> ShiftedShots:
    """Shots of `circuit` at all shifted angles and at the angles themselves: one broadcast of 2 · n_angles + 1 points.

    Parameters
    ----------
    circuit
        Such as `rotation_circuit` makes, or that followed by `measurement_circuit`; no measurements.
    angles
        (n_angles,), in the order of `circuit.parameters`.
    shots
        At every point; at least 2.
    """
    if shots < 2:
        raise InputError(f"shots: expected at least 2, received {shots}")
    bits = sampler.sample_points(circuit, shifted_points(angles), shots, rng=rng)
    n_angles = (len(bits) - 1) // 2
    return ShiftedShots(bits[:n_angles], bits[n_angles : 2 * n_angles], bits[-1])


def shifted_points(angles: ArrayLike) -> FloatArray:
    """All angles shifted up one at a time, then down, then none: (2 · n_angles + 1, n_angles)."""
    middle = np.asarray(angles, dtype=np.float64)
    if middle.ndim != 1 or len(middle) == 0 or not np.isfinite(middle).all():
        raise InputError(f"angles: expected finite numbers (n_angles,), received shape {middle.shape}")
    shifts = _SHIFT * np.eye(len(middle))
    return np.concatenate([middle + shifts, middle - shifts, middle[None]])


def _indices(ansatz: Ansatz, trainable: ArrayLike | None) -> IntArray:
    indices = np.arange(ansatz.n_params) if trainable is None else np.unique(np.asarray(trainable, dtype=np.int64))
    if len(indices) == 0 or indices[0] < 0 or indices[-1] >= ansatz.n_params:
        raise InputError(f"trainable: expected indices 0 … {ansatz.n_params - 1}, received {indices}")
    return indices


def _rotate(circuit: QuantumCircuit, label: str, pair: tuple[int, int], angle: ParameterExpression) -> None:
    """exp(iθP) on the pair, P of two letters: Qiskit's rotations are exp(−iφP/2)."""
    acting = [(letter, qubit) for letter, qubit in zip(label, pair, strict=True) if letter != "I"]
    if len(acting) == 1:
        ((letter, qubit),) = acting
        getattr(circuit, f"r{letter.lower()}")(-2.0 * angle, qubit)
        return
    for letter, qubit in acting:  # into the basis in which the letter is Z
        if letter == "Y":
            circuit.sdg(qubit)
        if letter in "XY":
            circuit.h(qubit)
    circuit.rzz(-2.0 * angle, *pair)
    for letter, qubit in acting:
        if letter in "XY":
            circuit.h(qubit)
        if letter == "Y":
            circuit.s(qubit)
