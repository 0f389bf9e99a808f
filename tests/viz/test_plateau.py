"""The plateau figure: one panel per loss, one line per start, and a page of its own."""

from pathlib import Path

from qfin.viz.plateau import plateau_figure, write_plateau_page

ROWS = [
    {"start": start, "loss": loss, "qubits": n, "grad_var": 2.0**-n, "decay_rate": 0.69}
    for start in ("mps", "random")
    for loss in ("kl", "lqf", "mmd wide")
    for n in (8, 4, 6)
]


def test_lines_are_sorted_and_labelled_once() -> None:
    figure = plateau_figure(ROWS)
    assert len(figure.data) == 6
    assert [trace.name for trace in figure.data if trace.showlegend] == ["Mapped chain", "Random blocks"]
    assert all(tuple(trace.x) == (4, 6, 8) for trace in figure.data)
    assert tuple(figure.data[0].y) == (2.0**-4, 2.0**-6, 2.0**-8)
    assert figure.layout.yaxis.type == "log"
    assert {note.text for note in figure.layout.annotations} >= {"KL divergence", "Local infidelity"}


def test_page_is_whole_and_asks_no_server(tmp_path: Path) -> None:
    page = write_plateau_page(ROWS, tmp_path / "plateau.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>")
    assert "<script src" not in page
    assert list(tmp_path.iterdir()) == [tmp_path / "plateau.html"]
