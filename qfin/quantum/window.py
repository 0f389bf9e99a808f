"""Ψ(y) of wide circuits, exact: a window of live qubits slides along the row, one state per observation.

A qubit enters as |0⟩ when its first gate comes and is projected on the observation right after its last, gates being
taken in the order in which qubits can leave. L staircases keep L + 1 qubits alive whatever the width of the circuit, so
that 60 qubits and 8 layers cost 2^9 amplitudes per observation instead of 2^60, without truncation; a distant gate
keeps one register more alive on its way. Between two projections gates are recomputed for the gradient, so that memory
grows with the number of qubits and not with the number of gates.

The arithmetic follows `qfin.quantum.engine`: real and imaginary parts apart, amplitudes (rows) reordered between gates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike

from qfin._types import AnyArray, FloatArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import Ansatz
from qfin.quantum.engine import as_real, exponential, fused, precision
from qfin.quantum.fusion import MAX_WIDTH as GATE_WIDTH
from qfin.quantum.fusion import angle_positions, gate_slots, grouped, padded

MAX_WIDTH = 18
"""Most qubits alive at a time."""
_CHUNK = 64  # observations at a time: their states stay in the processor's cache
Pairs = tuple[tuple[int, int], ...]
_Step = tuple[list[tuple[int, int, int]], int, int]  # gates (block, slot, slot), the qubit that leaves and its slot


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The order of work: segments of fused gates, each followed by at most one qubit that leaves.

    Attributes
    ----------
    width : int
        Qubits alive at a time.
    source, entries : int arrays
        The fused gates, as in `FusionPlan`; its qubits are the slots of the window.
    gates : int array, shape (n_segments, n_slots)
        The fused gates of each segment; their number stands for the identity.
    tables, inverses : int arrays, shape (n_segments, n_slots + 1, 2**width)
        Put the amplitudes in the order of each gate, of the leaving qubit last; and back.
    leaving : int array, shape (n_segments,)
        The qubit that leaves, −1 for none.
    angles : int array, shape (n_blocks, 15)
        As in `FusionPlan`.
    """

    width: int
    source: AnyArray
    entries: AnyArray
    gates: AnyArray
    tables: AnyArray
    inverses: AnyArray
    leaving: AnyArray
    angles: AnyArray


def window_width(ansatz: Ansatz, n_qubits_per_register: int) -> int:
    """Qubits that must be alive at a time; the work is 2**width amplitudes per gate and observation."""
    return _steps(ansatz.n_qubits, _pairs(ansatz), n_qubits_per_register)[1]


def window_psi(ansatz: Ansatz, params: Any, features: ArrayLike, *, dtype: Any = "complex64") -> tuple[Any, FloatArray]:
    """Ψ(y)·exp(−s) and s, both of shape (n,): the first differentiable in `params`, the second only a scale.

    Parameters
    ----------
    features : array, shape (n, d, K)
        Basis functions at each observation, K = 2**m; the circuit has d·m qubits, as in `qfin.quantum.engine.psi`.
    """
    kind = np.dtype(dtype)
    if kind == np.complex128 and isinstance(params, jax.core.Tracer) and not jax.config.jax_enable_x64:
        raise InputError('dtype: expected a complex128 gradient to be taken inside precision("complex128")')
    sites, scale = feature_sites(np.asarray(features, dtype=np.float64), ansatz.n_qubits)
    with precision(kind):
        real = kind.type(0).real.dtype
        angles = jnp.asarray(params, dtype=real)
        if angles.shape != (ansatz.n_params,):
            raise InputError(f"params: expected shape ({ansatz.n_params},), received {angles.shape}")
        plan = window_plan(ansatz, np.shape(features)[2].bit_length() - 1)
        return window_contraction(plan, angles, ansatz.fixed.astype(kind), sites.astype(real)), scale


def window_log_ratio(ansatz: Ansatz, params: Any, features: ArrayLike, *, dtype: Any = "complex64") -> Any:
    """log|Ψ(y)|², shape (n,), differentiable in `params`; an exact zero counts as the smallest normal number."""
    with precision(dtype):
        psi, scale = window_psi(ansatz, params, features, dtype=dtype)
        density = psi.real**2 + psi.imag**2
        return jnp.log(jnp.maximum(density, np.finfo(density.dtype).tiny)) + 2.0 * scale.astype(density.dtype)


