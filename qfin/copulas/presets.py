"""The default Born copulas: settings that were chosen on training days and are the same for every data set."""

from typing import Any

from qfin.copulas.born import BornCopula
from qfin.copulas.elliptical import StudentTCopula
from qfin.copulas.regimes import RegimeCopula
from qfin.copulas.stacked import StackedCopula
from qfin.copulas.triangular import TriangularTCopula

# A triangular map has d² parameters of its own; on 471 assets and 702 days it is far behind the t copula.
MAX_TRIANGULAR_ASSETS = 100


def born_copula(n_assets: int, *, seed: int = 0) -> StackedCopula:
    """The general default: `classical_stack` with a Born correction, shrunk to its base, where one lasts.

    That is on the Student-t copula whose dependence drifts. On the triangular maps of the stack a correction was tried
    and left out: on nine development panels its share of the density was zero on five, it gained at most 0.002 nats on
    the others, and lost 0.009 on ETFs and 0.060 on industries (folds of four blocks).
    Every choice (steps, share, weights) is made inside `fit` on training days, which stand in order of time.
    """
    *maps, student = _bases(n_assets)
    return StackedCopula([*maps, BornCopula(student, _ensemble(n_assets, 5, 1000, seed))], seed=seed)


def classical_stack(n_assets: int, *, seed: int = 0) -> StackedCopula:
    """The classical twin of `born_copula`: the same bases, uncorrected, stacked in the same way.

    Bases: copulas whose dependence drifts (`RegimeCopula`), of two triangular Student-t maps that differ in the order
    of assets, and of the Student-t copula; above a hundred assets the Student-t copula alone.
    """
    return StackedCopula(_bases(n_assets), seed=seed)


def born_fast_copula(n_assets: int, *, seed: int = 0) -> StackedCopula:
    """The quick default: one triangular map and the Student-t copula, which two members correct, at equal weights."""
    *maps, student = _bases(n_assets)
    born = BornCopula(student, _ensemble(n_assets, 2, 300, seed))
    return StackedCopula([*maps[:1], born], held_out_fraction=0.0, seed=seed)


def _bases(n_assets: int) -> list[Any]:
    if n_assets > MAX_TRIANGULAR_ASSETS:
        return [StudentTCopula()]
    return [
        RegimeCopula(base) for base in (TriangularTCopula("systemic"), TriangularTCopula("chain"), StudentTCopula())
    ]


def _ensemble(n_assets: int, n_members: int, max_steps: int, seed: int) -> Any:
    from qfin.born import BornEnsemble, MPSBornMachine

    # Beyond a hundred registers a day has more features than a fit can use: lower degree and bond, fewer steps.
    if n_assets > MAX_TRIANGULAR_ASSETS:
        return BornEnsemble(min(3, n_members), MPSBornMachine(4, 2, max_steps=400, seed=seed))
    return BornEnsemble(n_members, MPSBornMachine(5, 4, max_steps=max_steps, seed=seed))
