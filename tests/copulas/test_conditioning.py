"""Draws given events and their probabilities, against rejection from the same model and against closed forms."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal, multivariate_t, t

from qfin.born import MPSBornMachine
from qfin.copulas import (
    And,
    BornCopula,
    Depth,
    Event,
    GaussianCopula,
    IndependenceCopula,
    Interval,
    Not,
    Or,
    StudentTCopula,
    VineCopula,
    draws_given,
    probability_of,
)
from qfin.copulas.conditioning import thinned
from qfin.copulas.events import contains
from qfin.exceptions import InputError

D = 4
CORRELATION = np.array([[1.0, 0.6, 0.3, 0.5], [0.6, 1.0, 0.5, 0.4], [0.3, 0.5, 1.0, 0.2], [0.5, 0.4, 0.2, 1.0]])
N_ORACLE, N_DRAWS = 400_000, 4_000


def machine(scale: float, seed: int = 0, size: int = 5, bond: int = 3) -> MPSBornMachine:
    rng = np.random.default_rng(seed)
    bonds = [1] + [bond] * (D - 1) + [1]
    tensors = [rng.standard_normal((bonds[i], size, bonds[i + 1])) * scale for i in range(D)]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


def student_t(degrees: float = 5.0) -> StudentTCopula:
    return StudentTCopula.from_arrays({"correlation": CORRELATION, "degrees_of_freedom": np.array(degrees)})


@lru_cache
def model(name: str) -> Any:
    if name == "pure":
        return BornCopula.from_parts(IndependenceCopula().fit(np.full((2, D), 0.5)), machine(0.25))
    if name == "student_t":
        return student_t()
    if name == "born_gaussian":
        return BornCopula.from_parts(GaussianCopula.from_arrays({"correlation": CORRELATION}), machine(0.08))
    if name == "born_vine":
        return BornCopula.from_parts(VineCopula("student").fit(student_t().sample(2_000, rng=1)), machine(0.08))
    return BornCopula.from_parts(student_t(), machine(0.08))


@lru_cache
def oracle(name: str) -> Any:
    return model(name).sample(N_ORACLE if name != "born_vine" else N_ORACLE // 4, rng=99)


def random_interval(rng: np.random.Generator, n_assets: int = D) -> Event:
    column, width = int(rng.integers(n_assets)), rng.uniform(0.02, 0.3)
    kind = rng.integers(3)
    if kind == 0:
        return Interval(column, 0.0, width)
    return Interval(column, 1.0 - width, 1.0) if kind == 1 else Interval(column, 0.3, 0.3 + width)


def random_event(rng: np.random.Generator, with_books: bool) -> Event:
    """Joint boxes, unions, complements; with books also what a weighted sum of normal scores says."""
    parts = tuple(random_interval(rng) for _ in range(rng.integers(1, 4)))
    kind = rng.integers(4)
    event = And(parts) if kind == 0 else Or(parts) if kind == 1 else parts[0] & Not(Or(parts[1:]))
    if kind == 3:
        event = parts[0] & (random_interval(rng) | random_interval(rng))
    if with_books:
        weights, level = rng.uniform(0.0, 0.5, D), rng.uniform(0.8, 1.6)
        book = Depth(lambda u: -(ndtri(u) @ weights) - level)
        event = book if kind < 2 else book | event
    return event


def possible_event(name: str, seed: int, with_books: bool) -> tuple[Event, Any]:
    """The first event of this seed that the oracle meets often enough to judge by, and the draws that meet it."""
    rng = np.random.default_rng(seed)
    while True:
        event = random_event(rng, with_books)
        inside = oracle(name)[contains(event, oracle(name))]
        if len(inside) >= 500:
            return event, inside


STATISTICS = {
    "mean": lambda u: u,
    "product": lambda u: u[:, :1] * u[:, 1:2],
    "tail": lambda u: (u < 0.1).astype(float),
    "score": lambda u: ndtri(u).mean(1, keepdims=True),
}


CASES = [
    (name, seed, books)
    for name, books, seeds in (
        ("pure", False, range(20)),
        ("born_t", False, range(20, 40)),
        ("born_gaussian", False, range(40, 46)),
        ("student_t", False, range(46, 52)),
        ("born_vine", False, range(52, 56)),
        ("pure", True, range(56, 60)),
        ("born_t", True, range(60, 72)),
    )
    for seed in seeds
]


@pytest.mark.parametrize(("name", "seed", "books"), CASES)
def test_draws_equal_rejection(name: str, seed: int, books: bool) -> None:
    """72 random events; probability, means, products and tail shares within five standard errors."""
    everything = oracle(name)
    event, inside = possible_event(name, seed, books)
    share = len(inside) / len(everything)
    draws = draws_given(model(name), event, N_DRAWS, rng=seed)
    assert contains(event, draws.u).all()
    likelihood = draws.likelihood
    assert likelihood.exact == (name == "pure" and not books)
    error = np.hypot(likelihood.standard_error, np.sqrt(share * (1 - share) / len(everything)))
    assert abs(likelihood.probability - share) < 5 * error
    weights = np.full(len(draws.u), 1.0 / len(draws.u)) if draws.weights is None else draws.weights
    for statistic in STATISTICS.values():
        mine, theirs = statistic(draws.u), statistic(inside)
        mean = weights @ mine
        variance = weights**2 @ (mine - mean) ** 2 + theirs.var(0) / len(inside)
        # A tail share of which neither side has more than a few draws has no normal error.
        assert np.all(np.abs(mean - theirs.mean(0)) <= 5 * np.sqrt(variance + 1.0 / len(inside) ** 2))


@pytest.mark.parametrize(
    ("columns", "level"), [((0, 1), 1e-2), ((0, 1, 3), 1e-3), ((1, 2), 2e-5), ((0, 1, 2, 3), 1e-3)]
)
@pytest.mark.parametrize("base", ["gaussian", "student_t"])
def test_orthants_in_closed_form(base: str, columns: tuple[int, ...], level: float) -> None:
    """|0…0⟩ on an elliptical base: P down to 1e-6 within five standard errors, and these below 2 %."""
    nothing = MPSBornMachine.from_tensors([np.eye(4)[:1].reshape(1, 4, 1)] * D)
    within = CORRELATION[np.ix_(columns, columns)]
    if base == "gaussian":
        copula = BornCopula.from_parts(GaussianCopula.from_arrays({"correlation": CORRELATION}), nothing)
        exact = multivariate_normal(cov=within, abseps=1e-12, releps=1e-4, maxpts=10**7).cdf(
            np.full(len(columns), ndtri(level)), rng=np.random.default_rng(0)
        )
    else:
        copula = BornCopula.from_parts(student_t(), nothing)
        exact = multivariate_t(shape=within, df=5).cdf(
            np.full(len(columns), t.ppf(level, 5)), maxpts=200_000, random_state=np.random.default_rng(0)
        )
    event = And(tuple(Interval(column, 0.0, level) for column in columns))
    estimate = probability_of(copula, event, n_samples=5_000, rng=1)
    assert estimate.standard_error < 0.02 * estimate.probability
    assert abs(estimate.probability - exact) < 5 * estimate.standard_error + 2e-3 * exact


def test_rare_event_of_a_born_copula() -> None:
    """Three standard errors below 10 % at 1e-6, and two independent estimates that agree."""
    event = And(tuple(Interval(i, 0.0, 1e-6) for i in range(3)))
    first, second = (
        probability_of(model("born_t"), event, n_samples=n, rng=seed) for n, seed in ((10_000, 1), (40_000, 2))
    )
    assert 1e-7 < first.probability < 1e-5
    assert first.standard_error < 0.1 / 3 * first.probability
    assert abs(first.probability - second.probability) < 5 * np.hypot(first.standard_error, second.standard_error)


def test_likely_events_through_their_complement() -> None:
    rare = And(tuple(Interval(i, 0.0, 0.01) for i in range(3)))
    estimate, other = (probability_of(model("born_t"), e, n_samples=4_000, rng=3) for e in (~rare, rare))
    assert estimate.standard_error < 1e-4
    assert abs(1.0 - other.probability - estimate.probability) < 5 * np.hypot(
        estimate.standard_error, other.standard_error
    )
    for sure in (And(()), Interval(0) | Interval(1, 0.0, 0.5)):
        assert probability_of(model("born_t"), sure).probability == 1.0


def test_impossible_events() -> None:
    nothing = Interval(0, 0.0, 0.1) & Interval(0, 0.2, 1.0)
    assert probability_of(model("born_t"), nothing).probability == 0.0
    with pytest.raises(InputError, match="contradicts itself"):
        draws_given(model("born_t"), nothing, 100)
    with pytest.raises(InputError, match="no pilot draw"):
        draws_given(model("born_t"), Depth(lambda u: -np.ones(len(u))), 100, rng=1)


def test_seed_decides_the_draws() -> None:
    event = Interval(0, 0.0, 0.1) & Interval(2, 0.5, 1.0)
    for name in ("pure", "born_t"):
        first, second = (draws_given(model(name), event, 300, rng=4) for _ in range(2))
        np.testing.assert_array_equal(first.u, second.u)
        assert len(first.u) == 300


def test_thinning_keeps_means_and_weights() -> None:
    rng = np.random.default_rng(6)
    weights, values = rng.exponential(size=5_000) ** 3, rng.standard_normal(5_000)
    exact = weights @ values / weights.sum()
    means = []
    for _ in range(400):
        rows, kept = thinned(weights, 1_000, rng)
        assert len(rows) == 1_000
        assert kept.sum() == pytest.approx(1.0)
        means.append(kept @ values[rows])
    assert abs(np.mean(means) - exact) < 5 * np.std(means) / np.sqrt(len(means))
    rows, kept = thinned(weights, 6_000, rng)
    np.testing.assert_allclose(kept, weights / weights.sum())
