"""The report as a browser shows it: no request, no error, nothing wider than the screen, every figure drawn."""

from collections.abc import Callable
from typing import Any

import pytest

from qfin.experiments.run_folder import RunFolder
from qfin.reporting import build_report

Maker = Callable[..., RunFolder]


@pytest.mark.parametrize("width", [390, 1280])
def test_report_is_drawn_whole_and_alone(browser: Any, make_run: Maker, width: int) -> None:
    path = build_report(make_run())
    page = browser.new_page(viewport={"width": width, "height": 800})
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 8")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].map(e =>"
        " [e.clientWidth, e.querySelector('.main-svg').clientWidth, e.querySelectorAll('.trace, .contour').length])"
    )
    assert len(sizes) == 8
    for container, drawn, n_traces in sizes:
        assert container == drawn
        assert n_traces > 0
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    widths = page.evaluate("[...document.querySelectorAll('.main-svg')].map(e => e.clientWidth)")
    assert set(widths) == {900}
    page.close()
    assert requests == [path.as_uri()]
    assert problems == []


def test_a_figure_is_the_same_after_the_window_was_narrow(browser: Any, make_run: Maker) -> None:
    """Titles of panels, as seen beside the plots; drawn in place they stayed where the narrow figure has them."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(build_report(make_run()).as_uri())
    titles = (
        "() => [...document.querySelectorAll('.js-plotly-plot .annotation-text')].map(text =>"
        " [text.textContent, Math.round(text.getBoundingClientRect().x)])"
    )
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 8")
    page.wait_for_timeout(500)  # the observers of size have had their turn
    seen = {}
    for width in (1280, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(1_500)
        before, seen[width] = seen.get(width), page.evaluate(titles)
    page.close()
    assert len(seen[1280]) > 10
    assert before == seen[1280]
    assert seen[390] != seen[1280]
