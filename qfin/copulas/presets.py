"""The default Born copulas: settings that were chosen on training days and are the same for every data set."""

from typing import Any

from qfin.copulas.born import BornCopula
from qfin.copulas.elliptical import StudentTCopula
from qfin.copulas.stacked import StackedCopula
from qfin.copulas.triangular import TriangularTCopula
from qfin.copulas.vine import VineCopula

# Fitting a vine takes seconds at ten assets and many minutes at fifty, where the triangular base is ahead of it anyway.
MAX_VINE_ASSETS = 25
# A triangular map has d² parameters of its own; on 471 assets and 702 days it is far behind the t copula.
MAX_TRIANGULAR_ASSETS = 100


def born_copula(n_assets: int, *, seed: int = 0) -> StackedCopula:
    """The general default: Born corrections of four classical bases, each shrunk to its base, stacked.

    Bases: a Student-t vine (up to 25 assets), two triangular Student-t maps that differ in the order of assets, and the
    Student-t copula. Every choice (steps, shares, weights) is made inside `fit` on training days.
    """
    bases: list[Any] = [StudentTCopula()]
    if n_assets <= MAX_TRIANGULAR_ASSETS:
        bases = [TriangularTCopula("systemic"), TriangularTCopula("chain"), *bases]
    if 2 < n_assets <= MAX_VINE_ASSETS:
        bases.insert(0, VineCopula("student"))
    components = [BornCopula(base, _ensemble(n_assets, 5, 1500, seed)) for base in bases]
    return StackedCopula(components, seed=seed)


def born_fast_copula(n_assets: int, *, seed: int = 0) -> StackedCopula:
    """The quick default, without pair-by-pair fitting: two triangular bases, two members each, equal weights.

    Above a hundred assets the base is the t copula alone."""
    bases: list[Any] = [StudentTCopula()]
    if n_assets <= MAX_TRIANGULAR_ASSETS:
        bases = [TriangularTCopula("systemic"), TriangularTCopula("chain")]
    components = [BornCopula(base, _ensemble(n_assets, 2, 600, seed)) for base in bases]
    return StackedCopula(components, held_out_fraction=0.0, seed=seed)


def _ensemble(n_assets: int, n_members: int, max_steps: int, seed: int) -> Any:
    from qfin.born import BornEnsemble, MPSBornMachine

    # Beyond a hundred registers a day has more features than a fit can use: lower degree and bond, fewer steps.
    if n_assets > MAX_TRIANGULAR_ASSETS:
        return BornEnsemble(min(3, n_members), MPSBornMachine(4, 2, max_steps=400, seed=seed))
    return BornEnsemble(n_members, MPSBornMachine(8, 4, max_steps=max_steps, seed=seed))
