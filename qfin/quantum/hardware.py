"""What a circuit costs on a device: gates on its map, depth, the chance that nothing goes wrong, and time.

Two devices. `heavy_hex_device` is the calibration of an IBM Heron of 156 qubits as `qiskit_ibm_runtime` ships it
(FakeFez: CZ gates, each with its own error and duration). `ion_trap_device` is no machine: 36 qubits, every pair
connected, with round figures of the order that makers of trapped-ion computers state, all of them assumptions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.library import Measure, RXGate, RXXGate, RYGate, RZGate
from qiskit.transpiler import InstructionProperties, Target

from qfin.quantum.samplers import measured_circuit

_TRANSPILER_SEED = 0
_FEZ_GATES = ("cz", "sx", "x", "rz", "id", "measure")
_ION_QUBITS = 36
_ION_TIMES = {"one": 1e-4, "two": 1e-3, "measure": 2e-4}  # seconds
_ION_ERRORS = {"one": 2e-4, "two": 4e-3, "measure": 5e-3}


@dataclass(frozen=True)
class Device:
    """A name, Qiskit's description of the gates and their map, the seconds between two shots, and whether gates on
    different qubits run at the same time.
    """

    name: str
    target: Target
    reset_s: float
    parallel: bool

    @property
    def n_qubits(self) -> int:
        return int(self.target.num_qubits)


@dataclass(frozen=True)
class CircuitCost:
    """A circuit on a device, measured once.

    Attributes
    ----------
    two_qubit_gates, depth : after transpiling to the device's gates and map; measurements count one layer.
    success : product over all gates and measurements of one minus their error: a lower bound of the fidelity where
        errors are independent, and the share of shots that nothing has touched.
    seconds : of one shot without the time between shots: the durations of the gates on the longest path, or of all
        gates one after the other and one reading where the device has no parallel gates.
    """

    two_qubit_gates: int
    depth: int
    success: float
    seconds: float


def heavy_hex_device() -> Device:
    """A calibration of IBM Fez, 156 qubits; a quarter of a millisecond between shots, the service's default.

    Pairs whose gate the calibration marks as out of order, with an error of one, are left out of the map.
    """
    from qiskit_ibm_runtime.fake_provider import FakeFez

    whole = FakeFez().target
    working = Target(num_qubits=whole.num_qubits, dt=whole.dt)
    for name in _FEZ_GATES:
        good = {qubits: known for qubits, known in whole[name].items() if known.error < 1.0}
        working.add_instruction(whole.operation_from_name(name), good)
    return Device("heavy hex, 156 qubits (IBM Fez)", working, reset_s=2.5e-4, parallel=True)


def ion_trap_device() -> Device:
    """Thirty-six ions, all to all: one gate at a time, two-qubit gates of 1 ms and error 0.4 %, 0.5 ms of reset."""
    target, angle = Target(num_qubits=_ION_QUBITS), Parameter("angle")
    qubits = range(_ION_QUBITS)
    virtual: Any = {(q,): InstructionProperties(duration=0.0, error=0.0) for q in qubits}
    one: Any = {(q,): InstructionProperties(_ION_TIMES["one"], _ION_ERRORS["one"]) for q in qubits}
    read: Any = {(q,): InstructionProperties(_ION_TIMES["measure"], _ION_ERRORS["measure"]) for q in qubits}
    two = InstructionProperties(_ION_TIMES["two"], _ION_ERRORS["two"])
    target.add_instruction(RZGate(angle), virtual)
    target.add_instruction(RXGate(angle), one)
    target.add_instruction(RYGate(angle), one)
    target.add_instruction(RXXGate(angle), {(a, b): two for a in qubits for b in qubits if a != b})
    target.add_instruction(Measure(), read)
    return Device("ion trap, 36 qubits, all to all (assumed)", target, reset_s=5e-4, parallel=False)


def circuit_cost(circuit: QuantumCircuit, device: Device) -> CircuitCost | None:
    """The cost of a circuit without measurements, measured at its end; None where the device has too few qubits."""
    if circuit.num_qubits > device.n_qubits:
        return None
    placed = transpile(
        measured_circuit(circuit, 1), target=device.target, optimization_level=2, seed_transpiler=_TRANSPILER_SEED
    )
    log_success, sequential, reading, two_qubit_gates = 0.0, 0.0, 0.0, 0
    for instruction in placed.data:
        if (name := instruction.operation.name) == "barrier":
            continue
        qubits = tuple(placed.find_bit(qubit).index for qubit in instruction.qubits)
        known = device.target[name][qubits]
        log_success += float(np.log1p(-(known.error or 0.0)))
        if name == "measure":
            reading = max(reading, float(known.duration or 0.0))
        else:
            sequential += float(known.duration or 0.0)
        two_qubit_gates += len(qubits) == 2
    return CircuitCost(
        two_qubit_gates=two_qubit_gates,
        depth=placed.depth(),
        success=float(np.exp(log_success)),
        seconds=float(placed.estimate_duration(device.target, unit="s")) if device.parallel else sequential + reading,
    )
