"""report.html: complete, true to the record, safe, and alone."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from qfin.exceptions import InputError
from qfin.experiments.run_folder import RunFolder
from qfin.reporting import build_report
from qfin.viz import plotly_script

Maker = Callable[..., RunFolder]
PLOTLY = plotly_script()
VOID = {"meta", "link", "br", "img"}
ATTACK = "<script>alert('x')</script>\"'&"


class Page(HTMLParser):
    """Elements with attributes, visible text, tables as lists of rows, and whether all elements are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.styles = ""
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        page = path.read_text()
        # The 5 MB of plotly.js stand there once; they are not parsed each time.
        assert page.count(PLOTLY) == 1
        self.feed(page.replace(PLOTLY, "plotly.js"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self.open[-1:] == ["style"]:
            self.styles += data
        else:
            self.text += data
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    def row(self, label: str) -> list[str]:
        found = [row for row in self.rows if row and row[0].startswith(label)]
        assert len(found) == 1, (label, [row[0] for row in self.rows if row])
        return found[0]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(folder: RunFolder) -> Page:
    path = build_report(folder)
    assert path == folder.path / "report.html"
    page = Page(path)
    assert page.open == []
    return page


def test_sections_come_in_reading_order(make_run: Maker) -> None:
    page = page_of(make_run())
    ids = [attrs["id"] for attrs in page.all("h2")]
    assert ids == ["models", "circuit", "figures", "mapping", "samplers", "data", "method", "again"]
    assert [attrs["aria-labelledby"] for attrs in page.all("section")] == ids
    assert [attrs["href"] for attrs in page.all("a")] == [f"#{name}" for name in ids]
    figures = [attrs["id"] for attrs in page.all("div") if attrs.get("role") == "img"]
    assert figures == [
        f"figure-{name}"
        for name in ("losses", "gains", "tail", "dependence", "density", "training", "fidelity", "entanglement")
    ]
    assert len(page.all("h1")) == 1
    assert len(page.all("figure")) == len(page.all("figcaption")) == 8
    assert page.all("html") == [{"lang": "en"}]


def test_summary_names_days_and_gives_the_verdict(make_run: Maker) -> None:
    folder = make_run()
    text = " ".join(page_of(folder).text.split())
    assert "fitted to 300 days (1990-01-03 to 2010-12-31) and judged on 200 later days" in text
    for sentence in folder.record["verdict"]:
        assert sentence in text


def test_numbers_of_the_page_are_those_of_the_record(make_run: Maker) -> None:
    folder = make_run()
    page, record = page_of(folder), folder.record
    labels = ("Historical", "Gaussian", "Student-t copula (base)", "MPS Born", "Circuit Born")
    main = [next(row for row in page.rows if row and row[0].startswith(label)) for label in labels]
    for shown, row in zip(main, record["rows"], strict=True):
        for place, name in enumerate(("var_95", "es_95", "var_975", "es_975", "var_99", "es_99"), start=3):
            assert shown[place].removesuffix(" (best)") == f"{100 * row[name]:.2f}%"
        if row["loglik"] is not None:
            assert shown[1].removesuffix(" (best)") == f"{row['loglik']:.3f} ± {row['loglik_se']:.3f}"
        assert shown[9].removesuffix(" (best)") == f"{row['tail_dep_err']:.4f}"
    realised = page.row("Realised")
    assert realised[3:9] == [f"{100 * record['realised'][name]:.2f}%" for name in
                             ("var_95", "es_95", "var_975", "es_975", "var_99", "es_99")]  # fmt: skip
    assert page.row("Circuit, trained")[3] == f"{record['head_rows'][5]['n_params']}"
    assert page.row("Aer, noisy")[1:] == ["15", "20,000", "48.20", "0.1133"]
    assert page.row("2001-09-12") == ["2001-09-12", "JPM", "price removed", "41.25", "–"]
    for words in (
        "0.9931",
        "0.0017 nats per test day",
        "98.71%",
        "18 qubits, 3 layers",
        "327,680 shots in all",
        "squared MMD 0.01412 → −0.00411",
        "qfin run --config config.toml",
        "commit abc1234",
        "2025-01-02 03:04 UTC",
        "3 days with a missing return",
        "41% of the training days",
    ):
        assert words in page.text, words


def test_tables_say_what_their_cells_belong_to(make_run: Maker) -> None:
    page = page_of(make_run())
    assert len(page.all("caption")) == len(page.all("table"))
    assert {attrs.get("scope") for attrs in page.all("th")} == {"col", "row", "colgroup", "rowgroup"}
    for attrs in page.all("div"):
        if attrs.get("role") == "img":
            assert len(attrs["aria-label"]) > 20


def test_page_asks_nothing_of_any_server(make_run: Maker) -> None:
    page = page_of(make_run())
    for tag, attrs in page.elements:
        for name, value in attrs.items():
            assert not re.match(r"\s*(https?:)?//", value), (tag, name, value)
            if name in ("src", "srcset", "href", "data", "action", "poster", "background"):
                assert value.startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"url\(|@import|https?:", page.styles)
    assert page.scripts[0].strip() == "plotly.js"
    assert all("http" not in script for script in page.scripts)


def test_names_and_texts_cannot_become_markup(make_run: Maker) -> None:
    def change(record: dict[str, Any]) -> None:
        record["title"] = record["verdict"][0] = record["market"]["source"] = ATTACK
        record["market"]["left_out"] = [{"asset": ATTACK, "reason": ATTACK}]
        record["market"]["changes"][0]["what"] = ATTACK
        record["market"]["warnings"][0]["what"] = ATTACK
        record["samplers"][0]["sampler"] = ATTACK
        record["config"]["note"] = ATTACK

    folder = make_run(assets=[ATTACK, "B", "C"], change=change)
    page = page_of(folder)
    assert "<script>alert(" not in (folder.path / "report.html").read_text()
    assert len(page.all("script")) == 1 + 8
    assert page.text.count(ATTACK) >= 8
    assert any(ATTACK in attrs.get("aria-label", "") for attrs in page.all("div"))
    assert all(tag not in ("img", "iframe", "object", "embed") for tag, _ in page.elements)
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)


