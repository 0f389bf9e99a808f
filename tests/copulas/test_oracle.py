"""Any event at all, against rejection from the same fitted Born copula."""

from functools import lru_cache

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from qfin.born import MPSBornMachine
from qfin.copulas import And, BornCopula, Depth, Event, Interval, Not, Or, StudentTCopula, draws_given
from qfin.copulas.events import contains

N_ASSETS, N_ORACLE, N_DRAWS = 4, 200_000, 2_000
N_EVENTS = 50


@lru_cache
def model() -> BornCopula:
    """Fitted to days of a mixture of two t copulas, which no t copula is."""
    days = []
    for sign, seed in ((1.0, 1), (-1.0, 2)):
        correlation = 0.5 * np.eye(N_ASSETS) + 0.5
        correlation[0, 1:] *= sign
        correlation[1:, 0] *= sign
        arrays = {"correlation": correlation, "degrees_of_freedom": np.array(4.0)}
        days.append(StudentTCopula.from_arrays(arrays).sample(400 if sign > 0 else 150, rng=seed))
    machine = MPSBornMachine(6, 3, max_steps=400, learning_rate=2e-3, batch_size=200)
    return BornCopula(StudentTCopula(), machine).fit(np.concatenate(days))


@lru_cache
def oracle() -> np.ndarray:
    return model().sample(N_ORACLE, rng=3)


columns = st.integers(0, N_ASSETS - 1)
widths = st.floats(0.02, 0.4)
intervals = st.one_of(
    st.builds(lambda column, width: Interval(column, 0.0, width), columns, widths),
    st.builds(lambda column, width: Interval(column, 1.0 - width, 1.0), columns, widths),
    st.builds(lambda column, low, width: Interval(column, low, low + width), columns, st.floats(0.1, 0.6), widths),
)
books = st.builds(
    lambda weights, level: Depth(lambda u: -(ndtri(u) @ np.array(weights)) - level),
    st.lists(st.floats(0.05, 0.5), min_size=N_ASSETS, max_size=N_ASSETS),
    st.floats(0.6, 1.6),
)
events = st.recursive(
    st.one_of(intervals, intervals, books),
    lambda parts: st.one_of(
        st.lists(parts, min_size=2, max_size=3).map(lambda events: And(tuple(events))),
        st.lists(parts, min_size=2, max_size=3).map(lambda events: Or(tuple(events))),
        parts.map(Not),
    ),
    max_leaves=5,
)


@settings(max_examples=N_EVENTS, derandomize=True, deadline=None)
@given(event=events, seed=st.integers(0, 2**31))
def test_fifty_random_events_equal_rejection(event: Event, seed: int) -> None:
    """Probability, means, spreads, products and tail shares within five standard errors."""
    everything = oracle()
    inside = everything[contains(event, everything)]
    assume(500 <= len(inside) < N_ORACLE)
    share = len(inside) / N_ORACLE
    draws = draws_given(model(), event, N_DRAWS, rng=seed)
    assert contains(event, draws.u).all()
    error = np.hypot(draws.likelihood.standard_error, np.sqrt(share * (1 - share) / N_ORACLE))
    assert abs(draws.likelihood.probability - share) < 5 * error
    weights = np.full(len(draws.u), 1.0 / len(draws.u)) if draws.weights is None else draws.weights
    for statistic in (
        lambda u: u,
        lambda u: u**2,
        lambda u: u * np.roll(u, 1, axis=1),
        lambda u: (u < 0.1).astype(float),
        lambda u: ndtri(u).mean(1, keepdims=True),
    ):
        mine, theirs = statistic(draws.u), statistic(inside)
        mean = weights @ mine
        variance = weights**2 @ (mine - mean) ** 2 + theirs.var(0) / len(inside)
        # A tail share of which neither side has more than a few draws has no normal error.
        assert np.all(np.abs(mean - theirs.mean(0)) <= 5 * np.sqrt(variance + 1.0 / len(inside) ** 2))
