"""Unconditional returns: empirical margins with Pareto tails, Gaussian copula."""

from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.copulas import GaussianCopula
from qfin.marginals import pseudo_observations


def gaussian_returns(fits: BlockFits) -> FloatArray:
    copula = GaussianCopula().fit(pseudo_observations(fits.returns))
    return fits.return_margins.from_uniform(copula.sample(fits.n_draws, rng=fits.rng("gaussian")))
