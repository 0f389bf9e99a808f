"""qfin: prices -> returns -> copula -> Born machine -> circuit -> scenarios -> risk.

A Born machine, held as a matrix product state or a quantum circuit, learns what a classical copula missed.
Public names are loaded on first use, so that importing the package does no work.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ScenarioGenerator": "qfin.scenarios",
    "ScenarioSet": "qfin.scenarios",
    "BornCopula": "qfin.copulas",
    "GaussianCopula": "qfin.copulas",
    "IndependenceCopula": "qfin.copulas",
    "StudentTCopula": "qfin.copulas",
    "VineCopula": "qfin.copulas",
    "MPSBornMachine": "qfin.born",
    "CircuitBornMachine": "qfin.born",
    "EmpiricalGPD": "qfin.marginals",
    "MarginalPanel": "qfin.marginals",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
