"""Readout errors measured and undone: shots of a sampler -> shots nearer to those of a device that reads without error.

Each qubit q reads 0 as 1 with probability a_q and 1 as 0 with probability b_q, independently of the others (tensored
model; Bravyi et al., PRA 103, 042605 (2021)). Two circuits, |0…0⟩ and |1…1⟩, measure all of them. The frequencies of
the outcomes are multiplied by the inverse of each qubit's 2×2 matrix, O(n·2ⁿ), and the result, which may be negative,
is replaced by the nearest point of the probability simplex (least squares; Smolin, Gambetta, Smith, PRL 108, 070502
(2012)).
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit

from qfin._random import RandomLike, as_generator, stream
from qfin._types import FloatArray
from qfin.exceptions import InputError, QfinError
from qfin.quantum.samplers import Bits, CircuitSampler, PointSampler

_MAX_QUBITS = 20


@runtime_checkable
class PlacedSampler(Protocol):
    """A sampler that chooses physical qubits for a circuit."""

    def measured_on(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """The physical qubit that each qubit of `circuit` is read from."""
        ...

    def placed(self, layout: tuple[int, ...]) -> CircuitSampler:
        """The same sampler with qubit j put on the physical qubit `layout[j]`."""
        ...


@dataclass(frozen=True)
class ReadoutMitigated:
    """A sampler whose shots are corrected for misread bits; it satisfies the contract of the sampler it wraps.

    Parameters
    ----------
    sampler
        Runs the circuits, at most 20 qubits wide.
    calibration_shots
        Shots of each of the two calibration circuits, run once per choice of physical qubits and kept with this object:
        where a device drifts, make a new one.
    seed
        Of the calibration on a simulator.

    The shots returned are a systematic resample of the corrected distribution, in random order: a set that the decoder
    and every loss take as it is, but not independent draws. Their errors are those of the inversion, larger than the
    binomial ones by about Π_q 1/(1 − a_q − b_q), and correction pays where outcomes repeat: with more outcomes than
    shots the least-squares step drops rare ones.
    """

    sampler: PointSampler
    calibration_shots: int = 10_000
    seed: int = 0
    _known: dict[tuple[int, ...], FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits); column j is qubit j."""
        rng, rates = as_generator(rng), self.misread_rates(circuit)
        return _resampled(self.sampler.sample(circuit, shots, rng=rng), rates, rng)

    def sample_points(self, circuit: QuantumCircuit, points: ArrayLike, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (n_points, shots, n_qubits), each point corrected for itself; see `PointSampler`."""
        rng, rates = as_generator(rng), self.misread_rates(circuit)
        job = self.sampler.sample_points(circuit, points, shots, rng=rng)
        return np.stack([_resampled(bits, rates, rng) for bits in job])

    def misread_rates(self, circuit: QuantumCircuit) -> FloatArray:
        """P(1 read | 0) and P(0 read | 1) of the qubits that `circuit` is read from, shape (n_qubits, 2)."""
        n_qubits, sampler = circuit.num_qubits, self.sampler
        if n_qubits > _MAX_QUBITS:
            raise InputError(f"circuit: expected at most {_MAX_QUBITS} qubits to mitigate, received {n_qubits}")
        key = sampler.measured_on(circuit) if isinstance(sampler, PlacedSampler) else (-n_qubits,)
        if key not in self._known:
            at = sampler.placed(key) if isinstance(sampler, PlacedSampler) else sampler
            rng = stream(self.seed, "readout", *map(str, key))
            self._known[key] = measured_misread_rates(at, n_qubits, self.calibration_shots, rng=rng)
        return self._known[key]


def measured_misread_rates(sampler: CircuitSampler, n_qubits: int, shots: int, *, rng: RandomLike = None) -> FloatArray:
    """P(1 read | 0) and P(0 read | 1) of each qubit, shape (n_qubits, 2), from the circuits |0…0⟩ and |1…1⟩."""
    rng, zeros, ones = as_generator(rng), QuantumCircuit(n_qubits), QuantumCircuit(n_qubits)
    ones.x(range(n_qubits))
    read_zeros, read_ones = (sampler.sample(circuit, shots, rng=rng) for circuit in (zeros, ones))
    return np.stack([read_zeros.mean(axis=0), 1.0 - read_ones.mean(axis=0)], axis=1)


def mitigated_probabilities(bits: ArrayLike, misread_rates: ArrayLike) -> FloatArray:
    """Probabilities of the outcomes (2**n_qubits,) without misreadings, from bits (shots, n_qubits).

    Raises
    ------
    QfinError
        A qubit that is read wrongly as often as rightly tells nothing.
    """
    values, rates = np.asarray(bits), np.asarray(misread_rates, dtype=np.float64)
    n_qubits = values.shape[-1]
    if values.ndim != 2 or rates.shape != (n_qubits, 2):
        raise InputError(f"misread_rates: expected shape ({n_qubits}, 2) for bits (shots, n), received {rates.shape}")
    determinants = 1.0 - rates.sum(axis=1)
    if not (determinants > 0.0).all():
        qubit = int(np.argmin(determinants))
        raise QfinError(
            f"readout: qubit {qubit} is misread with probabilities {rates[qubit].tolist()} and tells nothing"
        )
    index = values.astype(np.int64) @ (1 << np.arange(n_qubits - 1, -1, -1))
    corrected = np.bincount(index, minlength=2**n_qubits) / len(values)
    for (zero_as_one, one_as_zero), determinant in zip(rates, determinants, strict=True):
        inverse = np.array([[1.0 - one_as_zero, -one_as_zero], [-zero_as_one, 1.0 - zero_as_one]]) / determinant
        # the qubit in front goes to the back: after all of them the order is the first again
        corrected = (inverse @ corrected.reshape(2, -1)).T.reshape(-1)
    return nearest_on_simplex(corrected)


def nearest_on_simplex(values: ArrayLike) -> FloatArray:
    """The probability vector with the least sum of squared differences to `values`."""
    vector = np.asarray(values, dtype=np.float64)
    descending = np.sort(vector)[::-1]
    thresholds = (np.cumsum(descending) - 1.0) / np.arange(1, len(vector) + 1)
    kept = int(np.flatnonzero(descending > thresholds)[-1])
    projected: FloatArray = np.maximum(vector - thresholds[kept], 0.0)
    return projected


def _resampled(bits: Bits, misread_rates: FloatArray, rng: np.random.Generator) -> Bits:
    """As many shots from the corrected distribution: outcome x appears ⌊shots·p_x⌋ or ⌈shots·p_x⌉ times."""
    shots, n_qubits = bits.shape
    below = np.cumsum(mitigated_probabilities(bits, misread_rates))
    places = (np.arange(shots) + rng.random()) / shots * below[-1]
    outcomes = rng.permutation(np.searchsorted(below, places, side="right"))
    return (outcomes[:, None] >> np.arange(n_qubits - 1, -1, -1) & 1).astype(np.uint8)
