"""Residuals of the volatility filter: empirical margins, Born copula of a matrix product state on a Student-t base."""

from qfin._random import integer_seed
from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.copulas import ChainCopula
from qfin.marginals import pseudo_observations


def mps_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("mps", _draws))


def chain_of(fits: BlockFits) -> ChainCopula:
    """The span's chain, which the circuit starts from as well."""
    found: ChainCopula = fits.of_span("chain", _fit)
    return found


def _fit(first: BlockFits) -> ChainCopula:
    return ChainCopula(seed=integer_seed(first.rng("chain"))).fit(pseudo_observations(first.residuals))


def _draws(first: BlockFits) -> FloatArray:
    return chain_of(first).sample(first.n_draws, rng=first.rng("mps"))
