"""Generators: laws of the draws, gaps, densities, the estimator contracts of scikit-learn and skfolio."""

from typing import Self

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import ndtr, ndtri
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import estimator_checks_generator

from qfin._random import as_generator
from qfin.exceptions import InputError, NotFittedError
from qfin.marginals import EmpiricalGPD, MarginalPanel, pseudo_observations
from qfin.risk import expected_shortfall, portfolio_losses
from qfin.scenarios import HistoricalGenerator, ScenarioGenerator

ASSETS = ["AAA", "BBB", "CCC"]
RHO = 0.6


class NormalCopula(BaseEstimator):
    """A Gaussian copula in a few lines, so that these tests stand on their own."""

    def fit(self, u: np.ndarray) -> Self:
        self.correlation_ = np.atleast_2d(np.corrcoef(ndtri(u), rowvar=False))
        return self

    def logpdf(self, u: np.ndarray) -> np.ndarray:
        y = ndtri(u)
        excess = np.linalg.inv(self.correlation_) - np.eye(y.shape[1])
        return -0.5 * np.einsum("ni,ij,nj->n", y, excess, y) - 0.5 * np.linalg.slogdet(self.correlation_)[1]

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"correlation": self.correlation_}

    def sample(self, n_samples: int, *, rng=None) -> np.ndarray:
        y = as_generator(rng).standard_normal((n_samples, len(self.correlation_)))
        return ndtr(y @ np.linalg.cholesky(self.correlation_).T)


def table(n_days: int = 1500, seed: int = 0) -> pd.DataFrame:
    y = stats.multivariate_normal(cov=RHO + (1 - RHO) * np.eye(3)).rvs(n_days, random_state=np.random.default_rng(seed))
    return pd.DataFrame(0.01 * stats.t(4).ppf(ndtr(y)), columns=ASSETS)


def generator() -> ScenarioGenerator:
    return ScenarioGenerator(copula=NormalCopula())


@pytest.mark.parametrize("kind", ["model", "history"])
def test_draws_have_the_margins_and_ranks_of_the_data(kind: str) -> None:
    data, n = table(), 20_000
    draws = (generator() if kind == "model" else HistoricalGenerator()).fit(data).sample(n, rng=1)
    assert draws.shape == (n, 3)
    # Kolmogorov's distance of two samples: the 5-standard-error rule in terms of its scale √(1/n + 1/m).
    for j, name in enumerate(ASSETS):
        assert stats.ks_2samp(draws[:, j], data[name]).statistic < 2.5 * np.sqrt(1 / n + 1 / len(data))
    tau = stats.kendalltau(draws[:, 0], draws[:, 2]).statistic
    error = np.sqrt(4 / 9 * (1 / n + 1 / len(data)))
    assert abs(tau - stats.kendalltau(data["AAA"], data["CCC"]).statistic) < 5 * error


@pytest.mark.parametrize("model", [generator(), HistoricalGenerator()], ids=["model", "history"])
def test_a_seed_repeats_and_a_generator_advances(model: ScenarioGenerator | HistoricalGenerator) -> None:
    model.fit(table())
    np.testing.assert_array_equal(model.sample(5, rng=3), model.sample(5, rng=3))
    rng = np.random.default_rng(3)
    first, second = model.sample(5, rng=rng), model.sample(5, rng=rng)
    assert not np.array_equal(first, second)
    assert model.sample().shape == (1, 3)


def test_history_draws_whole_days() -> None:
    data = table()
    draws = HistoricalGenerator().fit(data).sample(500, rng=0)
    assert {tuple(row) for row in draws} <= {tuple(row) for row in data.to_numpy()}


