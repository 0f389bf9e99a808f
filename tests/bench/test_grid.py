"""The grid bench: its errors against quadrature and against decoded draws, and their fall with every extra qubit."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite, hermite_functions
from qfin.bench.grid import _decoded_operators, _operators, _pair_statistics, bench_grid
from qfin.born import CircuitBornMachine
from qfin.born.decoding import cell_edges, decode_nodes
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, StatevectorCircuitSampler


@pytest.fixture(scope="module")
def machine() -> CircuitBornMachine:
    ansatz = Ansatz.identity(4, np.array([[1, 3], [0, 2], [0, 1]]))
    angles = 0.3 * np.random.default_rng(1).standard_normal(ansatz.n_params)
    return CircuitBornMachine.from_ansatz(ansatz, 2, angles)


def test_every_extra_qubit_lowers_the_error(machine: CircuitBornMachine) -> None:
    rows = bench_grid({"small": machine}, (0, 1, 2), n_draws=20_000, shots=4000)["rows"]
    assert [(row["extra"], row["nodes"], row["qubits"]) for row in rows] == [(0, 4, 4), (1, 8, 6), (2, 16, 8)]
    for first, second in pairwise(rows):
        assert first["tv"] - second["tv"] > 5.0 * (first["tv_se"] + second["tv_se"])
    assert max(row["max_z"] for row in rows) < 5.0
    grid = np.linspace(-7.0, 7.0, 1401)
    density = np.outer(norm.pdf(grid), norm.pdf(grid)) * 0.01**2
    state = machine.statevector().reshape(4, 4)

    def ratio(y: np.ndarray) -> np.ndarray:
        functions = hermite_functions(y, 4)
        return np.abs(functions @ state @ functions.T) ** 2

    read = gauss_hermite(8)[0][np.searchsorted(cell_edges(8)[1:-1], grid)]
    exact = 0.5 * (np.abs(ratio(read) - ratio(grid)) * density).sum()
    assert abs(rows[1]["tv"] - exact) <= 5.0 * rows[1]["tv_se"] + 1e-3  # the sum's own error at the cells' edges


def test_statistics_are_those_of_decoded_shots(machine: CircuitBornMachine) -> None:
    n_nodes, shots, basis = 8, 400_000, HermiteBasis(4)
    state = machine.statevector().reshape(4, 4)
    tail, correlation = _pair_statistics(state, _decoded_operators(basis, n_nodes), 0, 1)
    nodes = StatevectorCircuitSampler().probabilities(machine.circuit(n_nodes))
    rng = np.random.default_rng(2)
    drawn = np.stack(np.unravel_index(rng.choice(n_nodes**2, shots, p=nodes), (n_nodes, n_nodes)), axis=1)
    y = decode_nodes(drawn, n_nodes, rng=rng)
    share = (y < ndtri(0.05)).all(axis=1).mean()
    assert abs(share - tail) <= 5.0 * np.sqrt(tail / shots)
    assert abs(np.corrcoef(y.T)[0, 1] - correlation) <= 10.0 / np.sqrt(shots)  # kurtosis at most doubles the error


def test_exact_statistics_are_those_of_exact_draws(machine: CircuitBornMachine) -> None:
    state = machine.statevector().reshape(4, 4)
    tail, correlation = _pair_statistics(state, _operators(HermiteBasis(4)), 0, 1)
    y = machine.sample(200_000, rng=3)
    assert abs((y < ndtri(0.05)).all(axis=1).mean() - tail) <= 5.0 * np.sqrt(tail / len(y))
    assert abs(np.corrcoef(y.T)[0, 1] - correlation) <= 10.0 / np.sqrt(len(y))


def test_wrong_grids_are_refused(machine: CircuitBornMachine) -> None:
    with pytest.raises(InputError, match="extra: expected numbers from 0 to 5, received 6"):
        bench_grid({"small": machine}, (6,))
