"""Jobs that forms start are made of checked words alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboards.context import Context
from dashboards.pages.backtest import start_backtest
from dashboards.pages.backtest_rules import start_rules
from dashboards.pages.optimiser_form import start_search
from dashboards.parts import table
from qfin.cli.main import app
from qfin.exceptions import InputError
from qfin.experiments.jobs import JobQueue
from qfin.experiments.library import run_ids, run_states

RECORD = {
    "market": {"assets": ["EURUSD", "GBPUSD", "USDJPY"], "train": ["2001-01-02", "2010-12-31"]},
    "config": {"market": {"prices": "fx-usd", "kind": None}},
    "rows": [],
}
SEARCH = {
    "data": "run",
    "assets": None,
    "objective": "variance",
    "hold": None,
    "avoid": None,
    "groups": None,
    "book": None,
    "rivals": None,
    "fewest": 2,
    "most": 2,
    "lowest": 1,
    "highest": 100,
    "level": 95,
    "mean": "",
    "turnover": "",
    "budget": 50,
    "seed": 7,
}
RULES = {
    "rules": ["trend"],
    "event": "book < -1%",
    "model": "student_t",
    "generator": "garch",
    "numbers": {"horizon": 20, "paths": 200, "every": 5, "cost": 10, "ruin": 10},
}


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
        ({"assets": ["EURUSD", "--out=x"]}, "assets"),
        ({"assets": ["EURUSD"]}, "at least 2"),
        ({"data": "port1", "objective": "es"}, "variance for an instance"),
        ({"fewest": 4, "most": 4}, "at most 3"),
        ({"fewest": 3}, "lowest <= highest"),
        ({"fewest": "2"}, "Names held"),
        ({"budget": 10**9}, "Portfolios to solve"),
        ({"seed": -1}, "Seed"),
        ({"highest": 40}, "sum to 1"),
        ({"rivals": ["--out=x"]}, "rivals"),
        ({"hold": ["--out=x"]}, "must_hold"),
        ({"hold": ["EURUSD"], "avoid": ["EURUSD"]}, "conflict"),
        ({"groups": "EURUSD, GBPUSD, USDJPY <= 50%"}, "conflict"),
        ({"groups": "EURUSD below 30"}, "group"),
        ({"groups": "EURUSD, CHF <= 30%"}, "CHF"),
        ({"book": "EURUSD 100"}, "turnover"),
        ({"book": "EURUSD", "turnover": 20}, "current book"),
        ({"book": "EURUSD 60, GBPUSD 60", "turnover": 20}, "at most 1"),
        ({"turnover": 20}, "turnover"),
    ],
)
def test_a_search_is_refused_in_one_sentence(context: Context, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        start_search(context, "one", SEARCH | changed)
    assert "\n" not in str(caught.value)
    assert context.jobs.jobs() == []


def option(words: tuple[str, ...], name: str) -> str:
    return next(word.partition("=")[2] for word in words if word.startswith(f"{name}="))


def test_a_search_uses_the_days_that_the_run_learned_from(context: Context) -> None:
    start_search(context, "one", SEARCH | {"assets": ["EURUSD", "USDJPY"], "objective": "es"})
    words = context.jobs.jobs()[0].arguments
    assert (words[0], option(words, "--prices")) == ("geo", "fx-usd")
    assert option(words, "--assets") == "EURUSD,USDJPY"
    assert option(words, "--end") == "2010-12-31"
    assert context.jobs.jobs()[0].arguments[-2] == "--out"
    assert Path(words[-1]).parent == context.runs


def test_every_rule_of_a_search_reaches_the_command(context: Context, tmp_path: Path) -> None:
    """The job's words, read by the command line, are the rules of the form."""
    asked = {
        "hold": ["EURUSD"],
        "groups": "Europe: EURUSD, GBPUSD <= 80%\n\nUSDJPY <= 70%",
        "book": "EURUSD 50, USDJPY 50%",
        "turnover": 40,
        "highest": 62.5,
        "level": 90,
        "rivals": ["tabu", "swaps"],
        "objective": "es",
        "budget": 10,
    }
    start_search(context, "one", SEARCH | asked)
    words = context.jobs.jobs()[0].arguments
    done = CliRunner().invoke(app, [*words, "--points", "0"])
    assert done.exit_code == 0, done.output
    record = json.loads((Path(words[-1]) / "record.json").read_text())
    weights = {row["asset"]: row["weight"] for row in record["portfolio"]["rows"]}
    assert "EURUSD" in weights
    assert max(weights.values()) <= 0.625 + 1e-9
    assert weights["EURUSD"] + weights.get("GBPUSD", 0.0) <= 0.8 + 1e-9
    assert weights.get("USDJPY", 0.0) <= 0.7 + 1e-9
    before = {"EURUSD": 0.5, "GBPUSD": 0.0, "USDJPY": 0.5}
    assert sum(abs(weights.get(a, 0.0) - w) for a, w in before.items()) / 2 <= 0.4 + 1e-9
    assert record["config"]["rules"]["level"] == 0.9
    assert [row["solver"] for row in record["rivals"]] == ["tabu", "swaps"]
    assert all(row["value"] >= record["portfolio"]["value"] - 1e-12 for row in record["rivals"])


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
    assert "--assets=EURUSD,GBPUSD,USDJPY" in words
    assert words[words.index("--models") + 1] == "hs,mps"
    assert "--end" not in words


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rules": []}, "rules"),
        ({"rules": ["/tmp/mine.py"]}, "rules"),
        ({"rules": ["trend", "--rule=x.py"]}, "rules"),
        ({"generator": "mine"}, "days after it"),
        ({"model": "../mps"}, "model"),
        ({"numbers": RULES["numbers"] | {"cost": -1}}, "cost"),
        ({"numbers": RULES["numbers"] | {"paths": 10**7}}, "paths"),
        ({"numbers": RULES["numbers"] | {"ruin": "30%"}}, "ruin"),
    ],
)
def test_rules_are_refused_in_one_sentence(context: Context, changed: dict[str, Any], words: str) -> None:
    """Above all, no file: a rule is one of the built-in names."""
    with pytest.raises(InputError, match=words):
        start_rules(context, "one", **(RULES | changed))
    assert context.jobs.jobs() == []


