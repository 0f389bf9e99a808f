"""Residuals of the volatility filter: empirical margins with Pareto tails, Student-t copula."""

from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.copulas import StudentTCopula
from qfin.marginals import pseudo_observations


def garch_t_innovations(fits: BlockFits) -> FloatArray:
    copula = StudentTCopula().fit(pseudo_observations(fits.residuals))
    return fits.residual_margins.from_uniform(copula.sample(fits.n_draws, rng=fits.rng("garch_t")))
