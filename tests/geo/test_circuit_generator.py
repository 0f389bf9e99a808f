"""The fixed-cardinality circuit in the loop: counts, normalisation, training, mapping."""

import itertools

import numpy as np
import pytest

from qfin.exceptions import InputError
from qfin.geo.circuit_generator import CircuitGenerator

N_BITS = 6
ALL = np.array(list(itertools.product([False, True], repeat=N_BITS)))


def training_strings(counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    totals = ALL.sum(axis=1)
    allowed = ALL[(totals >= counts[0]) & (totals <= counts[1])]
    return allowed[rng.choice(len(allowed), size=6, replace=False)], rng.random(6) + 0.1


@pytest.mark.parametrize("counts", [(3, 3), (2, 3)])
def test_probabilities_sum_to_one_and_draws_follow_them(counts: tuple[int, int]) -> None:
    generator = CircuitGenerator(counts, n_layers=1).fit(*training_strings(counts), rng=1)
    probability = np.exp(generator.log_prob(ALL))
    assert probability.sum() == pytest.approx(1.0, abs=1e-9)
    n_draws = 20_000
    draws = generator.sample(n_draws, rng=2)
    assert set(draws.sum(axis=1)) <= set(range(counts[0], counts[1] + 1))
    shares = np.bincount(draws @ (1 << np.arange(N_BITS - 1, -1, -1)), minlength=len(ALL)) / n_draws
    error = np.sqrt(probability * (1.0 - probability) / n_draws)
    assert (np.abs(shares - probability) < 5.0 * error + 5.0 / n_draws).all()


def test_training_on_lowers_the_loss_from_either_start() -> None:
    bits, weight = training_strings((3, 3))
    weight = weight / weight.sum()
    losses = {}
    for mapped in (False, True):
        for steps in (2, 40):
            machine = CircuitGenerator((3, 3), n_layers=1, mapped=mapped, max_steps=steps, smoothing=1e-6).fit(
                bits, weight, rng=1
            )
            losses[mapped, steps] = -(weight @ machine.log_prob(bits))
            assert (machine.fidelity_ is not None) == mapped
    even = np.log(20)
    for mapped in (False, True):
        assert losses[mapped, 40] < losses[mapped, 2] < even


def test_another_count_is_refused() -> None:
    with pytest.raises(InputError, match="ones in every string"):
        CircuitGenerator((3, 3)).fit(ALL[:4])


def test_shots_of_the_circuit_on_aer_follow_the_probabilities() -> None:
    """The Qiskit circuit, run by Aer, and the subspace simulator are the same law, qubit order included."""
    from qfin.quantum import AerCircuitSampler

    rng = np.random.default_rng(5)
    bits = np.zeros((8, 6), dtype=bool)
    for row in bits:
        row[rng.choice(4, size=3, replace=False) + rng.integers(3)] = True
    machine = CircuitGenerator((3, 3), max_steps=20, sampler=AerCircuitSampler()).fit(bits, rng.random(8), rng=1)
    n_shots = 20_000
    draws = machine.sample(n_shots, rng=2)
    assert (draws.sum(axis=1) == 3).all()
    probability = np.exp(machine.log_prob(machine.subspace_.bits))
    place = machine.subspace_.positions(draws)
    shares = np.bincount(place, minlength=len(probability)) / n_shots
    assert probability.max() > 3.0 * probability.min()
    error = np.sqrt(probability * (1.0 - probability) / n_shots)
    assert (np.abs(shares - probability) < 5.0 * error + 5.0 / n_shots).all()
