"""Portfolio: a problem and supports -> weights, values and the efficient frontier."""

from qfin.portfolio.evaluator import Budget, Evaluator
from qfin.portfolio.groups import Group, sector_groups
from qfin.portfolio.objectives import BlackBox, MeanVariance
from qfin.portfolio.orlib import (
    OrLibraryInstance,
    ReferenceOptimum,
    read_frontier,
    read_instance,
    read_reference_optima,
    read_tracking_prices,
)
from qfin.portfolio.portfolio import Frontier, FrontierErrors, Portfolio, frontier_errors, portfolio_of
from qfin.portfolio.problem import Objective, PortfolioProblem
from qfin.portfolio.relaxation import Relaxation, relax
from qfin.portfolio.scenario_objectives import PathDrawdown, ScenarioLoss
from qfin.portfolio.solutions import Solutions
from qfin.portfolio.supports import random_supports
from qfin.portfolio.trading import Trading

__all__ = [
    "BlackBox",
    "Budget",
    "Evaluator",
    "Frontier",
    "FrontierErrors",
    "Group",
    "MeanVariance",
    "Objective",
    "OrLibraryInstance",
    "PathDrawdown",
    "Portfolio",
    "PortfolioProblem",
    "ReferenceOptimum",
    "Relaxation",
    "ScenarioLoss",
    "Solutions",
    "Trading",
    "frontier_errors",
    "portfolio_of",
    "random_supports",
    "read_frontier",
    "read_instance",
    "read_reference_optima",
    "read_tracking_prices",
    "relax",
    "sector_groups",
]
