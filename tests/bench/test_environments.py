"""Peers as child processes: what comes back, and what is said when nothing does. No network, no installation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qfin.bench import _environments
from qfin.bench._environments import Deadline, Environment, PeerUnavailableError, run_peer, throwaway_environment


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(PeerUnavailableError, match="No module named 'a_library_that_is_not_there'"):
        run_peer(Environment(Path(sys.executable), tmp_path), "a_library_that_is_not_there", {}, limit_s=60.0)


def test_a_peer_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(PeerUnavailableError, match="received none within 0 s"):
        run_peer(Environment(Path(sys.executable), tmp_path), "aer_shift", {"x": np.zeros(1)}, limit_s=0.01)


def test_a_deadline_that_is_over_starts_nothing() -> None:
    assert Deadline(100.0).left(at_most=3.0) == 3.0
    with pytest.raises(PeerUnavailableError, match="time limit"):
        Deadline(0.0).left()


def test_an_environment_is_made_filled_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(_environments.subprocess, "run", run)
    with throwaway_environment(["peer==1.0"], Deadline(60.0)) as environment:
        assert environment.folder.is_dir()
        assert environment.python.is_relative_to(environment.folder)
    assert not environment.folder.exists()
    assert commands[0][1:3] == ["-m", "venv"]
    assert commands[1][0] == str(environment.python)
    assert commands[1][-1] == "peer==1.0"


def test_an_installation_that_fails_gives_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int("pip" in command), "", "first\nno such version\n")

    monkeypatch.setattr(_environments.subprocess, "run", run)
    with (
        pytest.raises(PeerUnavailableError, match=r"peer==1\.0.*exit code 1: no such version"),
        throwaway_environment(["peer==1.0"], Deadline(60.0)),
    ):
        pass
