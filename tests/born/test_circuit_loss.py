"""The loss that optimisers see against the machine it stands for."""

import numpy as np
import pytest

from qfin.basis import HermiteBasis
from qfin.born import CircuitBornMachine
from qfin.born.circuit_loss import CircuitLoss, penalised_likelihood
from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.quantum.metric import block_metric

ANSATZ = Ansatz.identity(4, np.array([[0, 1], [3, 1]]))
Y = np.random.default_rng(1).standard_normal((60, 2))
PARAMS = 0.4 * np.random.default_rng(2).standard_normal(30)


def test_value_is_the_machines_likelihood_with_the_penalty() -> None:
    penalties = np.arange(16.0)
    machine = CircuitBornMachine.from_ansatz(ANSATZ, 2, PARAMS)
    features = HermiteBasis(4).features(Y)
    bare = CircuitLoss(ANSATZ, penalised_likelihood, (features, 0.0 * penalties))
    penalised = CircuitLoss(ANSATZ, penalised_likelihood, (features, penalties))
    assert bare(PARAMS) == pytest.approx(-machine.log_ratio(Y).mean(), rel=1e-10)
    expected = bare(PARAMS) + penalties @ np.abs(machine.statevector()) ** 2
    assert penalised(PARAMS) == pytest.approx(expected, rel=1e-10)
    value, gradient = penalised.value_and_gradient(PARAMS)
    assert value == penalised(PARAMS)
    move = 1e-5 * np.random.default_rng(3).standard_normal(30)
    slope = (penalised(PARAMS + move) - penalised(PARAMS - move)) / 2.0
    assert gradient @ move == pytest.approx(slope, rel=1e-6)


def test_distances_are_those_of_the_ansatz_and_fewer_angles_have_no_metric() -> None:
    loss = CircuitLoss(ANSATZ, lambda state: state.real.sum())
    np.testing.assert_array_equal(loss.metric(PARAMS), block_metric(ANSATZ, PARAMS))
    overlap = np.vdot(ANSATZ.state(PARAMS), ANSATZ.state(2.0 * PARAMS))
    assert loss.fidelity(PARAMS, 2.0 * PARAMS) == pytest.approx(abs(overlap) ** 2)
    active = np.ones((2, 15), dtype=bool)
    active[0, 3] = False
    some = CircuitLoss(Ansatz(4, ANSATZ.pairs, ANSATZ.fixed, active), lambda state: state.real.sum())
    with pytest.raises(InputError, match="15 active angles"):
        some.metric(PARAMS[1:])
