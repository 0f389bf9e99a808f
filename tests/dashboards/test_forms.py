"""Jobs that forms start are made of checked words alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboards.context import Context
from dashboards.pages.backtest import start_backtest
from dashboards.pages.optimiser import start_search
from qfin.exceptions import InputError
from qfin.experiments.jobs import JobQueue
from qfin.experiments.library import run_ids

RECORD = {
    "market": {"assets": ["AAA", "BBB", "CCC"], "train": ["2001-01-02", "2010-12-31"]},
    "config": {"market": {"prices": "fx-usd", "kind": None}},
    "rows": [],
}
NUMBERS = {"held": 2, "highest": 100, "budget": 50, "seed": 7}


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A folder with one run; jobs are queued and not started."""
    monkeypatch.setattr(JobQueue, "start_waiting", lambda self: None)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "record.json").write_text(json.dumps(RECORD))
    return Context(tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": "port9"}, "data"),
        ({"data": "../port1"}, "data"),
        ({"objective": "es --out=x"}, "objective"),
        ({"assets": ["AAA", "--out=x"]}, "assets"),
        ({"assets": ["AAA"]}, "at least 2"),
        ({"data": "port1", "objective": "es"}, "OR-Library"),
        ({"held": 4}, "held"),
        ({"held": "2"}, "held"),
        ({"budget": 10**9}, "budget"),
        ({"seed": -1}, "seed"),
        ({"highest": 40}, "sum to 100"),
    ],
)
def test_a_search_is_refused_in_one_sentence(context: Context, changed: dict[str, Any], words: str) -> None:
    settings = {"data": "run", "assets": None, "objective": "variance", **NUMBERS} | changed
    numbers = {name: settings[name] for name in NUMBERS}
    with pytest.raises(InputError, match=words):
        start_search(context, "one", settings["data"], settings["assets"], settings["objective"], numbers)
    assert context.jobs.jobs() == []


def test_a_search_uses_the_days_that_the_run_learned_from(context: Context) -> None:
    start_search(context, "one", "run", ["AAA", "CCC"], "es", NUMBERS)
    words = context.jobs.jobs()[0].arguments
    assert words[:3] == ("geo", "--prices", "fx-usd")
    assert "--assets=AAA,CCC" in words
    assert words[words.index("--end") + 1] == "2010-12-31"
    assert Path(words[words.index("--out") + 1]).parent == context.runs


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"models": []}, "models"),
        ({"models": ["hs", "--out=x"]}, "models"),
        ({"start": "2015-01-01 --out x"}, "dates"),
        ({"window": 10}, "250"),
        ({"source": "/etc/passwd"}, "data"),
    ],
)
def test_a_back_test_is_refused_in_one_sentence(context: Context, changed: dict[str, Any], words: str) -> None:
    settings = {"source": "fx-usd", "models": ["hs"], "start": None, "end": None, "window": 250} | changed
    with pytest.raises(InputError, match=words):
        start_backtest(context, **settings)
    assert context.jobs.jobs() == []


def test_a_back_test_of_a_run_takes_its_assets(context: Context) -> None:
    start_backtest(context, "run:one", ["hs", "mps"], "2015-01-01", None, 500)
    words = context.jobs.jobs()[0].arguments
    assert words[0] == "backtest"
    assert "--assets=AAA,BBB,CCC" in words
    assert words[words.index("--models") + 1] == "hs,mps"
    assert "--end" not in words


def test_kinds_of_runs_are_told_apart(tmp_path: Path) -> None:
    for name, content in {"a": RECORD, "b": {"kind": "geo"}, "c": {"confidence_sets": {}}, "d": []}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps(content))
    assert run_ids(tmp_path) == ["a"]
    assert run_ids(tmp_path, "geo") == ["b"]
    assert run_ids(tmp_path, "backtest") == ["c"]
