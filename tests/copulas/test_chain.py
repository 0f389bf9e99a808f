"""Columns along a chain inside, in their own order outside."""

import numpy as np
import pytest
from scipy.stats import multivariate_t, spearmanr

from qfin.born import CircuitHeadMachine
from qfin.copulas import ChainCopula
from qfin.copulas.order import chain_order
from qfin.marginals import pseudo_observations

# Columns 0 and 3, and 1 and 2, are the neighbours.
CORRELATION = np.array([[1, 0.1, 0.1, 0.8], [0.1, 1, -0.6, 0.1], [0.1, -0.6, 1, 0.1], [0.8, 0.1, 0.1, 1]])


@pytest.fixture(scope="module")
def days() -> np.ndarray:
    return pseudo_observations(multivariate_t(shape=CORRELATION, df=5).rvs(1_500, random_state=1))


@pytest.fixture(scope="module")
def chain(days: np.ndarray) -> ChainCopula:
    return ChainCopula(60, seed=2).fit(days)


def test_draws_and_densities_are_in_the_columns_own_order(days: np.ndarray, chain: ChainCopula) -> None:
    assert chain.order_.tolist() != [0, 1, 2, 3]
    assert chain.order_.tolist() == chain_order(days).tolist()
    assert chain.logpdf(days) == pytest.approx(chain.copula_.logpdf(days[:, chain.order_]))
    drawn = chain.sample(20_000, rng=3)
    # Each rank correlation has an error below one over the root of its number of days.
    assert spearmanr(drawn).statistic == pytest.approx(spearmanr(days).statistic, abs=5 / np.sqrt(1_500))


def test_a_circuit_takes_the_head_of_the_same_chain(days: np.ndarray, chain: ChainCopula) -> None:
    found = ChainCopula(60, circuit=True, seed=2).fit(days)
    assert isinstance(found.copula_.machine_, CircuitHeadMachine)
    assert found.logpdf(days) == pytest.approx(chain.with_circuit(days, seed=2).logpdf(days))
    assert found.logpdf(days).mean() == pytest.approx(chain.logpdf(days).mean(), abs=0.05)
