"""One account of evaluations: counted once, cached, NaN beyond the budget."""

import numpy as np
import pytest

from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.portfolio import BlackBox, Budget, Evaluator, PortfolioProblem


class Counting:
    """A black box that remembers how many rows it was asked for."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, supports: BoolArray) -> FloatArray:
        self.rows += len(supports)
        return np.asarray(supports @ np.array([5.0, 4.0, 3.0, 2.0]))


def pairs() -> tuple[Counting, PortfolioProblem, BoolArray]:
    function = Counting()
    problem = PortfolioProblem(tuple("abcd"), BlackBox(function, 4), (2, 2))
    rows = [(0, 1), (0, 2), (1, 2), (2, 3), (0, 3)]
    supports = np.zeros((5, 4), dtype=bool)
    for place, held in enumerate(rows):
        supports[place, list(held)] = True
    return function, problem, supports


def test_each_support_is_solved_once() -> None:
    function, problem, supports = pairs()
    evaluator = Evaluator(problem, Budget(10))
    np.testing.assert_array_equal(evaluator(supports[[0, 1, 0]]), [9.0, 8.0, 9.0])
    np.testing.assert_array_equal(evaluator(supports[[1, 3]]), [8.0, 5.0])
    assert (function.rows, evaluator.n_calls, evaluator.remaining) == (3, 3, 7)
    np.testing.assert_array_equal(evaluator.known(supports), [True, True, False, True, False])
    support, value = evaluator.best
    np.testing.assert_array_equal(support, supports[3])
    assert value == 5.0
    calls, values = evaluator.history
    np.testing.assert_array_equal(calls, [1, 2, 3])
    np.testing.assert_array_equal(values, [9.0, 8.0, 5.0])
    np.testing.assert_array_equal(evaluator.pool()[0], supports[[0, 1, 3]])


def test_rows_beyond_the_budget_are_nan_in_row_order() -> None:
    function, problem, supports = pairs()
    evaluator = Evaluator(problem, Budget(3))
    values = evaluator(supports[[0, 1, 0, 2, 3, 1, 4]])
    np.testing.assert_array_equal(values, [9.0, 8.0, 9.0, 7.0, np.nan, 8.0, np.nan])
    assert (function.rows, evaluator.remaining) == (3, 0)
    np.testing.assert_array_equal(evaluator(supports[[4, 2]]), [np.nan, 7.0])
    assert function.rows == 3


def test_restored_pool_is_neither_repeated_nor_recounted() -> None:
    function, problem, supports = pairs()
    first = Evaluator(problem, Budget(4))
    first(supports[:3])
    resumed = Evaluator(problem, Budget(4))
    resumed.restore(*first.pool())
    np.testing.assert_array_equal(resumed(supports), [9.0, 8.0, 7.0, 5.0, np.nan])
    assert (function.rows, resumed.n_calls) == (4, 4)
    np.testing.assert_array_equal(resumed.history[0], [1, 2, 3, 4])
    with pytest.raises(InputError, match="new evaluator"):
        resumed.restore(*first.pool())


def test_wrong_supports_are_refused() -> None:
    _, problem, supports = pairs()
    evaluator = Evaluator(problem, Budget(4))
    bad = supports.copy()
    bad[2] = True
    with pytest.raises(InputError, match="infeasible row 2"):
        evaluator(bad)
    with pytest.raises(InputError, match=r"boolean array \(n_supports, 4\), received int64"):
        evaluator(supports.astype(int))
    with pytest.raises(InputError, match="at least one evaluated support"):
        _ = evaluator.best
    with pytest.raises(InputError, match="max_calls"):
        Budget(0)


def test_supports_without_weights_count_and_are_worst() -> None:
    problem = PortfolioProblem(tuple("abcd"), BlackBox(Counting(), 4), (1, 2), bounds=(0.0, 0.5))
    evaluator = Evaluator(problem, Budget(4))
    alone = np.array([[True, False, False, False]])
    assert evaluator(alone)[0] == np.inf
    assert evaluator.n_calls == 1
    assert evaluator.best[1] == np.inf
