"""Stacking weights, shrinkage and the default Born copulas."""

import numpy as np
import pytest

from qfin.born import BornEnsemble, MPSBornMachine
from qfin.born.ensemble import block_folds, likeliest_share, shrunk_log_ratio
from qfin.copulas import (
    GaussianCopula,
    IndependenceCopula,
    StackedCopula,
    StudentTCopula,
    born_copula,
    born_fast_copula,
)
from qfin.copulas.stacked import stacking_weights


def test_weights_maximise_the_mixture() -> None:
    rng = np.random.default_rng(1)
    log_densities = rng.normal(0, 1, (3, 400)) + np.array([[0.0], [0.3], [-1.0]])
    weights = stacking_weights(log_densities, prior_days=0.0)

    def value(w: np.ndarray) -> float:
        return float(np.log(w @ np.exp(log_densities)).mean())

    assert weights.sum() == pytest.approx(1.0)
    for other in rng.dirichlet(np.ones(3), 300):
        assert value(weights) >= value(other) - 1e-9
    np.testing.assert_allclose(stacking_weights(log_densities, prior_days=1e9), 1 / 3, atol=1e-6)


def test_a_wrong_component_loses_its_weight() -> None:
    truth = GaussianCopula.from_arrays({"correlation": np.array([[1.0, 0.8], [0.8, 1.0]])})
    stacked = StackedCopula([GaussianCopula(), IndependenceCopula()], prior_days=1.0).fit(truth.sample(2_000, rng=2))
    assert stacked.weights_[0] > 0.9


def test_shrinkage_is_a_mixture_with_the_base() -> None:
    ratio = np.array([-3.0, 0.0, 2.0, 60.0])
    np.testing.assert_allclose(shrunk_log_ratio(ratio, 0.3), np.log(0.7 + 0.3 * np.exp(ratio)), rtol=1e-12)
    np.testing.assert_array_equal(shrunk_log_ratio(ratio, 1.0), ratio)
    np.testing.assert_allclose(shrunk_log_ratio(ratio, 0.0), 0.0, atol=1e-15)
    assert likeliest_share(np.full(50, -1.0)) == 0.0
    assert likeliest_share(np.full(50, 1.0)) == 1.0


def test_every_day_is_held_out_by_one_member() -> None:
    y = np.random.default_rng(3).standard_normal((300, 2))
    ensemble = BornEnsemble(3, MPSBornMachine(4, 2, max_steps=100, batch_size=64)).fit(y)
    folds = block_folds(300, 3)
    assert [int(folds[day]) for day in (0, 49, 50, 100, 150, 299)] == [0, 0, 1, 2, 0, 2]
    for i, member in enumerate(ensemble.members_):
        np.testing.assert_allclose(member.log_ratio(y[folds == i]), ensemble.held_out_log_ratio_[folds == i], atol=2e-4)
    assert len(ensemble.members_) == 3


@pytest.mark.parametrize("make", [born_copula, born_fast_copula])
def test_defaults_are_never_far_below_the_truth(make: object) -> None:
    """On t data nothing is left to learn: the default must not pay more than a hundredth of a nat for looking."""
    truth = StudentTCopula.from_arrays(
        {
            "correlation": np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.2, 0.4, 1.0]]),
            "degrees_of_freedom": np.array(5.0),
        }
    )
    train, test = truth.sample(3_000, rng=4), truth.sample(20_000, rng=5)
    fitted = make(3).fit(train)  # type: ignore[operator]
    assert fitted.logpdf(test).mean() > truth.logpdf(test).mean() - 0.01