def test_sample_set_names_its_assets_and_source() -> None:
    scenarios = generator().fit(table()).sample_set(10, rng=4)
    assert scenarios.assets == tuple(ASSETS)
    assert dict(scenarios.provenance) == {"generator": "ScenarioGenerator", "copula": "NormalCopula", "seed": 4}
    np.testing.assert_array_equal(scenarios.returns, generator().fit(table()).sample(10, rng=4))
    history = HistoricalGenerator().fit(table().to_numpy()).sample_set(10, rng=np.random.default_rng(0))
    assert history.assets == ("asset_0", "asset_1", "asset_2")
    assert dict(history.provenance) == {"generator": "HistoricalGenerator", "n_observations": 1500}


def test_incomplete_days_serve_the_margins_and_are_counted() -> None:
    data = table()
    data.loc[:499, "BBB"] = np.nan
    model, history = generator().fit(data), HistoricalGenerator().fit(data)
    assert model.n_incomplete_days_ == history.n_incomplete_days_ == 500
    np.testing.assert_array_equal(model.marginals_.n_observations_, [1500, 1000, 1500])
    complete = data.dropna()
    expected = NormalCopula().fit(pseudo_observations(complete.to_numpy())).correlation_
    np.testing.assert_array_equal(model.copula_.correlation_, expected)
    assert len(history.returns_) == 1000


def test_score_is_a_joint_log_density() -> None:
    model = generator().fit(table())
    # A law of independent assets draws returns; the mean ratio of the joint density to that law's must be one.
    u = np.random.default_rng(2).uniform(size=(200_000, 3))
    returns = pd.DataFrame(model.marginals_.from_uniform(u), columns=ASSETS)
    ratio = np.exp(model.score_samples(returns) - model.marginals_.logpdf(returns).sum(axis=1))
    assert abs(ratio.mean() - 1.0) < 5 * ratio.std() / np.sqrt(len(ratio))
    test_days = table(seed=9)
    assert model.score(test_days) == pytest.approx(model.score_samples(test_days).mean())
    # Shuffling each asset's days apart keeps the margins and takes the dependence away.
    rng = np.random.default_rng(0)
    assert model.score(test_days) > model.score(test_days.apply(rng.permutation)) + 0.3


def test_arguments_are_copied_and_left_alone() -> None:
    marginals, copula = MarginalPanel(EmpiricalGPD(0.1)), NormalCopula()
    model = ScenarioGenerator(marginals, copula).fit(table())
    assert not hasattr(marginals, "marginals_")
    assert not hasattr(copula, "correlation_")
    assert model.marginals_.marginals_[0].tail_fraction == 0.1
    assert (
        model.set_params(marginals__marginal__tail_fraction=0.2).fit(table()).marginals_.marginals_[0].tail_fraction
        == 0.2
    )


def test_history_is_saved_without_loss() -> None:
    for data in (table(), table().to_numpy()):
        model = HistoricalGenerator().fit(data)
        again = HistoricalGenerator.from_arrays(model.to_arrays())
        np.testing.assert_array_equal(again.sample_set(5, rng=0).returns, model.sample_set(5, rng=0).returns)
        assert again.sample_set(1, rng=0).assets == model.sample_set(1, rng=0).assets


@pytest.mark.parametrize("copula", ["IndependenceCopula", "GaussianCopula", "StudentTCopula"])
@pytest.mark.parametrize("named", [True, False])
def test_generator_is_saved_without_loss(copula: str, named: bool) -> None:
    from qfin import copulas

    data = table(600) if named else table(600).to_numpy()
    model = ScenarioGenerator(copula=getattr(copulas, copula)()).fit(data)
    again = ScenarioGenerator.from_arrays(model.to_arrays())
    np.testing.assert_array_equal(again.sample(50, rng=0), model.sample(50, rng=0))
    np.testing.assert_array_equal(again.score_samples(data), model.score_samples(data))
    assert again.sample_set(1, rng=0).assets == model.sample_set(1, rng=0).assets


def test_a_copula_from_elsewhere_cannot_be_loaded() -> None:
    with pytest.raises(InputError, match="received 'NormalCopula'"):
        ScenarioGenerator.from_arrays(generator().fit(table()).to_arrays())


