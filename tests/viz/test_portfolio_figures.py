"""Figures of portfolios, margins and ways to lose hold the numbers that they were given."""

import numpy as np

from qfin.viz.margins import margin_figure
from qfin.viz.portfolio import best_so_far_figure, frontier_figure, pool_figure, weights_figure
from qfin.viz.stress import reverse_figure


def traces(figure: object) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data}  # type: ignore[attr-defined]


def test_the_frontier_has_its_points_the_relaxed_ones_and_the_portfolio() -> None:
    figure = frontier_figure(
        (np.array([0.01, 0.02]), np.array([0.001, 0.002])),
        (np.array([0.009]), np.array([0.001])),
        (0.015, 0.0015),
        risk="Standard deviation",
        held=["A, B", "<b>C"],
    )
    drawn = traces(figure)
    assert list(drawn["Few names"].x) == [0.01, 0.02]  # type: ignore[attr-defined]
    assert drawn["Few names"].customdata[1] == "&lt;b&gt;C"  # type: ignore[attr-defined]
    assert list(drawn["The portfolio"].y) == [0.0015]  # type: ignore[attr-defined]
    bare = frontier_figure(
        (np.array([0.01]), np.array([0.001])), (np.array([]), np.array([])), (0.01, 0.001), risk="Risk"
    )
    assert len(bare.data) == 2


def test_one_level_is_not_shown_from_minus_one_to_one() -> None:
    figure = best_so_far_figure({"Search": (np.array([1, 5]), np.array([2.0, 1.0]))}, bound=0.5)
    assert list(figure.data[0].x) == [1, 5]
    assert list(figure.data[0].y) == [2.0, 1.0]
    assert figure.layout.yaxis.range is None
    flat = best_so_far_figure({"Search": (np.array([1, 3]), np.array([2e-6, 2e-6]))})
    assert flat.layout.yaxis.range[1] < 1e-5


def test_the_largest_weight_is_on_top() -> None:
    figure = weights_figure(["A", "B", "C"], np.array([0.2, 0.5, 0.3]))
    assert list(figure.data[0].y) == ["A", "C", "B"]
    assert list(figure.data[0].x) == [0.2, 0.3, 0.5]


def test_ways_to_lose_have_a_mark_of_their_own_each() -> None:
    figure = reverse_figure(["A", "B"], np.array([[-0.1, 0.0], [0.0, -0.2]]), np.array([1.0, 0.4]))
    assert [trace.name for trace in figure.data] == ["Way 1", "Way 2, 40% as likely"]
    assert len({trace.marker.symbol for trace in figure.data}) == 2
    assert list(figure.data[1].x) == [0.0, -0.2]


def test_margins_lie_beside_the_diagonal() -> None:
    fitted = np.array([[-0.02, -0.01], [0.0, 0.0], [0.02, 0.01]])
    figure = margin_figure(np.array([0.1, 0.5, 0.9]), fitted, {"test": fitted * 2, "train": fitted}, assets=["A", "B"])
    assert list(figure.data[1].y) == [-0.04, 0.0, 0.04]
    assert [trace.name for trace in figure.data[:3]] == ["equal", "Test days", "Days learned from"]
    tall = margin_figure(np.array([0.1, 0.5, 0.9]), fitted, {"test": fitted}, assets=["A", "B"], narrow=True)
    assert tall.layout.height > figure.layout.height


def test_the_pool_is_drawn_with_the_names_held_most_on_top() -> None:
    pool = {"calls": [10, 20], "assets": ["A", "<B>"], "share": [[0.5, 0.0], [0.5, 1.0]]}
    (drawn,) = pool_figure(pool).data
    assert list(drawn.y) == ["A", "&lt;B&gt;"]  # the last row is on top
    assert [list(row) for row in drawn.z] == [[0.5, 0.0], [0.5, 1.0]]
