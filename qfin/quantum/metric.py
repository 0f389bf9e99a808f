"""How far two settings of a circuit's angles are apart as states: the Fubini–Study metric and the fidelity.

With G_p the generator of angle p as seen just before its block and ψ_b the state there, ∂_p ψ is what the rest of the
circuit makes of U0 e^{iA} · i G_p ψ_b, so that the angles of one block need their two qubits' reduced density matrix
alone: g_pq = Re⟨G_p G_q⟩ − ⟨G_p⟩⟨G_q⟩. Away from θ = 0 the 15 Paulis of a block do not commute with its exponent
A = Σθ P, and G_p = ∫₀¹ e^{−isA} P_p e^{isA} ds.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qfin._random import RandomLike
from qfin._types import ComplexArray, FloatArray
from qfin.quantum.ansatz import N_ANGLES, PAULIS, Ansatz

if TYPE_CHECKING:
    from qfin.quantum.samplers import CircuitSampler


def block_metric(ansatz: Ansatz, params: ArrayLike) -> FloatArray:
    """The blocks on the diagonal of the Fubini–Study metric, shape (n_blocks, 15, 15), for active angles or not.

    One pass through the circuit in double precision, whatever the number of angles; memory of one state.
    """
    generators = block_generators(ansatz, params)
    metric = np.empty((ansatz.n_blocks, N_ANGLES, N_ANGLES))
    state = np.zeros((2,) * ansatz.n_qubits, dtype=np.complex128)
    state.flat[0] = 1.0
    for block, ((a, b), unitary) in enumerate(zip(ansatz.pairs.tolist(), ansatz.unitaries(params), strict=True)):
        moved = np.moveaxis(state, (a, b), (0, 1))
        amplitudes = moved.reshape(4, -1)
        metric[block] = _covariance(generators[block], amplitudes @ amplitudes.conj().T)
        state = np.moveaxis((unitary @ amplitudes).reshape(moved.shape), (0, 1), (a, b))
    return metric


def block_generators(ansatz: Ansatz, params: ArrayLike) -> ComplexArray:
    """G_p of every angle, Hermitian, shape (n_blocks, 15, 4, 4)."""
    angles = ansatz.angles(params)
    values, vectors = np.linalg.eigh(np.tensordot(angles, PAULIS, axes=1))
    gaps = values[:, :, None] - values[:, None, :]
    # ∫₀¹ e^{−is·gap} ds = e^{−i·gap/2} sin(gap/2)/(gap/2)
    averages = np.exp(-0.5j * gaps) * np.sinc(gaps / (2.0 * np.pi))
    inverse = vectors.conj().transpose(0, 2, 1)[:, None]
    inside = inverse @ PAULIS @ vectors[:, None]
    generators: ComplexArray = vectors[:, None] @ (inside * averages[:, None]) @ inverse
    return generators


def fidelity(ansatz: Ansatz, first: ArrayLike, second: ArrayLike) -> float:
    """|⟨ψ(first)|ψ(second)⟩|², exact."""
    return float(abs(np.vdot(ansatz.state(first), ansatz.state(second))) ** 2)


def sampled_fidelity(
    ansatz: Ansatz,
    first: ArrayLike,
    second: ArrayLike,
    *,
    sampler: "CircuitSampler",
    shots: int,
    rng: RandomLike = None,
) -> float:
    """The same from shots, by compute–uncompute: how often U(first)† U(second)|0…0⟩ is measured as all zeros.

    Noise counts as distance: on a noisy device the fidelity of a state with itself is below one.
    """
    from qfin.quantum.circuits import to_qiskit

    circuit = to_qiskit(ansatz, ansatz.checked_params(second))
    circuit.compose(to_qiskit(ansatz, ansatz.checked_params(first)).inverse(), inplace=True)
    bits = sampler.sample(circuit, shots, rng=rng)
    return float(np.mean(~bits.any(axis=1)))


def _covariance(generators: ComplexArray, density: ComplexArray) -> FloatArray:
    """Re⟨G_p G_q⟩ − ⟨G_p⟩⟨G_q⟩, shape (15, 15)."""
    weighted = generators @ density
    second = np.einsum("pij,qji->pq", generators, weighted).real
    means = np.trace(weighted, axis1=1, axis2=2).real
    covariance: FloatArray = 0.5 * (second + second.T) - np.outer(means, means)
    return covariance
