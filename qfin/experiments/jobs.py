"""Long work in the background: a queue of `qfin` commands on disk, one folder a job.

A job is a command line. It runs in a process of its own that outlives the one that asked for it; everything known of it
lies in its folder, so that any process can follow it, and nothing is lost when the asking one stops. A job that is at
work holds a lock on a file; a lock that is free says that the process is gone, whatever became of it.
"""

import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qfin._files import write_whole
from qfin.exceptions import InputError
from qfin.experiments.progress import PROGRESS_VARIABLE

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{4}")
_LOG_TAIL = 20_000  # bytes
_PATIENCE = 5.0  # seconds that a cancelled job is given to stop by itself


@dataclass(frozen=True)
class Job:
    """What is known of a job.

    Attributes
    ----------
    job_id, title : str
    arguments : tuple of str
        Of the `qfin` command.
    state : str
        queued, running, done, failed, cancelled, or interrupted (its process was lost; it can be started again).
    created, started, ended : ISO times in UTC, or None
    progress : mapping
        `stage`, `description`, `done` in [0, 1], `stages` finished so far, `curves`; empty before the first report.
    """

    job_id: str
    title: str
    arguments: tuple[str, ...]
    state: str
    created: str
    started: str | None
    ended: str | None
    progress: dict[str, Any]

    @property
    def is_over(self) -> bool:
        return self.state not in ("queued", "running")


class JobQueue:
    """Jobs of the folder `root`, at most `n_workers` at work at a time, first come first served."""

    def __init__(self, root: str | Path, *, n_workers: int = 1) -> None:
        self.root = Path(root)
        self.n_workers = n_workers

    def submit(self, title: str, arguments: Sequence[str]) -> str:
        """Queue `qfin ARGUMENTS…` and start it when its turn comes; returns the job's id."""
        job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        folder = self.root / job_id
        folder.mkdir(parents=True)
        description = {"title": title, "arguments": list(arguments), "created": _now(), "n_workers": self.n_workers}
        _write_json(folder / "job.json", description)
        self.start_waiting()
        return job_id

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        names = sorted((p.parent.name for p in self.root.glob("*/job.json")), reverse=True)
        return [self.job(name) for name in names if _ID.fullmatch(name)]

    def job(self, job_id: str) -> Job:
        """One job; raises `InputError` for an id that is none."""
        folder = self._folder(job_id)
        described, state = _read_json(folder / "job.json"), _read_json(folder / "state.json")
        return Job(
            job_id=job_id,
            title=str(described["title"]),
            arguments=tuple(described["arguments"]),
            state=_state_of(folder, state),
            created=described["created"],
            started=state.get("started"),
            ended=state.get("ended"),
            progress=_read_json(folder / "progress.json"),
        )

    def log(self, job_id: str) -> str:
        """The end of what the command printed."""
        try:
            with (self._folder(job_id) / "log.txt").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _LOG_TAIL))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def cancel(self, job_id: str) -> None:
        """Stop a job, with all its processes, or take it out of the queue; a job that is over stays as it is."""
        folder = self._folder(job_id)
        with self._locked():
            if self.job(job_id).is_over:
                return
            (folder / "cancelled").touch()
            state = _read_json(folder / "state.json")
            if not state:
                _write_json(folder / "state.json", {"state": "cancelled", "ended": _now()})
        if state:
            _stop_group(int(state["pid"]), folder)
        self.start_waiting()

    def restart(self, job_id: str) -> str:
        """Queue the command of a job that is over once more, as a job of its own."""
        job = self.job(job_id)
        if not job.is_over:
            raise InputError(f"job: expected one that is over, received {job_id}, which is {job.state}")
        return self.submit(job.title, job.arguments)

    def start_waiting(self) -> None:
        """Start the oldest waiting jobs while there is room; harmless at any time, from any process."""
        with self._locked():
            jobs = self.jobs()[::-1]
            n_running = sum(job.state == "running" for job in jobs)
            for job in [job for job in jobs if job.state == "queued"][: max(0, self.n_workers - n_running)]:
                self._start(self.root / job.job_id)

    def _start(self, folder: Path) -> None:
        command = [sys.executable, "-m", "qfin.experiments.job_worker", str(folder)]
        nothing = subprocess.DEVNULL  # no pipe: the worker would hold it open
        subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, check=False)
        _wait_until((folder / "state.json").exists)
        if not (folder / "state.json").exists():  # or it would wait for ever
            _write_json(folder / "state.json", {"state": "failed", "ended": _now()})

    def _folder(self, job_id: str) -> Path:
        folder = self.root / job_id
        if not _ID.fullmatch(job_id) or not (folder / "job.json").is_file():
            raise InputError(f"job: expected the id of a job, received {job_id!r}")
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def work(folder: Path) -> int:
    """Run the job in `folder` to its end, note how it ended, and start those that wait; the exit code."""
    described = _read_json(folder / "job.json")
    with (folder / "alive").open("a") as alive, (folder / "log.txt").open("ab") as log:
        fcntl.flock(alive, fcntl.LOCK_EX)
        beginning = {"started": _now(), "pid": os.getpid()}
        _write_json(folder / "state.json", {"state": "running", **beginning})
        code = subprocess.run(
            [sys.executable, "-m", "qfin", *described["arguments"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {PROGRESS_VARIABLE: str(folder / "progress.json"), "PYTHONUNBUFFERED": "1"},
            check=False,
        ).returncode
        state = "done" if code == 0 else "failed"
        _write_json(folder / "state.json", {"state": state, "ended": _now(), "exit_code": code, **beginning})
    JobQueue(folder.parent, n_workers=described["n_workers"]).start_waiting()
    return code


def _state_of(folder: Path, state: dict[str, Any]) -> str:
    if not state:
        return "queued"
    if (folder / "cancelled").exists() and state["state"] != "done":
        return "cancelled"
    if state["state"] == "running" and not _is_locked(folder / "alive"):
        # The lock may have been let go between the two looks, after the ending was written.
        state = _read_json(folder / "state.json")
        return "interrupted" if state["state"] == "running" else str(state["state"])
    return str(state["state"])


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def _stop_group(leader: int, folder: Path) -> None:
    """Ask the job's processes to stop, and end them where they do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _is_locked(folder / "alive"):
            return
        try:
            os.killpg(leader, number)
        except ProcessLookupError:
            return
        _wait_until(lambda: not _is_locked(folder / "alive"))


def _wait_until(condition: Any) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, lambda partial: partial.write_text(json.dumps(content, indent=2)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
