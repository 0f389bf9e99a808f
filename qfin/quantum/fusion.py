"""The order of work of the engine: neighbouring blocks are fused into gates on a few qubits.

One pass over the amplitudes then serves about three blocks, as a matrix product large enough to run at full speed.
Between two passes the amplitudes are put in the order in which the next fused gate acts on the leading qubits.
Everything here is bookkeeping on qubit numbers, done once per list of pairs; integers are 32-bit, as the engine's are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qfin._types import AnyArray
from qfin.quantum.ansatz import N_ANGLES

MAX_WIDTH = 4
"""Qubits of a fused gate; measured best of 2, 3, 4, 5 at 15 qubits."""
ZERO, ONE = 16, 17
"""Positions of the constants 0 and 1 behind the 16 entries of a block."""

Table = tuple[AnyArray, AnyArray]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class FusionPlan:
    """Which blocks make which fused gate, and how amplitudes are put in order.

    Attributes
    ----------
    n_qubits, width : int
        Qubits of the state and of a fused gate.
    groups : tuple of (qubits, blocks)
        The fused gates in order of application; qubit 0 of `qubits` is the most significant of the gate.
    source : array of int, shape (n_groups, n_slots)
        The block in each slot; slots are multiplied first to last, spare slots hold the identity.
    entries : array of int, shape (n_groups, n_slots, 2**width, 2**width)
        Where each entry of a slot's matrix comes from: one of the block's 16 entries, `ZERO` or `ONE`.
    before, after : pair of int arrays, shapes (n_groups, 2**(n/2)) and (n_groups, 2**(n − n/2))
        Index tables that put the amplitudes in order for a group, and back to the order before it.
    finish, unfinish : pair of int arrays
        The same from the last group's order to qubits 0 … n−1, and back.
    angles : array of int, shape (n_blocks, 15)
        Where each angle lies in the parameters; one past their end where it is not a parameter.
    """

    n_qubits: int
    width: int
    groups: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    source: AnyArray
    entries: AnyArray
    before: Table
    after: Table
    finish: Table
    unfinish: Table
    angles: AnyArray


@lru_cache(maxsize=64)
def fusion_plan(n_qubits: int, pairs: Pairs, active: bytes) -> FusionPlan:
    """The plan for a list of at least one pair, `active` the bytes of the ansatz's mask.

    Equal arguments share one object, so that compiled code is shared too.
    """
    width = min(MAX_WIDTH, n_qubits)
    groups = tuple((padded(qubits, width, n_qubits), tuple(blocks)) for qubits, blocks in grouped(pairs, width))
    source, entries = gate_slots(groups, pairs, width)
    order = list(range(n_qubits))
    axes = []
    for qubits, _ in groups:
        wanted = [*qubits, *(q for q in order if q not in qubits)]
        axes.append([order.index(q) for q in wanted])
        order = wanted
    last = [order.index(q) for q in range(n_qubits)]
    return FusionPlan(
        n_qubits,
        width,
        groups,
        source,
        entries,
        before=_stacked([_table(a) for a in axes]),
        after=_stacked([_table(_inverse(a)) for a in axes]),
        finish=_table(last),
        unfinish=_table(_inverse(last)),
        angles=angle_positions(active, len(pairs)),
    )


def angle_positions(active: bytes, n_blocks: int) -> AnyArray:
    """The place of each angle among the parameters, shape (n_blocks, 15); their number where it is not active."""
    mask = np.frombuffer(active, dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, mask.sum()).astype(np.int32).reshape(n_blocks, N_ANGLES)


def grouped(pairs: Pairs, width: int) -> list[tuple[list[int], list[int]]]:
    """Greedy groups of blocks on at most `width` qubits; a block never passes an earlier one that shares a qubit."""
    waiting = list(range(len(pairs)))
    groups = []
    while waiting:
        qubits: list[int] = []
        taken: list[int] = []
        blocked: set[int] = set()
        for block in waiting:
            pair = set(pairs[block])
            if pair & blocked or len(pair.union(qubits)) > width:
                blocked |= pair
            else:
                qubits += [q for q in pairs[block] if q not in qubits]
                taken.append(block)
        groups.append((qubits, taken))
        waiting = [block for block in waiting if block not in taken]
    return groups


def padded(qubits: Sequence[int], width: int, n_qubits: int) -> tuple[int, ...]:
    """The qubits and as many others as make up `width`."""
    spare = [q for q in range(n_qubits) if q not in qubits]
    return (*qubits, *spare[: width - len(qubits)])


def gate_slots(
    groups: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], pairs: Pairs, width: int
) -> tuple[AnyArray, AnyArray]:
    """`source` and `entries` of a `FusionPlan`."""
    size, n_slots = 2**width, max(len(blocks) for _, blocks in groups)
    source = np.zeros((len(groups), n_slots), dtype=np.int32)
    entries = np.tile(np.where(np.eye(size, dtype=bool), ONE, ZERO).astype(np.int32), (len(groups), n_slots, 1, 1))
    bits = (np.arange(size)[:, None] >> np.arange(width - 1, -1, -1)) & 1
    for group, (qubits, blocks) in enumerate(groups):
        for slot, block in enumerate(blocks):
            a, b = (qubits.index(q) for q in pairs[block])
            local = 2 * bits[:, a] + bits[:, b]
            others = np.delete(bits, [a, b], axis=1)
            same = (others[:, None, :] == others[None, :, :]).all(axis=-1)
            source[group, slot] = block
            entries[group, slot] = np.where(same, 4 * local[:, None] + local[None, :], ZERO)
    return source, entries


def _table(axes: Sequence[int]) -> Table:
    """Two tables whose sum high[i] + low[j] is where amplitude (i, j) of the new order lies in the old one.

    New axis k is old axis axes[k]; the new index is split in its leading n//2 bits i and the rest j.
    """
    n = len(axes)
    weights = 1 << (n - 1 - np.array(axes, dtype=np.int64))
    half = n // 2
    high = (np.arange(2**half)[:, None] >> np.arange(half - 1, -1, -1)) & 1
    low = (np.arange(2 ** (n - half))[:, None] >> np.arange(n - half - 1, -1, -1)) & 1
    return (high @ weights[:half]).astype(np.int32), (low @ weights[half:]).astype(np.int32)


def _stacked(tables: Sequence[Table]) -> Table:
    return np.stack([high for high, _ in tables]), np.stack([low for _, low in tables])


def _inverse(axes: Sequence[int]) -> list[int]:
    return [int(axis) for axis in np.argsort(axes)]
