"""The amplitude bench on a small state: the nodes' law and losses a second way, rows of every task."""

import numpy as np
import pandas as pd
import pytest

from qfin.basis.hermite import gauss_hermite
from qfin.bench.amplitude import bench_amplitude, node_law, node_losses
from qfin.born import CircuitBornMachine
from qfin.copulas import BornCopula, GaussianCopula
from qfin.copulas.contract import from_latent
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel
from qfin.marginals.ranks import pseudo_observations
from qfin.quantum import Ansatz, StatevectorCircuitSampler
from qfin.scenarios import ScenarioGenerator


@pytest.fixture(scope="module")
def machine() -> CircuitBornMachine:
    ansatz = Ansatz.identity(4, np.array([[1, 3], [0, 2], [0, 1]]))
    return CircuitBornMachine.from_ansatz(ansatz, 2, 0.2 * np.random.default_rng(1).standard_normal(ansatz.n_params))


@pytest.fixture(scope="module")
def generator(machine: CircuitBornMachine) -> ScenarioGenerator:
    rng = np.random.default_rng(2)
    returns = 0.01 * rng.standard_normal((400, 3)) @ np.array([[1.0, 0.4, 0.2], [0.0, 0.9, 0.3], [0.0, 0.0, 0.8]])
    base = GaussianCopula().fit(pseudo_observations(returns))
    marginals = MarginalPanel().fit(pd.DataFrame(returns, columns=["A", "B", "C"]))
    return ScenarioGenerator.from_parts(marginals, BornCopula.from_parts(base, machine))


def test_law_and_losses_of_the_nodes(machine: CircuitBornMachine, generator: ScenarioGenerator) -> None:
    law, losses = node_law(machine, 8), node_losses(machine, generator, 8)
    np.testing.assert_allclose(law, StatevectorCircuitSampler().probabilities(machine.circuit(8)), atol=1e-12)
    first, second = 2, 5
    y = np.array([[gauss_hermite(8)[0][first], gauss_hermite(8)[0][second], 1.7]])  # the third asset is not looked at
    returns = generator.marginals_.from_uniform(generator.copula_.base_.inverse_rosenblatt(from_latent(y)))
    assert losses[first * 8 + second] == pytest.approx(-returns[0, :2].mean())


def test_rows_hold_the_exact_answer(machine: CircuitBornMachine, generator: ScenarioGenerator) -> None:
    result = bench_amplitude(machine, generator, levels=(0.9, 0.99), n_crashes=100, n_extra=1)
    assert result["qubits"] == 6
    assert [row["method"].split(",")[0] for row in result["rows"]] == ["estimate p", "draw a crash", "draw a crash"] * 2
    for row in result["rows"]:
        assert row["preparation_calls"] < row["mc_calls_equal_error"]
        if row["method"] == "estimate p":
            assert row["lo"] <= row["p_exact"] <= row["hi"]
        else:
            assert row["max_z"] < 5.0
    losses, law = node_losses(machine, generator, 8), node_law(machine, 8)
    for level in result["levels"]:
        assert level["p_nodes"] == pytest.approx(law[losses > level["limit"]].sum())
        assert level["p_nodes"] <= 1.0 - level["level"] + 1e-12


def test_wrong_settings_are_refused(machine: CircuitBornMachine, generator: ScenarioGenerator) -> None:
    with pytest.raises(InputError, match="at most 18 qubits for the oracle's table, received 20"):
        bench_amplitude(machine, generator, n_extra=8)
    with pytest.raises(InputError, match=r"levels: expected numbers from 0\.5 to below 1"):
        bench_amplitude(machine, generator, levels=(1.0,))
