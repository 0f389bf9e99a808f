"""The circuit Born machine: p(y) = |Ψ(y)|² φ(y) with the amplitudes of Ψ prepared by two-qubit gates."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator, stream
from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin._validation import as_matrix, check_fitted
from qfin.basis import HermiteBasis
from qfin.born.circuit_state import MAX_STATE_QUBITS, CircuitState, DenseState, WideState, is_wide
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz

if TYPE_CHECKING:
    from qfin.quantum.samplers import CircuitSampler

Progress = Callable[[int, int, dict[str, float]], None]
_PENALTY = 0.01


class CircuitBornMachine(BaseEstimator):  # type: ignore[misc]
    """Born machine on a quantum circuit, fitted by maximum likelihood from where the circuit stands.

    At θ = 0 the machine is the circuit it was given: the mapped matrix product state, or with identity blocks |0…0⟩,
    the classical model itself.

    Up to 20 qubits all amplitudes are held. Wider circuits are observed and differentiated through a window of live
    qubits (`qfin.quantum.window`), exactly, where at most 12 are alive at a time, as in staircases of few layers; else
    within a bond limit (`qfin.born.network`), whose error `state()` and `truncation_error_` report.

    Parameters
    ----------
    ansatz : Ansatz
        The circuit; its qubits are split evenly over the registers, register 0 first.
    n_qubits_per_register : int
        m; a register holds K = 2**m Hermite functions.
    learning_rate, batch_size, max_steps, check_every, patience
        Adam's step; days per step; longest run; steps between looks at the held-out days; looks without a gain.
    penalty : float, optional
        Weight of E[Σ k²] in the state, which favours low degrees: 0.01 by default up to 20 qubits. Wider circuits have
        none, for want of all amplitudes: held-out days alone restrain them.
    held_out_fraction : float
        Share of the days, drawn at random, on which training stops when `fit` is given none; the same days as those of
        an `MPSBornMachine` of equal share and seed.
    init_params : array, shape (ansatz.n_params,), optional
        The start; θ = 0 by default.
    start_noise : float
        Standard deviation of normal angles added to the start for training. A circuit of real amplitudes, such as the
        identity or a mapped real state, is a saddle in all directions that make amplitudes complex, by symmetry under
        conjugation: without noise its gradient never leaves the real states. The bare start stays a candidate.
    max_bond : int
        Bond limit of states wider than 20 qubits.
    dtype : str
        Precision of training, complex64 or complex128; everything else is in double precision.
    seed : int
        Of the held-out days, the batches and the noise.

    Attributes
    ----------
    params_ : float array, shape (ansatz.n_params,); best on the held-out days, never below the start.
    record_ : TrainingRecord
    truncation_error_ : float
        Largest bound on ‖exact − kept‖ of the state during training; zero where training was exact.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        n_qubits_per_register: int = 3,
        *,
        learning_rate: float = 1e-3,
        penalty: float | None = None,
        batch_size: int = 1024,
        max_steps: int = 1000,
        check_every: int = 20,
        patience: int = 8,
        held_out_fraction: float = 0.2,
        init_params: ArrayLike | None = None,
        start_noise: float = 5e-3,
        max_bond: int = 64,
        dtype: str = "complex64",
        seed: int = 0,
    ):
        self.ansatz = ansatz
        self.n_qubits_per_register = n_qubits_per_register
        self.learning_rate = learning_rate
        self.penalty = penalty
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.check_every = check_every
        self.patience = patience
        self.held_out_fraction = held_out_fraction
        self.init_params = init_params
        self.start_noise = start_noise
        self.max_bond = max_bond
        self.dtype = dtype
        self.seed = seed

    def fit(self, y: ArrayLike, y_validation: ArrayLike | None = None, *, on_step: Progress | None = None) -> Self:
        """Fit to latent observations y, shape (n, d).

        Without `y_validation` a random share of y is held out. `on_step(step, max_steps, info)` is called at each look
        with the log-likelihoods `train` and `validation`.
        """
        from qfin.born.circuit_training import CircuitTrainingSettings, train_circuit

        if self.ansatz.n_blocks == 0:
            raise InputError("ansatz: expected at least one block to train, received none")
        days, held_out = self._days(y, y_validation)
        start = np.zeros(self.ansatz.n_params) if self.init_params is None else self.init_params
        start = self.ansatz.checked_params(start)
        noise = self.start_noise * stream(self.seed, "circuit", "start").standard_normal(len(start))
        settings = CircuitTrainingSettings(
            self.learning_rate,
            self.batch_size,
            self._penalty(),
            self.max_steps,
            self.check_every,
            self.patience,
            self.dtype,
            self.max_bond,
        )
        self.params_, self.record_, self.truncation_error_ = train_circuit(
            self.ansatz,
            self._basis.features(days),
            held_out,
            start,
            noise,
            settings,
            stream(self.seed, "circuit", "batches"),
            on_step,
        )
        return self

    def _penalty(self) -> float:
        if not is_wide(self.ansatz):
            return _PENALTY if self.penalty is None else self.penalty
        if self.penalty:
            raise InputError(
                f"penalty: expected none above {MAX_STATE_QUBITS} qubits, received {self.penalty} for "
                f"{self.ansatz.n_qubits} qubits"
            )
        return 0.0

    def _days(self, y: ArrayLike, y_validation: ArrayLike | None) -> tuple[FloatArray, AnyArray]:
        """All days and which of them are held out."""
        observations = as_matrix(y, "y", n_columns=self.n_registers_, min_rows=2)
        if y_validation is not None:
            held = as_matrix(y_validation, "y_validation", n_columns=self.n_registers_)
            return np.concatenate([observations, held]), np.arange(len(observations) + len(held)) >= len(observations)
        n_held = round(self.held_out_fraction * len(observations))
        if not 0 < n_held < len(observations):
            raise InputError(
                f"held_out_fraction: expected a share that leaves days on both sides, received {self.held_out_fraction}"
                f" of {len(observations)} days"
            )
        held_out = np.zeros(len(observations), dtype=bool)
        # the draw of MPSBornMachine: with equal seeds the days held out from the start stay held out
        held_out[np.random.default_rng(self.seed).permutation(len(observations))[:n_held]] = True
        return observations, held_out

    @classmethod
    def from_ansatz(cls, ansatz: Ansatz, n_qubits_per_register: int = 3, params: ArrayLike | None = None) -> Self:
        """A machine that stands where the circuit stands, without training; `params` None means θ = 0."""
        machine = cls(ansatz, n_qubits_per_register)
        machine.params_ = ansatz.checked_params(np.zeros(ansatz.n_params) if params is None else params)
        return machine

    @property
    def n_registers_(self) -> int:
        size = self.n_qubits_per_register
        if size < 1 or self.ansatz.n_qubits % size:
            raise InputError(f"n_qubits_per_register: expected a divisor of {self.ansatz.n_qubits}, received {size}")
        return int(self.ansatz.n_qubits // size)

    @property
    def n_params_(self) -> int:
        """Angles of the circuit."""
        return self.ansatz.n_params

    @property
    def _basis(self) -> HermiteBasis:
        return HermiteBasis(2**self.n_qubits_per_register)

    def statevector(self) -> ComplexArray:
        """The amplitudes c, shape (2**n_qubits,), register 0 the most significant; Σ|c|² = 1."""
        check_fitted(self, "params_")
        return self.ansatz.state(self.params_)

    def state(self) -> CircuitState:
        """The state as it is observed and drawn from: all amplitudes up to 20 qubits, sites with a bond limit beyond.

        Its `error` bounds what the bond limit cost, see `CircuitState`.
        """
        check_fitted(self, "params_")
        if is_wide(self.ansatz):
            return WideState.of(self.ansatz, self.params_, self.n_qubits_per_register, self.max_bond)
        return DenseState(self.statevector(), self.n_registers_, self._basis)

    def amplitudes(self, y: ArrayLike) -> ComplexArray:
        """Ψ(y), shape (n,)."""
        return self.state().amplitudes(as_matrix(y, "y", n_columns=self.n_registers_))

    def log_ratio(self, y: ArrayLike) -> FloatArray:
        """log |Ψ(y)|²: the log density relative to independent standard normals, shape (n,), nats."""
        return self.state().log_ratio(as_matrix(y, "y", n_columns=self.n_registers_))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Draws y, shape (n_samples, d), register by register from the conditional densities of the state.

        Exact up to 20 qubits; beyond, from the state within the bond limit.
        """
        state = self.state()
        return state.draw(as_generator(rng).random((n_samples, self.n_registers_)))

    def circuit(self, n_nodes: int | None = None, *, measure: bool = False) -> Any:
        """The Qiskit circuit after which the bits of each register name one of `n_nodes` Gauss–Hermite nodes.

        `n_nodes` is K by default, or a larger power of two: each register then gets fresh qubits in front. With
        `measure` all qubits are measured at the end; circuit samplers do that themselves.
        """
        from qfin.quantum.circuits import to_qiskit
        from qfin.quantum.measurement import measurement_circuit

        check_fitted(self, "params_")
        n_extra = self._extra_qubits(n_nodes)
        transform = self._basis.transform(n_nodes)
        circuit = measurement_circuit(to_qiskit(self.ansatz, self.params_), transform, self.n_registers_, n_extra)
        if measure:
            circuit.measure_all()
        return circuit

    def sample_shots(
        self, n_shots: int, sampler: "CircuitSampler", *, n_nodes: int | None = None, rng: RandomLike = None
    ) -> FloatArray:
        """Draws y, shape (n_shots, d), from shots of `circuit(n_nodes)`, decoded cell by cell.

        They approach the density of `log_ratio` as `n_nodes` grows; see `qfin.born.decoding`.
        """
        from qfin.born.decoding import sample_circuit
        from qfin.quantum.circuits import to_qiskit

        check_fitted(self, "params_")
        return sample_circuit(
            to_qiskit(self.ansatz, self.params_),
            self._basis,
            self.n_registers_,
            n_shots,
            sampler=sampler,
            n_extra=self._extra_qubits(n_nodes),
            rng=rng,
        )

    def _extra_qubits(self, n_nodes: int | None) -> int:
        """Fresh qubits per register for a grid of `n_nodes`."""
        size = self._basis.n_functions
        nodes = size if n_nodes is None else n_nodes
        if nodes < size or nodes & (nodes - 1):
            raise InputError(f"n_nodes: expected a power of two of at least {size}, received {nodes}")
        return nodes.bit_length() - size.bit_length()

    def register_mutual_information(self) -> FloatArray:
        """Mutual information of the measured registers, shape (d, d), nats; zero on the diagonal.

        From the probabilities of K Gauss–Hermite nodes per register; exact where the state is.
        """
        return self.state().mutual_information()

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "params_")
        size = np.array(self.n_qubits_per_register)
        return {
            **self.ansatz.to_arrays(),
            "params": self.params_,
            "n_qubits_per_register": size,
            "max_bond": np.array(self.max_bond),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        size = int(arrays["n_qubits_per_register"])
        machine = cls.from_ansatz(Ansatz.from_arrays(arrays), size, arrays["params"])
        return machine.set_params(max_bond=int(arrays.get("max_bond", machine.max_bond)))  # type: ignore[no-any-return]


def distant_pairs(
    mutual_information: ArrayLike, n_pairs: int, n_qubits_per_register: int, *, min_distance: int = 2, level: int = 0
) -> IntArray:
    """The qubit pairs on which to extend a circuit, shape (n_pairs, 2): one per pair of registers, strongest first.

    Parameters
    ----------
    mutual_information : array, shape (d, d)
        Of the registers, such as `CircuitBornMachine.register_mutual_information`.
    n_pairs : int
    n_qubits_per_register : int
    min_distance : int
        Registers closer than this on the chain are left out.
    level : int
        Which qubit of each register to join, counted from the least significant: qubit `level` tells k = 0 from
        k = 2**level; level 0 joins the means of two registers (h_1), level 1 their variances (h_2).
    """
    if not 0 <= level < n_qubits_per_register:
        raise InputError(f"level: expected 0 to {n_qubits_per_register - 1}, received {level}")
    information = as_matrix(mutual_information, "mutual_information")
    first, second = np.triu_indices(len(information), k=max(1, min_distance))
    if not 0 <= n_pairs <= len(first):
        raise InputError(f"n_pairs: expected 0 to {len(first)} pairs of distant registers, received {n_pairs}")
    strongest = np.argsort(-information[first, second], kind="stable")[:n_pairs]
    registers = np.stack([first[strongest], second[strongest]], axis=1)
    qubits: IntArray = registers * n_qubits_per_register + n_qubits_per_register - 1 - level
    return qubits
