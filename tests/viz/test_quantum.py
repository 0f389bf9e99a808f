"""Figures of the grid and amplitude benches."""

from pathlib import Path

from qfin.viz.quantum import calls_figure, grid_figure, write_calls_page, write_grid_page

GRID = [
    {"state": state, "extra": extra, "tv": 2.0**-extra, "tail_error": 0.1, "correlation_error": 0.01}
    for state in ("currencies", "run")
    for extra in (2, 0, 1)
]
CALLS = [
    {"task": "book loss > 2 %", "method": "estimate p", "preparation_calls": 900, "mc_calls_equal_error": 40_000.0},
    {"task": "book loss > 2 %", "method": "draw a crash", "preparation_calls": 20.0, "mc_calls_equal_error": 100.0},
]


def test_errors_fall_along_sorted_lines() -> None:
    figure = grid_figure(GRID)
    assert len(figure.data) == 6
    assert tuple(figure.data[0].x) == (0, 1, 2)
    assert tuple(figure.data[0].y) == (1.0, 0.5, 0.25)
    assert [trace.name for trace in figure.data if trace.showlegend] == ["currencies", "run"]


def test_calls_stand_beside_monte_carlo() -> None:
    figure = calls_figure(CALLS)
    assert [tuple(trace.x) for trace in figure.data] == [(900, 20.0), (40_000.0, 100.0)]
    assert figure.layout.xaxis.type == "log"


def test_pages_are_whole_and_ask_no_server(tmp_path: Path) -> None:
    for path in (write_grid_page(GRID, tmp_path / "grid.html"), write_calls_page(CALLS, tmp_path / "calls.html")):
        page = path.read_text(encoding="utf-8")
        assert page.startswith("<!DOCTYPE html>")
        assert page.endswith("</html>")
        assert "<script src" not in page
