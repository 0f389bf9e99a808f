"""IBM's runtime behind the contract of all circuit samplers: a device, a session on one, or a simulator of one.

The primitive is the runtime's own `SamplerV2` in its client-side form; the older class of the same name at the top of
`qiskit_ibm_runtime` is deprecated. A fake backend or an `AerSimulator` runs on this machine, without an account.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit, transpile

from qfin._random import RandomLike, as_generator, integer_seed
from qfin.exceptions import InputError
from qfin.quantum.samplers import Bits, checked_points, measured_circuit, result_bits

_TRANSPILER_SEED = 0
_MAX_CACHED = 16


@dataclass(frozen=True)
class RuntimeCircuitSampler:
    """Shots through the IBM runtime: any backend object its `SamplerV2` takes.

    Parameters
    ----------
    backend
        A Qiskit `BackendV2`: one of an account (`QiskitRuntimeService().backend(…)`), one of
        `qiskit_ibm_runtime.fake_provider`, or an `AerSimulator`.
    layout
        Physical qubit of each qubit at the start of the circuit; None leaves the choice to the transpiler.
    optimization_level
        Of the transpiler, 0 … 3. The last 16 circuits keep their transpiled form: a circuit with parameters is
        transpiled once for all their values.

    A simulator is seeded from `rng`; a device draws its own random numbers.
    """

    backend: Any
    layout: tuple[int, ...] | None = None
    optimization_level: int = 2
    _known: deque[tuple[QuantumCircuit, QuantumCircuit]] = field(
        default_factory=lambda: deque(maxlen=_MAX_CACHED), init=False, repr=False, compare=False
    )

    def sample(self, circuit: QuantumCircuit, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (shots, n_qubits); column j is qubit j of `circuit`, wherever the transpiler has put it."""
        return self._run((self.transpiled(circuit, shots),), shots, as_generator(rng))

    def sample_points(self, circuit: QuantumCircuit, points: ArrayLike, shots: int, *, rng: RandomLike = None) -> Bits:
        """Bits (n_points, shots, n_qubits); see `PointSampler`."""
        values = checked_points(circuit, points)
        return self._run((self.transpiled(circuit, shots), values), shots, as_generator(rng))

    def transpiled(self, circuit: QuantumCircuit, shots: int = 1) -> QuantumCircuit:
        """The measured circuit in the backend's gates and on its map; deterministic, and cached."""
        measured = measured_circuit(circuit, shots)
        width = self.backend.target.num_qubits
        if width is not None and circuit.num_qubits > width:
            name = self.backend.name
            raise InputError(f"circuit: expected at most the {width} qubits of {name}, received {circuit.num_qubits}")
        for known, form in self._known:
            if known == measured:
                return form
        form = transpile(
            measured,
            self.backend,
            initial_layout=None if self.layout is None else list(self.layout),
            optimization_level=self.optimization_level,
            seed_transpiler=_TRANSPILER_SEED,
        )
        self._known.append((measured, form))
        return form

    def measured_on(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """The physical qubit that each qubit of `circuit` is read from, after all routing."""
        layout = self.transpiled(circuit).layout
        return tuple(range(circuit.num_qubits)) if layout is None else tuple(layout.final_index_layout())

    def placed(self, layout: tuple[int, ...]) -> "RuntimeCircuitSampler":
        """The same sampler with qubit j put on the physical qubit `layout[j]`."""
        return replace(self, layout=layout)

    def _run(self, bloc: tuple[Any, ...], shots: int, rng: np.random.Generator) -> Bits:
        from qiskit_ibm_runtime.executor_sampler import SamplerV2

        sampler = SamplerV2(mode=self.backend)
        sampler.options.simulator.seed_simulator = integer_seed(rng)
        return result_bits(sampler.run([bloc], shots=shots).result())
