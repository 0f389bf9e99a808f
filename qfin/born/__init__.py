"""Born: latent normals y -> matrix product state -> circuit -> draws of y."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "BitMPS": "qfin.born.bit_mps",
    "CircuitBornMachine": "qfin.born.circuit",
    "CircuitHeadMachine": "qfin.born.hybrid",
    "CircuitMapping": "qfin.born.mapping",
    "BornEnsemble": "qfin.born.ensemble",
    "MPSBornMachine": "qfin.born.mps",
    "SymmetricMPS": "qfin.born.symmetric_mps",
    "map_mps_to_circuit": "qfin.born.mapping",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.born' has no attribute {name!r}")
