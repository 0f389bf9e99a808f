"""The classical generators against enumeration: counts, probabilities, draws."""

import itertools
from typing import Any

import numpy as np
import pytest

from qfin.geo.controls import ProductGenerator, RBMGenerator, TreeGenerator
from qfin.geo.controls.tree import mutual_information, pair_shares

N_BITS = 8
ALL = np.array(list(itertools.product([False, True], repeat=N_BITS)))
COUNTS = [(3, 3), (2, 4)]


def training_strings(counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    totals = ALL.sum(axis=1)
    allowed = ALL[(totals >= counts[0]) & (totals <= counts[1])]
    return allowed[rng.integers(len(allowed), size=15)], rng.random(15) + 0.1


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("kind", [ProductGenerator, TreeGenerator])
def test_draws_follow_normalised_probabilities(kind: Any, counts: tuple[int, int]) -> None:
    bits, weight = training_strings(counts)
    generator = kind(counts).fit(bits, weight)
    probability = np.exp(generator.log_prob(ALL))
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    n_draws = 20_000
    draws = generator.sample(n_draws, rng=2)
    shares = np.bincount(draws @ (1 << np.arange(N_BITS - 1, -1, -1)), minlength=len(ALL)) / n_draws
    error = np.sqrt(probability * (1.0 - probability) / n_draws)
    assert (np.abs(shares - probability) < 5.0 * error + 5.0 / n_draws).all()


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("kind", [ProductGenerator, TreeGenerator, RBMGenerator])
def test_every_draw_keeps_the_count(kind: Any, counts: tuple[int, int]) -> None:
    totals = kind(counts).fit(*training_strings(counts), rng=1).sample(500, rng=2).sum(axis=1)
    assert totals.min() >= counts[0]
    assert totals.max() <= counts[1]


def test_the_product_has_the_shares_of_its_data() -> None:
    bits, weight = training_strings((3, 3))
    generator = ProductGenerator((3, 3), smoothing=1e-9).fit(bits, weight)
    probability = np.exp(generator.log_prob(ALL))
    np.testing.assert_allclose(probability @ ALL, weight @ bits / weight.sum(), atol=1e-5)


def test_the_tree_is_the_conditioned_chow_liu_law() -> None:
    """P(x) from pair and single shares along the tree's edges, restricted to the count and normalised."""
    bits, weight = training_strings((3, 3))
    weight = weight / weight.sum()
    generator = TreeGenerator((3, 3), smoothing=0.3).fit(bits, weight)
    pairs = pair_shares(bits, weight, 0.3)
    values = np.zeros(len(ALL))
    for node, parent in enumerate(generator.parent_):
        own = ALL[:, node].astype(int)
        if parent < 0:
            values += np.log(np.einsum("aa->a", pairs[node, :, node, :])[own])
        else:
            above = ALL[:, parent].astype(int)
            values += np.log(pairs[node, own, parent, above] / pairs[parent, above, parent, above])
    expected = np.where(ALL.sum(axis=1) == 3, np.exp(values), 0.0)
    np.testing.assert_allclose(np.exp(generator.log_prob(ALL)), expected / expected.sum(), rtol=1e-9, atol=1e-15)


def test_mutual_information_of_equal_and_of_independent_bits() -> None:
    bits = np.array(list(itertools.product([False, True], repeat=2)))
    bits = np.column_stack([bits, bits[:, 0]])
    information = mutual_information(pair_shares(bits, np.full(4, 0.25), 0.0))
    assert information[0, 2] == pytest.approx(np.log(2.0))
    assert information[0, 1] == pytest.approx(0.0, abs=1e-12)


def test_the_machine_learns_that_two_assets_go_together() -> None:
    rng = np.random.default_rng(0)
    bits = np.zeros((200, 10), dtype=bool)
    for row in bits:
        row[[0, 1] if rng.random() < 0.5 else [2, 3]] = True
        row[rng.choice(np.arange(4, 10), 2, replace=False)] = True
    draws = RBMGenerator((4, 4), learning_rate=0.2, n_epochs=100, n_gibbs=20).fit(bits, rng=1).sample(1000, rng=2)
    assert np.mean(draws[:, 0] == draws[:, 1]) > 0.8
