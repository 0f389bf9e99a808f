"""The matrix-product-state Born machine: p(y) = |Ψ(y)|² φ(y) over d registers."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, BoolArray, FloatArray
from qfin._validation import as_matrix, check_fitted
from qfin.basis import HermiteBasis
from qfin.basis.hermite import product_coefficients
from qfin.born.conditionals import draw_coordinate, features_by_row, pairs_of, site_moments
from qfin.born.intervals import Confinement, draw_confined, mass
from qfin.exceptions import InputError

# Rows of draws worked on at a time: bounds memory whatever the number of draws, and keeps them in the cache.
_CHUNK = 4_096


class MPSBornMachine(BaseEstimator):  # type: ignore[misc]
    """Born machine on a matrix product state, fitted by maximum likelihood with early stopping on held-out days.

    Parameters
    ----------
    n_functions : int
        K, Hermite functions per register; a register maps to log2 K qubits.
    max_bond : int
        χ, bond dimension.
    penalty : float
        Weight of Σ k² A², which favours low degrees.
    learning_rate, batch_size, max_steps, check_every, patience
        Adam's step; days per step; longest run; steps between looks at the held-out days; looks without a gain.
    held_out_fraction : float
        Share of the days, drawn at random, on which training stops.
    start_noise : float
        Scale of the noise around |0…0⟩ at the start.
    seed : int
        Of the start, the held-out days and the batches.

    Attributes
    ----------
    tensors_ : list of (left, K, right) float64 arrays, right-canonical; Σ|c|² = 1.
    record_ : TrainingRecord
    held_out_ : (n,) the days on which training stopped.
    """

    def __init__(
        self,
        n_functions: int = 8,
        max_bond: int = 4,
        *,
        penalty: float = 0.02,
        learning_rate: float = 5e-4,
        batch_size: int = 1024,
        max_steps: int = 3000,
        check_every: int = 50,
        patience: int = 8,
        held_out_fraction: float = 0.2,
        start_noise: float = 0.03,
        seed: int = 0,
    ):
        self.n_functions = n_functions
        self.max_bond = max_bond
        self.penalty = penalty
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.check_every = check_every
        self.patience = patience
        self.held_out_fraction = held_out_fraction
        self.start_noise = start_noise
        self.seed = seed

    def fit(
        self, y: ArrayLike, targets: None = None, *, held_out: BoolArray | None = None, on_step: Any = None
    ) -> Self:
        """Fit to latent observations y, shape (n, d).

        `held_out` (n,) names the days on which training stops, instead of a random share; at each look
        `on_step(step, max_steps, info)` is called with the log-likelihoods `train` and `validation`.
        """
        from qfin.born.mps_training import train_members

        observations = as_matrix(y, "y", min_rows=10)
        if not 0.0 < self.held_out_fraction < 1.0:
            raise InputError(f"held_out_fraction: expected a share in (0, 1), received {self.held_out_fraction}")
        rng = np.random.default_rng(self.seed)
        if held_out is None:
            held_out = np.zeros(len(observations), dtype=bool)
            held_out[rng.permutation(len(observations))[: round(self.held_out_fraction * len(observations))]] = True
        tensors, records, _ = train_members(observations, held_out[None], self.settings(), rng, on_step=on_step)
        self.tensors_, self.record_, self.held_out_ = tensors[0], records[0], held_out
        return self

    def settings(self) -> Any:
        """The settings as the training kernel takes them."""
        from qfin.born.mps_training import MPSTrainingSettings

        return MPSTrainingSettings(
            self.n_functions,
            self.max_bond,
            self.penalty,
            self.learning_rate,
            self.batch_size,
            self.max_steps,
            self.check_every,
            self.patience,
            self.start_noise,
        )

    @classmethod
    def from_tensors(cls, tensors: list[FloatArray]) -> Self:
        """A fitted machine of given site tensors (left, K, right); normalised and brought to right-canonical form."""
        machine = cls(n_functions=tensors[0].shape[1], max_bond=max(t.shape[2] for t in tensors))
        machine.tensors_ = right_canonical(tensors)
        return machine

    @property
    def n_registers_(self) -> int:
        check_fitted(self, "tensors_")
        return len(self.tensors_)

    @property
    def n_params_(self) -> int:
        """Real numbers stored in the tensors (the gauge freedom is not taken off)."""
        check_fitted(self, "tensors_")
        return sum(t.size for t in self.tensors_)

    def amplitudes(self, y: ArrayLike) -> FloatArray:
        """Ψ(y), shape (n,)."""
        check_fitted(self, "tensors_")
        observations = as_matrix(y, "y", n_columns=self.n_registers_)
        features = HermiteBasis(self.tensors_[0].shape[1]).features(observations)
        vector = np.ones((len(observations), 1))
        for i, tensor in enumerate(self.tensors_):
            vector = advance(vector, tensor, features[:, i])
        return vector[:, 0]

    def log_ratio(self, y: ArrayLike) -> FloatArray:
        """log |Ψ(y)|²: the log density relative to independent standard normals, shape (n,), nats."""
        return np.asarray(np.log(np.maximum(self.amplitudes(y) ** 2, np.finfo(float).tiny)))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Exact draws y, shape (n_samples, d), register by register from the conditional densities."""
        return self.sample_after(np.empty((n_samples, 0)), rng=rng)

    def sample_after(self, known: ArrayLike, *, rng: RandomLike = None) -> FloatArray:
        """Exact draws given the first registers: rows of known (n, m), m < d, are kept and completed to (n, d)."""
        check_fitted(self, "tensors_")
        rng = as_generator(rng)
        given = np.asarray(known, dtype=np.float64)
        uniforms = rng.random((len(given), self.n_registers_ - given.shape[1]))
        draws = np.empty((len(given), self.n_registers_))
        moments = [site_moments(tensor) for tensor in self.tensors_[given.shape[1] :]]
        for first in range(0, len(given), _CHUNK):
            rows = slice(first, first + _CHUNK)
            draws[rows] = self._complete(given[rows], uniforms[rows], moments)
        return draws

    def _complete(self, given: FloatArray, uniforms: FloatArray, moments: list[FloatArray]) -> FloatArray:
        """Rows of draws, worked on as columns: y (d, n), left vectors (left, n)."""
        n_given, n = given.shape[1], len(given)
        y = np.empty((self.n_registers_, n))
        y[:n_given] = given.T
        vectors = np.ones((1, n))
        for i, tensor in enumerate(self.tensors_):
            left, size, right = tensor.shape
            if i >= n_given:
                y[i] = draw_coordinate(moments[i - n_given] @ pairs_of(vectors), uniforms[:, i - n_given])
            features = features_by_row(y[i], size)
            vectors = tensor.reshape(left * size, right).T @ (vectors[:, None] * features).reshape(left * size, n)
            vectors /= np.sqrt(np.einsum("ln,ln->n", vectors, vectors))
        return y.T

    def mass(self, confinement: Confinement) -> float:
        """P(every confined register lies in its intervals of y), exact; see `qfin.born.intervals`."""
        check_fitted(self, "tensors_")
        return mass(self.tensors_, confinement)

    def sample_confined(self, confinement: Confinement, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Exact draws y given that every confined register lies in its intervals, shape (n_samples, d)."""
        check_fitted(self, "tensors_")
        rng = as_generator(rng)
        sizes = [min(_CHUNK, n_samples - first) for first in range(0, n_samples, _CHUNK)]
        return np.concatenate([draw_confined(self.tensors_, confinement, size, rng) for size in sizes])

    def head(self, n_registers: int) -> "tuple[MPSBornMachine, float]":
        """The leading Schmidt vector of the first registers as a pure machine, and its weight (squared Schmidt value).

        A weight of one means that the first registers are not entangled with the rest and that nothing is lost.
        """
        check_fitted(self, "tensors_")
        if not 1 <= n_registers <= self.n_registers_:
            raise InputError(f"n_registers: expected 1 to {self.n_registers_}, received {n_registers}")
        merged = np.eye(1)
        tensors = []
        for tensor in self.tensors_[:n_registers]:
            site = np.tensordot(merged, tensor, axes=1)
            left, size, right = site.shape
            q, merged = np.linalg.qr(site.reshape(left * size, right))
            tensors.append(q.reshape(left, size, -1))
        u, values, _ = np.linalg.svd(merged)
        tensors[-1] = np.tensordot(tensors[-1], u[:, :1], axes=1)
        return type(self).from_tensors(tensors), float(values[0] ** 2 / (values**2).sum())

    def head_log_ratio(self, y: ArrayLike) -> FloatArray:
        """log density ratio of the first m registers' exact marginal, y of shape (n, m), the others summed out."""
        observations = as_matrix(y, "y")
        features = HermiteBasis(self.tensors_[0].shape[1]).features(observations)
        vector = np.ones((len(observations), 1))
        for i in range(observations.shape[1]):
            vector = advance(vector, self.tensors_[i], features[:, i])
        return np.asarray(np.log(np.maximum((vector**2).sum(1), np.finfo(float).tiny)))

    def to_quimb(self) -> Any:
        """The state as a quimb `MatrixProductState`, one site per register."""
        import quimb.tensor as qtn

        check_fitted(self, "tensors_")
        sites = self.tensors_
        if len(sites) == 1:
            return qtn.MatrixProductState([sites[0][0, :, 0]], shape="p")
        return qtn.MatrixProductState([sites[0][0], *sites[1:-1], sites[-1][:, :, 0]], shape="lpr")

    def marginal_moments(self) -> FloatArray:
        """a_m of every register's own density φ(y) Σ_m a_m h_m(y), from its reduced density matrix; (d, 2K − 1)."""
        check_fitted(self, "tensors_")
        products = product_coefficients(self.tensors_[0].shape[1])
        left, rows = np.ones((1, 1)), []
        for tensor in self.tensors_:
            before = np.einsum("lm,mkr->lkr", left, tensor)
            rows.append(np.einsum("lkr,ljr,kjp->p", tensor, before, products, optimize=True))
            left = np.einsum("lkr,lks->rs", tensor, before)
        return np.asarray(np.stack(rows) / np.trace(left))

    def entanglement_entropies(self) -> FloatArray:
        """Von Neumann entropy across each bond of the chain, shape (d − 1,), nats."""
        state = self.to_quimb()
        bits = [state.entropy(i) for i in range(1, self.n_registers_)]
        return np.asarray(np.array(bits) * np.log(2.0))

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "tensors_")
        return {f"tensor_{i}": tensor for i, tensor in enumerate(self.tensors_)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        tensors = [np.asarray(arrays[f"tensor_{i}"], dtype=np.float64) for i in range(len(arrays))]
        machine = cls(n_functions=tensors[0].shape[1], max_bond=max(t.shape[2] for t in tensors))
        machine.tensors_ = tensors
        return machine


def advance(vector: FloatArray, tensor: FloatArray, features: FloatArray) -> FloatArray:
    """Left vectors (n, left) past one site whose register is observed: features (n, K) -> (n, right)."""
    left, size, right = tensor.shape
    branches = (vector @ tensor.reshape(left, size * right)).reshape(-1, size, right)
    result: FloatArray = np.matmul(features[:, None, :], branches)[:, 0]
    return result


def right_canonical(tensors: list[FloatArray]) -> list[FloatArray]:
    """The same state with Σ_{k,r} A[l,k,r] A[l',k,r] = δ at every site, norm one."""
    sites = [np.asarray(t, dtype=np.float64) for t in tensors]
    carry = np.eye(sites[-1].shape[2])
    for i in range(len(sites) - 1, -1, -1):
        site = np.tensordot(sites[i], carry, axes=1)
        left, size, right = site.shape
        q, r = np.linalg.qr(site.reshape(left, size * right).T)
        sites[i], carry = q.T.reshape(-1, size, right), r.T
    sites[0] = sites[0] * np.sign(carry[0, 0])
    return sites
