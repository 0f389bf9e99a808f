"""Training: losses and observations -> parameters, with the record of how they were reached."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Adam": "qfin.training._adam",
    "CMAES": "qfin.training.cmaes",
    "LBFGS": "qfin.training.lbfgs",
    "NaturalGradient": "qfin.training.natural",
    "Optimiser": "qfin.training.contract",
    "QNSPSA": "qfin.training.natural",
    "SPSA": "qfin.training.spsa",
    "TrainingRecord": "qfin.training.record",
    "adam": "qfin.training._adam",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.training' has no attribute {name!r}")
