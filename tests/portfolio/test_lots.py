"""Whole lots against enumeration of the lattice."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from qfin.portfolio import BlackBox, Group, PortfolioProblem, Trading, random_supports


def on_lattice(n_held: int, n_lots: int) -> np.ndarray:
    """All ways to share n_lots among n_held, at least one each."""
    cuts = itertools.combinations(range(1, n_lots), n_held - 1)
    return np.array([np.diff([0, *cut, n_lots]) for cut in cuts])


@pytest.mark.parametrize("kind", ["variance", "cost", "shortfall"])
def test_near_the_best_of_the_lattice(port1: PortfolioProblem, shortfall_problem: PortfolioProblem, kind: str) -> None:
    book = dict.fromkeys(port1.assets[:10], 0.1)
    problem = {
        "variance": replace(port1, cardinality=(4, 4), bounds=(0.01, 1.0), lot=0.05),
        "cost": replace(port1, cardinality=(4, 4), trading=Trading(book, cost=0.002), lot=0.05,
                        groups=(Group("g", port1.assets[:15], weight=(0.0, 0.7)),)),
        "shortfall": replace(shortfall_problem, lot=0.05),
    }[kind]  # fmt: skip
    supports = random_supports(problem, 25, np.random.default_rng(9))
    solutions = problem.solve(supports)
    units = on_lattice(4, 20)
    exact = []
    for row, support in enumerate(supports):
        weights = np.zeros((len(units), problem.n_assets))
        weights[:, support] = units / 20
        exact.append(problem.objective.value(problem, weights).min())
        if np.isfinite(solutions.values[row]):
            np.testing.assert_allclose(solutions.weights[row] * 20, np.round(solutions.weights[row] * 20), atol=1e-9)
            assert solutions.weights[row].sum() == pytest.approx(1.0)
    best = np.array(exact)
    assert (solutions.values >= best - 1e-15).all()
    same = (solutions.values == best) | (solutions.values <= best + 1e-9 * np.abs(best))
    assert same.mean() >= 0.8
    assert np.isfinite(solutions.values[np.isfinite(best)]).mean() >= 0.9


def test_lots_leave_equal_weights_as_equal_as_they_can_be() -> None:
    problem = PortfolioProblem(tuple("abcd"), BlackBox(lambda supports: supports.sum(axis=1) * 1.0, 4), (3, 3), lot=0.1)
    solutions = problem.solve(np.array([[True, True, False, True]]))
    assert sorted(solutions.weights[0]) == pytest.approx([0.0, 0.3, 0.3, 0.4])
    assert solutions.values[0] == 3.0
