"""The elliptical law near a copula, from which events are drawn before their weights are set right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._types import FloatArray
from qfin.copulas.born import PURE_BASES, BornCopula
from qfin.copulas.elliptical import GaussianCopula, StudentTCopula
from qfin.copulas.independence import IndependenceCopula
from qfin.copulas.truncated import Elliptical

_N_DRAWS_TO_FIT = 5_000


@dataclass(frozen=True, eq=False)
class Reference:
    """`law` with log c(u) − log c_law(u) of the copula it stands near."""

    law: Elliptical
    log_ratio: Callable[[FloatArray], FloatArray]


def reference_of(copula: Any, rng: np.random.Generator) -> Reference:
    """The copula itself or its own base where that is elliptical, else a Student t fitted to draws of the copula.

    A pure Born copula keeps all dependence in |Ψ|², so that its base is not near it.
    """
    pure = isinstance(copula, BornCopula) and isinstance(copula.base_, PURE_BASES)
    law = None if pure else _elliptical(copula.base_ if isinstance(copula, BornCopula) else copula)
    if law is None:
        fitted = _fitted_student_t(copula, rng)
        return Reference(
            Elliptical(fitted.correlation_, fitted.degrees_of_freedom_),
            lambda u: np.asarray(copula.logpdf(u) - fitted.logpdf(u)),
        )
    if isinstance(copula, BornCopula):
        return Reference(law, lambda u: np.asarray(copula.machine_.log_ratio(copula.latent(u))))
    return Reference(law, lambda u: np.zeros(len(u)))


def _elliptical(copula: Any) -> Elliptical | None:
    if isinstance(copula, StudentTCopula):
        return Elliptical(copula.correlation_, float(copula.degrees_of_freedom_))
    if isinstance(copula, GaussianCopula):
        return Elliptical(copula.correlation_, np.inf)
    if isinstance(copula, IndependenceCopula):
        return Elliptical(np.eye(copula.n_assets_), np.inf)
    return None


def _fitted_student_t(copula: Any, rng: np.random.Generator) -> StudentTCopula:
    return StudentTCopula().fit(copula.sample(_N_DRAWS_TO_FIT, rng=rng))
