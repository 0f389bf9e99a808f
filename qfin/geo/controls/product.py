"""Independent assets given the number held: the product model of UMDA and PBIL, made exact for a cardinality."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import BoolArray, FloatArray
from qfin._validation import check_fitted
from qfin.born.bit_mps import as_weighted_bits
from qfin.born.fixed_count import draw_many_with_count, fit_odds, log_prob_with_count


class ProductGenerator(BaseEstimator):  # type: ignore[misc]
    """Conditional Bernoulli fitted by maximum likelihood; `smoothing` is the weight of the even composition added."""

    def __init__(self, counts: tuple[int, int], *, smoothing: float = 0.1):
        self.counts = counts
        self.smoothing = smoothing

    def fit(self, bits: ArrayLike, sample_weight: ArrayLike | None = None, *, rng: RandomLike = None) -> Self:
        """Fit to weighted strings; nothing in it is random."""
        strings, weight = as_weighted_bits(bits, sample_weight)
        shares = smoothed_shares(strings, weight, self.smoothing)
        self.odds_ = fit_odds(shares, self.counts)
        return self

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> BoolArray:
        check_fitted(self, "odds_")
        return draw_many_with_count(self.odds_, self.counts, n_samples, as_generator(rng))

    def log_prob(self, bits: ArrayLike) -> FloatArray:
        check_fitted(self, "odds_")
        strings, _ = as_weighted_bits(bits, None, n_bits=len(self.odds_))
        return log_prob_with_count(self.odds_, self.counts, strings)


def smoothed_shares(strings: BoolArray, weight: FloatArray, smoothing: float) -> FloatArray:
    """Weighted share of ones of each site, drawn to the mean share by `smoothing`, inside (0, 1)."""
    shares = (weight @ strings + smoothing * strings.mean()) / (1.0 + smoothing)
    return np.asarray(np.clip(shares, 1e-6, 1.0 - 1e-6))
