"""Compiled loops of the bit chains: canonical form, training sweep, draws.

A site is a handful of 2×2 blocks and a sweep walks through hundreds of sites one after the other, so array calls spend
their time on being called. Plain loops over numbers, compiled on first use and kept on disk, take a twentieth of it.
Shapes: tensors (n, 2, charges, D, D), dims (n + 1, charges), bits (n, strings), charges of strings (n + 1, strings),
left and right environments (n + 1, strings, D).
"""

from math import inf, log, log1p, sqrt

import numpy as np
from numba import njit

from qfin._types import BoolArray, FloatArray, IntArray

# A channel this much shorter than before what the others explain was taken off is nothing but rounding.
_NOTHING = 1e-12
_HALVINGS = 6


@njit(cache=True)
def _orthonormalise(rows: FloatArray, carry: FloatArray, n_rows: int) -> None:
    """rows = carry @ (orthonormal rows, in place), carry lower triangular; a row that the others explain becomes 0."""
    width, length = rows.shape
    for a in range(width):
        for b in range(width):
            carry[a, b] = 0.0
    for a in range(n_rows):
        before = 0.0
        for c in range(length):
            before += rows[a, c] * rows[a, c]
        for _ in range(2):  # taken off twice, what is left is orthogonal to rounding
            for b in range(a):
                overlap = 0.0
                for c in range(length):
                    overlap += rows[b, c] * rows[a, c]
                carry[a, b] += overlap
                for c in range(length):
                    rows[a, c] -= overlap * rows[b, c]
        after = 0.0
        for c in range(length):
            after += rows[a, c] * rows[a, c]
        kept = after > _NOTHING * _NOTHING * before
        carry[a, a] = sqrt(after) if kept else 0.0
        for c in range(length):
            rows[a, c] = rows[a, c] / carry[a, a] if kept else 0.0


@njit(cache=True)
def _normalise(tensors: FloatArray, i: int) -> None:
    _, n_bits, n_charges, width, _ = tensors.shape
    total = 0.0
    for s in range(n_bits):
        for q in range(n_charges):
            for a in range(width):
                for b in range(width):
                    total += tensors[i, s, q, a, b] ** 2
    total = sqrt(total)
    for s in range(n_bits):
        for q in range(n_charges):
            for a in range(width):
                for b in range(width):
                    tensors[i, s, q, a, b] /= total


