"""Empirical body and Pareto tails: ranks, ties, joins, tails, inverse, density."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qfin.exceptions import InputError, NotFittedError
from qfin.marginals import U_MAX, U_MIN, EmpiricalGPD, pseudo_observations

N_DAYS = 2000


def returns(seed: int = 0, n_days: int = N_DAYS) -> np.ndarray:
    """Student-t simple returns on ticks of one basis point, a quarter of the days exactly zero."""
    rng = np.random.default_rng(seed)
    x = np.round(0.01 * rng.standard_t(4, size=n_days), 4)
    x[rng.uniform(size=n_days) < 0.25] = 0.0
    return np.maximum(x, -0.9)


@pytest.fixture(scope="module")
def law() -> EmpiricalGPD:
    return EmpiricalGPD().fit(returns())


def test_body_runs_through_average_ranks(law: EmpiricalGPD) -> None:
    x = returns()
    ranks = pseudo_observations(x[:, None])[:, 0]
    at_knot = np.isin(np.round(x, 12), law.knots_)
    np.testing.assert_allclose(law.cdf(x[at_knot]), ranks[at_knot], atol=1e-14)
    # Between two knots lie about √n days, so the line strays from the ranks by less than a cell.
    assert np.abs(law.cdf(x) - ranks).max() < 1 / np.sqrt(N_DAYS)


def test_tied_days_share_the_middle_of_their_step(law: EmpiricalGPD) -> None:
    x = returns()
    below, tied = np.sum(x < 0), np.sum(x == 0)
    assert tied > 0.25 * N_DAYS
    assert law.cdf(np.array(0.0)) == pytest.approx((below + (tied + 1) / 2) / (N_DAYS + 1), abs=1e-14)
    # The step is spread over the gaps to both neighbours and no further.
    ranks = pseudo_observations(x[:, None])[:, 0]
    for neighbour in (x[x < 0].max(), x[x > 0].min()):
        assert law.cdf(np.array(neighbour)) == pytest.approx(ranks[x == neighbour][0], abs=1e-14)


def test_cdf_is_strictly_increasing_and_continuous(law: EmpiricalGPD) -> None:
    assert (np.diff(law.probabilities_) > 0).all()
    grid = np.linspace(-0.2, 0.2, 20_001)
    assert (np.diff(law.cdf(grid)) > 0).all()
    for join in law.knots_:
        sides = law.cdf(np.array([np.nextafter(join, -1.0), join, np.nextafter(join, 1.0)]))
        assert np.ptp(sides) < 1e-12


def test_tails_are_pareto_in_log_loss_and_in_gain(law: EmpiricalGPD) -> None:
    low, high = law.probabilities_[0], law.probabilities_[-1]
    assert low == pytest.approx(0.05, abs=0.01)
    assert high == pytest.approx(0.95, abs=0.01)
    u = np.array([1e-6, 1e-3, 0.02])
    depth = stats.genpareto.isf(u / low, law.lower_tail_[0], scale=law.lower_tail_[1])
    np.testing.assert_allclose(np.log1p(law.ppf(u)), np.log1p(law.knots_[0]) - depth, rtol=1e-9)
    gain = stats.genpareto.isf(u / (1 - high), law.upper_tail_[0], scale=law.upper_tail_[1])
    np.testing.assert_allclose(law.ppf(1 - u), law.knots_[-1] + gain, rtol=1e-7)


def test_far_quantiles_find_the_true_law() -> None:
    # Body normal, both tails Pareto by construction: the fitted 1e-4 quantiles must centre on the true ones.
    truth = {"lower": (0.2, 0.01), "upper": (0.15, 0.012)}
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        side, size = rng.uniform(size=4000), rng.uniform(size=4000)
        body = 0.02 * (2 * size - 1)
        loss = stats.genpareto.isf(size, truth["lower"][0], scale=truth["lower"][1])
        gain = stats.genpareto.isf(size, truth["upper"][0], scale=truth["upper"][1])
        x = np.where(side < 0.06, 0.98 * np.exp(-loss) - 1, np.where(side > 0.94, 0.02 + gain, body))
        found.append(EmpiricalGPD().fit(x).ppf(np.array([1e-4, 1 - 1e-4])))
    loss = stats.genpareto.isf(1e-4 / 0.06, truth["lower"][0], scale=truth["lower"][1])
    gain = stats.genpareto.isf(1e-4 / 0.06, truth["upper"][0], scale=truth["upper"][1])
    expected = np.array([0.98 * np.exp(-loss) - 1, 0.02 + gain])
    assert (np.abs(np.mean(found, axis=0) - expected) < 5 * np.std(found, axis=0, ddof=1) / np.sqrt(20)).all()


def test_density_is_the_slope_of_the_cdf(law: EmpiricalGPD) -> None:
    middles = (law.knots_[1:] + law.knots_[:-1]) / 2
    x = np.concatenate([[-0.4, -0.1, -0.05], middles, [0.05, 0.1, 0.4]])
    step = 1e-9
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2 * step)
    tails_in_float = np.abs(x) < 0.09  # beyond, cdf differences of 1e-9 drown in rounding
    np.testing.assert_allclose(np.exp(law.logpdf(x))[tails_in_float], slope[tails_in_float], rtol=1e-4)


@pytest.mark.parametrize("bound", [-1.0, None])
def test_density_integrates_to_one(bound: float | None) -> None:
    law = EmpiricalGPD(lower_bound=bound).fit(returns())
    # Trapezoids on a grid that is dense where the mass is; the rest of the mass is that of the cdf.
    grid = np.concatenate(
        [np.linspace(-0.9, law.knots_[0], 200_001)[:-1], np.linspace(law.knots_[-1], 2.0, 200_001)[1:]]
    )
    density = np.exp(law.logpdf(grid))
    half = len(grid) // 2
    tails = np.trapezoid(density[:half], grid[:half]) + np.trapezoid(density[half:], grid[half:])
    body = np.sum(np.exp(law.logpdf((law.knots_[1:] + law.knots_[:-1]) / 2)) * np.diff(law.knots_))
    assert tails + body == pytest.approx(1.0, abs=1e-4)


def test_no_draw_falls_below_minus_one() -> None:
    law = EmpiricalGPD().fit(np.concatenate([returns(), [-0.9, -0.95, -0.99, -0.999]]))
    assert law.ppf(np.array([U_MIN, 1e-12, 1e-6])).min() >= -1.0
    np.testing.assert_array_equal(law.cdf(np.array([-1.0, -7.0])), U_MIN)
    np.testing.assert_array_equal(law.logpdf(np.array([-1.0, -7.0])), -np.inf)
    unbounded = EmpiricalGPD(lower_bound=None).fit(returns())
    assert np.isfinite(unbounded.logpdf(np.array(-1.5)))


def test_cdf_stays_strictly_inside_the_unit_interval(law: EmpiricalGPD) -> None:
    u = law.cdf(np.array([-1.0, -0.9999999, 1e3, 1e300]))
    assert u.min() == U_MIN > 0.0
    assert u.max() == U_MAX < 1.0


def test_missing_values_stay_missing(law: EmpiricalGPD) -> None:
    x = np.array([np.nan, 0.01])
    for function in (law.cdf, law.logpdf):
        np.testing.assert_array_equal(np.isnan(function(x)), [True, False])


@settings(max_examples=60, deadline=None)
@given(
    u=st.floats(1e-9, 1 - 1e-9),
    seed=st.integers(0, 20),
    tail_fraction=st.sampled_from([0.01, 0.05, 0.2]),
    bound=st.sampled_from([-1.0, None]),
)
def test_ppf_and_cdf_are_inverse(u: float, seed: int, tail_fraction: float, bound: float | None) -> None:
    law = EmpiricalGPD(tail_fraction, bound).fit(returns(seed, 300))
    x = law.ppf(np.array(u))
    assert law.cdf(x) == pytest.approx(u, rel=1e-7, abs=1e-11)
    assert law.ppf(law.cdf(x)) == pytest.approx(x, rel=1e-6, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-2.0, 2.0), scale=st.floats(0.1, 10.0))
def test_unbounded_law_moves_with_its_data(shift: float, scale: float) -> None:
    x, u = returns(n_days=300), np.array([1e-4, 0.03, 0.3, 0.5, 0.97, 0.9999])
    moved = EmpiricalGPD(lower_bound=None).fit(shift + scale * x).ppf(u)
    np.testing.assert_allclose(moved, shift + scale * EmpiricalGPD(lower_bound=None).fit(x).ppf(u), atol=1e-5 * scale)


def test_a_value_that_fills_nearly_all_days_keeps_the_law_continuous() -> None:
    for heavy in (-0.03, 0.0, 0.02):
        x = np.concatenate([np.full(1960, heavy), np.linspace(-0.02, 0.01, 40)])
        law = EmpiricalGPD().fit(x)
        u = np.linspace(0.001, 0.999, 999)
        np.testing.assert_allclose(law.cdf(law.ppf(u)), u, atol=1e-9)


def test_saved_law_is_the_same(law: EmpiricalGPD) -> None:
    for original in (law, EmpiricalGPD(0.1, None).fit(returns(3))):
        again = EmpiricalGPD.from_arrays(original.to_arrays())
        assert again.get_params() == original.get_params()
        assert again.n_observations_ == original.n_observations_ == N_DAYS
        grid = np.linspace(-0.5, 0.5, 1001)
        np.testing.assert_array_equal(again.cdf(grid), original.cdf(grid))
        np.testing.assert_array_equal(again.logpdf(grid), original.logpdf(grid))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full(100, 0.01), "at least 6 distinct values, received 1"),
        (np.arange(5) / 100, "received 5"),
        (np.append(returns(), np.nan), "finite"),
        (returns().reshape(2, -1), "vector"),
        (np.append(returns(), -1.0), r"above -1\.0, received -1\.0"),
    ],
)
def test_wrong_returns_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        EmpiricalGPD().fit(x)


def test_wrong_settings_and_early_use_are_refused() -> None:
    with pytest.raises(InputError, match="tail_fraction"):
        EmpiricalGPD(0.6).fit(returns())
    with pytest.raises(NotFittedError, match="call fit"):
        EmpiricalGPD().cdf(np.zeros(2))
