"""Copulas: pseudo-observations u <-> independent latent normals y, by Rosenblatt transform and Born correction."""

from qfin.copulas.born import BornCopula
from qfin.copulas.chain import ChainCopula
from qfin.copulas.conditional import ConditionalCopula
from qfin.copulas.conditioning import EventDraws, EventProbability, draws_given, probability_of
from qfin.copulas.contract import Copula, from_latent, to_latent
from qfin.copulas.elliptical import GaussianCopula, StudentTCopula
from qfin.copulas.events import And, Depth, Event, Interval, Not, Or
from qfin.copulas.independence import IndependenceCopula
from qfin.copulas.persistence import copula_from_arrays, copula_to_arrays
from qfin.copulas.presets import born_copula, born_fast_copula, classical_stack
from qfin.copulas.regimes import RegimeCopula
from qfin.copulas.stacked import StackedCopula
from qfin.copulas.triangular import TriangularTCopula
from qfin.copulas.uniform_margins import UniformMarginsBase
from qfin.copulas.vine import VineCopula

__all__ = [
    "And",
    "BornCopula",
    "ChainCopula",
    "ConditionalCopula",
    "Copula",
    "Depth",
    "Event",
    "EventDraws",
    "EventProbability",
    "GaussianCopula",
    "IndependenceCopula",
    "Interval",
    "Not",
    "Or",
    "RegimeCopula",
    "StackedCopula",
    "StudentTCopula",
    "TriangularTCopula",
    "UniformMarginsBase",
    "VineCopula",
    "born_copula",
    "born_fast_copula",
    "classical_stack",
    "copula_from_arrays",
    "copula_to_arrays",
    "draws_given",
    "from_latent",
    "probability_of",
    "to_latent",
]
