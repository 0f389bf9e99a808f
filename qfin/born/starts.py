"""Where a circuit stands before it is trained, and the pairs of qubits on which it goes beyond its chain.

All starts share one list of pairs: the staircases to which a chain was mapped, then further pairs on which a mapped
circuit has identity blocks. They differ in the blocks and angles alone, so that any can be trained beside any other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import unitary_group

from qfin._types import FloatArray, IntArray
from qfin._validation import as_matrix
from qfin.born.circuit import distant_pairs
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz

Variance = Callable[[Ansatz, FloatArray], float]
Start = tuple[Ansatz, FloatArray]
EXTENSIONS = ("none", "neighbours", "distant", "all")
ADAPTIVE_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Frame:
    """What the starts of one circuit share: the mapped staircases, and the pairs (n, 2) added behind them.

    `gradient_variance(ansatz, params)` is the mean square of the loss's derivatives; only the adaptive start asks.
    """

    chain: Ansatz
    added: IntArray
    gradient_variance: Variance | None = None

    @property
    def identity(self) -> Ansatz:
        """Identity blocks on all pairs."""
        return Ansatz.identity(self.chain.n_qubits, self.chain.pairs).extended(self.added)


def start(name: str, frame: Frame, rng: np.random.Generator) -> Start:
    """The circuit and its angles at a start of `STARTS`."""
    if name not in STARTS:
        raise InputError(f"start: expected one of {', '.join(STARTS)}, received {name!r}")
    return STARTS[name](frame, rng)


def mapped_start(frame: Frame, rng: np.random.Generator) -> Start:
    """The chain as mapped, then identity blocks: the state of the chain."""
    return _at_zero(frame.chain.extended(frame.added))


def identity_start(frame: Frame, rng: np.random.Generator) -> Start:
    """|0…0⟩."""
    return _at_zero(frame.identity)


def gaussian_start(frame: Frame, rng: np.random.Generator) -> Start:
    """Normal angles of variance 1/(8(L + 2)), L blocks on a qubit: the scaling of Zhang et al., NeurIPS 2022."""
    return frame.identity, gaussian_scale(frame.identity) * rng.standard_normal(frame.identity.n_params)


def gaussian_scale(ansatz: Ansatz) -> float:
    """The standard deviation of `gaussian_start`."""
    return float(1.0 / np.sqrt(8.0 * (2.0 * ansatz.n_blocks / ansatz.n_qubits + 2.0)))


def random_start(frame: Frame, rng: np.random.Generator) -> Start:
    """Every block from the Haar measure of U(4), as its fixed unitary."""
    ansatz = frame.identity
    blocks = unitary_group.rvs(4, size=ansatz.n_blocks, random_state=rng)
    return _at_zero(Ansatz(ansatz.n_qubits, ansatz.pairs, blocks))


def adaptive_start(frame: Frame, rng: np.random.Generator) -> Start:
    """AdaInit-style: of `ADAPTIVE_ROUNDS` proposals the one with the largest gradient, each made from what was kept.

    The loop is that of Zhuang and Guan (arXiv:2502.13166): propose angles, measure the variance of the gradient, keep
    the proposal where it rises, so that the best never falls, and tell the proposer. Their proposer is a large language
    model told of the data; here it is a normal law around zero with the spread of the kept angles times e^{N(0, 1)},
    starting from `gaussian_start`. Any rise is kept; their threshold is not reproduced. A large gradient says that the
    loss can be moved, not that it leads anywhere good.
    """
    if frame.gradient_variance is None:
        raise InputError("gradient_variance: expected a function for the adaptive start, received none")
    ansatz, best = gaussian_start(frame, rng)
    spread, highest = gaussian_scale(ansatz), frame.gradient_variance(ansatz, best)
    for _ in range(ADAPTIVE_ROUNDS - 1):
        proposed_spread = spread * float(np.exp(rng.standard_normal()))
        proposal = proposed_spread * rng.standard_normal(ansatz.n_params)
        variance = frame.gradient_variance(ansatz, proposal)
        if variance > highest:
            best, spread, highest = proposal, proposed_spread, variance
    return ansatz, best


STARTS: dict[str, Callable[[Frame, np.random.Generator], Start]] = {
    "mps": mapped_start,
    "identity": identity_start,
    "gaussian": gaussian_start,
    "random": random_start,
    "adaptive": adaptive_start,
}


def extension_pairs(
    name: str, mutual_information: ArrayLike, n_qubits_per_register: int, n_distant: int = 4
) -> IntArray:
    """The pairs of qubits (n, 2) that an extension adds, one per pair of registers.

    Parameters
    ----------
    name
        none; neighbours: next to each other on the chain; distant: the `n_distant` strongest among the others (fewer
        where there are fewer); all: every pair of registers, strongest first.
    mutual_information
        Of the registers (d, d), such as `CircuitBornMachine.register_mutual_information`.
    n_qubits_per_register, n_distant
        Which qubits of two registers are joined: see `distant_pairs`.
    """
    information = as_matrix(mutual_information, "mutual_information")
    n_registers = len(information)
    n_beyond = max(0, (n_registers - 1) * (n_registers - 2) // 2)
    if name == "none":
        return np.empty((0, 2), dtype=np.int64)
    if name == "neighbours":
        first = (np.arange(n_registers - 1) + 1) * n_qubits_per_register - 1
        return np.stack([first, first + n_qubits_per_register], axis=1)
    if name == "distant":
        return distant_pairs(information, min(n_distant, n_beyond), n_qubits_per_register)
    if name == "all":
        n_pairs = n_registers * (n_registers - 1) // 2
        return distant_pairs(information, n_pairs, n_qubits_per_register, min_distance=1)
    raise InputError(f"extension: expected one of {', '.join(EXTENSIONS)}, received {name!r}")


def _at_zero(ansatz: Ansatz) -> Start:
    return ansatz, np.zeros(ansatz.n_params)
