"""Experiments: a config -> a run folder with every number, array, model and circuit of one experiment."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "RunConfig": "qfin.experiments.config",
    "load_generator": "qfin.experiments.runner",
    "preset": "qfin.experiments.config",
    "RunFolder": "qfin.experiments.run_folder",
    "load_config": "qfin.experiments.config",
    "run_experiment": "qfin.experiments.runner",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.experiments' has no attribute {name!r}")
