"""Every copula keeps the contract: a density on the cube, its Rosenblatt transform, draws, arrays without pickle."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, kstest, norm
from sklearn.base import clone

from qfin.born import BornEnsemble, MPSBornMachine
from qfin.copulas import (
    BornCopula,
    Copula,
    GaussianCopula,
    IndependenceCopula,
    RegimeCopula,
    StackedCopula,
    StudentTCopula,
    TriangularTCopula,
    VineCopula,
    copula_from_arrays,
    copula_to_arrays,
)
from qfin.exceptions import InputError, NotFittedError

MACHINE = MPSBornMachine(n_functions=4, max_bond=2, max_steps=200, batch_size=256)
PLAIN: dict[str, Callable[[], Any]] = {
    "independence": IndependenceCopula,
    "gaussian": GaussianCopula,
    "student_t": StudentTCopula,
    "factor_t": lambda: StudentTCopula(factors=True),
    "triangular_t": TriangularTCopula,
    "regimes": RegimeCopula,
    "regimes_t": lambda: RegimeCopula(StudentTCopula()),
    "vine_student": lambda: VineCopula("student"),
    "vine_parametric": lambda: VineCopula("parametric"),
    "vine_tll": lambda: VineCopula("tll"),
}
ALL = PLAIN | {
    "born_pure": lambda: BornCopula(IndependenceCopula(), MACHINE),
    "born_student_t": lambda: BornCopula(StudentTCopula(), MACHINE),
    "born_ensemble": lambda: BornCopula(TriangularTCopula("chain"), BornEnsemble(2, MACHINE)),
    "stacked": lambda: StackedCopula([GaussianCopula(), BornCopula(StudentTCopula(), MACHINE)]),
}


def observations(n: int = 600, seed: int = 5) -> np.ndarray:
    """Pseudo-observations of a t copula with 5 degrees of freedom in three assets."""
    correlation = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])
    copula = StudentTCopula.from_arrays({"correlation": correlation, "degrees_of_freedom": np.array(5.0)})
    u = copula.sample(n, rng=seed)
    return (u.argsort(0).argsort(0) + 1.0) / (n + 1.0)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {name: make().fit(observations()) for name, make in ALL.items()}


@pytest.mark.parametrize("name", ALL)
def test_density_integrates_to_one(name: str, fitted: dict[str, Any]) -> None:
    u = np.random.default_rng(0).random((60_000, 3))
    density = np.exp(fitted[name].logpdf(u))
    assert abs(density.mean() - 1.0) < 5 * density.std() / np.sqrt(len(u)) + 1e-12


@pytest.mark.parametrize("name", ALL)
def test_draws_follow_the_density(name: str, fitted: dict[str, Any]) -> None:
    """E over draws of a bounded function equals its density-weighted mean over uniform points."""
    model, rng = fitted[name], np.random.default_rng(1)
    draws, uniform = model.sample(20_000, rng=rng), rng.random((60_000, 3))
    weights = np.exp(model.logpdf(uniform))
    for f in (lambda u: u[:, 0] * u[:, 2], lambda u: (u[:, 0] < 0.1) & (u[:, 1] < 0.1)):
        from_draws, weighted = np.asarray(f(draws), float), np.asarray(f(uniform), float) * weights
        error = np.sqrt(from_draws.var() / len(draws) + weighted.var() / len(uniform))
        assert abs(from_draws.mean() - weighted.mean()) < 5 * error


@pytest.mark.parametrize("name", PLAIN)
def test_rosenblatt_inverts_and_whitens(name: str, fitted: dict[str, Any]) -> None:
    model = fitted[name]
    u = model.sample(4_000, rng=2)
    w = model.rosenblatt(u)
    np.testing.assert_allclose(model.inverse_rosenblatt(w), u, atol=1e-5)
    assert all(kstest(w[:, i], "uniform").pvalue > 1e-6 for i in range(3))
    assert all(abs(kendalltau(w[:, i], w[:, i - 1])[0]) < 5 * np.sqrt(4 / (9 * len(w))) for i in range(3))


@pytest.mark.parametrize("name", ALL)
def test_arrays_hold_the_whole_model(name: str, fitted: dict[str, Any], tmp_path: Any) -> None:
    np.savez(tmp_path / "model.npz", **copula_to_arrays(fitted[name]))
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        loaded = copula_from_arrays(dict(arrays))
    u = observations(50, seed=9)
    np.testing.assert_allclose(loaded.logpdf(u), fitted[name].logpdf(u), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(loaded.sample(5, rng=3), fitted[name].sample(5, rng=3))


@pytest.mark.parametrize("name", ALL)
def test_seeds_and_streams(name: str, fitted: dict[str, Any]) -> None:
    model, rng = fitted[name], np.random.default_rng(4)
    np.testing.assert_array_equal(model.sample(7, rng=11), model.sample(7, rng=11))
    assert not np.array_equal(model.sample(7, rng=rng), model.sample(7, rng=rng))


@pytest.mark.parametrize("name", ALL)
def test_bad_input_is_refused(name: str, fitted: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        fitted[name].logpdf(np.array([[0.5, 1.0, 0.5]]))
    with pytest.raises(InputError, match="expected 3 columns, received 2"):
        fitted[name].logpdf(np.full((4, 2), 0.5))
    with pytest.raises(NotFittedError):
        clone(fitted[name]).logpdf(np.full((4, 3), 0.5))
    assert isinstance(fitted[name], Copula) or name.startswith(("born", "stacked"))


def test_gaussian_density_in_closed_form() -> None:
    rho = 0.7
    copula = GaussianCopula.from_arrays({"correlation": np.array([[1, rho], [rho, 1]])})
    u = np.array([[0.2, 0.9], [0.5, 0.5], [0.01, 0.03]])
    x, y = norm.ppf(u).T
    expected = -0.5 * np.log(1 - rho**2) - (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * (1 - rho**2))
    np.testing.assert_allclose(copula.logpdf(u), expected, rtol=1e-12)


def test_student_t_recovers_its_parameters() -> None:
    truth = StudentTCopula.from_arrays(
        {"correlation": np.array([[1.0, -0.4], [-0.4, 1.0]]), "degrees_of_freedom": np.array(4.0)}
    )
    fitted = StudentTCopula().fit(truth.sample(20_000, rng=6))
    # The information of 20,000 days puts five standard errors at 0.03 for ρ and 0.7 for ν.
    assert fitted.correlation_[0, 1] == pytest.approx(-0.4, abs=0.03)
    assert fitted.degrees_of_freedom_ == pytest.approx(4.0, abs=0.7)


def test_more_assets_than_days_are_shrunk() -> None:
    u = np.random.default_rng(8).random((40, 60))
    for copula in (GaussianCopula(), StudentTCopula()):
        assert np.isfinite(copula.fit(u).logpdf(u)).all()


def test_born_copula_uniform_margins() -> None:
    model = BornCopula(StudentTCopula(), MACHINE).fit(observations())
    u = np.sort(model.sample(999, rng=1, uniform_margins=True), axis=0)
    np.testing.assert_allclose(u, np.repeat(np.arange(1, 1000)[:, None] / 1000, 3, axis=1))
