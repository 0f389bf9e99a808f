"""Restricted Boltzmann machine given the number held: scikit-learn trains it, Gibbs draws keep the count."""

import warnings
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator, integer_seed
from qfin._types import BoolArray, FloatArray
from qfin._validation import check_fitted
from qfin.born.bit_mps import as_weighted_bits
from qfin.born.fixed_count import draw_with_count


class RBMGenerator(BaseEstimator):  # type: ignore[misc]
    """`BernoulliRBM` on strings resampled by weight; its Gibbs chains start at the data and draw the assets given the
    hidden units *and* the count, which is the exact conditional step, so nothing is rejected. No log-probability."""

    def __init__(
        self,
        counts: tuple[int, int],
        *,
        n_hidden: int = 16,
        learning_rate: float = 0.05,
        n_epochs: int = 20,
        n_gibbs: int = 5,
    ):
        self.counts = counts
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.n_gibbs = n_gibbs

    def fit(self, bits: ArrayLike, sample_weight: ArrayLike | None = None, *, rng: RandomLike = None) -> Self:
        from sklearn.neural_network import BernoulliRBM

        strings, weight = as_weighted_bits(bits, sample_weight)
        generator = as_generator(rng)
        drawn = strings[generator.choice(len(strings), size=max(len(strings), 100), p=weight)]
        machine = BernoulliRBM(
            self.n_hidden,
            learning_rate=self.learning_rate,
            batch_size=20,
            n_iter=self.n_epochs,
            random_state=integer_seed(generator),
        )
        share = np.clip(drawn.mean(axis=0), 0.5 / len(drawn), 1.0 - 0.5 / len(drawn))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            machine.fit(drawn.astype(np.float64))
        # What one-body statistics say is put into the biases exactly; training from zero biases is too slow for it.
        self.weights_ = machine.components_
        self.hidden_bias_ = machine.intercept_hidden_
        mean_field = self._hidden_share(drawn).mean(axis=0) @ self.weights_
        self.visible_bias_ = np.log(share / (1.0 - share)) - mean_field
        self.starts_ = drawn
        return self

    def _hidden_share(self, strings: BoolArray) -> FloatArray:
        return np.asarray(1.0 / (1.0 + np.exp(-(strings @ self.weights_.T + self.hidden_bias_))))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> BoolArray:
        check_fitted(self, "weights_")
        generator = as_generator(rng)
        strings = self.starts_[generator.integers(len(self.starts_), size=n_samples)]
        for _ in range(self.n_gibbs):
            hidden = generator.random((n_samples, self.n_hidden)) < self._hidden_share(strings)
            field = np.clip(hidden @ self.weights_ + self.visible_bias_, -30.0, 30.0)
            strings = draw_with_count(np.exp(field), self.counts, generator)
        return strings
