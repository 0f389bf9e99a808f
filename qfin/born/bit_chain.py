"""Matrix product states over bits with a charge on every bond: canonical form, training sweep, draws.

A bond of the chain carries a charge q (how many ones lie to its left) and, inside a charge, up to `max_bond` channels.
Site i holds one block per bit and charge, A[i, s, q] : (q, channel) -> (q + s, channel), padded to one shape. A chain
without the symmetry is the case of one charge that a one does not raise, so both machines share every line here.
(U(1) blocks: Lopez-Piqueres et al., 2211.09121; sweeps in canonical form: Han et al., 1709.01662.)
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from qfin._types import BoolArray, FloatArray, IntArray

# Step lengths tried along the direction of a site, as shares of the learning rate; the best one is taken.
_SHARES = 0.5 ** np.arange(6)


@dataclass(frozen=True)
class ChainShape:
    """Sizes of a chain: `dims[i, q]` channels of charge q on bond i, zero where no string can pass."""

    dims: IntArray
    raises: int
    channel: BoolArray

    @property
    def n_bits(self) -> int:
        return len(self.dims) - 1

    @cached_property
    def inside(self) -> FloatArray:
        """1 where a channel exists, 0 in the padding, (n + 1, charges, channels)."""
        return self.channel.astype(np.float64)

    @cached_property
    def above(self) -> FloatArray:
        """`inside` of the charge that a one leads to."""
        return np.array([_lowered(inside, self.raises) for inside in self.inside])


@lru_cache(maxsize=32)
def chain_shape(n_bits: int, max_bond: int, counts: tuple[int, int] | None) -> ChainShape:
    """The shape of a chain whose strings have counts[0] to counts[1] ones; None leaves the count free."""
    lowest, highest = (0, 0) if counts is None else counts
    raises = 0 if counts is None else 1
    left = np.zeros((n_bits + 1, highest + 1))
    right = np.zeros_like(left)
    left[0, 0] = 1.0
    right[n_bits, lowest:] = 1.0
    for i in range(n_bits):  # numbers of strings on either side of a bond, kept at most max_bond
        left[i + 1] = np.minimum(left[i] + _raised(left[i], raises), max_bond)
        j = n_bits - 1 - i
        right[j] = np.minimum(right[j + 1] + _lowered(right[j + 1], raises), max_bond)
    dims = np.minimum(np.minimum(left, right), max_bond).astype(np.int64)
    return ChainShape(dims, raises, np.arange(max_bond) < dims[..., None])


def _raised(values: FloatArray, raises: int) -> FloatArray:
    """values[q − 1] at q: what a one brings from the bond before."""
    return values if raises == 0 else np.concatenate([np.zeros_like(values[:1]), values[:-1]])


def _lowered(values: FloatArray, raises: int) -> FloatArray:
    """values[q + 1] at q: where a one leads on the bond after."""
    return values if raises == 0 else np.concatenate([values[1:], np.zeros_like(values[:1])])


def product_start(shape: ChainShape, odds: FloatArray, noise: float, rng: np.random.Generator) -> FloatArray:
    """Tensors (n, 2, charges, D, D) of the product model with these odds, the spare channels joined to it by noise.

    A path that leaves the first channel and comes back has weight noise / n, so that all of them together are `noise`.
    """
    n_charges, width = shape.channel.shape[1:]
    base = np.stack([np.ones(shape.n_bits), np.sqrt(odds)], axis=1)
    mixing = np.sqrt(noise / shape.n_bits) * rng.standard_normal((shape.n_bits, 2, n_charges, width, width))
    tensors = base[:, :, None, None, None] * (np.eye(width) + mixing)
    tensors[:, 0] *= shape.inside[:-1, :, :, None] * shape.inside[1:, :, None, :]
    tensors[:, 1] *= shape.inside[:-1, :, :, None] * shape.above[1:, :, None, :]
    for i in range(shape.n_bits - 1, 0, -1):
        shift_left(tensors, shape, i)
    tensors[0] /= np.linalg.norm(tensors[0])
    return np.asarray(tensors)


def shift_left(tensors: FloatArray, shape: ChainShape, i: int) -> None:
    """Make site i right-orthonormal and move the rest of it into site i − 1, whose norm becomes one."""
    width = tensors.shape[-1]
    stacked = np.concatenate([tensors[i, 0], tensors[i, 1]], axis=2).transpose(0, 2, 1)
    columns, r = np.linalg.qr(stacked)
    rows = columns.transpose(0, 2, 1) * shape.inside[i][:, :, None]
    tensors[i, 0] = rows[:, :, :width] * shape.inside[i + 1][:, None, :]
    tensors[i, 1] = rows[:, :, width:] * shape.above[i + 1][:, None, :]
    carry = r.transpose(0, 2, 1)
    tensors[i - 1, 0] = tensors[i - 1, 0] @ carry
    tensors[i - 1, 1] = tensors[i - 1, 1] @ _lowered(carry, shape.raises)
    tensors[i - 1] /= np.sqrt((tensors[i - 1] ** 2).sum())


def shift_right(tensors: FloatArray, shape: ChainShape, i: int) -> None:
    """Make site i left-orthonormal and move the rest of it into site i + 1, whose norm becomes one."""
    width = tensors.shape[-1]
    stacked = np.concatenate([tensors[i, 0], _raised(tensors[i, 1], shape.raises)], axis=1)
    columns, r = np.linalg.qr(stacked)
    columns *= shape.inside[i + 1][:, None, :]
    tensors[i, 0] = columns[:, :width] * shape.inside[i][:, :, None]
    tensors[i, 1] = _lowered(columns[:, width:], shape.raises) * shape.inside[i][:, :, None]
    tensors[i + 1] = r @ tensors[i + 1]
    tensors[i + 1] /= np.sqrt((tensors[i + 1] ** 2).sum())


def string_charges(shape: ChainShape, bits: BoolArray) -> IntArray:
    """The charge of each string on each bond, shape (strings, n + 1)."""
    charges = np.zeros((len(bits), shape.n_bits + 1), dtype=np.int64)
    if shape.raises:
        np.cumsum(bits, axis=1, out=charges[:, 1:])
    return charges


class Sweeper:
    """Weighted strings on a chain whose centre walks: environments, directions and steps of each site.

    The loss −Σ w log(Ψ²/Z) is convex in the centre A (‖A‖² = Z, every Ψ kept above zero), its gradient is
    2 (A − Σ w E/Ψ), and along the direction it is known exactly from ρ = ⟨G, E⟩/Ψ: every step lowers it.
    """

    def __init__(
        self, tensors: FloatArray, shape: ChainShape, bits: BoolArray, weight: FloatArray, learning_rate: float
    ) -> None:
        self.tensors, self.shape, self.weight, self.learning_rate = tensors, shape, weight, learning_rate
        ones, charges = bits.astype(np.int64).T, string_charges(shape, bits).T[:-1]
        n_charges, width = tensors.shape[2:4]
        # Where the entries of each string's block lie in a site's tensor, (n, strings, width²).
        self.cells = ((ones * n_charges + charges) * width * width)[:, :, None] + np.arange(width * width)
        self.left = np.zeros((shape.n_bits + 1, len(bits), width))
        self.right = np.zeros((shape.n_bits + 1, len(bits), width))
        self.left[0, :, 0] = self.right[-1, :, 0] = 1.0
        for i in range(shape.n_bits - 1, 0, -1):
            self._extend_right(i)

    def sweep(self) -> None:
        """From the first site to the last and back; the centre is at the first site before and after."""
        n = self.shape.n_bits
        for i in range(n - 1):
            self._step(i)
            shift_right(self.tensors, self.shape, i)
            ahead = (self.left[i][:, :, None] * self._blocks(i)).sum(axis=1)
            self.left[i + 1] = ahead / np.abs(ahead).max(axis=1, keepdims=True)
        for i in range(n - 1, 0, -1):
            self._step(i)
            shift_left(self.tensors, self.shape, i)
            self._extend_right(i)

    def _blocks(self, i: int) -> FloatArray:
        width = self.tensors.shape[-1]
        return np.asarray(self.tensors[i].take(self.cells[i]).reshape(-1, width, width))

    def _extend_right(self, i: int) -> None:
        behind = (self._blocks(i) * self.right[i + 1][:, None, :]).sum(axis=2)
        self.right[i] = behind / np.abs(behind).max(axis=1, keepdims=True)

    def _step(self, i: int) -> None:
        centre, cells = self.tensors[i], self.cells[i]
        environment = (self.left[i][:, :, None] * self.right[i + 1][:, None, :]).reshape(cells.shape)
        amplitudes = (environment * centre.take(cells)).sum(axis=1)
        pull = (self.weight / amplitudes)[:, None] * environment
        target = np.bincount(cells.ravel(), pull.ravel(), centre.size)
        ratios = (environment * target.take(cells)).sum(axis=1) / amplitudes - 1.0
        steps = self.learning_rate * _SHARES
        stretched = np.maximum(1.0 + steps[:, None] * ratios, 0.0)
        direction = target.reshape(centre.shape) - centre
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = 2.0 * np.log(stretched) @ self.weight
        loss = np.log1p(steps**2 * (direction * direction).sum()) - gain
        best = int(loss.argmin())
        if loss[best] < 0.0:
            stepped = centre + steps[best] * direction
            self.tensors[i] = stepped / np.sqrt((stepped * stepped).sum())


def log_amplitudes(tensors: FloatArray, shape: ChainShape, bits: BoolArray) -> tuple[FloatArray, FloatArray]:
    """log |Ψ| (−inf where a string has another count) and the sign of Ψ, for the strings bits (strings, n)."""
    charges = string_charges(shape, bits)
    allowed = (shape.dims[np.arange(shape.n_bits + 1), np.minimum(charges, shape.dims.shape[1] - 1)] > 0).all(axis=1)
    allowed &= charges[:, -1] < shape.dims.shape[1]
    vector = np.zeros((len(bits), tensors.shape[-1]))
    vector[:, 0] = 1.0
    log_scale = np.where(allowed, 0.0, -np.inf)
    charges = np.minimum(charges, shape.dims.shape[1] - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(shape.n_bits):
            vector = np.matmul(vector[:, None, :], tensors[i, bits[:, i].astype(np.int64), charges[:, i]])[:, 0]
            scale = np.abs(vector).max(axis=1)
            log_scale = log_scale + np.log(scale)
            vector = vector / np.where(scale > 0.0, scale, 1.0)[:, None]
    return log_scale, np.sign(vector[:, 0])


def draw_strings(tensors: FloatArray, shape: ChainShape, n_samples: int, rng: np.random.Generator) -> BoolArray:
    """Exact draws, bit by bit, of a chain whose centre is its first site; shape (n_samples, n)."""
    uniforms = rng.random((shape.n_bits, n_samples))
    bits = np.zeros((n_samples, shape.n_bits), dtype=bool)
    charge = np.zeros(n_samples, dtype=np.int64)
    vector = np.zeros((n_samples, tensors.shape[-1]))
    vector[:, 0] = 1.0
    top = shape.dims.shape[1] - 1
    for i in range(shape.n_bits):
        branches = [np.matmul(vector[:, None, :], tensors[i, s, charge])[:, 0] for s in (0, 1)]
        after = np.minimum(charge + shape.raises, top)
        one = (branches[1] ** 2).sum(axis=1) * ((shape.dims[i + 1, after] > 0) & (charge + shape.raises <= top))
        zero = (branches[0] ** 2).sum(axis=1) * (shape.dims[i + 1, charge] > 0)
        chosen = uniforms[i] * (one + zero) < one
        bits[:, i] = chosen
        charge = np.where(chosen, after, charge)
        vector = np.where(chosen[:, None], branches[1], branches[0])
        vector /= np.abs(vector).max(axis=1, keepdims=True)
    return bits
