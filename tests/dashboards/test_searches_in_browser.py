"""Ways to lose, named crashes, pairs, back-tests and portfolios: what the browser shows is what the library says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboards.context import Context
from dashboards.pages import crash_ways
from qfin.experiments import RunFolder, load_generator
from qfin.experiments.crash import episode_content, reverse_content
from qfin.experiments.figures import TAIL_LEVELS, tail_dependence_by_level
from qfin.experiments.history import run_history
from qfin.experiments.library import run_ids
from qfin.marginals import pseudo_observations
from qfin.scenarios import episode_stress, reverse_stress

from .conftest import BACKTEST, RULES, RUN, Server
from .test_pages import number, open_ready, table, wait

Open = Callable[..., Any]


def test_the_likeliest_ways_to_lose_are_the_librarys(visit: Open, made_run: Path) -> None:
    page = open_ready(visit(), "/crash?model=student_t")
    page.fill("#crash-lose", "1.5")
    page.click("#crash-lose-go")
    page.wait_for_selector("[data-lose='1.5']")
    assert "lose=1.5" in page.evaluate("location.search")
    folder = RunFolder.open(made_run)
    history, _ = run_history(folder)
    found = reverse_content(
        reverse_stress(
            load_generator(folder, "student_t"), 0.015, history=history, n_starts=6, rng=folder.record["seed"]
        )
    )
    shown = table(page, "ways")
    assert [row[2] for row in shown] == [row["nearest_day"] for row in found["rows"]]
    parts = {part["asset"]: part for part in found["rows"][0]["assets"]}
    for asset, move, share, *_ in table(page, "parts of the loss"):
        assert number(move) == pytest.approx(100 * parts[asset]["return"], abs=0.0051)
        assert number(share) == pytest.approx(100 * parts[asset]["contribution"] / 0.015, abs=0.51)


def test_days_as_bad_as_a_named_crash(visit: Open, made_run: Path) -> None:
    page = open_ready(visit(), "/crash?like=2008-09")
    page.wait_for_selector("[data-like='2008-09']")
    folder = RunFolder.open(made_run)
    days = pd.concat(run_history(folder))
    stress = episode_stress(load_generator(folder, "mps"), days, "2008-09", 4_000, rng=folder.record["seed"])
    told = {row["asset"] + (" (led)" if row["led"] else ""): row for row in episode_content(stress)["leads"]}
    for asset, that_day, whole, mean, _ in table(page, "episode"):
        assert number(that_day) == pytest.approx(100 * told[asset]["worst_day"], abs=0.0051)
        assert number(whole) == pytest.approx(100 * told[asset]["episode"], abs=0.0051)
        assert number(mean) == pytest.approx(100 * told[asset]["mean_given"], abs=0.0051)


def test_without_its_prices_a_run_still_answers(made_run: Path, tmp_path: Path) -> None:
    """The crash explorer needs the past for its names alone."""
    shutil.copytree(made_run, tmp_path / RUN)
    (tmp_path / RUN / "config.toml").write_text('[market]\nprices = "gone.csv"\n')
    context = Context(tmp_path)
    assert "gone.csv" in str(crash_ways.like_card(context, RUN, {}))
    content = crash_ways.reversed_loss(context, RUN, "gaussian", 1.5)
    assert [row["nearest_day"] for row in content["rows"]] == [None] * len(content["rows"])
    assert "Way 1" in str(crash_ways.ways_shown(content, RUN, "gaussian"))


def test_any_two_assets_can_be_looked_at(visit: Open, made_run: Path) -> None:
    page = open_ready(visit(), "/copula?first=USDJPY&second=EURUSD")
    page.wait_for_selector("[data-pair='USDJPY EURUSD']")
    assert "kernel estimate" in page.inner_text("main")
    page.click("#copula-second")
    page.get_by_role("option", name="GBPUSD").click()
    page.wait_for_selector("[data-pair='USDJPY GBPUSD']")
    assert "second=GBPUSD" in page.evaluate("location.search")
    _, test = run_history(RunFolder.open(made_run))
    ranks = pseudo_observations(test[["USDJPY", "GBPUSD"]].to_numpy())
    wanted = tail_dependence_by_level(ranks)[:, int(np.argmin(np.abs(TAIL_LEVELS - 0.05)))]
    name, *_, worst, best = table(page, "tails")[0]
    assert name == "Test days"
    assert [number(worst), number(best)] == pytest.approx(100 * wanted[:2], abs=0.051)


def test_a_back_test_is_shown_as_it_was_stored(visit: Open, made_backtest: Path) -> None:
    page = open_ready(visit(), "/backtest")
    page.wait_for_selector(f"[data-backtest='{BACKTEST} 0.975']")
    record = json.loads((made_backtest / "record.json").read_text())
    labels = {model["name"]: model["label"] for model in record["models"]}
    shown = {row[0]: row for row in table(page, "tests")}
    for row in record["rows"]:
        if row["level"] == 0.975:
            cells = shown[labels[row["model"]]]
            assert int(cells[1]) == row["exceedances"]
            assert number(cells[4]) == pytest.approx(row["kupiec_p"], abs=5.1e-4)
            assert cells[3].lower() in ("green", "yellow", "red")
    assert all(sentence in page.inner_text("main") for sentence in record["verdict"])


def test_rules_on_crashes_are_shown_as_they_were_stored(visit: Open, made_rules: Path) -> None:
    page = open_ready(visit(), f"/backtest?rules={RULES}")
    page.wait_for_selector(f"[data-rules='{RULES}']")
    record = json.loads((made_rules / "record.json").read_text())
    for shown, row in zip(table(page, "rules"), record["rows"], strict=True):
        assert shown[0] == row["rule"]
        assert number(shown[1].split()[0]) == pytest.approx(100 * row["ruin"], abs=0.051)
        assert number(shown[2]) == pytest.approx(100 * row["drawdown_q50"], abs=0.051)
        assert number(shown[5]) == pytest.approx(100 * row["history_drawdown"], abs=0.051)
        assert shown[7] == row["verdict"]
    assert f"rules={RULES}" in page.evaluate("location.search")


def test_rules_are_started_from_the_form_and_no_file_can_be_given(visit: Open, server: Server) -> None:
    page = open_ready(visit(), "/backtest")
    page.wait_for_selector("#rules-go")
    assert page.locator("input[type=file]").count() == 0
    page.fill("#rules-horizon", "20")
    page.fill("#rules-paths", "200")
    page.fill("#rules-event", "EURUSD < -1%")
    page.click("#rules-go")
    page.get_by_role("link", name="Follow it on the page Training").click()
    page.wait_for_selector("#training-badge >> text=done", timeout=120_000)
    name = next(i for i in run_ids(server.runs, "strategy") if i != RULES)
    record = json.loads((server.runs / name / "record.json").read_text())
    assert record["event"] == "EURUSD < -1%"
    assert {row["n_paths"] for row in record["rows"]} == {200}
    page = open_ready(visit(), f"/backtest?rules={name}")
    page.wait_for_selector(f"[data-rules='{name}']")
    assert [row[0] for row in table(page, "rules")] == [row["rule"] for row in record["rows"]]


def test_a_portfolio_is_searched_from_the_form(visit: Open, server: Server) -> None:
    page = open_ready(visit(), "/optimiser")
    page.fill("#optimiser-fewest", "2")
    page.fill("#optimiser-most", "2")
    page.get_by_role("button", name="More rules").click()
    page.fill("#optimiser-groups", "EURUSD, GBPUSD <= 40%")
    page.fill("#optimiser-budget", "20")
    page.click("#optimiser-start")
    wait(page, "document.querySelector('[data-geo]').dataset.geo != 'geo-small'", seconds=180.0)
    found = page.get_attribute("[data-geo]", "data-geo")
    assert found in page.evaluate("location.search")
    weights = pd.read_csv(server.runs / found / "portfolio.csv")
    assert [[name, number(weight)] for name, weight in table(page, "portfolio")] == [
        [row["asset"], pytest.approx(100 * row["weight"], abs=0.0051)] for _, row in weights.iterrows()
    ]
    assert len(weights) == 2
    assert weights.set_index("asset")["weight"].reindex(["EURUSD", "GBPUSD"]).sum() <= 0.4 + 1e-9
    assert weights["weight"].sum() == pytest.approx(1.0)
    record = json.loads((server.runs / found / "record.json").read_text())
    assert record["market"]["period"][1] == "2012-12-31"  # the run's test days were not looked at
    assert page.input_value("#run") == "fx-2012"  # what is no run of models is not offered as one
