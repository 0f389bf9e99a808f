"""Training: losses and observations -> parameters, with the record of how they were reached."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Adam": "qfin.training._adam",
    "adam": "qfin.training._adam",
    "TrainingRecord": "qfin.training.record",
}

__all__ = ["Adam", "TrainingRecord", "adam"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.training' has no attribute {name!r}")
