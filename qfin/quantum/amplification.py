"""Amplitude amplification: outcomes of a marked set, however rare, in about 1/√p calls; and p itself.

A prepares Σ_x √p_x |x⟩ up to phases, the oracle flips the sign of the marked x, and Q = −A S₀ A† S_marked turns the
state by 2θ in the plane of its marked and unmarked parts, sin²θ = p. After Q^k A a measurement is marked with
probability sin²((2k+1)θ), and given that it is marked it has exactly the law p_x / p (Brassard, Høyer, Mosca, Tapp
(2002)).

What is counted: an oracle call is one S_marked, a preparation call one A or A†; Q^k A takes k and 2k + 1. One classical
draw from the same law is worth one preparation call.

The oracle is a diagonal of ±1 over all 2ⁿ outcomes, as the simulator takes it. On a device such a table costs about 2ⁿ
two-qubit gates, so that beyond some fifteen qubits it must be computed reversibly (an adder over the nodes' returns and
a comparison), which is linear in the number of assets but needs ancillas and is not built here. The counts of calls say
what amplification buys where a call is cheap; they are no estimate of run time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit.library import DiagonalGate, MCPhaseGate
from scipy.special import ndtri
from scipy.stats import beta

from qfin._random import RandomLike, as_generator
from qfin._types import BoolArray
from qfin.exceptions import InputError, QfinError
from qfin.quantum.circuits import from_qiskit_order
from qfin.quantum.samplers import Bits, CircuitSampler

_GROWTH = 1.2  # 6/5, inside the interval (1, 4/3) of Boyer et al.
_MAX_STAGES = 60  # Q^k with k up to 1.2^60 ≈ 56,000: marked sets of probability 1e-9 would have been found


@dataclass(frozen=True, eq=False)
class MarkedShots:
    """Marked outcomes (n, n_qubits) and what they cost, all runs counted, also those that ended unmarked."""

    bits: Bits
    n_runs: int
    oracle_calls: int
    preparation_calls: int


@dataclass(frozen=True)
class ProbabilityEstimate:
    """An estimate of p with its confidence interval, and what it cost."""

    estimate: float
    lower: float
    upper: float
    confidence: float
    powers: tuple[int, ...]
    n_shots: int
    oracle_calls: int
    preparation_calls: int


def amplified_circuit(preparation: QuantumCircuit, marked: ArrayLike, power: int) -> QuantumCircuit:
    """Q^power A |0⟩.

    Parameters
    ----------
    preparation
        A: no measurements, gates only.
    marked
        Boolean (2**n_qubits,), qubit 0 the most significant bit of the index.
    power
        k ≥ 0.
    """
    flags, n_qubits = _checked_marks(preparation, marked), preparation.num_qubits
    if power < 0:
        raise InputError(f"power: expected 0 or more, received {power}")
    oracle = DiagonalGate(np.where(from_qiskit_order(flags), -1.0, 1.0).tolist())
    undone, qubits = preparation.inverse(), list(range(n_qubits))
    circuit = preparation.copy()
    for _ in range(power):
        circuit.append(oracle, qubits)
        circuit.compose(undone, inplace=True)
        circuit.x(qubits)
        _flip_all_ones(circuit)
        circuit.x(qubits)
        circuit.compose(preparation, inplace=True)
    return circuit


def sample_marked(
    preparation: QuantumCircuit,
    marked: ArrayLike,
    n_samples: int,
    *,
    sampler: CircuitSampler,
    probability: float | None = None,
    rng: RandomLike = None,
) -> MarkedShots:
    """Independent draws from the law given that an outcome is marked.

    With p known every run uses the power that makes a mark most likely, about π/4√p − 1/2. Unknown, each draw starts at
    power 0 and takes powers at random below a bound that grows by a fifth after every failure: about 1/√p calls again,
    with a larger constant (Boyer, Brassard, Høyer, Tapp (1998), theorem 3). The draws' runs are only grouped into jobs.

    Raises
    ------
    QfinError
        Nothing marked was found, or p is zero.
    """
    rng, flags = as_generator(rng), _checked_marks(preparation, marked)
    if n_samples < 1:
        raise InputError(f"n_samples: expected at least 1, received {n_samples}")
    if probability is not None and not 0.0 < probability <= 1.0:
        raise InputError(f"probability: expected a number in (0, 1], received {probability}")
    fixed = None if probability is None else best_power(probability)
    found: list[Bits] = []
    missing, n_runs, oracle_calls, preparation_calls, bound = n_samples, 0, 0, 0, 1.0
    for _ in range(_MAX_STAGES):
        powers = rng.integers(0, int(np.ceil(bound)), size=missing) if fixed is None else np.full(missing, fixed)
        for power, shots in zip(*np.unique(powers, return_counts=True), strict=True):
            bits = sampler.sample(amplified_circuit(preparation, flags, int(power)), int(shots), rng=rng)
            found.append(bits[flags[_index(bits)]])
        n_runs += missing
        oracle_calls += int(powers.sum())
        preparation_calls += int((2 * powers + 1).sum())
        missing = n_samples - sum(len(bits) for bits in found)
        if missing == 0:
            # outcomes of a job come grouped by power; the law is the same for all, their order must not tell
            return MarkedShots(rng.permutation(np.concatenate(found)), n_runs, oracle_calls, preparation_calls)
        bound *= _GROWTH
    raise QfinError(f"amplification: {missing} of {n_samples} marked outcomes not found in {n_runs} runs")


def best_power(probability: float) -> int:
    """The k at which sin²((2k+1)θ) is first nearest to one: k = ⌊π/4θ⌋, sin²θ = p."""
    return int(np.pi / (4.0 * np.arcsin(np.sqrt(probability))))


def estimate_probability(
    preparation: QuantumCircuit,
    marked: ArrayLike,
    *,
    half_width: float,
    sampler: CircuitSampler,
    confidence: float = 0.95,
    shots: int = 100,
    rng: RandomLike = None,
) -> ProbabilityEstimate:
    """p by iterative amplitude estimation (Grinko, Gacon, Zoufal, Woerner, npj Quantum Information 7, 52 (2021)).

    Each round measures Q^k A |0⟩ at the largest k for which the interval of θ so far, times 2k + 1, stays within one
    quadrant; shots of rounds at one power are pooled. Round i has a Clopper–Pearson interval of error probability
    α/(i(i+1)), which sums to α over any number of rounds.

    Parameters
    ----------
    half_width
        The interval is at most twice as wide.
    shots
        Of each round.
    """
    flags, rng = _checked_marks(preparation, marked), as_generator(rng)
    for name, value, most in (("half_width", half_width, 0.5), ("confidence", confidence, 1.0)):
        if not 0.0 < value < most:
            raise InputError(f"{name}: expected a number between 0 and {most}, received {value}")
    if shots < 1:
        raise InputError(f"shots: expected at least 1, received {shots}")
    low, high, power, hits, pooled = 0.0, np.pi / 2.0, 0, 0, 0
    powers: list[int] = []
    while (np.sin(high) ** 2 - np.sin(low) ** 2) / 2.0 > half_width:
        chosen = _next_power(power, low, high, half_width, shots)
        if chosen != power:
            power, hits, pooled = chosen, 0, 0
        bits = sampler.sample(amplified_circuit(preparation, flags, power), shots, rng=rng)
        powers.append(power)
        hits, pooled = hits + int(flags[_index(bits)].sum()), pooled + shots
        error = (1.0 - confidence) / (len(powers) * (len(powers) + 1.0))
        low, high = _narrowed(low, high, 2 * power + 1, _clopper_pearson(hits, pooled, error))
    return ProbabilityEstimate(
        estimate=float(np.sin((low + high) / 2.0) ** 2),
        lower=float(np.sin(low) ** 2),
        upper=float(np.sin(high) ** 2),
        confidence=confidence,
        powers=tuple(powers),
        n_shots=shots * len(powers),
        oracle_calls=shots * sum(powers),
        preparation_calls=shots * sum(2 * k + 1 for k in powers),
    )


def monte_carlo_calls(probability: float, half_width: float, confidence: float = 0.95) -> float:
    """Classical draws whose normal interval for p has this half-width: z² p (1 − p) / h²."""
    quantile = float(ndtri(0.5 + confidence / 2.0))
    return quantile**2 * probability * (1.0 - probability) / half_width**2


def _next_power(power: int, low: float, high: float, half_width: float, shots: int) -> int:
    """The largest power whose multiple 2k + 1 of (low, high) lies in one quadrant, if that at least doubles 2k + 1.

    Not larger than one round needs for `half_width`: at three standard errors 1/2√shots of the multiple angle.
    """
    needed = 3.0 * np.sin(2.0 * min(high, np.pi / 4.0)) / (2.0 * np.sqrt(shots) * half_width)
    most = int(min(np.pi / 2.0 / (high - low), max(needed, 1.0)))
    for multiple in range(most - (most % 2 == 0), 2 * (2 * power + 1) - 1, -2):
        if int(multiple * low / (np.pi / 2.0)) == int(np.nextafter(multiple * high / (np.pi / 2.0), 0.0)):
            return (multiple - 1) // 2
    return power


def _narrowed(low: float, high: float, multiple: int, interval: tuple[float, float]) -> tuple[float, float]:
    """The interval of θ after sin²(multiple · θ) was found in `interval`; never wider than before."""
    quadrant = int(multiple * (low + high) / 2.0 / (np.pi / 2.0))
    first, second = (float(np.arcsin(np.sqrt(value))) for value in interval)
    start = quadrant * np.pi / 2.0
    if quadrant % 2:
        first, second = np.pi / 2.0 - second, np.pi / 2.0 - first
    narrowed = max(low, (start + first) / multiple), min(high, (start + second) / multiple)
    # an empty intersection means that one of the intervals missed θ, as α allows: the newer one stands
    return narrowed if narrowed[0] < narrowed[1] else ((start + first) / multiple, (start + second) / multiple)


def _clopper_pearson(hits: int, trials: int, error: float) -> tuple[float, float]:
    """Exact binomial interval of coverage at least 1 − error."""
    lower = float(beta.ppf(error / 2.0, hits, trials - hits + 1)) if hits else 0.0
    upper = float(beta.ppf(1.0 - error / 2.0, hits + 1, trials - hits)) if hits < trials else 1.0
    return lower, upper


def _checked_marks(preparation: QuantumCircuit, marked: ArrayLike) -> BoolArray:
    flags = np.asarray(marked)
    if flags.dtype != np.bool_ or flags.shape != (2**preparation.num_qubits,):
        raise InputError(
            f"marked: expected booleans ({2**preparation.num_qubits},), received {flags.dtype} of shape {flags.shape}"
        )
    if preparation.num_clbits:
        raise InputError(f"preparation: expected no measurements, received {preparation.num_clbits} classical bits")
    return flags


def _flip_all_ones(circuit: QuantumCircuit) -> None:
    """−1 on |1…1⟩."""
    n_qubits = circuit.num_qubits
    if n_qubits == 1:
        circuit.z(0)
    else:
        circuit.append(MCPhaseGate(np.pi, n_qubits - 1), list(range(n_qubits)))


def _index(bits: Bits) -> Any:
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[1] - 1, -1, -1))
