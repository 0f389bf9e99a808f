"""One register given those before it: densities |polynomial|² φ, their integrals and exact draws."""

import numpy as np
from scipy.special import gammaln, ndtr, ndtri

from qfin._types import FloatArray
from qfin.basis.hermite import gauss_hermite, hermite_functions, normal_density, product_coefficients

_MAX_STEPS = 100
_TOLERANCE = 1e-11
# A step of Halley's method shorter than this leaves an error of the order of its cube.
_SHORT_STEP = 2e-5
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


def site_moments(tensor: FloatArray) -> FloatArray:
    """P (2K − 1, pairs) with a_m = Σ P[m, lr] v_l v_r over l ≤ r: `density_moments` of a left vector v, |v| = 1.

    For a right-canonical site (left, K, right), behind which everything is summed out; pairs as in `pairs_of`.
    """
    products = product_coefficients(tensor.shape[1])
    table = np.einsum("lkr,mjr,kjp->plm", tensor, tensor, products, optimize=True)
    first, second = np.triu_indices(len(tensor))
    folded: FloatArray = table[:, first, second] * np.where(first == second, 1.0, 2.0)
    return folded


def pairs_of(vectors: FloatArray) -> FloatArray:
    """v_l v_r, l ≤ r, of vectors (left, n): shape (pairs, n)."""
    first, second = np.triu_indices(len(vectors))
    products: FloatArray = vectors[first] * vectors[second]
    return products


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

    Halley's method, kept inside a bracket that shrinks at every step (bisection where it is left), until the
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
    short = _SHORT_STEP * np.minimum(high - low, 1.0)
    scaled = moments / np.exp(0.5 * gammaln(np.arange(1.0, len(moments) + 1.0)))[:, None]
    rows, active = np.arange(n), (y, low, high, target, tolerance, short)
    for _ in range(_MAX_STEPS):
        at, lo, hi, goal, allowed, close = active
        excess, step = _halley(scaled, at, goal)
        positive = excess > 0.0
        lo, hi = np.where(positive, lo, at), np.where(positive, at, hi)
        following = at + step
        within = (following > lo) & (following < hi)
        met = np.abs(excess) <= allowed
        settled = met | (within & (np.abs(step) < close)) | (hi - lo <= _TOLERANCE)
        y[rows] = np.where(within, following, np.where(met, at, 0.5 * (lo + hi)))
        open_rows = np.flatnonzero(~settled)
        if not len(open_rows):
            break
        if len(open_rows) < len(rows):
            rows, scaled = rows[open_rows], scaled[:, open_rows]
        active = (y[rows], *(values[open_rows] for values in (lo, hi, goal, allowed, close)))
    return np.asarray(y)


def _halley(scaled: FloatArray, y: FloatArray, goal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """F(y) − goal and the step of Halley's method towards its zero, for a_m/√m!, (M, n), and y (n,).

    With He_m the plain Hermite polynomials, F = a_0 Φ − φ Σ_{m≥1} c_m He_{m−1}, F' = φ Σ c_m He_m and
    F'' = −φ Σ c_m He_{m+1}: all three from one run of the recursion.
    """
    polynomials, term = np.empty((len(scaled) + 1, len(y))), np.empty_like(y)
    polynomials[0], polynomials[1] = 1.0, y
    for m in range(1, len(scaled)):
        np.multiply(y, polynomials[m], out=polynomials[m + 1])
        polynomials[m + 1] -= np.multiply(polynomials[m - 1], float(m), out=term)
    integral = np.einsum("mn,mn->n", scaled[1:], polynomials[:-2])
    density = np.einsum("mn,mn->n", scaled, polynomials[:-1])
    slope = np.einsum("mn,mn->n", scaled, polynomials[1:])
    phi = normal_density(y)
    excess = scaled[0] * ndtr(y) - phi * integral - goal
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        newton = -excess / (phi * density)
        step = newton / np.maximum(1.0 - 0.5 * newton * slope / density, 0.5)
    return excess, step


def features_by_row(y: FloatArray, n_functions: int) -> FloatArray:
    """h_0 … h_{K−1} at y (n,), shape (K, n)."""
    values = np.ones((n_functions, len(y)))
    if n_functions > 1:
        values[1] = y
    for k in range(2, n_functions):
        np.multiply(y, values[k - 1], out=values[k])
        values[k] -= np.sqrt(k - 1.0) * values[k - 2]
        values[k] /= np.sqrt(k)
    return values
