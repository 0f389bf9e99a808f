"""Joint linear regression of quantile and expected shortfall by the Fissler–Ziegel loss, many samples at once."""

from dataclasses import dataclass

import numpy as np

from qfin._types import FloatArray

_ROUNDS = 2
_QUANTILE_STEPS = 60
_SHORTFALL_STEPS = 4
# Fitted ES below this share of its mean counts as this share in the weights 1/ES².
_FLOOR = 0.05


@dataclass(frozen=True)
class JointFit:
    """Intercept and slope per sample, shape (n_samples, 2), and the inverse covariance of those of the ES."""

    quantile: FloatArray
    shortfall: FloatArray
    precision: FloatArray


def joint_regression(losses: FloatArray, x_var: FloatArray, x_es: FloatArray, tail: float) -> JointFit:
    """Minimise FZ0(v, e; loss) = (v + max(loss − v, 0)/tail)/e + log e − 1 over v = b₀ + b₁ x_var, e = g₀ + g₁ x_es.

    Given e, v minimises a quantile loss weighted by 1/e; given v, e is a regression of the pseudo-losses
    v + max(loss − v, 0)/tail under an exponential quasi-likelihood with identity link, that is least squares weighted
    by 1/e² and iterated. The two alternate. The quantile does not enter the covariance of g to first order (Dimitriadis
    and Bayer 2019, theorem 2.6); with losses of one shape whose scale is e it is κ (Σ xx'/e²)⁻¹, κ the variance of
    pseudo-loss/e. (The sandwich without that assumption rests on a handful of exceedances: at 250 days a test with it
    rejects true forecasts in 49 % of cases instead of 5 %.) All arrays have shape (n_samples, n_days).
    """
    shortfall = np.column_stack([np.zeros(len(losses)), np.ones(len(losses))])
    weight = 1.0 / _fitted(shortfall, x_es)
    quantile = np.column_stack([np.zeros(len(losses)), np.quantile(losses / x_var, 1.0 - tail, axis=1)])
    for _ in range(_ROUNDS):
        quantile = _quantile_regression(losses, x_var, weight, quantile, tail)
        v = quantile[:, :1] + quantile[:, 1:] * x_var
        pseudo = v + np.maximum(losses - v, 0.0) / tail
        for _ in range(_SHORTFALL_STEPS):
            shortfall = _least_squares(pseudo, x_es, _fitted(shortfall, x_es) ** -2.0)
        weight = 1.0 / _fitted(shortfall, x_es)
    return JointFit(quantile, shortfall, _precision(pseudo, x_es, shortfall))


def _fitted(parameters: FloatArray, x: FloatArray) -> FloatArray:
    fitted = parameters[:, :1] + parameters[:, 1:] * x
    return np.asarray(np.maximum(fitted, _FLOOR * np.abs(fitted).mean(axis=1, keepdims=True)))


def _least_squares(y: FloatArray, x: FloatArray, weight: FloatArray) -> FloatArray:
    """Intercept and slope of weighted least squares."""
    wx, wy = weight * x, weight * y
    sums = weight.sum(axis=1), wx.sum(axis=1), (wx * x).sum(axis=1), wy.sum(axis=1), (wy * x).sum(axis=1)
    return _solve(np.column_stack(sums))


def _solve(sums: FloatArray) -> FloatArray:
    """Intercept and slope from the weighted sums of 1, x, x², y and xy."""
    s0, s1, s2, t0, t1 = sums.T
    return np.asarray(np.column_stack([s2 * t0 - s1 * t1, s0 * t1 - s1 * t0]) / (s0 * s2 - s1**2)[:, None])


def _quantile_regression(
    y: FloatArray, x: FloatArray, weight: FloatArray, start: FloatArray, tail: float
) -> FloatArray:
    """Weighted quantile regression by majorisation (Hunter and Lange 2000), |r| rounded off below a shrinking width."""
    parameters = start
    spread = y.std(axis=1, keepdims=True)
    terms = np.stack([np.ones_like(x), x, x * x, y, x * y], axis=2)
    pull = np.zeros((len(y), 5))
    pull[:, 3:] = (1.0 - 2.0 * tail) * np.column_stack([weight.sum(axis=1), (weight * x).sum(axis=1)])
    for width in np.geomspace(1e-2, 1e-3, _QUANTILE_STEPS):
        residual = y - parameters[:, 1:] * x
        residual -= parameters[:, :1]
        np.abs(residual, out=residual)
        residual += width * spread
        np.divide(weight, residual, out=residual)
        parameters = _solve((residual[:, None, :] @ terms)[:, 0, :] + pull)
    return parameters


def shortfall_gram(x: FloatArray, es: FloatArray) -> FloatArray:
    """Σ xx'/es² over days with x = (1, x), shape (n_samples, 2, 2)."""
    design = np.stack([1.0 / es, x / es], axis=2)
    return np.asarray(design.transpose(0, 2, 1) @ design)


def _precision(pseudo: FloatArray, x: FloatArray, shortfall: FloatArray) -> FloatArray:
    fitted = _fitted(shortfall, x)
    spread = (((pseudo - fitted) / fitted) ** 2).sum(axis=1) / (pseudo.shape[1] - 2)
    return np.asarray(shortfall_gram(x, fitted) / np.maximum(spread, 1e-300)[:, None, None])
