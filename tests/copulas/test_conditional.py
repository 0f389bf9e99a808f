"""Laws of some assets given others: exact for the pure Born copula, weighted draws for the rest."""

import numpy as np
import pytest

from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, GaussianCopula, IndependenceCopula, Interval, StudentTCopula
from qfin.exceptions import InputError

D = 4
CORRELATION = np.full((D, D), 0.5) + 0.5 * np.eye(D)


def machine(scale: float) -> MPSBornMachine:
    rng = np.random.default_rng(1)
    bonds = [1, 3, 3, 3, 1]
    tensors = [rng.standard_normal((bonds[i], 5, bonds[i + 1])) * scale for i in range(D)]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


PURE = BornCopula.from_parts(IndependenceCopula().fit(np.full((2, D), 0.5)), machine(0.25))
ON_T = BornCopula.from_parts(
    StudentTCopula.from_arrays({"correlation": CORRELATION, "degrees_of_freedom": np.array(5.0)}), machine(0.08)
)


def points(n: int, d: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random((n, d))


def test_densities_factorise() -> None:
    """c(u) = c(u_1, u_3) c(u_0, u_2 | u_1, u_3), to rounding."""
    for u in points(5, D):
        joint = PURE.logpdf(u[None])[0]
        marginal = PURE.marginal([3, 1]).logpdf(u[None, [3, 1]])[0]
        conditional = PURE.condition({1: float(u[1]), 3: float(u[3])}).logpdf(u[None, [0, 2]])[0]
        assert joint == pytest.approx(marginal + conditional, abs=1e-10)


def test_density_and_distribution_agree() -> None:
    law = PURE.condition({1: 0.3, 2: (0.1, 0.6)})
    nodes, weights = np.polynomial.legendre.leggauss(80)
    first, second = 0.2 + 0.15 * (nodes + 1), 0.4 + 0.25 * (nodes + 1)
    grid = np.array(np.meshgrid(first, second, indexing="ij")).reshape(2, -1).T
    integral = np.outer(0.15 * weights, 0.25 * weights).ravel() @ np.exp(law.logpdf(grid))
    box = law.cdf(np.array([[0.5, 0.9]]), np.array([[0.2, 0.4]]))[0]
    assert box == pytest.approx(integral, rel=1e-9)
    event = Interval(0, 0.2, 0.5) & Interval(1, 0.4, 0.9)
    estimate = law.probability(event)
    assert estimate.exact
    assert estimate.standard_error == 0.0
    assert estimate.probability == pytest.approx(box, rel=1e-10)


def test_distribution_equals_draws() -> None:
    u, upper = PURE.sample(200_000, rng=3), points(6, D, seed=4)
    exact = PURE.cdf(upper)
    observed = (u[:, None] <= upper).all(2).mean(0)
    assert np.all(np.abs(observed - exact) < 5 * np.sqrt(exact * (1 - exact) / len(u)))
    assert PURE.cdf(np.ones((1, D)))[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("copula", [PURE, ON_T], ids=["pure", "student_t"])
def test_draws_given_values_equal_a_window_of_free_draws(copula: BornCopula) -> None:
    given, n = copula.condition({2: 0.8}), 20_000
    drawn = given.sample(n, rng=5)
    free = copula.sample(1_000_000, rng=6)
    near = free[np.abs(free[:, 2] - 0.8) < 0.01][:, [0, 1, 3]]
    error = np.sqrt(2 * drawn.var(0) / n + near.var(0) / len(near))
    assert np.all(np.abs(drawn.mean(0) - near.mean(0)) < 5 * error + 1e-3)
    estimate = given.probability(Interval(1, 0.9, 1.0), rng=7)
    share = (near[:, 1] > 0.9).mean()
    assert estimate.exact == (copula is PURE)
    error = np.hypot(estimate.standard_error, np.sqrt(share * (1 - share) / len(near)))
    assert abs(estimate.probability - share) < 5 * error + 1e-3


def test_gaussian_conditional_in_closed_form() -> None:
    nothing = MPSBornMachine.from_tensors([np.eye(4)[:1].reshape(1, 4, 1)] * D)
    copula = BornCopula.from_parts(GaussianCopula.from_arrays({"correlation": CORRELATION}), nothing)
    from scipy.special import ndtr, ndtri

    given = {0: 0.01, 3: 0.05}
    z = np.array([ndtri(0.01), ndtri(0.05)])
    slopes = np.linalg.solve(CORRELATION[np.ix_([0, 3], [0, 3])], CORRELATION[[0, 3], 1])
    mean, spread = slopes @ z, np.sqrt(1.0 - slopes @ CORRELATION[[0, 3], 1])
    exact = ndtr((ndtri(0.1) - mean) / spread)
    estimate = copula.condition(given).probability(Interval(0, 0.0, 0.1), rng=8)
    assert abs(estimate.probability - exact) < 5 * estimate.standard_error
    u = copula.condition(given).sample(20_000, rng=9)[:, 0]
    assert abs((u < 0.1).mean() - exact) < 5 * np.sqrt(2 * exact * (1 - exact) / len(u))


def test_marginal_of_a_copula_with_base() -> None:
    drawn = ON_T.marginal([2, 0]).sample(10_000, rng=10)
    free = ON_T.sample(50_000, rng=11)[:, [2, 0]]
    error = np.sqrt(2 * drawn.var(0) / len(drawn) + free.var(0) / len(free))
    assert np.all(np.abs(drawn.mean(0) - free.mean(0)) < 5 * error)
    assert ON_T.probability(Interval(0, 0.0, 0.1), rng=12).probability == pytest.approx(
        (ON_T.sample(400_000, rng=13)[:, 0] < 0.1).mean(), rel=0.03
    )
    assert (ON_T.sample(100, rng=14, given=Interval(1, 0.9, 1.0))[:, 1] > 0.9).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PURE.marginal([]), "kept: expected different columns"),
        (lambda: PURE.marginal([0, 0]), "kept: expected different columns"),
        (lambda: PURE.condition({7: 0.5}), "given: expected columns from 0 to 3"),
        (lambda: PURE.condition({1: 1.5}), "given: expected u or an interval"),
        (lambda: PURE.marginal([0]).cdf(np.array([[1.5]])), "boxes: expected 0 <= lower <= upper <= 1"),
        (lambda: PURE.marginal([0]).cdf(np.array([[0.2]]), np.array([[0.4]])), "boxes: expected"),
        (lambda: PURE.marginal([0]).probability(Interval(1, 0.0, 0.1)), "event: expected columns from 0 to 0"),
        (lambda: ON_T.marginal([0]).logpdf(np.array([[0.5]])), "expected a pure Born copula"),
    ],
)
def test_wrong_input_is_refused(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]