@njit(cache=True)
def shift_left(tensors: FloatArray, dims: IntArray, raises: int, i: int) -> None:
    """Make site i right-orthonormal and move the rest of it into site i − 1, whose norm becomes one."""
    _, _, n_charges, width, _ = tensors.shape
    rows, carry, moved = np.empty((width, 2 * width)), np.empty((width, width)), np.empty(width)
    for q in range(n_charges):
        for a in range(width):
            for b in range(2 * width):
                rows[a, b] = tensors[i, b // width, q, a, b % width] if a < dims[i, q] else 0.0
        _orthonormalise(rows, carry, dims[i, q])
        for a in range(width):
            for b in range(2 * width):
                tensors[i, b // width, q, a, b % width] = rows[a, b]
        for s in range(2):
            before = q - s * raises
            if before >= 0:
                for a in range(width):
                    for c in range(width):
                        moved[c] = 0.0
                        for b in range(width):
                            moved[c] += tensors[i - 1, s, before, a, b] * carry[b, c]
                    for c in range(width):
                        tensors[i - 1, s, before, a, c] = moved[c]
    _normalise(tensors, i - 1)


@njit(cache=True)
def _shift_right(tensors: FloatArray, dims: IntArray, raises: int, i: int) -> None:
    """Make site i left-orthonormal and move the rest of it into site i + 1, whose norm becomes one."""
    _, _, n_charges, width, _ = tensors.shape
    rows, carry, moved = np.empty((width, 2 * width)), np.empty((width, width)), np.empty(width)
    for q in range(n_charges):
        for b in range(width):
            for a in range(2 * width):
                before = q - (a // width) * raises
                inside = b < dims[i + 1, q] and before >= 0
                rows[b, a] = tensors[i, a // width, before, a % width, b] if inside else 0.0
        _orthonormalise(rows, carry, dims[i + 1, q])
        for b in range(width):
            for a in range(2 * width):
                before = q - (a // width) * raises
                if before >= 0:
                    tensors[i, a // width, before, a % width, b] = rows[b, a]
        for s in range(2):
            for c in range(width):
                for a in range(width):
                    moved[a] = 0.0
                    for b in range(width):
                        moved[a] += carry[b, a] * tensors[i + 1, s, q, b, c]
                for a in range(width):
                    tensors[i + 1, s, q, a, c] = moved[a]
    _normalise(tensors, i + 1)


@njit(cache=True)
def step_site(
    tensors: FloatArray,
    bits: IntArray,
    charges: IntArray,
    left: FloatArray,
    right: FloatArray,
    weight: FloatArray,
    learning_rate: float,
    i: int,
) -> None:
    """One step of the centre, site i, in place.

    The loss −Σ w log(Ψ²/Z) is convex in the centre A (‖A‖² = Z, every Ψ kept above zero), its gradient is
    2 (A − Σ w E/Ψ), and along the direction it is known exactly from ρ = ⟨G, E⟩/Ψ: every step lowers it.
    """
    _, _, n_charges, width, _ = tensors.shape
    n_strings = len(weight)
    target, ratios = np.zeros((2, n_charges, width, width)), np.zeros(n_strings)
    amplitudes = np.zeros(n_strings)
    for m in range(n_strings):
        s, q = bits[i, m], charges[i, m]
        for a in range(width):
            for b in range(width):
                amplitudes[m] += left[i, m, a] * tensors[i, s, q, a, b] * right[i + 1, m, b]
        pull = weight[m] / amplitudes[m]
        for a in range(width):
            for b in range(width):
                target[s, q, a, b] += pull * left[i, m, a] * right[i + 1, m, b]
    for m in range(n_strings):
        s, q = bits[i, m], charges[i, m]
        for a in range(width):
            for b in range(width):
                ratios[m] += left[i, m, a] * target[s, q, a, b] * right[i + 1, m, b]
        ratios[m] = ratios[m] / amplitudes[m] - 1.0
    length = 0.0
    for s in range(2):
        for q in range(n_charges):
            for a in range(width):
                for b in range(width):
                    target[s, q, a, b] -= tensors[i, s, q, a, b]
                    length += target[s, q, a, b] ** 2
    least, best, step = 0.0, 0.0, learning_rate
    for _ in range(_HALVINGS):
        loss = log1p(step * step * length)
        for m in range(n_strings):
            stretched = 1.0 + step * ratios[m]
            loss = loss - 2.0 * weight[m] * log(stretched) if stretched > 0.0 else inf
        if loss < least:
            least, best = loss, step
        step *= 0.5
    if best > 0.0:
        for s in range(2):
            for q in range(n_charges):
                for a in range(width):
                    for b in range(width):
                        tensors[i, s, q, a, b] += best * target[s, q, a, b]
        _normalise(tensors, i)


@njit(cache=True)
def _extend(tensors: FloatArray, bits: IntArray, charges: IntArray, known: FloatArray, i: int, rightward: bool) -> None:
    """Environments on the other side of site i, in place: left[i] -> left[i + 1], or right[i + 1] -> right[i]."""
    width = known.shape[2]
    source, goal = (i, i + 1) if rightward else (i + 1, i)
    for m in range(known.shape[1]):
        s, q, largest = bits[i, m], charges[i, m], 0.0
        for a in range(width):
            total = 0.0
            for b in range(width):
                entry = tensors[i, s, q, b, a] if rightward else tensors[i, s, q, a, b]
                total += entry * known[source, m, b]
            known[goal, m, a] = total
            largest = max(largest, abs(total))
        for a in range(width):
            known[goal, m, a] /= largest


@njit(cache=True)
def environments(tensors: FloatArray, bits: IntArray, charges: IntArray) -> tuple[FloatArray, FloatArray]:
    """What lies left (of the first site) and right (of every site) of each string's block."""
    n_bits, width, n_strings = tensors.shape[0], tensors.shape[3], bits.shape[1]
    left, right = np.zeros((n_bits + 1, n_strings, width)), np.zeros((n_bits + 1, n_strings, width))
    for m in range(n_strings):
        left[0, m, 0] = right[n_bits, m, 0] = 1.0
    for i in range(n_bits - 1, 0, -1):
        _extend(tensors, bits, charges, right, i, False)
    return left, right


@njit(cache=True)
def train(
    tensors: FloatArray,
    dims: IntArray,
    raises: int,
    bits: IntArray,
    charges: IntArray,
    weight: FloatArray,
    learning_rate: float,
    n_sweeps: int,
) -> None:
    """Sweeps from the first site to the last and back, in place; the centre is at the first site before and after."""
    n_bits = tensors.shape[0]
    left, right = environments(tensors, bits, charges)
    for _ in range(n_sweeps):
        for i in range(n_bits - 1):
            step_site(tensors, bits, charges, left, right, weight, learning_rate, i)
            _shift_right(tensors, dims, raises, i)
            _extend(tensors, bits, charges, left, i, True)
        for i in range(n_bits - 1, 0, -1):
            step_site(tensors, bits, charges, left, right, weight, learning_rate, i)
            shift_left(tensors, dims, raises, i)
            _extend(tensors, bits, charges, right, i, False)


@njit(cache=True)
def draw(tensors: FloatArray, dims: IntArray, raises: int, uniforms: FloatArray, drawn: BoolArray) -> None:
    """Exact draws, bit by bit, of a chain whose centre is its first site; uniforms (n, draws) -> drawn (draws, n)."""
    n_bits, n_draws = uniforms.shape
    width, top = tensors.shape[3], dims.shape[1] - 1
    vector, branches = np.empty(width), np.empty((2, width))
    for row in range(n_draws):
        charge = 0
        for a in range(width):
            vector[a] = 1.0 if a == 0 else 0.0
        for i in range(n_bits):
            one = both = 0.0
            for s in range(2):
                after = charge + s * raises
                possible = after <= top and dims[i + 1, after] > 0
                for b in range(width):
                    total = 0.0
                    if possible:
                        for a in range(width):
                            total += vector[a] * tensors[i, s, charge, a, b]
                    branches[s, b] = total
                    both += total * total
                    one += s * total * total
            chosen = 1 if uniforms[i, row] * both < one else 0
            drawn[row, i] = chosen == 1
            charge += chosen * raises
            largest = 0.0
            for b in range(width):
                largest = max(largest, abs(branches[chosen, b]))
            for b in range(width):
                vector[b] = branches[chosen, b] / largest
