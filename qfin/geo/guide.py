"""Guide: the weights on a support and the objective's gradient -> how much each exchange is worth, without solving it.

Needs mean and covariance, so it is no part of a comparison with solvers that see values only.
"""

import numpy as np

from qfin._types import BoolArray, FloatArray, IntArray
from qfin.exceptions import InputError
from qfin.geo.moves import all_swaps
from qfin.portfolio import MeanVariance, PortfolioProblem, relax

# How often weights that leave their bounds are put there and the others moved again, for one exchange.
_ROUNDS = 3


def mean_variance_of(problem: PortfolioProblem) -> MeanVariance:
    """The objective, if it has the gradient that guide and relaxation use."""
    if not isinstance(problem.objective, MeanVariance):
        raise InputError(f"objective: expected mean and variance, received {type(problem.objective).__name__}")
    return problem.objective


def predicted_swaps(problem: PortfolioProblem, support: BoolArray, weights: FloatArray) -> tuple[BoolArray, FloatArray]:
    """All exchanges i -> j of one support and the values that simple weights promise, +inf where none are found.

    Without i, weights at a bound stay there and the others are free; j is taken in at its best weight while these
    follow to their optimum. What comes out are weights within bounds, so the exact value is never above the promise,
    and equal to it where no other bound is met or left.
    """
    mean_variance_of(problem)
    swapped, pairs = all_swaps(support)
    promised = np.empty(len(pairs))
    for asset in np.flatnonzero(support):
        rows = pairs[:, 0] == asset
        promised[rows] = _without(problem, support, weights, int(asset))[pairs[rows, 1]]
    return swapped, promised


def _without(problem: PortfolioProblem, support: BoolArray, weights: FloatArray, asset: int) -> FloatArray:
    """Promised values of every asset (n_assets,) in place of a held one."""
    low, high = problem.bounds
    others = support.copy()
    others[asset] = False
    free = np.flatnonzero(others & (weights > low + 1e-9) & (weights < high - 1e-9))
    if len(free) < 2:
        free = np.flatnonzero(others)[np.argsort(-weights[others], kind="stable")[:2]]
    objective = mean_variance_of(problem)
    target = objective.target_return
    binding = target is not None and bool(objective.mean @ weights < target + 1e-9)
    rest = np.where(others, weights, 0.0)
    promised = np.full(len(weights), np.inf)
    for _ in range(_ROUNDS):
        values, answer = _take_in(problem, rest, free, binding)
        promised = np.minimum(promised, values)
        kept = (answer >= low) & (answer <= high)
        if kept.all():
            break
        rest[free] = np.clip(answer, low, high)
        free = free[kept]
        if not len(free):
            break
    return promised


def _take_in(
    problem: PortfolioProblem, rest: FloatArray, free: IntArray, binding: bool
) -> tuple[FloatArray, FloatArray]:
    """Values of taking in each asset while `free` weights follow, and the free weights before; `rest` is held still."""
    objective = mean_variance_of(problem)
    low, high = problem.bounds
    twice, covariance = 2.0 * objective.risk_weight, objective.covariance
    linear = -(1.0 - objective.risk_weight) * objective.mean
    normals, right = np.ones((1, len(rest))), np.ones(1)
    if binding:
        normals, right = np.stack([normals[0], objective.mean]), np.array([1.0, objective.target_return])
    base, size = rest.copy(), len(free)
    base[free] = 0.0
    system = np.zeros((size + len(right), size + len(right)))
    coupling = np.concatenate([twice * covariance[free], normals])
    system[:size, :size] = coupling[:size, free]
    system[:size, size:], system[size:, :size] = normals[:, free].T, normals[:, free]
    try:
        inverse = np.linalg.inv(system)
    except np.linalg.LinAlgError:  # no risk in the objective, or fewer free weights than constraints
        inverse = np.linalg.pinv(system, hermitian=True)
    held = np.flatnonzero(base)
    still = twice * (base[held] @ covariance[held])
    answer = inverse @ np.concatenate([-(linear + still)[free], right - normals @ base])
    base[free] = answer[:size]
    along = still + answer[:size] @ coupling[:size]
    slope = along + linear + normals.T @ answer[size:]
    response = inverse @ coupling
    curvature = twice * np.diag(covariance) - np.einsum("fj,fj->j", coupling, response)
    follow = response[:size]
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.where(curvature > 0.0, -slope / curvature, np.where(slope < 0.0, high, low))
        ends = np.stack([(base[free, None] - low) / follow, (base[free, None] - high) / follow])
    least = np.maximum(np.where(follow == 0.0, low, ends.min(axis=0)).max(axis=0), low)
    most = np.minimum(np.where(follow == 0.0, high, ends.max(axis=0)).min(axis=0), high)
    taken = np.clip(wanted, least, most)
    values = (0.5 * along + linear) @ base + slope * taken + 0.5 * curvature * taken**2
    fits = np.abs(normals @ base - right).max() < 1e-9
    return np.where((least <= most) & fits, values, np.inf), answer[:size]


def reduced_gradient(problem: PortfolioProblem, weights: FloatArray) -> FloatArray:
    """Gradient of the objective less the multipliers of Σw = 1 and of the target, fitted on weights between bounds."""
    objective = mean_variance_of(problem)
    earned = (1.0 - objective.risk_weight) * objective.mean
    gradient = 2.0 * objective.risk_weight * objective.covariance @ weights - earned
    low, high = problem.bounds
    free = (weights > low + 1e-9) & (weights < high - 1e-9) & (weights > 1e-9)
    if not free.any():
        free = weights == weights.max()
    normals = np.ones((1, len(weights)))
    if objective.target_return is not None and free.sum() > 1:
        normals = np.stack([normals[0], objective.mean])
    multipliers = np.linalg.lstsq(normals[:, free].T, gradient[free], rcond=None)[0]
    return np.asarray(gradient - multipliers @ normals)


def relaxed_support(problem: PortfolioProblem) -> BoolArray:
    """The names of largest weight when any number may be held without a least weight; ties by reduced gradient."""
    mean_variance_of(problem)
    weights = relax(problem).weights
    key = np.where(weights > 1e-9, weights, -1e-12 * reduced_gradient(problem, weights))
    chosen = np.zeros(problem.n_assets, dtype=bool)
    chosen[np.argsort(-key, kind="stable")[: problem.cardinality[1]]] = True
    return chosen
