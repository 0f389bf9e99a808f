"""Marginals: returns <-> pseudo-observations u in (0, 1), asset by asset."""

from qfin.marginals.blocks import stationary_block_length
from qfin.marginals.contract import U_MAX, U_MIN, Marginal
from qfin.marginals.empirical_gpd import EmpiricalGPD
from qfin.marginals.garch import GarchFilter
from qfin.marginals.panel import MarginalPanel
from qfin.marginals.ranks import pseudo_observations
from qfin.marginals.volatility import FilteredReturns, SimulatedReturns

__all__ = [
    "EmpiricalGPD",
    "FilteredReturns",
    "GarchFilter",
    "Marginal",
    "MarginalPanel",
    "SimulatedReturns",
    "U_MAX",
    "U_MIN",
    "pseudo_observations",
    "stationary_block_length",
]
