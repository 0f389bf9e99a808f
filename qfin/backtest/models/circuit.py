"""As the matrix product state, but its first five registers are a circuit, mapped from it, trained on, run on Aer."""

from qfin._random import integer_seed
from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.backtest.models.mps import chain_of, draws_along
from qfin.born.hybrid import circuit_on_chain
from qfin.copulas import BornCopula

_MAX_STEPS = 200  # fewer than in the main job, for training stops early on 1,000 days


def circuit_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("circuit", _draws))


def _draws(first: BlockFits) -> FloatArray:
    chain = chain_of(first)
    seed = integer_seed(first.rng("circuit training"))
    machine = circuit_on_chain(chain.copula.machine_, chain.latent, max_steps=_MAX_STEPS, seed=seed)
    copula = BornCopula.from_parts(chain.copula.base_, machine)
    return draws_along(chain, copula, first.n_draws, first.rng("circuit"))
