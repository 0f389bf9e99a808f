"""The loop inside skfolio's cross-validation."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from skfolio.model_selection import WalkForward, cross_val_predict
from skfolio.optimization import EqualWeighted
from sklearn.base import clone

from qfin.exceptions import InputError
from qfin.geo import GEOOptimization
from qfin.market.bundled import load_bundled
from qfin.portfolio import PortfolioProblem


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    """Nine names of us20, 180 days."""
    days, _ = load_bundled("us20").complete()
    return days.iloc[-180:, :9]


def best_weights(window: pd.DataFrame, n_held: int, **options: object) -> np.ndarray:
    problem = PortfolioProblem.from_returns(window, cardinality=(n_held, n_held), bounds=(0.01, 1.0), **options)
    supports = np.zeros((0, 9), dtype=bool)
    for held in combinations(range(9), n_held):
        supports = np.append(supports, np.isin(np.arange(9), held)[None], axis=0)
    solutions = problem.solve(supports)
    return np.asarray(solutions.weights[solutions.values.argmin()])


def test_every_window_of_a_walk_forward_holds_the_enumerated_best(returns: pd.DataFrame) -> None:
    model = GEOOptimization(3, budget=60, random_state=1)
    walk = WalkForward(test_size=30, train_size=90)
    predicted = cross_val_predict(model, returns, cv=walk)
    windows = list(walk.split(returns))
    assert len(predicted.portfolios) == len(windows) == 3
    for portfolio, (train, test) in zip(predicted.portfolios, windows, strict=True):
        expected = best_weights(returns.iloc[train], 3)
        np.testing.assert_allclose(portfolio.weights, expected, atol=1e-9)
        np.testing.assert_allclose(portfolio.returns, returns.iloc[test].to_numpy() @ expected, atol=1e-9)


def test_shortfall_with_a_target(returns: pd.DataFrame) -> None:
    target = float(returns.mean().median())
    model = GEOOptimization(2, "shortfall", 0.9, target_return=target, budget=36, random_state=1).fit(returns)
    expected = best_weights(returns, 2, measure="shortfall", level=0.9, target_return=target)
    np.testing.assert_allclose(model.weights_, expected, atol=1e-6)
    assert returns.mean().to_numpy() @ model.weights_ >= target - 1e-9
    assert model.result_.n_calls == 36


def test_it_is_an_estimator_and_goes_on_after_a_failure(returns: pd.DataFrame) -> None:
    model = clone(GEOOptimization((2, 3), budget=40, random_state=3))
    first, second = model.fit(returns).weights_, clone(model).fit(returns.to_numpy()).weights_
    np.testing.assert_array_equal(first, second)
    assert (first > 0.0).sum() in (2, 3)
    with pytest.raises(InputError, match="at most 9"):
        GEOOptimization(10).fit(returns)
    rescued = GEOOptimization(10, fallback=EqualWeighted()).fit(returns)
    np.testing.assert_allclose(rescued.weights_, 1.0 / 9.0)
