"""Figures in a page: safe inside a script element, and with nothing fetched."""

import json
import re
from html.parser import HTMLParser

import pytest

from qfin.viz import entanglement_figure, fidelity_figure, figure_div, plotly_script


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> Elements:
    elements = Elements()
    elements.feed(html)
    elements.close()
    return elements


def test_div_carries_description_and_both_figures() -> None:
    wide, narrow = fidelity_figure([0.5, 0.75]), fidelity_figure([0.125])
    elements = parsed(figure_div(wide, div_id="f", description='a "line" & <dots>', narrow=narrow))
    assert [tag for tag, _ in elements.found] == ["div", "script"]
    assert elements.found[0][1] == {"id": "f", "role": "img", "aria-label": 'a "line" & <dots>'}
    assert elements.found[1][1] == {}
    call = re.fullmatch(r"\s*qfinFigure\(\"f\", (.*)\);", elements.text, flags=re.DOTALL)
    assert call is not None
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(call[1])
    second, _ = decoder.raw_decode(call[1][end + 2 :])
    assert first == json.loads(wide.to_json())
    assert second == json.loads(narrow.to_json())


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028"])
def test_no_name_ends_the_script(name: str) -> None:
    figure = entanglement_figure([0.1], assets=("A", "B"))
    figure.update_xaxes(title_text=name)
    div = figure_div(figure, div_id="f", description="bars")
    elements = parsed(div)
    assert [tag for tag, _ in elements.found] == ["div", "script"]
    assert div.count("</script>") == 1
    assert not set("<>\u2028") & set(elements.text)
    payload = json.JSONDecoder().raw_decode(elements.text[elements.text.index("{") :])[0]
    assert payload["layout"]["xaxis"]["title"]["text"] == name


def test_plotly_is_inlined_whole_and_cannot_end_its_element() -> None:
    script = plotly_script()
    assert "plotly.js v" in script[:200]
    assert "window.qfinFigure" in script
    assert "</script" not in script.lower()
    assert "<!--" not in script