def feature_sites(features: FloatArray, n_qubits: int) -> tuple[FloatArray, FloatArray]:
    """Observations as chains over qubits, shape (n_qubits, bond, 2, bond, n), and the logarithms of their norms (n,).

    A register of m qubits has bonds of at most 2^⌊m/2⌋: its middle qubit holds the feature vector, the others pass
    their bit to it. Bonds are padded with zeros; each feature vector has norm one.
    """
    if features.ndim != 3:
        raise InputError(f"features: expected shape (n, d, K), received {features.shape}")
    n, n_registers, size = features.shape
    m = size.bit_length() - 1
    if size != 2**m or m < 1 or n_registers * m != n_qubits:
        raise InputError(
            f"features: expected (n, d, 2**m) with d·m = {n_qubits} qubits, received shape {features.shape}"
        )
    norms = np.linalg.norm(features, axis=2)
    if not (norms > 0.0).all():  # NaN fails too
        raise InputError("features: expected finite vectors other than zero")
    middle, bond = m // 2, 2 ** (m // 2)
    sites = np.zeros((n_registers, m, bond, 2, bond, n))
    for j in range(m):
        inner = 2 ** min(j + 1, m - j)
        passed = np.eye(inner).reshape((-1, 2, inner) if j < middle else (inner, 2, -1))
        if j != middle:
            sites[:, j, : passed.shape[0], :, : passed.shape[2]] = passed[..., None]
    vectors = (features / norms[..., None]).transpose(1, 2, 0).reshape(n_registers, 2**middle, 2, -1, n)
    sites[:, middle, : 2**middle, :, : vectors.shape[3]] = vectors
    return sites.reshape(n_qubits, bond, 2, bond, n), np.log(norms).sum(axis=1)


def window_plan(ansatz: Ansatz, n_qubits_per_register: int) -> WindowPlan:
    """The plan of an ansatz of at least one block; equal pairs and active angles give the same object."""
    return _plan(ansatz.n_qubits, _pairs(ansatz), ansatz.active.tobytes(), n_qubits_per_register)


@partial(jax.jit, static_argnums=0)
def window_contraction(plan: WindowPlan, params: jax.Array, fixed: jax.Array, sites: jax.Array) -> jax.Array:
    """⟨sites|circuit⟩, shape (n,), of params (n_params,), fixed (n_blocks, 4, 4) and sites of `feature_sites`."""
    blocks = fixed @ exponential(jnp.append(params, 0.0)[plan.angles], fixed.dtype)
    gates = fused(plan.source, plan.entries, blocks)
    gates = as_real(jnp.concatenate([gates, jnp.eye(gates.shape[-1], dtype=fixed.dtype)[None]]))
    n = sites.shape[-1]
    padded = jnp.pad(sites, [(0, 0)] * 4 + [(0, -n % _CHUNK)])
    chunks = jnp.moveaxis(padded.reshape(*sites.shape[:-1], -1, _CHUNK), -2, 0)
    return lax.map(lambda chunk: _slide(plan, gates, chunk), chunks).reshape(-1)[:n]


def _slide(plan: WindowPlan, gates: jax.Array, sites: jax.Array) -> jax.Array:
    """⟨sites|circuit⟩ of some observations; `gates` are the fused gates and the identity."""
    state = jnp.zeros((2, 2**plan.width, sites.shape[1], sites.shape[-1]), sites.dtype).at[0, 0, 0].set(1.0)

    def gate(state: jax.Array, step: Any) -> tuple[jax.Array, None]:
        which, table, inverse = step
        rows = _rows(state, table, inverse).reshape(gates.shape[-1], -1)
        return (gates[which] @ rows).reshape(state.shape), None

    def segment(state: jax.Array, step: Any) -> tuple[jax.Array, None]:
        which, tables, inverses, leaving = step
        state, _ = lax.scan(gate, state, (which, tables[:-1], inverses[:-1]))
        state = lax.cond(
            leaving >= 0, lambda s: _left(_rows(s, tables[-1], inverses[-1]), sites[leaving]), lambda s: s, state
        )
        return state, None

    state, _ = lax.scan(jax.checkpoint(segment), state, (plan.gates, plan.tables, plan.inverses, plan.leaving))
    return lax.complex(state[0, 0, 0], state[1, 0, 0])


def _left(state: jax.Array, site: jax.Array) -> jax.Array:
    """The qubit of the leading bit projected on `site` (bond, 2, bond, n) and back as |0⟩."""
    halves = state.reshape(2, 2, -1, *state.shape[2:])
    bond = site.shape[0]
    projected = sum(
        halves[:, bit, :, left, None, :] * site[left, bit] for bit in range(2) for left in range(bond)
    )  # parts, rows, bond, n
    return jnp.concatenate([projected, jnp.zeros_like(projected)], axis=1)


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _rows(state: jax.Array, table: jax.Array, inverse: jax.Array) -> jax.Array:
    """Rows in the order of `table`; its transpose is a lookup too, where JAX would scatter."""
    return state.at[:, table].get(mode="promise_in_bounds", unique_indices=True)


