"""The commands of the quantum benches: options in, JSON out; no network is needed where no time is left for peers."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from qfin.bench.gradient import PEERS
from qfin.cli import bench_quantum
from qfin.exceptions import InputError

app = typer.Typer()
app.command("gradient")(bench_quantum.gradient)
app.command("mapping")(bench_quantum.mapping)
app.command("plateau")(bench_quantum.plateau)
app.command("continue")(bench_quantum.continue_training)
app.command("optimisers")(bench_quantum.optimisers)
app.command("grid")(bench_quantum.grid)
app.command("amplitude")(bench_quantum.amplitude)


def test_gradient_writes_rows_and_names_what_was_skipped(tmp_path: Path) -> None:
    target = tmp_path / "gradient.json"
    done = CliRunner().invoke(app, ["gradient", "--qubits", "4", "--limit-s", "0", "--json", str(target)])
    assert done.exit_code == 0, done.output
    content = json.loads(target.read_text())
    assert {row["engine"] for row in content["rows"]} == {"qfin"}
    assert [item["engine"] for item in content["skipped"]] == [peer.engine for peer in PEERS]
    assert "time limit" in done.stderr


@pytest.mark.parametrize("command", ["gradient", "mapping", "plateau"])
def test_numbers_that_are_none_are_refused(command: str) -> None:
    failure = CliRunner().invoke(app, [command, "--qubits", "4,x"]).exception
    assert isinstance(failure, InputError)
    assert "whole numbers" in str(failure)


@pytest.mark.parametrize("arguments", [["continue", "--panels"], ["optimisers", "--panel"]], ids=lambda words: words[0])
def test_a_panel_that_is_not_there_is_named(arguments: list[str]) -> None:
    failure = CliRunner().invoke(app, [*arguments, "no-such-panel"]).exception
    assert isinstance(failure, InputError)
    assert "no-such-panel" in str(failure)


@pytest.mark.parametrize(("command", "option"), [("grid", "--extra"), ("amplitude", "--levels")])
def test_lists_that_hold_no_numbers_are_refused_before_any_training(command: str, option: str) -> None:
    failure = CliRunner().invoke(app, [command, option, "0,x"]).exception
    assert isinstance(failure, InputError)
    assert f"{option}: expected" in str(failure)
