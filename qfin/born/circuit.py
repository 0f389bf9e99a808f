"""The circuit Born machine: p(y) = |Ψ(y)|² φ(y) with the amplitudes of Ψ prepared by two-qubit gates."""

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import stream
from qfin._types import AnyArray, ComplexArray, FloatArray
from qfin._validation import as_matrix, check_fitted
from qfin.basis import HermiteBasis
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz

Progress = Callable[[int, int, dict[str, float]], None]
# Numbers held at a time while observing or drawing: bounds memory whatever the number of rows.
_CHUNK_SIZE = 2**22


class CircuitBornMachine(BaseEstimator):  # type: ignore[misc]
    """Born machine on a quantum circuit, fitted by maximum likelihood from where the circuit stands.

    At θ = 0 the machine is the circuit it was given: the mapped matrix product state, or with identity blocks |0…0⟩,
    the classical model itself.

    Parameters
    ----------
    ansatz : Ansatz
        The circuit; its qubits are split evenly over the registers, register 0 first.
    n_qubits_per_register : int
        m; a register holds K = 2**m Hermite functions.
    learning_rate, batch_size, max_steps, check_every, patience
        Adam's step; days per step; longest run; steps between looks at the held-out days; looks without a gain.
    penalty : float
        Weight of E[Σ k²] in the state, which favours low degrees.
    held_out_fraction : float
        Share of the days, drawn at random, on which training stops when `fit` is given none.
    init_params : array, shape (ansatz.n_params,), optional
        The start; θ = 0 by default.
    dtype : str
        Precision of training, complex64 or complex128; everything else is in double precision.
    seed : int
        Of the held-out days and the batches.

    Attributes
    ----------
    params_ : float array, shape (ansatz.n_params,); best on the held-out days, never below the start.
    record_ : TrainingRecord
    """

    def __init__(
        self,
        ansatz: Ansatz,
        n_qubits_per_register: int = 3,
        *,
        learning_rate: float = 3e-3,
        penalty: float = 0.01,
        batch_size: int = 1024,
        max_steps: int = 1000,
        check_every: int = 20,
        patience: int = 8,
        held_out_fraction: float = 0.2,
        init_params: ArrayLike | None = None,
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
        self.dtype = dtype
        self.seed = seed

    def fit(self, y: ArrayLike, y_validation: ArrayLike | None = None, *, on_step: Progress | None = None) -> Self:
        """Fit to latent observations y, shape (n, d).

        Without `y_validation` a random share of y is held out. `on_step(step, max_steps, info)` is called at each look
        with the log-likelihoods `train` and `validation`.
        """
        from qfin.born.circuit_training import CircuitTrainingSettings, train_circuit

        days, held_out = self._days(y, y_validation)
        params = np.zeros(self.ansatz.n_params) if self.init_params is None else self.init_params
        settings = CircuitTrainingSettings(
            self.learning_rate,
            self.batch_size,
            self.penalty,
            self.max_steps,
            self.check_every,
            self.patience,
            self.dtype,
        )
        self.params_, self.record_ = train_circuit(
            self.ansatz,
            self._basis.features(days),
            held_out,
            self.ansatz.checked_params(params),
            settings,
            stream(self.seed, "circuit", "batches"),
            on_step,
        )
        return self

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
        held_out[stream(self.seed, "circuit", "held out").permutation(len(observations))[:n_held]] = True
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
            raise InputError(
                f"n_qubits_per_register: expected a divisor of the ansatz's {self.ansatz.n_qubits} qubits, received {size}"
            )
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

    def amplitudes(self, y: ArrayLike) -> ComplexArray:
        """Ψ(y), shape (n,)."""
        from qfin.quantum.engine import psi

        observations = as_matrix(y, "y", n_columns=self.n_registers_)
        state, basis = self.statevector(), self._basis
        rows = max(1, _CHUNK_SIZE // (self.n_registers_ + 1) // len(state))
        rows = max(rows, 256)
        parts = [psi(state, basis.features(observations[i : i + rows])) for i in range(0, len(observations), rows)]
        return np.concatenate(parts)

    def log_ratio(self, y: ArrayLike) -> FloatArray:
        """log |Ψ(y)|²: the log density relative to independent standard normals, shape (n,), nats."""
        value = self.amplitudes(y)
        return np.log(np.maximum(value.real**2 + value.imag**2, np.finfo(float).tiny))
