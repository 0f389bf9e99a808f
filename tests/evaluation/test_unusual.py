"""Anomaly scores: against simulated days, exact conditionals of the pure copula, and days made unusual on purpose."""

import numpy as np
import pandas as pd
import pytest

from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, IndependenceCopula, StudentTCopula
from qfin.copulas.reference import reference_of
from qfin.evaluation.unusual import _conditional, _link, score_days
from qfin.scenarios import ScenarioGenerator

ASSETS = ["AAA", "BBB", "CCC", "DDD"]


def table(n: int = 1_500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(4), 0.3 * np.eye(4) + 0.7, size=n)
    index = pd.date_range("2010-01-01", periods=n)
    return pd.DataFrame(0.01 * normal / np.sqrt(rng.chisquare(6, (n, 1)) / 6), index=index, columns=ASSETS)


@pytest.fixture(scope="module")
def generator() -> ScenarioGenerator:
    return ScenarioGenerator(copula=StudentTCopula()).fit(table())


def test_a_day_made_unusual_is_found_and_explained(generator: ScenarioGenerator) -> None:
    days = table(300, seed=1)
    days.iloc[7] = [-0.03, 0.06, -0.03, -0.03]
    scores = score_days(generator, days, rng=2)
    assert scores.index.equals(days.index)
    assert scores["rank"].iloc[7] == 1
    assert scores["percentile"].iloc[7] < 0.001
    assets, pairs = scores["assets"].iloc[7], scores["pairs"].iloc[7]
    assert assets[0]["asset"] == "BBB"
    assert assets[0]["return"] == 0.06
    assert assets[0]["one_in"] > 5 * assets[0]["one_in_alone"]
    assert all("BBB" in pair["pair"] for pair in pairs)
    assert pairs[0]["link"] < -1.0
    assert (scores["assets"].str.len() > 0).sum() == 10
    np.testing.assert_array_equal(scores["rank"].sort_values(), np.arange(1, 301))


def test_percentiles_of_the_models_own_days_are_uniform(generator: ScenarioGenerator) -> None:
    own = pd.DataFrame(generator.sample(2_000, rng=3), columns=ASSETS)
    shares = np.sort(score_days(generator, own, rng=4, n_explained=0)["percentile"])
    # Kolmogorov's distance between 2,000 and 10,000 draws of one law.
    assert np.abs(shares - (np.arange(2_000) + 0.5) / 2_000).max() < 2.5 * np.sqrt(1 / 2_000 + 1 / 10_000)


def test_quadrature_equals_exact_conditionals() -> None:
    """A pure Born copula knows its conditionals exactly; the quadrature only knows its density."""
    rng = np.random.default_rng(5)
    tensors = [rng.standard_normal(shape) * 0.1 for shape in ((1, 4, 2), (2, 4, 2), (2, 4, 1))]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    copula = BornCopula.from_parts(IndependenceCopula().fit(np.full((2, 3), 0.5)), MPSBornMachine.from_tensors(tensors))
    reference = reference_of(copula, np.random.default_rng(6))
    for u in np.random.default_rng(7).uniform(0.05, 0.95, (4, 3)):
        surprises = [_conditional(reference, u, i) for i in range(3)]
        for i in range(3):
            others = [j for j in range(3) if j != i]
            law = copula.condition({j: float(u[j]) for j in others})
            below = float(law.cdf(u[None, [i]])[0])
            assert surprises[i].tail == pytest.approx(2.0 * min(below, 1.0 - below), rel=1e-5)
        for pair, third in (((0, 1), 2), ((0, 2), 1), ((1, 2), 0)):
            exact = (
                copula.logpdf(u[None])[0]
                + copula.marginal([third]).logpdf(u[None, [third]])[0]
                - copula.marginal([pair[0], third]).logpdf(u[None, [pair[0], third]])[0]
                - copula.marginal([pair[1], third]).logpdf(u[None, [pair[1], third]])[0]
            )
            assert _link(reference, u, pair, surprises) == pytest.approx(exact, abs=1e-4)
