"""Maps of stretches of time: the mixture they make, its transform both ways, and what they are for."""

import numpy as np
import pytest
from scipy.special import logsumexp

from qfin.copulas import RegimeCopula, StudentTCopula, TriangularTCopula
from qfin.copulas import regimes as module


def t_days(correlation: float, n: int, seed: int) -> np.ndarray:
    matrix = np.array([[1.0, correlation, 0.3], [correlation, 1.0, 0.3], [0.3, 0.3, 1.0]])
    copula = StudentTCopula.from_arrays({"correlation": matrix, "degrees_of_freedom": np.array(5.0)})
    return copula.sample(n, rng=seed)


def drifting(seed: int) -> np.ndarray:
    """A correlation that rises from -0.2 to 0.8."""
    return np.concatenate([t_days(rho, 500, seed + i) for i, rho in enumerate(np.linspace(-0.2, 0.8, 8))])


@pytest.fixture(scope="module")
def fitted() -> RegimeCopula:
    return RegimeCopula().fit(drifting(1))


def test_the_latest_days_weigh_more_than_the_distant_ones(fitted: RegimeCopula) -> None:
    test = t_days(0.8, 4_000, 50)
    gain = fitted.logpdf(test) - fitted.base_.logpdf(test)
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))


def test_without_drift_little_is_lost() -> None:
    train, test = t_days(0.5, 4_000, 60), t_days(0.5, 20_000, 61)
    loss = TriangularTCopula().fit(train).logpdf(test) - RegimeCopula().fit(train).logpdf(test)
    assert loss.mean() < 0.005


def test_it_is_the_mixture_of_its_maps(fitted: RegimeCopula) -> None:
    u = np.random.default_rng(2).random((300, 3))
    maps = np.stack([fitted.base_.with_mixing(mixing).logpdf(u) for mixing in fitted.mixing_])
    expected = logsumexp(maps + np.log(fitted.weights_)[:, None], axis=0)
    np.testing.assert_allclose(fitted.logpdf(u), expected, rtol=1e-10, atol=1e-12)
    assert fitted.weights_.sum() == pytest.approx(1.0)
    assert len(fitted.mixing_) == 1 + module.N_BLOCKS + len(module.HALF_LIVES)


def test_the_transform_inverts_far_in_the_tails(fitted: RegimeCopula) -> None:
    w = 10.0 ** -np.random.default_rng(3).uniform(0.1, 9.0, (400, 3))
    np.testing.assert_allclose(fitted.rosenblatt(fitted.inverse_rosenblatt(w)), w, rtol=1e-7)
    # Near one a double has no more than sixteen digits to tell where a day stands.
    high = 1.0 - np.maximum(w, 1e-4)
    np.testing.assert_allclose(fitted.rosenblatt(fitted.inverse_rosenblatt(high)), high, rtol=0, atol=1e-6)


def test_weighted_ranks() -> None:
    u = np.array([[0.9, 0.1], [0.2, 0.5], [0.4, 0.3]])
    ranks = module.weighted_ranks(u, np.array([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(ranks, [[0.875, 0.125], [0.25, 0.75], [0.625, 0.375]])
    tied = module.weighted_ranks(np.array([[0.4], [0.2], [0.4], [0.9]]), np.ones(4))
    np.testing.assert_allclose(tied[:, 0], [0.375, 0.125, 0.625, 0.875])


def test_stretches_cover_the_days_once_and_then_the_latest() -> None:
    weights = list(module.stretches(803))
    np.testing.assert_array_equal(np.sum(weights[: module.N_BLOCKS], axis=0), 1.0)
    for half_life, days in zip(module.HALF_LIVES, weights[module.N_BLOCKS :], strict=True):
        assert days[-1] == 1.0
        assert days[-1 - 250] == pytest.approx(0.5 ** (250 / half_life))


def test_gradient_equals_finite_differences(fitted: RegimeCopula) -> None:
    rng = np.random.default_rng(4)
    objective, start = module._stretch_objective(
        fitted.base_.parameters, rng.standard_t(5, (60, 3)), rng.uniform(0.2, 1.0, 60)
    )
    values = start + 0.2 * rng.standard_normal(len(start))
    _, gradient = objective(values)
    for i, step in enumerate(1e-6 * np.eye(len(values))):
        rise = objective(values + step)[0] - objective(values - step)[0]
        assert gradient[i] == pytest.approx(rise / 2e-6, abs=1e-7)
