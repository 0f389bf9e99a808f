"""Each page with a real run in a real browser: drawn whole, its numbers the library's, nothing asked of others."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from dashboards.pages import PAGES
from qfin.experiments import RunFolder, load_generator
from qfin.scenarios import stress_scenarios

Open = Callable[..., Any]
# what a page shows once its callbacks have answered
READY = {
    "/": "table[data-name=models] tbody tr",
    "/market": "table[data-name=assets] tbody tr",
    "/copula": "[data-pair] .main-svg:visible",
    "/training": ".main-svg:visible",
    "/crash": "table[data-name=book] tbody tr",
    "/backtest": "table[data-name=tests] tbody tr",
    "/optimiser": "table[data-name=portfolio] tbody tr",
}
PATHS = [page.path for page in PAGES]


def open_ready(visit: Any, path: str) -> Any:
    page = visit.open(path)
    page.wait_for_selector(READY[path.partition("?")[0]], timeout=60_000)
    wait(page, "!document.querySelector('[data-dash-is-loading=true]')")
    return page


def wait(page: Any, script: str, seconds: float = 60.0) -> None:
    """Until the script is true. Playwright's own waiting evaluates text, which the pages' policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < end, script
        page.wait_for_timeout(50)


def table(page: Any, name: str) -> list[list[str]]:
    script = (
        "(name) => [...document.querySelectorAll(`table[data-name='${name}'] tbody tr`)]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )
    rows: list[list[str]] = page.evaluate(script, name)
    return rows


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").rstrip("%"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_its_screen_and_can_be_read_by_all(
    visit: Open, path: str, width: int, scheme: str, tmp_path: Path
) -> None:
    page = open_ready(visit(width, color_scheme=scheme), path)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.inner_text("h1").strip()
    page.screenshot(path=artefact(f"{path.strip('/') or 'overview'}-{width}.png", tmp_path), full_page=True)
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    problems = [
        f"{violation['id']}: {violation['help']}: {node['html'][:160]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
    assert problems == []


def artefact(name: str, fallback: Path) -> Path:
    """Where a picture is kept: the folder that the environment names, or one that goes away."""
    folder = Path(os.environ.get("QFIN_SCREENSHOTS", fallback))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def test_the_overview_shows_the_record(visit: Open, made_run: Path) -> None:
    page = open_ready(visit(), "/")
    record = RunFolder.open(made_run).record
    shown = {row[0]: row for row in table(page, "models")}
    for row in record["rows"]:
        if row["loglik"] is not None:
            label = next(name for name in shown if name.startswith(_label(row["model"])))
            assert number(shown[label][1].split("±")[0]) == pytest.approx(row["loglik"], abs=5.1e-4)
            assert number(shown[label][3]) == pytest.approx(100 * row["var_975"], abs=5.1e-3)
    assert all(sentence in page.inner_text("main") for sentence in record["verdict"])


def _label(model: str) -> str:
    from qfin.viz import model_style

    return model_style(model).label


def test_the_crash_explorer_answers_as_the_library_does(visit: Open, made_run: Path) -> None:
    page = open_ready(visit(), "/crash")
    page.fill("#crash-event", "EURUSD < -1% and GBPUSD < -1%")
    page.press("#crash-event", "Enter")
    page.wait_for_selector("[data-event='EURUSD < -1% and GBPUSD < -1%']")
    assert "EURUSD" in page.evaluate("location.search")
    folder = RunFolder.open(made_run)
    result = stress_scenarios(
        load_generator(folder, "mps"), "EURUSD < -1% and GBPUSD < -1%", 4_000, rng=folder.record["seed"]
    )
    expected = {row["asset"]: row for row in result.asset_rows()}
    for asset, mean, *_ in table(page, "assets given the event"):
        assert number(mean) == pytest.approx(100 * expected[asset]["mean"], abs=0.051)
    likelihood = result.likelihood.probability
    shown = page.locator(".qfin-number").first.inner_text()
    wanted = 100 * likelihood if likelihood >= 1e-3 else likelihood
    assert number(shown) == pytest.approx(wanted, rel=0.05)
    # the address alone brings another visitor to the same view
    second = open_ready(visit(), page.url.removeprefix(visit().url))
    assert second.input_value("#crash-event") == "EURUSD < -1% and GBPUSD < -1%"
    assert table(second, "assets given the event") == table(page, "assets given the event")


def test_sliders_write_the_event(visit: Open) -> None:
    page = open_ready(visit(), "/crash")
    page.click("#crash-assets")
    page.get_by_role("option", name="USDCHF").click()
    page.keyboard.press("Escape")
    handle = page.get_by_role("slider")
    handle.focus()
    for _ in range(8):
        handle.press("ArrowLeft")
    wait(page, "document.querySelector('#crash-event').value == 'USDCHF < -2%'")
    wait(page, "location.search.includes('USDCHF')")


def test_an_event_that_cannot_be_read_is_told_with_its_place(visit: Open) -> None:
    page = open_ready(visit(), "/crash")
    page.fill("#crash-event", "EURUSD < -1% and CHF < -1%")
    page.press("#crash-event", "Enter")
    page.wait_for_selector(".qfin-error")
    words = page.inner_text(".qfin-error")
    assert "did you mean USDCHF" in words
    assert "character 18" in words


def test_a_crash_is_saved_under_a_name_and_opened_again(visit: Open, server: Any) -> None:
    page = open_ready(visit(), "/crash?event=USDJPY+%3C+-1%25")
    page.fill("#crash-name", "Yen up")
    page.click("#crash-save")
    page.wait_for_selector("table[data-name='saved scenarios'] tbody tr")
    assert table(page, "saved scenarios")[0][:2] == ["Yen up", "USDJPY < -1%"]
    page.click("#crash-save")
    page.wait_for_selector(".qfin-error")
    assert "taken" in page.inner_text(".qfin-error")
    stored = json.loads((server.runs / "fx-2012" / "scenarios.json").read_text())
    assert [item["name"] for item in stored] == ["Yen up"]


def test_draws_and_figures_can_be_taken_away(visit: Open, tmp_path: Path) -> None:
    import pandas as pd

    page = open_ready(visit(), "/crash?event=USDJPY+%3C+-1%25")
    with page.expect_download() as download:
        page.click("#crash-csv")
    download.value.save_as(tmp_path / "draws.csv")
    draws = pd.read_csv(tmp_path / "draws.csv")
    assert (draws["USDJPY"] < -0.01).all()
    assert draws["probability"].sum() == pytest.approx(1.0)
    for kind, start in (("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("CSV", b"series,x,y,z")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"given the event and without it as {kind}").click()
        download.value.save_as(tmp_path / f"figure.{kind}")
        assert (tmp_path / f"figure.{kind}").read_bytes().startswith(start)


def test_pages_are_reached_by_the_keyboard(visit: Open) -> None:
    page = open_ready(visit(), "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the content"
    page.keyboard.press("Enter")
    wait(page, "location.hash == '#main-content'")


def test_an_address_that_is_none_says_so(visit: Open) -> None:
    page = visit().open("/nothing")
    page.wait_for_selector("text=There is no such page")
