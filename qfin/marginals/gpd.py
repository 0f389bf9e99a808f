"""Generalised Pareto law of excesses over a threshold, by maximum likelihood with a bounded shape."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from qfin._types import FloatArray
from qfin.exceptions import InputError

# Shape 0 is the exponential law. A negative shape would give the tail an end, and call every later day beyond that end
# impossible; a shape above 0.5 would give returns without a variance. The bounds shut out both.
MIN_SHAPE = 1e-8
MAX_SHAPE = 0.5


def fit_gpd(excesses: ArrayLike) -> tuple[float, float]:
    """Shape and scale that maximise the likelihood of positive `excesses`, with MIN_SHAPE ≤ shape ≤ MAX_SHAPE.

    Survival function: (1 + shape·z/scale)^(−1/shape) (Pickands 1975).
    """
    z = np.asarray(excesses, dtype=np.float64)
    if z.ndim != 1 or len(z) == 0 or not np.isfinite(z).all() or z.min() <= 0.0:
        raise InputError("excesses: expected a non-empty vector of finite positive numbers")
    mean = float(z.mean())
    result = minimize(
        _mean_loss, x0=np.array([np.log(0.8), 0.2]), args=(z / mean,), jac=True, method="L-BFGS-B",
        bounds=[(-20.0, 20.0), (MIN_SHAPE, MAX_SHAPE)], options={"ftol": 1e-13, "gtol": 1e-9},
    )  # fmt: skip
    return float(result.x[1]), mean * float(np.exp(result.x[0]))


def _mean_loss(params: FloatArray, z: FloatArray) -> tuple[float, FloatArray]:
    """Mean negative log-likelihood and its gradient in (log scale, shape)."""
    log_scale, shape = params
    scaled = z * np.exp(-log_scale)
    log_term = float(np.log1p(shape * scaled).mean()) / shape
    ratio = float((scaled / (1.0 + shape * scaled)).mean())
    loss = log_scale + (1.0 + shape) * log_term
    gradient = np.array([1.0 - (1.0 + shape) * ratio, (-log_term + (1.0 + shape) * ratio) / shape])
    return float(loss), gradient


def gpd_survival(z: FloatArray, shape: float, scale: float) -> FloatArray:
    """P(excess > z) for z ≥ 0 and shape > 0; z may be +∞."""
    return np.asarray(np.exp(-np.log1p(shape * z / scale) / shape))


def gpd_inverse_survival(probability: FloatArray, shape: float, scale: float) -> FloatArray:
    """The excess z with P(excess > z) = probability."""
    return np.asarray(scale / shape * np.expm1(-shape * np.log(probability)))


def gpd_logpdf(z: FloatArray, shape: float, scale: float) -> FloatArray:
    """Log-density of the excess at z ≥ 0."""
    return np.asarray(-np.log(scale) - (1.0 + 1.0 / shape) * np.log1p(shape * z / scale))
