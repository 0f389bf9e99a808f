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
    from qfin.born import bit_kernels

    n_charges, width = shape.channel.shape[1:]
    base = np.stack([np.ones(shape.n_bits), np.sqrt(odds)], axis=1)
    mixing = np.sqrt(noise / shape.n_bits) * rng.standard_normal((shape.n_bits, 2, n_charges, width, width))
    tensors = base[:, :, None, None, None] * (np.eye(width) + mixing)
    tensors[:, 0] *= shape.inside[:-1, :, :, None] * shape.inside[1:, :, None, :]
    tensors[:, 1] *= shape.inside[:-1, :, :, None] * shape.above[1:, :, None, :]
    tensors = np.ascontiguousarray(tensors)
    for i in range(shape.n_bits - 1, 0, -1):
        bit_kernels.shift_left(tensors, shape.dims, shape.raises, i)
    tensors[0] /= np.linalg.norm(tensors[0])
    return tensors


def string_charges(shape: ChainShape, bits: BoolArray) -> IntArray:
    """The charge of each string on each bond, shape (strings, n + 1)."""
    charges = np.zeros((len(bits), shape.n_bits + 1), dtype=np.int64)
    if shape.raises:
        np.cumsum(bits, axis=1, out=charges[:, 1:])
    return charges


def train(
    tensors: FloatArray, shape: ChainShape, bits: BoolArray, weight: FloatArray, learning_rate: float, n_sweeps: int
) -> None:
    """Sweep through the chain and back, in place; the centre is at the first site before and after."""
    from qfin.born import bit_kernels

    ones = np.ascontiguousarray(bits.T.astype(np.int64))
    charges = np.ascontiguousarray(string_charges(shape, bits).T)
    bit_kernels.train(tensors, shape.dims, shape.raises, ones, charges, weight, learning_rate, n_sweeps)


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
    from qfin.born import bit_kernels

    drawn = np.empty((n_samples, shape.n_bits), dtype=bool)
    bit_kernels.draw(tensors, shape.dims, shape.raises, rng.random((shape.n_bits, n_samples)), drawn)
    return drawn
