"""States of fixed cardinality: C(n, k) amplitudes instead of 2^n, with their gradient, compiled by JAX.

A number-conserving circuit never leaves the span of the basis states with the number of ones that it started with, so
only those are kept: 42,504 for 5 of 24. Several cardinalities are the union of their sectors, which the circuit does
not mix: their weights are those of the start.

    subspace = Subspace(24, 5)
    start = dicke_start(subspace)
    state = subspace_state(ansatz, params, subspace, start)        # differentiable in params
    loss = subspace_nll(state, subspace.positions(bits), weights)
    bits = sample_supports(subspace, state, 1000, rng=0)

As in `qfin.quantum.engine` real and imaginary parts are kept apart and the gradient undoes gate after gate, so that
memory does not grow with depth; between gates the amplitudes are put in the order |00⟩, |01⟩, |10⟩, |11⟩ of the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import comb
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike, NDArray

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin.exceptions import InputError
from qfin.quantum.engine import exponential, precision
from qfin.quantum.number_conserving import GENERATORS, N_CONSERVING_ANGLES, NumberConservingAnsatz

MAX_SIZE = 2**24
"""Most basis states: each gate keeps two tables of 4 bytes per state."""
MAX_QUBITS = 62
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Subspace:
    """The basis states of n_qubits with one of the given numbers of ones, sorted by index.

    Parameters
    ----------
    n_qubits : int
    cardinalities : int or sequence of int
        The numbers of ones; kept as a sorted tuple of int.

    Attributes
    ----------
    indices : int array, shape (size,)
        Index of each basis state among 2**n_qubits, qubit 0 the most significant bit.
    """

    n_qubits: int
    cardinalities: Any
    indices: IntArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wanted = tuple(sorted({int(k) for k in np.atleast_1d(self.cardinalities)}))
        if not 1 <= self.n_qubits <= MAX_QUBITS:
            raise InputError(f"n_qubits: expected 1 to {MAX_QUBITS}, received {self.n_qubits}")
        if not wanted or wanted[0] < 0 or wanted[-1] > self.n_qubits:
            raise InputError(f"cardinalities: expected numbers of 0 … {self.n_qubits}, received {self.cardinalities}")
        size = sum(comb(self.n_qubits, k) for k in wanted)
        if size > MAX_SIZE:
            raise InputError(f"cardinalities: expected at most {MAX_SIZE} basis states, received {size}")
        object.__setattr__(self, "cardinalities", wanted)
        object.__setattr__(self, "indices", _sorted_indices(self.n_qubits, wanted))

    @property
    def size(self) -> int:
        return len(self.indices)

    @property
    def bits(self) -> NDArray[np.uint8]:
        """The basis states, shape (size, n_qubits)."""
        return ((self.indices[:, None] >> np.arange(self.n_qubits - 1, -1, -1)) & 1).astype(np.uint8)

    def positions(self, bits: ArrayLike) -> IntArray:
        """Where supports, rows of 0 and 1 of shape (n, n_qubits), stand in the basis, shape (n,)."""
        rows = np.asarray(bits)
        if rows.ndim != 2 or rows.shape[1] != self.n_qubits or not np.isin(rows, (0, 1)).all():
            raise InputError(f"bits: expected 0 and 1 of shape (n, {self.n_qubits}), received shape {rows.shape}")
        wrong = ~np.isin(rows.sum(axis=1), self.cardinalities)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"bits: expected rows with {self._numbers()} ones, received {int(rows[row].sum())} in row {row}"
            )
        indices = rows.astype(np.int64) @ (np.int64(1) << np.arange(self.n_qubits - 1, -1, -1))
        found: IntArray = np.searchsorted(self.indices, indices)
        return found

    def embedded(self, state: ArrayLike) -> ComplexArray:
        """A state of the subspace among all 2**n_qubits amplitudes."""
        vector = np.zeros(2**self.n_qubits, dtype=np.complex128)
        vector[self.indices] = np.asarray(state)
        return vector

    def _numbers(self) -> str:
        return " or ".join(str(k) for k in self.cardinalities)


def product_start(subspace: Subspace, bits: ArrayLike) -> ComplexArray:
    """The basis state of one support (n_qubits,), shape (size,)."""
    start = np.zeros(subspace.size, dtype=np.complex128)
    start[subspace.positions(np.atleast_2d(np.asarray(bits)))] = 1.0
    return start


def dicke_start(subspace: Subspace, sector_weights: ArrayLike | None = None) -> ComplexArray:
    """All supports of a cardinality alike; `sector_weights` are the probabilities of the cardinalities, shape (size,).

    Without them all basis states are equally likely.
    """
    sector = np.searchsorted(subspace.cardinalities, subspace.bits.sum(axis=1))
    sizes = np.bincount(sector).astype(np.float64)
    weights = sizes / sizes.sum() if sector_weights is None else np.asarray(sector_weights, dtype=np.float64)
    if weights.shape != sizes.shape or (weights < 0.0).any() or not np.isclose(weights.sum(), 1.0):
        raise InputError(f"sector_weights: expected {len(sizes)} probabilities that sum to 1, received {weights}")
    start: ComplexArray = np.sqrt(weights / sizes)[sector].astype(np.complex128)
    return start


def subspace_state(
    ansatz: NumberConservingAnsatz, params: Any, subspace: Subspace, start: ArrayLike, *, dtype: Any = "complex64"
) -> jax.Array:
    """Circuit |start⟩ within the subspace, shape (size,), differentiable in `params`.

    A gradient in double precision is taken inside ``with precision("complex128")`` of `qfin.quantum.engine`.
    """
    kind = np.dtype(dtype)
    if ansatz.n_qubits != subspace.n_qubits:
        raise InputError(f"ansatz: expected {subspace.n_qubits} qubits, received {ansatz.n_qubits}")
    first = np.asarray(start)
    if first.shape != (subspace.size,):
        raise InputError(f"start: expected shape ({subspace.size},), received {first.shape}")
    if kind == np.complex128 and isinstance(params, jax.core.Tracer) and not jax.config.jax_enable_x64:
        raise InputError('dtype: expected a complex128 gradient to be taken inside precision("complex128")')
    with precision(kind):
        angles = jnp.asarray(params, dtype=kind.type(0).real.dtype)
        if angles.shape != (ansatz.n_params,):
            raise InputError(f"params: expected shape ({ansatz.n_params},), received {angles.shape}")
        if ansatz.n_blocks == 0:
            return jnp.asarray(first, dtype=kind)
        return subspace_circuit(subspace_plan(ansatz, subspace), angles, ansatz.fixed.astype(kind), first.astype(kind))


def subspace_nll(state: Any, positions: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """−Σ w log |amplitude|² of observed supports, nats; `weights` (n,) sum to one, equal by default.

    An exact zero counts as the smallest normal number.
    """
    observed = state[np.asarray(positions)]
    probabilities = observed.real**2 + observed.imag**2
    logs = jnp.log(jnp.maximum(probabilities, np.finfo(probabilities.dtype).tiny))
    return -logs.mean() if weights is None else -(jnp.asarray(weights, dtype=logs.dtype) @ logs)


def sample_supports(
    subspace: Subspace, state: ArrayLike, n_samples: int, *, rng: RandomLike = None
) -> NDArray[np.uint8]:
    """Exact draws of supports, bits (n_samples, n_qubits)."""
    amplitudes = np.asarray(state, dtype=np.complex128)
    cumulated = np.cumsum(amplitudes.real**2 + amplitudes.imag**2)
    uniforms = as_generator(rng).random(n_samples) * cumulated[-1]
    drawn = subspace.indices[np.searchsorted(cumulated, uniforms, side="right")]
    bits: NDArray[np.uint8] = ((drawn[:, None] >> np.arange(subspace.n_qubits - 1, -1, -1)) & 1).astype(np.uint8)
    return bits


@dataclass(frozen=True)
class OverlapFit:
    """Where `fit_overlap` stopped: angles, |⟨target|circuit⟩|² there, and how many gradients it took."""

    params: FloatArray
    fidelity: float
    n_evaluations: int


def fit_overlap(
    ansatz: NumberConservingAnsatz,
    subspace: Subspace,
    start: ArrayLike,
    target: ArrayLike,
    *,
    init_params: ArrayLike | None = None,
    max_steps: int = 200,
) -> OverlapFit:
    """Maximise |⟨target|circuit|start⟩|² by L-BFGS in double precision; `target` (size,) has norm one.

    `init_params` None means θ = 0, which may be a saddle: where start and target are orthogonal the gradient vanishes.
    """
    from scipy.optimize import minimize

    wanted = np.asarray(target, dtype=np.complex128)
    if wanted.shape != (subspace.size,) or not np.isclose(np.linalg.norm(wanted), 1.0):
        raise InputError(f"target: expected norm 1 and shape ({subspace.size},), received shape {wanted.shape}")
    first = ansatz.checked_params(np.zeros(ansatz.n_params) if init_params is None else init_params)
    loss = infidelity(ansatz, subspace, start, wanted)
    result = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": max_steps})
    return OverlapFit(result.x, float(1.0 - result.fun), int(result.nfev))


def infidelity(
    ansatz: NumberConservingAnsatz, subspace: Subspace, start: ArrayLike, target: ArrayLike
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    """A function params -> (1 − |⟨target|circuit|start⟩|², its gradient), compiled, in double precision."""
    wanted = np.asarray(target, dtype=np.complex128).conj()

    def loss(params: Any) -> Any:
        state = subspace_state(ansatz, params, subspace, start, dtype="complex128")
        return 1.0 - jnp.abs(jnp.vdot(wanted.conj(), state)) ** 2

    compiled = jax.jit(jax.value_and_grad(loss))

    def evaluate(params: FloatArray) -> tuple[float, FloatArray]:
        with precision("complex128"):
            value, gradient = compiled(jnp.asarray(params))
        return float(value), np.asarray(gradient, dtype=np.float64)

    return evaluate


@dataclass(frozen=True, eq=False)
class SubspacePlan:
    """The order of amplitudes for each gate.

    Attributes
    ----------
    before, after : int arrays, shape (n_blocks, size)
        Put the amplitudes in the order 00, 01, 10, 11 of a gate, and back to the order before it.
    finish, unfinish : int arrays, shape (size,)
        The same from the last gate's order to the basis, and back.
    n_none, n_one : int
        How many basis states have 00 on a pair, and how many have 01, the same for every pair.
    """

    before: AnyArray
    after: AnyArray
    finish: AnyArray
    unfinish: AnyArray
    n_none: int
    n_one: int


def subspace_plan(ansatz: NumberConservingAnsatz, subspace: Subspace) -> SubspacePlan:
    """The plan for at least one block; equal pairs and subspaces give the same object."""
    return _plan(subspace, tuple((a, b) for a, b in ansatz.pairs.tolist()))


@partial(jax.jit, static_argnums=0)
def subspace_circuit(plan: SubspacePlan, params: jax.Array, fixed: jax.Array, start: jax.Array) -> jax.Array:
    """`subspace_state` of params (n_params,), fixed (n_blocks, 4, 4) and start (size,) in the precision of `fixed`."""
    angles = params.reshape(-1, N_CONSERVING_ANGLES) @ GENERATORS.astype(params.dtype)
    real, imag = _apply(plan, _entries(fixed @ exponential(angles, fixed.dtype)), jnp.stack([start.real, start.imag]))
    return lax.complex(real, imag)


@lru_cache(maxsize=16)
def _plan(subspace: Subspace, pairs: Pairs) -> SubspacePlan:
    orders = {pair: _pair_order(subspace, *pair) for pair in dict.fromkeys(pairs)}
    place, inverses = np.arange(subspace.size, dtype=np.int32), {p: _inverse(order) for p, order in orders.items()}
    before, after = np.empty((2, len(pairs), subspace.size), dtype=np.int32)
    for row, pair in enumerate(pairs):
        # place[j]: where basis state j stands now; a gate's order asks for basis state order[i] at place i
        before[row] = place[orders[pair]]
        after[row] = _inverse(before[row])
        place = inverses[pair]
    n, numbers = subspace.n_qubits, subspace.cardinalities
    return SubspacePlan(
        before,
        after,
        finish=place,
        unfinish=_inverse(place),
        n_none=sum(comb(n - 2, k) for k in numbers),
        n_one=sum(comb(n - 2, k - 1) for k in numbers if k > 0),
    )


def _pair_order(subspace: Subspace, a: int, b: int) -> AnyArray:
    """Basis states with bits 00 on (a, b), then 01, 10, 11; 01 and 10 in the order of their other bits."""
    mask_a, mask_b = (1 << (subspace.n_qubits - 1 - q) for q in (a, b))
    local = 2 * ((subspace.indices & mask_a) > 0) + ((subspace.indices & mask_b) > 0)
    others = subspace.indices & ~(mask_a | mask_b)
    return np.lexsort((others, local)).astype(np.int32)


def _inverse(order: AnyArray) -> AnyArray:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order), dtype=order.dtype)
    return inverse


def _sorted_indices(n_qubits: int, cardinalities: tuple[int, ...]) -> IntArray:
    """Indices of all words with one of the numbers of ones, ascending, qubit by qubit."""
    words, ones = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    wanted = np.array(cardinalities)
    for remaining in range(n_qubits - 1, -1, -1):
        words = np.stack([2 * words, 2 * words + 1], axis=1).reshape(-1)
        ones = np.stack([ones, ones + 1], axis=1).reshape(-1)
        missing = wanted - ones[:, None]
        kept = ((missing >= 0) & (missing <= remaining)).any(axis=1)
        words, ones = words[kept], ones[kept]
    words.setflags(write=False)
    return words


def _entries(blocks: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Real and imaginary part of the entries on 00 and on 11, shape (n_blocks, 2), and U(2) as a real 4×4 matrix."""
    none, both, middle = blocks[:, 0, 0], blocks[:, 3, 3], blocks[:, 1:3, 1:3]
    top = jnp.concatenate([middle.real, -middle.imag], axis=-1)
    bottom = jnp.concatenate([middle.imag, middle.real], axis=-1)
    phases = (jnp.stack([phase.real, phase.imag], axis=-1) for phase in (none, both))
    return (*phases, jnp.concatenate([top, bottom], axis=-2))


