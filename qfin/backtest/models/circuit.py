"""As the matrix product state, but its first five registers are a circuit, mapped from it, trained on, run on Aer."""

from qfin._random import integer_seed
from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.backtest.models.mps import chain_of
from qfin.marginals import pseudo_observations


def circuit_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("circuit", _draws))


def _draws(first: BlockFits) -> FloatArray:
    seed = integer_seed(first.rng("circuit training"))
    copula = chain_of(first).with_circuit(pseudo_observations(first.residuals), seed=seed)
    return copula.sample(first.n_draws, rng=first.rng("circuit"))
