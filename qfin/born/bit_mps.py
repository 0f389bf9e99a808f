"""Born machine on n bits, trained on weighted strings: p(x) = Ψ(x)²."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import BoolArray, FloatArray
from qfin._validation import check_fitted
from qfin.born.bit_chain import (
    ChainShape,
    chain_shape,
    draw_strings,
    log_amplitudes,
    product_start,
    train,
)
from qfin.exceptions import InputError


class BitMPS(BaseEstimator):  # type: ignore[misc]
    """Matrix product state over bits, trained from the product model by sweeps of one-site steps in canonical form.

    Parameters
    ----------
    max_bond : int
        χ, channels of a bond.
    n_sweeps : int
        Walks through the chain and back; 0 leaves the product model.
    learning_rate : float
        Longest step of a site: 1 goes to the point where the gradient's linear part vanishes.
    smoothing : float
        Strings of the mean composition added to the product start, as a share of the data's weight.
    start_noise : float
        Weight of the spare channels at the start.

    Attributes
    ----------
    tensors_ : (n, 2, charges, χ, χ) float64, centre at the first site, the others right-orthonormal.
    """

    def __init__(
        self,
        max_bond: int = 4,
        *,
        n_sweeps: int = 2,
        learning_rate: float = 0.3,
        smoothing: float = 0.1,
        start_noise: float = 0.1,
    ):
        self.max_bond = max_bond
        self.n_sweeps = n_sweeps
        self.learning_rate = learning_rate
        self.smoothing = smoothing
        self.start_noise = start_noise

    def _counts(self) -> tuple[int, int] | None:
        """Lowest and highest number of ones that a string may have; None where any may."""
        return None

    def fit(self, bits: ArrayLike, sample_weight: ArrayLike | None = None, *, rng: RandomLike = None) -> Self:
        """Lower −Σ w log p(x) over strings bits (strings, n); weights need not sum to one."""
        strings, weight = as_weighted_bits(bits, sample_weight)
        shape = self._shape(strings.shape[1])
        counts = self._counts()
        totals = strings.sum(axis=1)
        if counts is not None and not ((totals >= counts[0]) & (totals <= counts[1])).all():
            wrong = totals[(totals < counts[0]) | (totals > counts[1])][0]
            raise InputError(f"bits: expected {counts[0]} to {counts[1]} ones in every string, received {wrong}")
        share = (weight @ strings + self.smoothing * strings.mean()) / (1.0 + self.smoothing)
        share = np.clip(share, 1e-6, 1.0 - 1e-6)
        tensors = product_start(shape, share / (1.0 - share), self.start_noise, as_generator(rng))
        train(tensors, shape, strings, weight, self.learning_rate, self.n_sweeps)
        self.tensors_, self.n_bits_ = tensors, strings.shape[1]
        return self

    def _shape(self, n_bits: int) -> ChainShape:
        return chain_shape(n_bits, self.max_bond, self._counts())

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> BoolArray:
        """Exact draws, shape (n_samples, n)."""
        check_fitted(self, "tensors_")
        return draw_strings(self.tensors_, self._shape(self.n_bits_), n_samples, as_generator(rng))

    def log_prob(self, bits: ArrayLike) -> FloatArray:
        """log p of each string, nats; −inf for a string that cannot be drawn."""
        check_fitted(self, "tensors_")
        strings, _ = as_weighted_bits(bits, None, n_bits=self.n_bits_)
        log_scale, _ = log_amplitudes(self.tensors_, self._shape(self.n_bits_), strings)
        return 2.0 * log_scale

    def amplitudes(self, bits: ArrayLike) -> FloatArray:
        """Ψ of each string, real."""
        check_fitted(self, "tensors_")
        strings, _ = as_weighted_bits(bits, None, n_bits=self.n_bits_)
        log_scale, sign = log_amplitudes(self.tensors_, self._shape(self.n_bits_), strings)
        return np.asarray(np.exp(log_scale) * sign)


def as_weighted_bits(
    bits: ArrayLike, sample_weight: ArrayLike | None, *, n_bits: int | None = None
) -> tuple[BoolArray, FloatArray]:
    """Strings as a bool matrix and their weights, which sum to one."""
    strings = np.asarray(bits)
    if strings.ndim != 2 or not strings.size:
        raise InputError(f"bits: expected a matrix (strings, bits), received shape {strings.shape}")
    if strings.dtype != np.bool_ and not np.isin(strings, (0, 1)).all():
        raise InputError("bits: expected zeros and ones, received other values")
    if n_bits is not None and strings.shape[1] != n_bits:
        raise InputError(f"bits: expected {n_bits} columns, received {strings.shape[1]}")
    weight = np.ones(len(strings)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (len(strings),) or not np.isfinite(weight).all() or (weight < 0.0).any() or not weight.sum():
        raise InputError(f"sample_weight: expected {len(strings)} weights ≥ 0 with a sum > 0, received something else")
    return strings.astype(np.bool_), weight / weight.sum()
