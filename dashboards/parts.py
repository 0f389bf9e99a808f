"""Pieces that all pages share: cards, tables, figures with downloads, states that say what to do."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from qfin.exceptions import InputError
from qfin.reporting.numbers import DASH

_SENTENCE = 30  # letters of a cell that is given room on a narrow screen


def page_header(title: str, text: str) -> Any:
    return dmc.Stack([dmc.Title(title, order=1, size="h2"), dmc.Text(text, c="dimmed", maw=760)], gap=4, mb="md")


def card(title: str, *children: Any, note: str = "") -> Any:
    """A titled box of a page."""
    heading = [dmc.Title(title, order=2, size="h4")] if title else []
    words = [dmc.Text(note, size="sm", c="dimmed", maw=820)] if note else []
    return dmc.Paper(
        [dmc.Stack([*heading, *words, *children], gap="sm")], withBorder=True, p="md", radius="md", mb="md"
    )


def facts(pairs: Iterable[tuple[str, str, str]]) -> Any:
    """Big numbers in a row: (label, value, what it means)."""
    boxes = [
        dmc.Paper(
            [
                dmc.Text(label, size="sm", c="dimmed"),
                dmc.Text(value, size="xl", fw=600, className="qfin-number"),
                dmc.Text(meaning, size="xs", c="dimmed"),
            ],
            withBorder=True,
            p="sm",
            radius="md",
        )
        for label, value, meaning in pairs
    ]
    return dmc.SimpleGrid(boxes, cols={"base": 1, "xs": 2, "md": 4}, mb="md")


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, caption: str = "", name: str = "table") -> Any:
    """A table for a few dozen rows; the first column names the row, numbers are set to the right, words to the left."""
    wordy = [all(_is_words(row[place]) for row in rows) for place in range(len(headings))]
    looks = [_look(words, [row[place] for row in rows]) for place, words in enumerate(wordy)]
    head = html.Thead(
        html.Tr([html.Th(text, scope="col", className=look) for text, look in zip(headings, looks, strict=True)])
    )
    body = html.Tbody(
        [
            html.Tr(
                [
                    html.Th(row[0], scope="row"),
                    *(html.Td(cell, className=look) for cell, look in zip(row[1:], looks[1:], strict=True)),
                ]
            )
            for row in rows
        ]
    )
    whole = html.Table([head, body], className="qfin-table", **{"data-name": name, "aria-label": caption or name})
    # Reached by the keyboard, so that a table wider than the screen can be scrolled with arrows; the words stay.
    scrolled = html.Div(whole, className="qfin-scroll", tabIndex="0", role="region", **{"aria-label": caption or name})
    return html.Div([*([dmc.Text(caption, size="sm", c="dimmed")] if caption else []), scrolled])


def _look(words: bool, cells: list[Any]) -> str:
    if not words:
        return "qfin-number"
    return "qfin-words qfin-sentence" if any(len(cell) > _SENTENCE for cell in cells) else "qfin-words"


def _is_words(cell: Any) -> bool:
    """Whether a cell is read and not compared: text that begins with no number and is not the mark of nothing."""
    return isinstance(cell, str) and cell != DASH and not re.match(r"[−+±\d[]", cell) and bool(cell)


def figure(identifier: str, drawn: Any, *, description: str, narrow: Any = None) -> Any:
    """A plotly figure that follows its container, with buttons for PNG, SVG and CSV; `narrow` is shown on phones."""
    graphs = [_graph(identifier, drawn, description, "" if narrow is None else "qfin-wide")]
    if narrow is not None:
        graphs.append(_graph(f"{identifier}-narrow", narrow, description, "qfin-narrow"))
    return html.Figure(
        [
            *graphs,
            html.Div(
                [
                    html.Button(
                        kind,
                        className="qfin-download",
                        type="button",
                        **{
                            "data-figure": identifier,
                            "data-kind": kind.lower(),
                            "aria-label": f"{description} as {kind}",
                        },
                    )
                    for kind in ("PNG", "SVG", "CSV")
                ],
                className="qfin-downloads",
            ),
        ],
        className="qfin-figure",
    )


def _graph(identifier: str, drawn: Any, description: str, style: str) -> Any:
    graph = dcc.Graph(
        id=identifier,
        figure=drawn,
        responsive=True,
        style={"height": f"{drawn.layout.height}px"},  # a responsive graph takes its container's, not the figure's
        config={"displaylogo": False, "displayModeBar": False},
    )
    return html.Div(graph, role="img", className=style, **{"aria-label": description})


def empty(title: str, text: str, command: str = "") -> Any:
    """Nothing to show yet, and what to do about it."""
    code = [dmc.Code(command, block=True)] if command else []
    return dmc.Alert(dmc.Stack([dmc.Text(text), *code], gap="xs"), title=title, color="blue", variant="light", mb="md")


def failure(error: InputError | str) -> Any:
    """The one sentence of a wrong input."""
    return dmc.Alert(str(error), title="This cannot be shown", color="red", variant="light", className="qfin-error")


def queued(job_id: str) -> Any:
    """A job was taken on, and where to follow it."""
    link = dmc.Anchor("Follow it on the page Training", href=f"/training?job={job_id}")
    return dmc.Alert(link, title="Queued", color="green", variant="light")


def options(names: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """(value, label) pairs for a select."""
    return [{"value": value, "label": label} for value, label in names]
