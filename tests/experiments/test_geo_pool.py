"""The pool of a search, look by look, and its rivals' histories."""

import numpy as np

from qfin.experiments.geo_pool import PoolMoves
from qfin.reporting.geo import history_of, rival_table


def test_shares_are_those_of_the_best_portfolios_known() -> None:
    moves = PoolMoves(["A", "B", "C"])
    supports = np.array([[1, 0, 0]] * 20 + [[0, 1, 0]] * 5, dtype=bool)
    moves.look(20, supports[:20], np.full(20, 2.0))
    assert moves.newest == {"A": 1.0}
    moves.look(25, supports, np.append(np.full(20, 2.0), np.full(5, 1.0)))
    assert moves.newest == {"A": 0.75, "B": 0.25}
    assert moves.content() == {"calls": [20, 25], "assets": ["A", "B"], "share": [[1.0, 0.75], [0.0, 0.25]]}
    moves.look(45, np.array([[0, 1, 0]] * 20, dtype=bool), np.zeros(20))
    assert moves.newest == {"A": 0.0, "B": 1.0}  # who has left is told once more


def test_a_pool_that_was_never_looked_at_is_empty() -> None:
    assert PoolMoves(["A"]).content() == {}


def test_a_history_reaches_to_the_last_portfolio_solved() -> None:
    calls, values = history_of({"history": {"calls": [1, 5], "values": [2.0, 1.0]}, "n_calls": 9})
    assert calls.tolist() == [1, 5, 9]
    assert values.tolist() == [2.0, 1.0, 1.0]


def test_solvers_are_ordered_by_what_they_found() -> None:
    rivals = [{"label": "Tabu search", "value": 0.5, "n_calls": 8, "seconds": 1.0}]
    record = {"portfolio": {"value": 1.0}, "n_calls": 9, "timings": {"search_s": 2.0}, "rivals": rivals}
    rows = rival_table(record)
    assert [row[0] for row in rows] == ["Tabu search", "GEO"]
    assert [row[2] for row in rows] == ["0.00%", "100.00%"]
