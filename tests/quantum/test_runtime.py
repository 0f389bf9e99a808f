"""The runtime sampler on simulated devices: their noise, their width, and one transpilation per circuit."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qfin.basis import HermiteBasis
from qfin.born.decoding import sample_circuit
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, RuntimeCircuitSampler, to_qiskit


def test_a_fake_device_misreads_as_often_as_its_calibration_says() -> None:
    device, shots = FakeManilaV2(), 20_000
    sampler = RuntimeCircuitSampler(device)
    bits = sampler.sample(QuantumCircuit(5), shots, rng=3)
    for qubit, column in zip(sampler.transpiled(QuantumCircuit(5)).layout.final_index_layout(), bits.T, strict=True):
        share = device.target["measure"][(qubit,)].error
        assert abs(column.mean() - share) <= 5.0 * np.sqrt(share * (1.0 - share) / shots)


def test_a_circuit_is_transpiled_once_for_all_its_values() -> None:
    sampler, angles = RuntimeCircuitSampler(FakeManilaV2()), ParameterVector("angle", 2)
    circuit, other = QuantumCircuit(3), QuantumCircuit(3)
    for j, c in enumerate((circuit, other)):
        c.ry(angles[0], 0)
        c.cx(0, 2 - j)
        c.rz(angles[1], 1)
    form = sampler.transpiled(circuit)
    assert sampler.transpiled(circuit.copy()) is form
    assert sampler.transpiled(other) is not form
    assert set(form.count_ops()) <= {"rz", "sx", "x", "cx", "measure", "barrier"}
    assert list(form.parameters) == list(angles)


def test_blocks_that_differ_are_not_mistaken_for_one_another() -> None:
    sampler, angles = RuntimeCircuitSampler(FakeManilaV2()), np.zeros(15)
    still = sampler.transpiled(to_qiskit(Ansatz.linear_chain(2, 1), angles))
    angles[0] = 1e-4
    assert sampler.transpiled(to_qiskit(Ansatz.linear_chain(2, 1), angles)) is not still


def test_a_circuit_wider_than_the_device_is_refused() -> None:
    with pytest.raises(InputError, match="at most the 5 qubits of fake_manila, received 6"):
        RuntimeCircuitSampler(FakeManilaV2()).sample(QuantumCircuit(6), 10)


def test_scenarios_come_through_the_runtime() -> None:
    draws = sample_circuit(
        to_qiskit(Ansatz.linear_chain(4, 1)),
        HermiteBasis(4),
        2,
        500,
        sampler=RuntimeCircuitSampler(FakeManilaV2()),
        rng=1,
    )
    assert draws.shape == (500, 2)
    assert np.isfinite(draws).all()
