"""What every copula offers, and the step between the unit cube and latent normals."""

from typing import Protocol, Self, runtime_checkable

import numpy as np
from scipy.special import ndtr, ndtri

from qfin._random import RandomLike
from qfin._types import AnyArray, FloatArray

# Latent normals are kept within ±7: beyond, 1 − Φ(y) is lost in double precision and Hermite functions only grow.
LATENT_BOUND = 7.0


@runtime_checkable
class Copula(Protocol):
    """A density on the unit cube (0, 1)^d with its Rosenblatt transform; d assets, n observations."""

    def fit(self, u: FloatArray, y: None = None) -> Self: ...

    def logpdf(self, u: FloatArray) -> FloatArray:
        """Log density of each row of u; shape (n,), nats."""
        ...

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        """w_i = C(u_i | u_1, …, u_{i−1}); independent uniforms under the copula; shape (n, d)."""
        ...

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        """The u whose Rosenblatt transform is w; shape (n, d)."""
        ...

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Draws in (0, 1)^d, shape (n_samples, d)."""
        ...

    def to_arrays(self) -> dict[str, AnyArray]: ...


def to_latent(w: FloatArray) -> FloatArray:
    """y = Φ⁻¹(w), bounded to ±7 (`LATENT_BOUND`)."""
    latent: FloatArray = np.clip(ndtri(w), -LATENT_BOUND, LATENT_BOUND)
    return latent


def from_latent(y: FloatArray) -> FloatArray:
    """w = Φ(y), strictly inside (0, 1)."""
    return open_unit(ndtr(y))


def open_unit(u: FloatArray) -> FloatArray:
    """u strictly inside (0, 1): the closed ends, which only rounding produces, move to the nearest numbers inside."""
    return np.clip(u, np.finfo(float).tiny, 1.0 - np.finfo(float).eps / 2.0)
