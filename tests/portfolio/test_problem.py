"""Rules, supports and errors of a problem."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.portfolio import BlackBox, Group, PortfolioProblem, Trading, random_supports, sector_groups
from qfin.portfolio.conflicts import conflicting_rules


def all_supports(n_assets: int) -> np.ndarray:
    return np.array(list(itertools.product([False, True], repeat=n_assets)))


def small(**rules: object) -> PortfolioProblem:
    covariance = np.diag(np.arange(1.0, 7.0))
    options = {"cardinality": (3, 3), "assets": tuple("abcdef")} | rules
    return PortfolioProblem.from_covariance(np.linspace(0.01, 0.06, 6), covariance, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"cardinality": (7, 7)}, "cardinality: expected at most 6"),
        ({"cardinality": (0, 2)}, "1 <= lowest <= highest"),
        ({"cardinality": (2.5, 3)}, "cardinality: expected whole numbers"),
        ({"bounds": (0.4, 1.0)}, "can sum to 1"),
        ({"bounds": (0.0, 0.3)}, "can sum to 1"),
        ({"cardinality": (2, 3), "bounds": (0.4, 0.45)}, "can sum to 1"),  # 2 hold too little, 3 too much
        ({"must_hold": ("z",)}, "must_hold: expected names of assets, received z"),
        ({"groups": (Group("tech", ("a", "y")),)}, "group tech: expected names of assets, received y"),
        ({"trading": Trading({"q": 0.5})}, "current: expected names of assets, received q"),
        ({"lot": 0.3}, "lot: expected 1 divided by a whole number"),
        ({"risk_weight": 1.5}, "risk_weight"),
        ({"assets": tuple("abcdea")}, "assets: expected 6 different names"),
    ],
)
def test_wrong_input_is_named(rules: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**rules)


def test_wrong_matrices_are_named() -> None:
    with pytest.raises(InputError, match="positive semidefinite matrix, received a smallest eigenvalue of -1"):
        PortfolioProblem.from_covariance(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]), cardinality=(1, 2))
    with pytest.raises(InputError, match="symmetric"):
        PortfolioProblem.from_covariance(np.zeros(2), np.array([[1.0, 0.5], [0.2, 1.0]]), cardinality=(1, 2))
    with pytest.raises(InputError, match="covariance: expected finite numbers, received nan at row 0, column 1"):
        PortfolioProblem.from_covariance(np.zeros(2), np.array([[1.0, np.nan], [0.2, 1.0]]), cardinality=(1, 2))
    with pytest.raises(InputError, match="mean: expected 2 finite numbers"):
        PortfolioProblem.from_covariance(np.array([0.1, np.nan]), np.eye(2), cardinality=(1, 2))
    with pytest.raises(InputError, match="returns: expected finite numbers, received nan at row 1, column 0"):
        PortfolioProblem.from_returns(pd.DataFrame({"a": [0.1, np.nan], "b": [0.0, 0.1]}), cardinality=(1, 2))


def test_sectors() -> None:
    sectors = {"a": "tech", "b": "bank", "c": "tech"}
    (group,) = sector_groups(sectors, count={"tech": (0, 1)})
    assert (group.members, group.count, group.weight) == (("a", "c"), (0, 1), None)
    with pytest.raises(InputError, match="sector: expected one of bank, tech, received 'oil'"):
        sector_groups(sectors, weight={"oil": (0.0, 0.1)})


@pytest.mark.parametrize(
    ("rules", "conflict"),
    [
        ({"must_hold": ("a", "b"), "must_not": ("b", "c")}, {"must_hold", "must_not"}),
        (
            {"must_hold": ("a", "b"), "groups": (Group("g", ("a", "b", "c"), count=(0, 1)),), "lot": 0.1},
            {"must_hold", "group g: 0 to 1 members held"},
        ),
        (
            {"groups": (Group("g", tuple("abc"), weight=(0.0, 0.2)), Group("h", tuple("def"), count=(0, 0)))},
            {"group g: weight 0 to 0.2", "group h: 0 to 0 members held"},
        ),
        ({"target_return": 0.055, "bounds": (0.2, 1.0)}, {"cardinality", "bounds", "target_return 0.055"}),
        ({"trading": Trading({"a": 1.0}, max_turnover=0.2), "must_not": ("a",)}, {"max_turnover 0.2", "must_not"}),
        ({"lot": 0.5}, {"cardinality", "bounds", "lot 0.5"}),
    ],
)
def test_a_smallest_conflict_is_named(rules: dict[str, object], conflict: set[str]) -> None:
    rules = {"bounds": (0.05, 1.0)} | rules
    with pytest.raises(InputError, match="conflict") as error:
        small(**rules)
    assert set(str(error.value).split("conflict: ")[1].split("; ")) == conflict


def test_rules_that_can_be_met_do_not_conflict() -> None:
    problem = small(
        must_hold=("a",), must_not=("f",), groups=(Group("g", ("a", "b"), count=(1, 2), weight=(0.1, 0.5)),), lot=0.1
    )
    assert conflicting_rules(problem) == ()


def test_feasible_supports_by_definition() -> None:
    problem = small(
        cardinality=(2, 4), must_hold=("a",), must_not=("f",), groups=(Group("g", ("b", "c", "d"), count=(1, 2)),)
    )
    supports = all_supports(6)
    expected = [2 <= row.sum() <= 4 and row[0] and not row[5] and 1 <= row[1:4].sum() <= 2 for row in supports]
    np.testing.assert_array_equal(problem.feasible(supports), expected)
    with pytest.raises(InputError, match="feasible rows"):
        problem.solve(supports[:1])


@pytest.mark.parametrize("overlap", [False, True])
def test_random_supports_are_feasible_and_uniform(overlap: bool) -> None:
    groups = [Group("g", ("b", "c", "d"), count=(1, 2))] + [Group("h", ("d", "e"), count=(0, 1))] * overlap
    problem = small(cardinality=(2, 4), must_hold=("a",), groups=tuple(groups))
    n = 20_000
    supports = random_supports(problem, n, np.random.default_rng(5))
    assert problem.feasible(supports).all()
    possible = all_supports(6)[problem.feasible(all_supports(6))]
    counts = np.array([(supports == row).all(axis=1).sum() for row in possible])
    share = 1.0 / len(possible)
    assert (np.abs(counts / n - share) < 5.0 * np.sqrt(share * (1.0 - share) / n)).all()


def test_random_supports_where_hardly_a_draw_is_feasible() -> None:
    names = tuple(f"n{place}" for place in range(40))
    # No two neighbours on a chain of 40, 18 held: pairs drawn alone agree about once in a million.
    groups = tuple(Group(f"g{place}", names[place : place + 2], count=(0, 1)) for place in range(39))
    problem = PortfolioProblem(names, BlackBox(lambda rows: rows.sum(axis=1) * 1.0, 40), (18, 18), groups=groups)
    supports = random_supports(problem, 6, np.random.default_rng(6))
    assert problem.feasible(supports).all()
    assert len(np.unique(supports, axis=0)) > 1


def test_black_box_holds_equal_weights() -> None:
    objective = BlackBox(lambda supports: supports @ np.arange(4.0), 4)
    problem = PortfolioProblem(tuple("abcd"), objective, (1, 3), bounds=(0.0, 0.5))
    solutions = problem.solve(np.array([[True, False, True, False], [False, False, False, True]]))
    np.testing.assert_array_equal(solutions.values, [2.0, np.inf])  # one asset alone would weigh more than 0.5
    np.testing.assert_array_equal(solutions.weights[0], [0.5, 0.0, 0.5, 0.0])
    broken = replace(problem, objective=BlackBox(lambda supports: np.full(len(supports), np.nan), 4))
    with pytest.raises(InputError, match="none NaN"):
        broken.solve(np.array([[True, True, True, False]]))