def _turned(phase: jax.Array, part: jax.Array) -> jax.Array:
    real, imag = part[0], part[1]
    return jnp.stack([phase[0] * real - phase[1] * imag, phase[1] * real + phase[0] * imag])


def _split(plan: SubspacePlan, state: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The parts on 00 and 11, and those on 01 and 10 as rows (real 01, real 10, imaginary 01, imaginary 10)."""
    first, last = plan.n_none, plan.n_none + 2 * plan.n_one
    return state[:, :first], state[:, last:], state[:, first:last].reshape(4, plan.n_one)


def _gate(plan: SubspacePlan, entries: Any, state: jax.Array) -> jax.Array:
    none, both, middle = entries
    on_none, on_both, between = _split(plan, state)
    mixed = (middle @ between).reshape(2, 2 * plan.n_one)
    return jnp.concatenate([_turned(none, on_none), mixed, _turned(both, on_both)], axis=1)


def _undone(entries: Any) -> Any:
    none, both, middle = entries
    conjugate = jnp.array([1.0, -1.0], dtype=none.dtype)
    return none * conjugate, both * conjugate, middle.T


def _reordered(state: jax.Array, table: Any) -> jax.Array:
    return state.at[:, table].get(mode="promise_in_bounds", unique_indices=True)


def _forward(plan: SubspacePlan, entries: Any, start: jax.Array) -> jax.Array:
    def step(state: jax.Array, gate_and_table: Any) -> tuple[jax.Array, None]:
        gate, table = gate_and_table
        return _gate(plan, gate, _reordered(state, table)), None

    return lax.scan(step, start, (entries, plan.before))[0]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _apply(plan: SubspacePlan, entries: Any, start: jax.Array) -> jax.Array:
    """The gates applied to start, shape (2, size): real part, imaginary part."""
    return _reordered(_forward(plan, entries, start), plan.finish)


def _apply_forward(plan: SubspacePlan, entries: Any, start: jax.Array) -> tuple[jax.Array, Any]:
    state = _forward(plan, entries, start)
    return _reordered(state, plan.finish), (entries, state)


def _apply_backward(plan: SubspacePlan, saved: Any, cotangent: jax.Array) -> tuple[Any, jax.Array]:
    """Undo the gates on the state and on its cotangent; ∂/∂gate is the outer product of the two around it."""
    entries, state = saved

    def step(both: tuple[jax.Array, jax.Array], gate_and_table: Any) -> tuple[tuple[jax.Array, jax.Array], Any]:
        gate, table = gate_and_table
        state, after = both
        back = _undone(gate)
        before = _gate(plan, back, state)
        gradient = _outer(plan, after, before)
        return (_reordered(before, table), _reordered(_gate(plan, back, after), table)), gradient

    first = (state, _reordered(cotangent, plan.unfinish))
    (_, start), gradients = lax.scan(step, first, (entries, plan.after), reverse=True)
    return gradients, start


def _outer(plan: SubspacePlan, after: jax.Array, before: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    (none, both, middle), (none_in, both_in, middle_in) = _split(plan, after), _split(plan, before)

    def phase(cotangent: jax.Array, part: jax.Array) -> jax.Array:
        aligned = cotangent[0] @ part[0] + cotangent[1] @ part[1]
        return jnp.stack([aligned, cotangent[1] @ part[0] - cotangent[0] @ part[1]])

    return phase(none, none_in), phase(both, both_in), middle @ middle_in.T


_apply.defvjp(_apply_forward, _apply_backward)
