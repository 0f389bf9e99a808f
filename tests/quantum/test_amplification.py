"""Amplified circuits, draws and estimates against the exact law, the closed form and other people's circuits."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler

from qfin.exceptions import InputError, QfinError
from qfin.quantum import AerCircuitSampler, Ansatz, CircuitSampler, StatevectorCircuitSampler, to_qiskit
from qfin.quantum.amplification import (
    _narrowed,
    amplified_circuit,
    best_power,
    estimate_probability,
    monte_carlo_calls,
    sample_marked,
)

N_QUBITS = 5
AER = AerCircuitSampler(method="statevector")


@pytest.fixture(scope="module")
def law() -> tuple[QuantumCircuit, np.ndarray, np.ndarray]:
    """A circuit, its exact law, and its least likely outcomes as the marked ones."""
    blocks = Ansatz.linear_chain(N_QUBITS, 2)
    ansatz = blocks.absorbed(0.5 * np.random.default_rng(1).standard_normal(blocks.n_params))
    probabilities = np.abs(ansatz.state()) ** 2
    marked = np.zeros(len(probabilities), dtype=bool)
    marked[np.argsort(probabilities)[:12]] = True
    return to_qiskit(ansatz), probabilities, marked


def ry(probability: float) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.ry(2.0 * np.arcsin(np.sqrt(probability)), 0)
    return circuit


@pytest.mark.parametrize("power", [0, 1, 2, 5])
def test_a_power_turns_by_twice_the_angle_and_keeps_the_law_of_the_marked(law: tuple, power: int) -> None:
    circuit, exact, marked = law
    angle = np.arcsin(np.sqrt(exact[marked].sum()))
    turned = StatevectorCircuitSampler().probabilities(amplified_circuit(circuit, marked, power))
    assert turned[marked].sum() == pytest.approx(np.sin((2 * power + 1) * angle) ** 2, abs=1e-12)
    np.testing.assert_allclose(
        turned[marked] / turned[marked].sum(), exact[marked] / exact[marked].sum(), rtol=1e-10, atol=0.0
    )


@pytest.mark.parametrize("known", [False, True])
def test_draws_have_the_law_of_the_marked_at_fewer_calls(law: tuple, known: bool) -> None:
    circuit, exact, marked = law
    p, n = exact[marked].sum(), 2000
    shots = sample_marked(circuit, marked, n, sampler=AER, probability=p if known else None, rng=3)
    index = shots.bits.astype(np.int64) @ (1 << np.arange(N_QUBITS - 1, -1, -1))
    assert marked[index].all()
    conditional = np.where(marked, exact, 0.0) / p
    frequency = np.bincount(index, minlength=len(exact)) / n
    assert (np.abs(frequency - conditional) <= 5.0 * np.sqrt(conditional * (1.0 - conditional) / n) + 1e-12).all()
    assert shots.preparation_calls == 2 * shots.oracle_calls + shots.n_runs
    assert shots.preparation_calls / n < 0.8 / p
    if known:  # one run in 1/sin² of them is marked
        k = best_power(p)
        chance = np.sin((2 * k + 1) * np.arcsin(np.sqrt(p))) ** 2
        assert abs(n / shots.n_runs - chance) <= 5.0 * np.sqrt(chance * (1.0 - chance) / n)


def test_calls_grow_as_the_inverse_root() -> None:
    marked, calls = np.array([False, True]), []
    for p in (1e-2, 1e-4):
        shots = sample_marked(ry(p), marked, 150, sampler=AER, rng=5)
        calls.append(shots.oracle_calls / 150.0)
        assert calls[-1] <= 4.5 / np.sqrt(p)  # the bound of Boyer et al. on the expected number of calls
    assert calls[1] / calls[0] < 20.0  # classical draws: a hundredfold


def test_intervals_hold_and_stop_where_asked(law: tuple) -> None:
    circuit, exact, marked = law
    p, hits, n = float(exact[marked].sum()), 0, 30
    for seed in range(n):
        found = estimate_probability(circuit, marked, half_width=0.05 * p, sampler=AER, rng=seed)
        assert (found.upper - found.lower) / 2.0 <= 0.05 * p
        assert found.oracle_calls == 100 * sum(found.powers)
        assert found.preparation_calls == 2 * found.oracle_calls + found.n_shots
        assert found.preparation_calls < monte_carlo_calls(p, (found.upper - found.lower) / 2.0)
        hits += found.lower <= p <= found.upper
    assert hits >= n * (0.95 - 5.0 * np.sqrt(0.95 * 0.05 / n))


@pytest.mark.parametrize("p", [0.0, 1.0, 0.5])
def test_the_ends_and_the_middle_are_found(p: float) -> None:
    found = estimate_probability(ry(p), [False, True], half_width=0.01, sampler=AER, rng=1)
    assert found.lower <= p <= found.upper


@pytest.mark.parametrize("sampler", [StatevectorCircuitSampler(), AER], ids=["statevector", "aer"])
def test_qiskits_own_normal_distribution_and_estimation_agree(sampler: CircuitSampler) -> None:
    from qiskit_algorithms import EstimationProblem, IterativeAmplitudeEstimation
    from qiskit_finance.circuit.library import NormalDistribution

    circuit = NormalDistribution(4, mu=0.0, sigma=1.0, bounds=(-3.0, 3.0))
    marked_little_endian = np.asarray(circuit.values) > 1.5
    exact = float(np.asarray(circuit.probabilities)[marked_little_endian].sum())
    marked = marked_little_endian.reshape((2,) * 4).transpose().reshape(-1)
    preparation = circuit.decompose(reps=4)
    ours = estimate_probability(preparation, marked, half_width=0.01, sampler=sampler, rng=2)
    assert ours.lower <= exact <= ours.upper
    turn = QuantumCircuit(4)
    turn.compose(preparation.inverse(), inplace=True)
    turn.compose(amplified_circuit(preparation, marked, 1), inplace=True)  # A† then Q A
    problem = EstimationProblem(
        preparation, [0, 1, 2, 3], grover_operator=turn, is_good_state=lambda bits: marked_little_endian[int(bits, 2)]
    )
    primitive = StatevectorSampler(seed=np.random.default_rng(4), default_shots=200)
    theirs = IterativeAmplitudeEstimation(0.01, 0.05, sampler=primitive).estimate(problem)
    assert theirs.confidence_interval[0] <= exact <= theirs.confidence_interval[1]
    assert ours.lower <= theirs.confidence_interval[1]
    assert theirs.confidence_interval[0] <= ours.upper


def test_an_interval_that_contradicts_the_ones_before_stands_alone() -> None:
    assert _narrowed(0.10, 0.20, 1, (np.sin(0.15) ** 2, np.sin(0.3) ** 2)) == pytest.approx((0.15, 0.20))
    assert _narrowed(0.10, 0.20, 1, (np.sin(0.3) ** 2, np.sin(0.4) ** 2)) == pytest.approx((0.3, 0.4))


def test_what_cannot_be_done_is_said(law: tuple) -> None:
    circuit, _, marked = law
    with pytest.raises(InputError, match=r"marked: expected booleans \(32,\), received int64 of shape \(32,\)"):
        amplified_circuit(circuit, marked.astype(np.int64), 1)
    with pytest.raises(InputError, match="power: expected 0 or more, received -1"):
        amplified_circuit(circuit, marked, -1)
    with pytest.raises(InputError, match=r"half_width: expected a number between 0 and 0\.5, received 0\.7"):
        estimate_probability(circuit, marked, half_width=0.7, sampler=AER)
    with pytest.raises(InputError, match=r"probability: expected a number in \(0, 1\], received 0.0"):
        sample_marked(circuit, marked, 5, sampler=AER, probability=0.0)


def test_nothing_marked_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfin.quantum.amplification._MAX_STAGES", 5)
    with pytest.raises(QfinError, match="3 of 3 marked outcomes not found in 15 runs"):
        sample_marked(ry(0.0), [False, True], 3, sampler=AER, rng=1)
