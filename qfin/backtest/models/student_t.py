"""Unconditional returns: empirical margins with Pareto tails, Student-t copula."""

from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.copulas import StudentTCopula
from qfin.marginals import pseudo_observations


def student_t_returns(fits: BlockFits) -> FloatArray:
    copula = StudentTCopula().fit(pseudo_observations(fits.returns))
    return fits.return_margins.from_uniform(copula.sample(fits.n_draws, rng=fits.rng("student_t")))
