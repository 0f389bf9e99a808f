"""Quantum: gates as data -> state vectors, Qiskit circuits and shots.

Qiskit and JAX are loaded with the first name that needs them.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Ansatz": "qfin.quantum.ansatz",
    "statevector": "qfin.quantum.engine",
    "to_qiskit": "qfin.quantum.circuits",
    "CircuitSampler": "qfin.quantum.samplers",
    "StatevectorCircuitSampler": "qfin.quantum.samplers",
    "AerCircuitSampler": "qfin.quantum.samplers",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.quantum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
