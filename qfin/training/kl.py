"""Likelihood losses of exact probabilities: Kullback–Leibler divergence and negative log-likelihood.

NumPy arrays in, NumPy numbers out; JAX arrays likewise, differentiable in the model. One convention for the floor: a
probability below it counts as the floor, and its slope there is zero.
"""

from typing import Any

FLOOR = 1e-30
"""Smallest probability, about the smallest normal number in single precision."""


def kl_divergence(target: Any, model: Any, *, floor: float = FLOOR) -> Any:
    """Σ q log(q/p) of probabilities target q and model p over the same outcomes, nats; 0 log 0 = 0."""
    arrays = model.__array_namespace__()
    known = arrays.where(target > 0, target, 1.0)
    return target @ (arrays.log(known) - arrays.log(arrays.maximum(model, floor)))


def negative_log_likelihood(log_densities: Any, weights: Any = None) -> Any:
    """Minus the mean of the observations' log densities, weighted by `weights` (any positive scale) where given."""
    if weights is None:
        return -log_densities.mean()
    return -(weights @ log_densities) / weights.sum()
