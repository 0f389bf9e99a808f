"""The U(1)-symmetric machine: counts, normalisation by enumeration, post-selection, draws, training."""

import itertools

import numpy as np
import pytest

from qfin.born.bit_mps import BitMPS
from qfin.born.fixed_count import (
    draw_many_with_count,
    draw_with_count,
    fit_odds,
    log_prob_with_count,
    marginals_with_count,
)
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError

N_BITS = 8
ALL = np.array(list(itertools.product([False, True], repeat=N_BITS)))
COUNTS = [(3, 3), (2, 4), (0, 2), (8, 8)]


def inside(counts: tuple[int, int]) -> np.ndarray:
    totals = ALL.sum(axis=1)
    return ALL[(totals >= counts[0]) & (totals <= counts[1])]


def training_strings(counts: tuple[int, int], n: int = 15) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    allowed = inside(counts)
    return allowed[rng.integers(len(allowed), size=n)], rng.random(n) + 0.1


@pytest.mark.parametrize("counts", COUNTS)
def test_probabilities_sum_to_one_over_the_allowed_counts(counts: tuple[int, int]) -> None:
    bits, weight = training_strings(counts)
    machine = SymmetricMPS(counts, 3).fit(bits, weight, rng=1)
    probability = np.exp(machine.log_prob(ALL))
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    totals = ALL.sum(axis=1)
    assert (probability[(totals < counts[0]) | (totals > counts[1])] == 0.0).all()
    np.testing.assert_allclose(machine.amplitudes(ALL) ** 2, probability, atol=1e-13)


@pytest.mark.parametrize("counts", COUNTS[:3])
def test_draws_follow_the_probabilities_and_keep_the_count(counts: tuple[int, int]) -> None:
    bits, weight = training_strings(counts)
    machine = SymmetricMPS(counts, 3).fit(bits, weight, rng=1)
    n_draws = 20_000
    draws = machine.sample(n_draws, rng=2)
    assert draws.sum(axis=1).min() >= counts[0]
    assert draws.sum(axis=1).max() <= counts[1]
    shares = np.bincount(draws @ (1 << np.arange(N_BITS - 1, -1, -1)), minlength=len(ALL)) / n_draws
    probability = np.exp(machine.log_prob(ALL))
    error = np.sqrt(probability * (1.0 - probability) / n_draws)
    assert (np.abs(shares - probability) < 5.0 * error + 5.0 / n_draws).all()


def test_many_assets_keep_the_count() -> None:
    rng = np.random.default_rng(0)
    bits = np.zeros((60, 225), dtype=bool)
    for row in bits:
        row[rng.choice(225, 10, replace=False)] = True
    draws = SymmetricMPS((10, 10), 4, n_sweeps=1).fit(bits, rng=1).sample(200, rng=2)
    assert (draws.sum(axis=1) == 10).all()
    assert len(np.unique(draws, axis=0)) > 100


def test_without_sweeps_it_is_the_post_selected_product_chain() -> None:
    """The same odds on a chain without charges, kept where the count fits and renormalised, give the same law."""
    counts = (3, 3)
    bits, weight = training_strings(counts)
    settings = {"n_sweeps": 0, "start_noise": 1e-8, "smoothing": 0.2}
    symmetric = SymmetricMPS(counts, 2, **settings).fit(bits, weight, rng=1)
    free = np.exp(BitMPS(2, **settings).fit(bits, weight, rng=1).log_prob(inside(counts)))
    np.testing.assert_allclose(np.exp(symmetric.log_prob(inside(counts))), free / free.sum(), rtol=1e-3)


def test_training_reaches_the_entropy_of_few_strings() -> None:
    bits = inside((3, 3))[[0, 9, 22, 41]]
    weight = np.array([0.4, 0.3, 0.2, 0.1])
    losses = [
        -(weight @ SymmetricMPS((3, 3), 4, n_sweeps=m).fit(bits, weight, rng=1).log_prob(bits)) for m in (0, 1, 2, 30)
    ]
    assert (np.diff(losses) < 0.0).all()
    assert losses[-1] == pytest.approx(-(weight @ np.log(weight)), abs=1e-3)


def test_a_string_of_another_count_is_refused() -> None:
    with pytest.raises(InputError, match="3 to 3 ones"):
        SymmetricMPS((3, 3)).fit(ALL[:4])


@pytest.mark.parametrize("counts", COUNTS[:3])
def test_conditional_bernoulli_against_enumeration(counts: tuple[int, int]) -> None:
    odds = np.exp(np.random.default_rng(1).standard_normal(N_BITS))
    allowed = inside(counts)
    weight = np.where(allowed, odds, 1.0).prod(axis=1)
    weight /= weight.sum()
    np.testing.assert_allclose(np.exp(log_prob_with_count(odds, counts, allowed)), weight, rtol=1e-12)
    np.testing.assert_allclose(marginals_with_count(odds, counts), weight @ allowed, rtol=1e-12)
    n_draws = 20_000
    rng = np.random.default_rng(2)
    for draws in (
        draw_many_with_count(odds, counts, n_draws, rng),
        draw_with_count(np.tile(odds, (n_draws, 1)), counts, rng),
    ):
        error = np.sqrt((weight @ allowed) * (1.0 - weight @ allowed) / n_draws)
        assert (np.abs(draws.mean(axis=0) - weight @ allowed) < 5.0 * error).all()
        assert set(draws.sum(axis=1)) <= set(range(counts[0], counts[1] + 1))


def test_odds_are_fitted_to_shares() -> None:
    odds = np.exp(np.random.default_rng(3).standard_normal(N_BITS))
    shares = marginals_with_count(odds, (3, 3))
    fitted = fit_odds(shares, (3, 3))
    np.testing.assert_allclose(marginals_with_count(fitted, (3, 3)), shares, atol=1e-6)
