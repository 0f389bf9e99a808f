"""Marginals: returns <-> pseudo-observations u in (0, 1), asset by asset."""

from qfin.marginals.contract import U_MAX, U_MIN, Marginal
from qfin.marginals.empirical_gpd import EmpiricalGPD
from qfin.marginals.panel import MarginalPanel
from qfin.marginals.ranks import pseudo_observations

__all__ = ["EmpiricalGPD", "Marginal", "MarginalPanel", "U_MAX", "U_MIN", "pseudo_observations"]
