"""Quantum: gates as data -> state vectors, Qiskit circuits and shots.

Qiskit and JAX are loaded with the first name that needs them.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Ansatz": "qfin.quantum.ansatz",
    "statevector": "qfin.quantum.engine",
    "NumberConservingAnsatz": "qfin.quantum.number_conserving",
    "Subspace": "qfin.quantum.subspace",
    "subspace_state": "qfin.quantum.subspace",
    "copula_ansatz": "qfin.quantum.families",
    "ry_cz_ansatz": "qfin.quantum.families",
    "to_qiskit": "qfin.quantum.circuits",
    "from_qiskit": "qfin.quantum.circuits",
    "with_start": "qfin.quantum.circuits",
    "to_cx": "qfin.quantum.circuits",
    "CircuitSampler": "qfin.quantum.samplers",
    "StatevectorCircuitSampler": "qfin.quantum.samplers",
    "AerCircuitSampler": "qfin.quantum.samplers",
    "RuntimeCircuitSampler": "qfin.quantum.runtime",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.quantum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
