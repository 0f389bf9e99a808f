"""One register given those before it: densities |polynomial|² φ, their integrals and exact draws."""

import numpy as np
from scipy.special import ndtr, ndtri

from qfin._types import FloatArray
from qfin.basis.hermite import gauss_hermite, hermite_functions, normal_density

_NEWTON_STEPS = 100
_TOLERANCE = 1e-11
_BOUND = 12.0


def density_moments(branches: FloatArray) -> FloatArray:
    """a_m with density(y) = φ(y) Σ_m a_m h_m(y), from branches (n, K, r): amplitude Σ_k B[k, r] h_k(y) in branch r.

    Exact by Gauss–Hermite quadrature on 2K − 1 nodes. Normalised so that a_0 = 1; shape (2K − 1, n).
    """
    n, size, right = branches.shape
    nodes, weights = gauss_hermite(2 * size - 1)
    at_nodes = branches.transpose(0, 2, 1).reshape(n * right, size) @ hermite_functions(nodes, size).T
    density = (at_nodes * at_nodes).reshape(n, right, len(nodes)).sum(1)
    moments = (weights[:, None] * hermite_functions(nodes, len(nodes))).T @ density.T
    normalised: FloatArray = moments / moments[0]
    return normalised


def distribution_and_density(moments: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """∫_{−∞}^{y} of the density and the density itself, for moments (M, n) and y (n,); y may be ±∞.

    ∫ h_m φ up to y is −h_{m−1}(y) φ(y)/√m, so both sums share one run of the recursion.
    """
    finite = np.where(np.isfinite(y), y, 0.0)
    before, current = np.zeros_like(finite), np.ones_like(finite)
    density, integral = moments[0].copy(), np.zeros_like(finite)
    for k in range(1, len(moments)):
        root = np.sqrt(k)
        integral -= moments[k] / root * current
        before, current = current, (finite * current - np.sqrt(k - 1.0) * before) / root
        density += moments[k] * current
    phi = np.where(np.isfinite(y), normal_density(finite), 0.0)
    return moments[0] * ndtr(y) + integral * phi, density * phi


def draw_coordinate(
    moments: FloatArray, uniforms: FloatArray, lower: FloatArray | None = None, upper: FloatArray | None = None
) -> FloatArray:
    """Inverse of the distribution with these moments (M, n) at `uniforms`, within (lower, upper) if given; shape (n,).

    Newton's method, kept inside a bracket that shrinks at every step (bisection where Newton leaves it), until the
    distribution function is met to 1e-11 of the mass between lower and upper.
    """
    n = moments.shape[1]
    low = np.full(n, -_BOUND) if lower is None else np.maximum(lower, -_BOUND)
    high = np.full(n, _BOUND) if upper is None else np.minimum(upper, _BOUND)
    target, tolerance = uniforms, np.full(n, _TOLERANCE)
    if lower is not None or upper is not None:
        below = distribution_and_density(moments, low)[0]
        inside = distribution_and_density(moments, high)[0] - below
        target, tolerance = below + uniforms * inside, _TOLERANCE * inside
    y = np.clip(ndtri(np.clip(target, 1e-300, 1.0 - 1e-16)), low, high)
    rows, active = np.arange(n), (moments, y, low, high, target, tolerance)
    for _ in range(_NEWTON_STEPS):
        a, at, lo, hi, goal, allowed = active
        value, slope = distribution_and_density(a, at)
        excess = value - goal
        lo, hi = np.where(excess > 0, lo, at), np.where(excess > 0, at, hi)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - excess / slope
        following = np.where((step > lo) & (step < hi), step, 0.5 * (lo + hi))
        unsettled = (np.abs(excess) > allowed) & (hi - lo > _TOLERANCE)
        y[rows] = at
        if not unsettled.any():
            break
        rows = rows[unsettled]
        active = (
            a[:, unsettled],
            following[unsettled],
            lo[unsettled],
            hi[unsettled],
            goal[unsettled],
            allowed[unsettled],
        )
    return np.asarray(y)
