"""Circuit Born machine of fixed cardinality in the loop: number-conserving gates, mapped from a chain or from scratch.

Kept in the subspace of C(n, k) amplitudes, so some twenty assets at most. The start is the even superposition of all
supports (a Dicke state), which a circuit of gates that conserve the count can leave in every direction.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, BoolArray, FloatArray
from qfin._validation import check_fitted
from qfin.born.bit_mps import as_weighted_bits
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError


class CircuitGenerator(BaseEstimator):  # type: ignore[misc]
    """Number-conserving circuit on a row of qubits, trained by L-BFGS on the likelihood of weighted supports.

    Parameters
    ----------
    counts : (int, int)
        Lowest and highest number of ones. The circuit does not mix counts: their shares are those of the data.
    n_layers : int
        Staircases of two-qubit blocks, five angles each.
    mapped : bool
        Start at the circuit of largest overlap with a `SymmetricMPS` of `max_bond` fitted to the same supports;
        otherwise at small random angles.
    max_steps : int
        Steps of training; as many are spent on the overlap.
    sampler : object with sample(circuit, n_shots, rng=), or None
        Runs the measured circuit for draws, such as `qfin.quantum.AerCircuitSampler()`; None draws from the amplitudes.

    Attributes
    ----------
    params_ : angles; `ansatz_`, `subspace_`: the circuit and the supports that it lives on.
    fidelity_ : |⟨chain|circuit⟩|² before training; None from scratch.
    """

    def __init__(
        self,
        counts: tuple[int, int],
        *,
        n_layers: int = 2,
        mapped: bool = True,
        max_bond: int = 2,
        smoothing: float = 0.1,
        max_steps: int = 30,
        sampler: Any = None,
    ):
        self.counts = counts
        self.n_layers = n_layers
        self.mapped = mapped
        self.max_bond = max_bond
        self.smoothing = smoothing
        self.max_steps = max_steps
        self.sampler = sampler

    def fit(self, bits: ArrayLike, sample_weight: ArrayLike | None = None, *, rng: RandomLike = None) -> Self:
        """Lower −Σ w log p(x), where `smoothing` of the weight is spread over all supports of the counts."""
        from qfin.quantum.number_conserving import NumberConservingAnsatz
        from qfin.quantum.subspace import Subspace, dicke_start

        strings, weight = as_weighted_bits(bits, sample_weight)
        totals = strings.sum(axis=1)
        if totals.min() < self.counts[0] or totals.max() > self.counts[1]:
            raise InputError(
                f"bits: expected {self.counts[0]} to {self.counts[1]} ones in every string, received others"
            )
        generator = as_generator(rng)
        subspace = Subspace(strings.shape[1], range(self.counts[0], self.counts[1] + 1))
        ansatz = NumberConservingAnsatz.linear_chain(strings.shape[1], self.n_layers)
        wanted = np.full(subspace.size, self.smoothing / subspace.size)
        np.add.at(wanted, subspace.positions(strings), weight)
        wanted /= wanted.sum()
        start = dicke_start(subspace, _sector_shares(subspace, wanted))
        params = 0.1 * generator.standard_normal(ansatz.n_params)
        self.fidelity_ = None
        if self.mapped:
            chain = SymmetricMPS(self.counts, self.max_bond).fit(strings, weight, rng=generator)
            params, loss = _minimised(_infidelity, ansatz, start, chain.amplitudes(subspace.bits), params, self)
            self.fidelity_ = 1.0 - loss
        self.params_, _ = _minimised(_likelihood_loss, ansatz, start, wanted, params, self)
        self.ansatz_, self.subspace_, self.start_ = ansatz, subspace, start
        return self

    def _state(self) -> Any:
        from qfin.quantum.subspace import subspace_state

        return subspace_state(self.ansatz_, self.params_, self.subspace_, self.start_, dtype="complex128")

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> BoolArray:
        """Draws, shape (n_samples, n): shots of the sampler, or exact ones without it."""
        from qfin.quantum.subspace import sample_supports

        check_fitted(self, "params_")
        if self.sampler is not None:
            shots = self.sampler.sample(self.circuit(), n_samples, rng=rng)
            return np.asarray(shots, dtype=np.bool_)
        return sample_supports(self.subspace_, self._state(), n_samples, rng=rng).astype(np.bool_)

    def circuit(self) -> Any:
        """Qiskit circuit, not measured: `initialize` to the start, then the trained blocks; the first asset's qubit is
        the most significant, as in `qfin.quantum.to_qiskit`."""
        from qfin.quantum import to_qiskit, with_start

        check_fitted(self, "params_")
        start = np.zeros(2**self.subspace_.n_qubits, dtype=np.complex128)
        start[self.subspace_.indices] = self.start_
        return with_start(start, to_qiskit(self.ansatz_, self.params_))

    def log_prob(self, bits: ArrayLike) -> FloatArray:
        """log p of each string, nats; −inf for another count."""
        check_fitted(self, "params_")
        strings, _ = as_weighted_bits(bits, None, n_bits=self.subspace_.n_qubits)
        totals = strings.sum(axis=1)
        inside = (totals >= self.counts[0]) & (totals <= self.counts[1])
        values = np.full(len(strings), -np.inf)
        probabilities = np.abs(np.asarray(self._state())) ** 2
        with np.errstate(divide="ignore"):
            values[inside] = np.log(probabilities[self.subspace_.positions(strings[inside])])
        return values


def _sector_shares(subspace: Any, wanted: FloatArray) -> FloatArray:
    sectors = np.searchsorted(subspace.cardinalities, subspace.bits.sum(axis=1))
    return np.asarray(np.bincount(sectors, weights=wanted), dtype=np.float64)


def _likelihood_loss(state: Any, wanted: Any) -> Any:
    import jax.numpy as jnp

    probabilities = jnp.abs(state) ** 2
    return -(wanted @ jnp.log(jnp.maximum(probabilities, np.finfo(np.float64).tiny)))


def _infidelity(state: Any, target: Any) -> Any:
    import jax.numpy as jnp

    return 1.0 - jnp.abs(jnp.vdot(target, state)) ** 2


@lru_cache(maxsize=32)
def _compiled(loss: Callable[[Any, Any], Any], plan: Any) -> Any:
    """Loss and gradient in the angles; the loop fits again and again, so nothing but the circuit's plan is built in."""
    import jax

    from qfin.quantum.subspace import subspace_circuit

    def of_angles(angles: Any, fixed: Any, start: Any, wanted: Any) -> Any:
        return loss(subspace_circuit(plan, angles, fixed, start), wanted)

    return jax.jit(jax.value_and_grad(of_angles))


def _minimised(
    loss: Callable[[Any, Any], Any],
    ansatz: Any,
    start: AnyArray,
    wanted: FloatArray,
    params: FloatArray,
    settings: CircuitGenerator,
) -> tuple[FloatArray, float]:
    """Angles and loss after `max_steps` of L-BFGS."""
    from scipy.optimize import minimize

    from qfin.quantum.engine import precision
    from qfin.quantum.subspace import Subspace, subspace_plan

    counts = range(settings.counts[0], settings.counts[1] + 1)
    compiled = _compiled(loss, subspace_plan(ansatz, Subspace(ansatz.n_qubits, counts)))

    def evaluate(angles: FloatArray) -> tuple[float, FloatArray]:
        with precision("complex128"):
            value, gradient = compiled(angles, ansatz.fixed, start, wanted)
        return float(value), np.asarray(gradient, dtype=np.float64)

    result = minimize(evaluate, params, jac=True, method="L-BFGS-B", options={"maxiter": settings.max_steps})
    return np.asarray(result.x), float(result.fun)