def test_fitted_parts_make_the_same_generator() -> None:
    for data in (table(), table().to_numpy()):
        model = generator().fit(data)
        again = ScenarioGenerator.from_parts(model.marginals_, model.copula_)
        np.testing.assert_array_equal(again.sample(50, rng=0), model.sample(50, rng=0))
        np.testing.assert_array_equal(again.score_samples(data), model.score_samples(data))
    with pytest.raises(NotFittedError):
        ScenarioGenerator.from_parts(MarginalPanel(), NormalCopula())


def test_default_copula_is_student_t() -> None:
    assert type(ScenarioGenerator().fit(table(400)).copula_).__name__ == "StudentTCopula"


def test_wrong_input_is_refused() -> None:
    data, model = table(), generator().fit(table())
    with pytest.raises(InputError, match="feature names should match"):
        model.score_samples(data.rename(columns={"AAA": "ZZZ"}))
    with pytest.raises(InputError, match="NaN in BBB, row 3"):
        model.score_samples(data.assign(BBB=data["BBB"].where(data.index != 3)))
    with pytest.raises(InputError, match="infinity"):
        generator().fit(data.assign(CCC=np.inf))
    with pytest.raises(InputError, match=r"column CCC: .*distinct"):
        generator().fit(data.assign(CCC=0.01))
    with pytest.raises(InputError, match="0 of n_samples=1500"):
        generator().fit(data.assign(AAA=data["AAA"].where(data.index < 700), BBB=data["BBB"].where(data.index >= 700)))
    for wrong in (0, 2.5, True):
        with pytest.raises(InputError, match="n_samples"):
            model.sample(wrong)
    for unfitted in (generator(), HistoricalGenerator()):
        with pytest.raises(NotFittedError):
            unfitted.sample(3)


# Checks of scikit-learn that cannot apply, with the reason.
EXPECTED_FAILURES = {
    "ScenarioGenerator": {
        "check_estimators_dtypes": "its integer table has 3 distinct values per column: no law of returns to learn",
    },
    "HistoricalGenerator": {},
}
ESTIMATORS = [
    # scikit-learn's tables hold values below −1, which no simple return reaches: the lower bound is lifted.
    ScenarioGenerator(MarginalPanel(EmpiricalGPD(lower_bound=None)), NormalCopula()),
    HistoricalGenerator(),
]


@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for estimator in ESTIMATORS for pair in estimator_checks_generator(estimator, mark=None)],
    ids=lambda value: getattr(getattr(value, "func", value), "__name__", type(value).__name__),
)
def test_scikit_learn_contract(estimator: BaseEstimator, check) -> None:
    name = check.func.__name__
    if name in EXPECTED_FAILURES[type(estimator).__name__]:
        with pytest.raises(InputError, match="distinct values"):
            check(estimator)
    else:
        check(estimator)


@pytest.mark.parametrize("model", [generator(), HistoricalGenerator()], ids=["model", "history"])
def test_drops_into_skfolio(model: ScenarioGenerator | HistoricalGenerator) -> None:
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk
    from skfolio.prior import SyntheticData

    data = table()
    data["AAA"] *= 0.5
    prior = SyntheticData(model, n_samples=1000, sample_args={"rng": 5})
    book = MeanRisk(risk_measure=RiskMeasure.CVAR, prior_estimator=prior).fit(data)
    scenarios = np.asarray(book.prior_estimator_.return_distribution_.returns)
    np.testing.assert_array_equal(scenarios, model.fit(data).sample(1000, rng=5))
    assert book.weights_.sum() == pytest.approx(1.0, abs=1e-6)
    best = expected_shortfall(portfolio_losses(scenarios, book.weights_), 0.95)
    assert book.predict(book.prior_estimator_.return_distribution_).cvar == pytest.approx(best, rel=1e-9)
    for other in (np.full(3, 1 / 3), *np.eye(3)):
        assert best <= expected_shortfall(portfolio_losses(scenarios, other), 0.95) + 1e-9
