"""Qiskit's own sampler primitive, for libraries that ask for one: shots and seed -> primitive."""

from typing import Any

from qiskit.primitives import StatevectorSampler


def reference_sampler(shots: int, seed: int) -> Any:
    """Exact state vector in NumPy; the same seed gives the same shots."""
    return StatevectorSampler(default_shots=shots, seed=seed)
