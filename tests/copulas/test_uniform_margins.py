"""A pure Born copula made uniform by its one-register density matrices: margins, density, draws and conditions."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kstest

from qfin.born import BornEnsemble, MPSBornMachine
from qfin.copulas import (
    And,
    BornCopula,
    ConditionalCopula,
    IndependenceCopula,
    Interval,
    StudentTCopula,
    UniformMarginsBase,
    copula_from_arrays,
    copula_to_arrays,
    draws_given,
    from_latent,
    probability_of,
)
from qfin.copulas.events import contains
from qfin.evaluation import margin_deviation
from qfin.exceptions import InputError

D = 3


def machine(seed: int = 0) -> MPSBornMachine:
    rng = np.random.default_rng(seed)
    bonds = [1, 3, 3, 1]
    tensors = [rng.standard_normal((bonds[i], 4, bonds[i + 1])) * 0.25 for i in range(D)]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


def ensemble() -> BornEnsemble:
    model = BornEnsemble(2)
    model.members_, model.share_ = [machine(1), machine(2)], 0.7
    return model


def pure(model: MPSBornMachine | BornEnsemble) -> BornCopula:
    return BornCopula.from_parts(IndependenceCopula().fit(np.full((2, D), 0.5)), model)


def test_margins_are_uniform_to_ten_digits() -> None:
    before = pure(machine())
    after = before.uniformised()
    levels = np.array([1e-6, 0.01, 0.2, 0.5, 0.77, 0.999])
    for column in range(D):
        uneven = [before.probability(Interval(column, 0.0, level)).probability for level in levels]
        even = [after.probability(Interval(column, 0.0, level)) for level in levels]
        assert np.abs(uneven - levels).max() > 0.01
        assert all(estimate.exact for estimate in even)
        np.testing.assert_allclose([estimate.probability for estimate in even], levels, atol=1e-10)
        np.testing.assert_allclose(after.marginal([column]).logpdf(levels[:, None]), 0.0, atol=1e-8)


@pytest.mark.parametrize("model", [machine(), ensemble()], ids=["chain", "ensemble"])
def test_density_integrates_to_one_and_draws_follow_it(model: MPSBornMachine | BornEnsemble) -> None:
    copula = pure(model).uniformised()
    cube, draws = np.random.default_rng(3).random((100_000, D)), copula.sample(50_000, rng=4)
    density = np.exp(copula.logpdf(cube))
    assert abs(density.mean() - 1.0) < 5 * density.std() / np.sqrt(len(cube))
    assert margin_deviation(pure(model).sample(50_000, rng=4)) > 0.02
    assert all(kstest(column, "uniform").pvalue > 1e-6 for column in draws.T)
    for f in (lambda u: u[:, 0] * u[:, 2], lambda u: (u[:, 0] < 0.1) & (u[:, 1] < 0.1)):
        drawn, weighted = np.asarray(f(draws), float), np.asarray(f(cube), float) * density
        error = np.sqrt(drawn.var() / len(draws) + weighted.var() / len(cube))
        assert abs(drawn.mean() - weighted.mean()) < 5 * error


def test_only_the_margins_change() -> None:
    """The same latent days: their density moves by the margins' and by nothing else."""
    before, after = pure(machine()), pure(machine()).uniformised()
    y = np.random.default_rng(5).standard_normal((200, D))
    w = from_latent(y)
    u = after.base_.inverse_rosenblatt(w)
    np.testing.assert_allclose(after.latent(u), y, atol=1e-6)
    margins = sum(before.marginal([i]).logpdf(w[:, i : i + 1]) for i in range(D))
    np.testing.assert_allclose(after.logpdf(u), before.logpdf(w) - margins, atol=1e-6)
    assert after.uniformised().logpdf(u) == pytest.approx(after.logpdf(u))


def test_conditions_stay_exact() -> None:
    copula = pure(machine()).uniformised()
    event = Interval(0, 0.0, 0.1) & (Interval(1, 0.0, 0.2) | Interval(2, 0.9, 1.0))
    draws, everything = draws_given(copula, event, 20_000, rng=6), copula.sample(200_000, rng=7)
    inside = everything[contains(event, everything)]
    share = len(inside) / len(everything)
    assert draws.likelihood.exact
    assert draws.weights is None
    assert abs(draws.likelihood.probability - share) < 5 * np.sqrt(share / len(everything))
    error = np.sqrt(draws.u.var(0) / len(draws.u) + inside.var(0) / len(inside))
    assert np.all(np.abs(draws.u.mean(0) - inside.mean(0)) < 5 * error)
    # Values: p(u_1 | u_0) p(u_0) = p(u_0, u_1), and p(u_0) is one.
    u = np.random.default_rng(8).random((3, 2))
    joint = copula.marginal([0, 1]).logpdf(u)
    for row in range(3):
        law = copula.condition({0: float(u[row, 0])})
        assert law.cdf(np.array([[1.0, 1.0]]))[0] == pytest.approx(1.0, abs=1e-9)
        rest = ConditionalCopula(copula, (1,), {0: float(u[row, 0])})
        assert rest.logpdf(u[row : row + 1, 1:])[0] == pytest.approx(joint[row], abs=1e-8)
        assert probability_of(copula, And(()), given={0: ((u[row, 0], u[row, 0]),)}).probability == pytest.approx(1.0)


def test_it_is_saved_and_refused_elsewhere() -> None:
    copula = pure(ensemble()).uniformised()
    loaded = copula_from_arrays(copula_to_arrays(copula))
    assert isinstance(loaded.base_, UniformMarginsBase)
    u = np.random.default_rng(9).random((50, D))
    np.testing.assert_array_equal(loaded.logpdf(u), copula.logpdf(u))
    np.testing.assert_array_equal(loaded.sample(20, rng=1), copula.sample(20, rng=1))
    base = StudentTCopula.from_arrays({"correlation": np.eye(D), "degrees_of_freedom": np.array(5.0)})
    with pytest.raises(InputError, match="MPSBornMachine on StudentTCopula"):
        BornCopula.from_parts(base, machine()).uniformised()


def test_far_tails_keep_their_order() -> None:
    base = UniformMarginsBase().fit(machine())
    u = np.repeat(np.array([1e-12, 1e-8, 1e-4, 0.5, 1 - 1e-4, 1 - 1e-8])[:, None], D, axis=1)
    y = base.column_latent(u, range(D))
    assert np.all(np.diff(y, axis=0) > 0)
    assert np.isneginf(base.column_latent(np.zeros((1, D)), range(D))).all()
    assert np.abs(y).max() < np.abs(ndtri(1e-12)) + 3
