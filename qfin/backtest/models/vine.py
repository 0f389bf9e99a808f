"""Residuals of the volatility filter: empirical margins with Pareto tails, vine of Student-t pairs."""

from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.copulas import VineCopula
from qfin.marginals import pseudo_observations


def vine_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("vine", _draws))


def _draws(first: BlockFits) -> FloatArray:
    copula = VineCopula("student", n_threads=1).fit(pseudo_observations(first.residuals))
    return copula.sample(first.n_draws, rng=first.rng("vine"))