def test_what_a_run_does_not_have_is_left_out(make_run: Maker) -> None:
    def change(record: dict[str, Any]) -> None:
        record.update(commit=None, realised=None, mapping=None, circuit=None, mps=None, samplers=[], head_rows=[])
        record["market"].update(left_out=[], changes=[], warnings=[])
        record["packages"]["skfolio"] = None
        for row in record["rows"]:
            for name in row.keys() - {"model", "kind"}:
                row[name] = None

    page = page_of(make_run(change=change, archives=("days",)))
    assert [attrs["id"] for attrs in page.all("h2")] == ["models", "figures", "data", "method", "again"]
    assert [attrs["id"] for attrs in page.all("div") if attrs.get("role") == "img"] == ["figure-gains"]
    assert page.row("MPS Born")[1:] == ["–"] * 13
    assert page.row("skfolio") == ["skfolio", "–"]
    for words in ("No asset was left out.", "Cleaning changed nothing.", "No warnings.", "commit not known"):
        assert words in page.text
    assert "None" not in page.text
    assert "Undefined" not in page.text


def test_parts_of_the_circuit_stage_may_be_missing(make_run: Maker) -> None:
    def change(record: dict[str, Any]) -> None:
        record["mapping"]["full"] = record["circuit"]["shot_training"] = None
        record["circuit"]["distant_pairs"] = []
        record["market"]["warnings"] = [{"date": None, "asset": "B", "what": "short history"}]

    page = page_of(make_run(change=change))
    assert "Full-width circuit" not in page.text
    assert "Training from shots" not in page.text
    assert "no further assets" in page.text
    assert "B: short history" in page.text
    assert "None" not in page.text


def test_without_arrays_the_page_says_so(make_run: Maker) -> None:
    page = page_of(make_run(archives=()))
    assert "This run stored no arrays for figures." in page.text


def test_long_lists_are_cut_and_counted(make_run: Maker) -> None:
    def change(record: dict[str, Any]) -> None:
        record["market"]["warnings"] = [{"date": "2000-01-03", "asset": "B", "what": f"item {i}"} for i in range(1234)]

    page = page_of(make_run(change=change))
    assert "item 199" in page.text
    assert "item 200" not in page.text
    assert "All 1,234 are in record.json." in page.text


def test_assets_that_move_against_each_other_show_the_other_corner(make_run: Maker) -> None:
    folder = make_run()
    for name, columns in (("pair", "u_test"), ("tail", "returns_test")):
        arrays = folder.arrays(f"arrays/{name}")
        mirror = 1.0 if name == "pair" else 0.0
        arrays[columns][:, 1] = mirror - arrays[columns][:, 1]
        folder.write_arrays(f"arrays/{name}", arrays)
    text = " ".join(page_of(folder).text.split())
    assert "JPM falls below its 10% quantile and XOM, which moves against it, rises above its 90% quantile" in text
    assert "both are among their worst" not in text


def test_same_run_gives_the_same_page(make_run: Maker) -> None:
    folder = make_run()
    first = build_report(folder).read_bytes()
    assert build_report(folder).read_bytes() == first


def test_broken_record_is_the_callers_to_mend(make_run: Maker) -> None:
    folder = make_run()
    (folder.path / "record.json").write_text("{")
    with pytest.raises(InputError, match=r"record\.json"):
        build_report(RunFolder.open(folder.path))