def test_rules_are_tried_on_the_event_of_the_form(made_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobQueue, "start_waiting", lambda self: None)
    context = Context(made_run.parent)
    with pytest.raises(InputError, match="did you mean EURUSD"):
        start_rules(context, made_run.name, **(RULES | {"event": "EURUS < -1%"}))
    job = context.jobs.job(start_rules(context, made_run.name, **RULES))
    assert job.arguments[:3] == ("strategy", "--paths", str(made_run))
    assert option(job.arguments, "--event") == "book < -1%"
    assert "--rule=builtin:trend" in job.arguments
    assert job.arguments[job.arguments.index("--cost") + 1] == "0.001"


def test_kinds_of_runs_are_told_apart(tmp_path: Path) -> None:
    for name, content in {
        "a": RECORD,
        "b": {"kind": "geo"},
        "c": {"confidence_sets": {}},
        "d": [],
        "e": {"kind": "strategy"},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps(content))
    assert run_ids(tmp_path) == ["a"]
    assert run_ids(tmp_path, "geo") == ["b"]
    assert run_ids(tmp_path, "backtest") == ["c"]
    assert run_ids(tmp_path, "strategy") == ["e"]


def test_runs_that_are_not_finished_have_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobQueue, "start_waiting", lambda self: None)
    for name in ("done", "left", "cut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text("")
    (tmp_path / "done" / "record.json").write_text(json.dumps(RECORD))
    queue = JobQueue(tmp_path / ".jobs")
    cancelled = queue.submit("Run cut", ["run", "--out", str(tmp_path / "cut")])
    queue.cancel(cancelled)
    queue.submit("Run new", ["run", "--preset", "quick", "--out", str(tmp_path / "new"), "--resume"])
    queue.submit("Run done", ["run", "--out", str(tmp_path / "done")])
    queue.submit("Portfolio", ["geo", "--out", str(tmp_path / "geo")])
    assert run_states(tmp_path, queue.jobs()) == {"left": "unfinished", "cut": "cancelled", "new": "queued"}
    queue.restart(cancelled)
    assert run_states(tmp_path, queue.jobs())["cut"] == "queued"


def test_numbers_stand_right_and_words_left() -> None:
    shown = str(table(["", "Model", "p", "Names"], [["a", "Student t", "0.5", "X, Y"], ["b", "–", "–", "3M"]]))
    looks = [part.split("'")[1] for part in shown.split("className=")[1:5]]
    assert looks == ["qfin-words", "qfin-number", "qfin-number", "qfin-number"]
    only = str(table(["", "Model"], [["a", "Student t"], ["b", "Vine"]]))
    assert "Td(children='Vine', className='qfin-words')" in only
