"""Residuals of the volatility filter: empirical margins, Born copula of a matrix product state on a Student-t base."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import integer_seed
from qfin._types import AnyArray, FloatArray
from qfin.backtest.fits import BlockFits
from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, StudentTCopula
from qfin.copulas.order import chain_order
from qfin.marginals import pseudo_observations

# On 1,000 days training stops, on its held-out days, long before.
_MAX_STEPS = 600


@dataclass(frozen=True, eq=False)
class ChainFit:
    """A chain on its t base, the columns in the order of the chain, and the latent days that it was fitted to."""

    order: AnyArray
    copula: BornCopula
    latent: FloatArray


def mps_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("mps", _draws))


def chain_of(fits: BlockFits) -> ChainFit:
    """The span's chain, which the circuit starts from as well."""
    found: ChainFit = fits.of_span("chain", _fit)
    return found


def draws_along(chain: ChainFit, copula: BornCopula, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Draws of a copula of the chain's columns, in the columns' own order."""
    u = np.empty((n_draws, len(chain.order)))
    u[:, chain.order] = copula.sample(n_draws, rng=rng)
    return u


def _fit(first: BlockFits) -> ChainFit:
    u = pseudo_observations(first.residuals)
    order = chain_order(u)
    base = StudentTCopula().fit(u[:, order])
    machine: Any = MPSBornMachine(max_steps=_MAX_STEPS, seed=integer_seed(first.rng("chain")))
    latent = BornCopula.from_parts(base, machine).latent(u[:, order])
    return ChainFit(order, BornCopula.from_parts(base, machine.fit(latent)), latent)


def _draws(first: BlockFits) -> FloatArray:
    chain = chain_of(first)
    return draws_along(chain, chain.copula, first.n_draws, first.rng("mps"))
