"""Every ansatz under one contract: one parameter order, exact gradients, and the same circuit in Qiskit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit import qasm3, qpy
from qiskit.quantum_info import Statevector

from qfin.exceptions import InputError
from qfin.quantum import (
    Ansatz,
    NumberConservingAnsatz,
    Subspace,
    copula_ansatz,
    from_qiskit,
    ry_cz_ansatz,
    statevector,
    subspace_state,
    to_cx,
    to_qiskit,
)
from qfin.quantum.circuits import export_qasm3, export_qpy, from_qiskit_order
from qfin.quantum.engine import precision

PAIRS = [(0, 1), (3, 1), (4, 0), (2, 3), (1, 4), (4, 2)]


@dataclass(frozen=True)
class Entry:
    """A small member of the family, one of more than 1,000 parameters, and the index where the state starts."""

    small: Callable[[], Any]
    large: Callable[[], Any]
    start: int = 0

    def first(self, ansatz: Any) -> np.ndarray:
        return np.eye(1, 2**ansatz.n_qubits, self.start)[0]

    def state(self, ansatz: Any, params: Any) -> np.ndarray:
        """In NumPy, block after block."""
        return ansatz.state(params, self.first(ansatz)) if self.start else ansatz.state(params)

    def compiled(self, ansatz: Any, params: Any) -> jax.Array:
        """In JAX, all 2**n_qubits amplitudes."""
        if not self.start:
            return statevector(ansatz, params, dtype="complex128")
        subspace = Subspace(ansatz.n_qubits, self.start.bit_count())
        start = self.first(ansatz)[subspace.indices]
        state = subspace_state(ansatz, params, subspace, start, dtype="complex128")
        return jnp.zeros(2**ansatz.n_qubits, state.dtype).at[subspace.indices].set(state)


def turned(ansatz: Any, seed: int) -> Any:
    """Fixed unitaries that are not the identity."""
    return ansatz.absorbed(np.random.default_rng(seed).normal(size=ansatz.n_params))


def masked() -> Ansatz:
    active = np.random.default_rng(0).random((len(PAIRS), 15)) < 0.4
    active[2] = False
    full = turned(Ansatz.identity(5, PAIRS), seed=1)
    return Ansatz(5, full.pairs, full.fixed, active)


ANSATZE = {
    "su4": Entry(lambda: turned(Ansatz.identity(5, PAIRS), seed=2), lambda: Ansatz.linear_chain(6, 16)),
    "su4, some angles": Entry(masked, lambda: Ansatz.linear_chain(6, 14).followed_by(ry_cz_ansatz(6, 9))),
    "number conserving": Entry(
        lambda: turned(NumberConservingAnsatz.identity(5, PAIRS), seed=3),
        lambda: NumberConservingAnsatz.linear_chain(6, 41),
        start=0b00101,
    ),
    "copula, two registers": Entry(lambda: copula_ansatz(2, 3, 1), lambda: copula_ansatz(2, 3, 42)),
    "copula, three registers of one": Entry(lambda: copula_ansatz(3, 1, 2), lambda: copula_ansatz(3, 1, 112)),
    "ry-cz": Entry(lambda: ry_cz_ansatz(5, 3), lambda: ry_cz_ansatz(4, 251)),
}


@pytest.fixture(params=ANSATZE)
def entry(request: pytest.FixtureRequest) -> Entry:
    return ANSATZE[request.param]


def angles(ansatz: Any, seed: int = 4) -> np.ndarray:
    """No two alike."""
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, ansatz.n_params)


def test_zero_is_the_fixed_circuit_and_every_parameter_moves_one_block(entry: Entry) -> None:
    ansatz = entry.small()
    zero = np.zeros(ansatz.n_params)
    np.testing.assert_allclose(ansatz.unitaries(zero), ansatz.fixed, atol=1e-14)
    np.testing.assert_array_equal(ansatz.unitaries(), ansatz.fixed)
    assert np.linalg.norm(entry.state(ansatz, angles(ansatz))) == pytest.approx(1.0, abs=1e-12)
    slopes = []
    for index in range(ansatz.n_params):
        shift = 1e-6 * np.eye(ansatz.n_params)[index]
        slopes.append((ansatz.unitaries(shift) - ansatz.unitaries(-shift)).reshape(-1) / 2e-6)
    # full rank: at θ = 0 no parameter repeats another
    assert np.linalg.matrix_rank(np.concatenate([np.real(slopes), np.imag(slopes)], axis=1), tol=1e-4) == len(slopes)


def test_gradient_equals_central_differences(entry: Entry) -> None:
    ansatz = entry.small()
    params, step = angles(ansatz), 1e-5
    mass, phase = np.random.default_rng(5).normal(size=(2, 2**ansatz.n_qubits))

    def loss(state: Any) -> Any:
        return mass @ abs(state) ** 4 + phase @ (state.real * state.imag)

    with precision("complex128"):
        value, gradient = jax.value_and_grad(lambda q: loss(entry.compiled(ansatz, q)))(jnp.asarray(params))
    assert float(value) == pytest.approx(loss(entry.state(ansatz, params)), abs=1e-12)
    shifts = step * np.eye(ansatz.n_params)
    plain = [loss(entry.state(ansatz, params + s)) - loss(entry.state(ansatz, params - s)) for s in shifts]
    np.testing.assert_allclose(gradient, np.array(plain) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("export", [to_qiskit, to_cx])
def test_qiskit_makes_the_same_state(entry: Entry, export: Callable[..., Any]) -> None:
    ansatz = entry.small()
    params = angles(ansatz)
    first = Statevector(from_qiskit_order(entry.first(ansatz)))
    data = first.evolve(export(ansatz, params)).data
    expected = entry.state(ansatz, params)
    np.testing.assert_allclose(from_qiskit_order(data), expected, atol=1e-9)
    assert np.abs(data - expected).max() > 0.01  # asymmetric: the order of the bits matters


def test_parameters_bind_in_order_beyond_a_thousand(entry: Entry) -> None:
    ansatz = entry.large()
    assert ansatz.n_params > 1000
    params = angles(ansatz)
    circuit, unitaries = to_qiskit(ansatz, params), ansatz.unitaries(params)
    assert len(circuit.data) == ansatz.n_blocks
    blocks = []
    for index in (0, 1, 9, 10, 99, 100, 999, 1000, ansatz.n_params - 1):
        moved = params + 0.3 * np.eye(ansatz.n_params)[index]
        changed = np.flatnonzero(np.abs(ansatz.unitaries(moved) - unitaries).max(axis=(1, 2)) > 1e-9)
        assert len(changed) == 1
        blocks.append(int(changed[0]))
        instruction = circuit.data[blocks[-1]]
        np.testing.assert_allclose(instruction.operation.to_matrix(), unitaries[blocks[-1]], atol=1e-12)
        assert [circuit.find_bit(q).index for q in instruction.qubits] == ansatz.pairs[blocks[-1]][::-1].tolist()
    assert blocks == sorted(blocks)
    with precision("complex128"):
        np.testing.assert_allclose(entry.compiled(ansatz, params), entry.state(ansatz, params), atol=1e-11)


def test_arrays_absorbing_and_extending(entry: Entry) -> None:
    ansatz = entry.small()
    params = angles(ansatz)
    state = entry.state(ansatz, params)
    again = type(ansatz).from_arrays(ansatz.to_arrays())
    np.testing.assert_array_equal(entry.state(again, params), state)
    absorbed = ansatz.absorbed(params)
    assert absorbed.n_params == ansatz.n_params
    np.testing.assert_allclose(entry.state(absorbed, None), state, atol=1e-12)
    longer = ansatz.extended([(0, 1)])
    np.testing.assert_array_equal(longer.pairs[:-1], ansatz.pairs)
    padded = np.append(params, np.zeros(longer.n_params - ansatz.n_params))
    np.testing.assert_allclose(entry.state(longer, padded), state, atol=1e-12)


def test_qpy_and_openqasm_bring_the_circuit_back(entry: Entry, tmp_path: Path) -> None:
    ansatz = entry.small()
    params = angles(ansatz)
    circuit = to_qiskit(ansatz, params)
    with export_qpy(circuit, tmp_path / "circuit.qpy").open("rb") as file:
        assert qpy.load(file)[0] == circuit
    first = Statevector(from_qiskit_order(entry.first(ansatz)))
    again = first.evolve(qasm3.loads(export_qasm3(circuit)))
    assert abs(np.vdot(again.data, first.evolve(circuit).data)) ** 2 == pytest.approx(1.0, abs=1e-9)


def test_qiskit_circuit_becomes_an_ansatz_again(entry: Entry) -> None:
    ansatz = entry.small()
    params = angles(ansatz)
    again = from_qiskit(to_qiskit(ansatz, params))
    # a block comes back on (b, a), where Qiskit puts it: the same gate, in the same place
    assert sorted(map(sorted, again.pairs.tolist())) == sorted(map(sorted, ansatz.pairs.tolist()))
    general = Ansatz(ansatz.n_qubits, ansatz.pairs, ansatz.unitaries(params))
    np.testing.assert_allclose(again.state(), general.state(), atol=1e-12)
    np.testing.assert_allclose(from_qiskit(to_cx(ansatz, params)).state(), general.state(), atol=1e-9)


def test_wrong_params_are_refused(entry: Entry) -> None:
    ansatz = entry.small()
    with pytest.raises(InputError, match=rf"expected shape \({ansatz.n_params},\), received \({ansatz.n_params + 1},"):
        ansatz.checked_params(np.zeros(ansatz.n_params + 1))
    with pytest.raises(InputError, match="finite angles, received nan"):
        ansatz.unitaries(np.full(ansatz.n_params, np.nan))
