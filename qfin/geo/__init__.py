"""Generator-enhanced optimisation: evaluated supports -> Boltzmann surrogate -> Born machine -> unseen candidates."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "CircuitGenerator": "qfin.geo.circuit_generator",
    "GEO": "qfin.geo.run",
    "GEOLoop": "qfin.geo.loop",
    "GEOOptimization": "qfin.geo.estimator",
    "GEOResult": "qfin.geo.run",
    "GaussianScreen": "qfin.geo.screen",
    "default_solver": "qfin.geo.run",
    "optimise": "qfin.geo.run",
    "run_solver": "qfin.geo.solver",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.geo' has no attribute {name!r}")
