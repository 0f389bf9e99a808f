"""The bound below every portfolio: the same problem without the limit on how many are held."""

from dataclasses import dataclass, replace

import numpy as np

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.portfolio.objectives import MeanVariance
from qfin.portfolio.problem import PortfolioProblem
from qfin.portfolio.scenario_objectives import ScenarioLoss


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A lower bound of the objective over all supports, and the weights (n_assets,) that reach it."""

    value: float
    weights: FloatArray


def relax(problem: PortfolioProblem) -> Relaxation:
    """The optimum over all assets but those barred, each weight from 0 to the highest allowed.

    Left out: how many are held (also by group), who must be held, the lowest weight of a held asset, whole lots.
    Kept: Σw = 1, group weights, turnover, cost, target return. For mean and variance, expected shortfall and mean loss
    only: the other objectives are not convex in the weights.
    """
    objective = problem.objective
    convex = isinstance(objective, MeanVariance) or (
        isinstance(objective, ScenarioLoss) and objective.measure != "var" and not objective.equal_weights
    )
    if not convex:
        raise InputError(
            "relax: expected mean and variance, expected shortfall or mean loss, received another objective"
        )
    barred = problem.mask(problem.must_not)
    size = int((~barred).sum())
    groups = tuple(replace(group, count=None) for group in problem.groups)
    whole = replace(
        problem, cardinality=(size, size), bounds=(0.0, problem.bounds[1]), groups=groups, must_hold=(), lot=None
    )
    solutions = whole.solve(~barred[None, :])
    if not np.isfinite(solutions.values[0]):
        raise InputError("relax: expected weights that meet the rules, found none")
    return Relaxation(float(solutions.values[0]), solutions.weights[0])