def _rows_forward(state: jax.Array, table: jax.Array, inverse: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _rows(state, table, inverse), inverse


def _rows_backward(inverse: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, None, None]:
    return cotangent.at[:, inverse].get(mode="promise_in_bounds", unique_indices=True), None, None


_rows.defvjp(_rows_forward, _rows_backward)


def _pairs(ansatz: Ansatz) -> Pairs:
    return tuple((a, b) for a, b in ansatz.pairs.tolist())


@lru_cache(maxsize=16)
def _plan(n_qubits: int, pairs: Pairs, active: bytes, n_qubits_per_register: int) -> WindowPlan:
    if not pairs:
        raise InputError("ansatz: expected at least one block, received none")
    steps, width = _steps(n_qubits, pairs, n_qubits_per_register)
    if width > MAX_WIDTH:
        raise InputError(f"ansatz: expected at most {MAX_WIDTH} qubits alive at a time, received {width}")
    gate_width = min(GATE_WIDTH, width)
    slots = dict[int, tuple[int, int]]()
    groups: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    segments: list[tuple[list[int], int, int]] = []
    length = max(1, -(-len(pairs) // (3 * n_qubits)))  # a fused gate takes about three blocks
    for gates, qubit, slot in steps:
        slots |= {block: (a, b) for block, a, b in gates}
        fresh = grouped(tuple((a, b) for _, a, b in gates), gate_width)
        numbers = list(range(len(groups), len(groups) + len(fresh)))
        groups += [(padded(front, gate_width, width), tuple(gates[i][0] for i in taken)) for front, taken in fresh]
        runs = [numbers[i : i + length] for i in range(0, len(numbers), length)] or [[]]
        segments += [*((run, -1, -1) for run in runs[:-1]), (runs[-1], qubit, slot)]
    source, entries = gate_slots(groups, tuple(slots[block] for block in range(len(pairs))), gate_width)
    order = list(range(width))
    which = np.full((len(segments), length), len(groups), dtype=np.int32)
    tables = np.tile(np.arange(2**width, dtype=np.int32), (len(segments), length + 1, 1))
    for row, (run, _, slot) in enumerate(segments):
        which[row, : len(run)] = run
        for place, number in enumerate(run):
            tables[row, place], order = _brought_forward(order, groups[number][0])
        if slot >= 0:
            tables[row, -1], order = _brought_forward(order, (slot,))
    leaving = np.array([qubit for _, qubit, _ in segments], dtype=np.int32)
    inverses = np.argsort(tables).astype(np.int32)
    angles = angle_positions(active, len(pairs))
    return WindowPlan(width, source, entries, which, tables, inverses, leaving, angles)


def _steps(n_qubits: int, pairs: Pairs, n_qubits_per_register: int) -> tuple[list[_Step], int]:
    """For each qubit that leaves the gates that must precede it, on slots of the window; and the number of slots.

    The register that brings in the fewest new qubits leaves next, its qubits in order: only one register at a time may
    be half observed.
    """
    registers = [range(first, first + n_qubits_per_register) for first in range(0, n_qubits, n_qubits_per_register)]
    waiting = list(range(len(pairs)))
    slots: dict[int, int] = {}
    free: list[int] = []
    width, steps = 0, list[_Step]()
    while registers:
        register = min(registers, key=lambda r: len(_needed(r, waiting, pairs)[0] - set(slots)))
        registers.remove(register)
        for qubit in register:
            needed, due = _needed((qubit,), waiting, pairs)
            for entering in sorted(needed - set(slots)):
                if not free:
                    free, width = [width], width + 1
                slots[entering] = free.pop()
            gates = [(block, slots[pairs[block][0]], slots[pairs[block][1]]) for block in sorted(due)]
            steps.append((gates, qubit, slots[qubit]))
            waiting = [block for block in waiting if block not in due]
            free.append(slots.pop(qubit))
    return steps, width


def _needed(qubits: Iterable[int], waiting: Sequence[int], pairs: Pairs) -> tuple[set[int], set[int]]:
    """The qubits and the waiting blocks on which the end of `qubits` depends."""
    needed, due = set(qubits), set[int]()
    for block in reversed(waiting):
        if not needed.isdisjoint(pairs[block]):
            needed.update(pairs[block])
            due.add(block)
    return needed, due


def _brought_forward(order: list[int], front: tuple[int, ...]) -> tuple[AnyArray, list[int]]:
    """The table that takes amplitudes from `order` of slots to one with `front` leading, and that order."""
    wanted = [*front, *(slot for slot in order if slot not in front)]
    n = len(order)
    axes = [order.index(slot) for slot in wanted]
    table = np.arange(2**n, dtype=np.int32).reshape((2,) * n).transpose(axes).reshape(-1)
    return table, wanted
