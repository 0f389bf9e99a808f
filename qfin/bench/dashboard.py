"""The dashboard under load: users who each ask the crash explorer a new event every few seconds."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np

from qfin._random import stream
from qfin.exceptions import InputError
from qfin.experiments.library import open_run, run_ids

_MOST_USERS, _MOST_SECONDS = 50, 900.0
_LOOK_EVERY = 30.0  # seconds between two looks at the memory
_LATEST_ANSWER = 60.0  # seconds
_PATIENCE = 90.0  # seconds until a new server answers
_FALLS = (0.2, 3.0)  # of one asset, in percent


@dataclass(frozen=True)
class Load:
    """Users, how long they stay, how long each thinks between two questions, and at most how many they ask."""

    n_users: int = 20
    seconds: float = 60.0
    think: tuple[float, float] = (5.0, 10.0)
    max_requests: int = 1_000

    def __post_init__(self) -> None:
        if not 1 <= self.n_users <= _MOST_USERS:
            raise InputError(f"users: expected 1 to {_MOST_USERS}, received {self.n_users}")
        if not 0.0 < self.seconds <= _MOST_SECONDS:
            raise InputError(f"minutes: expected more than 0 and at most {_MOST_SECONDS / 60:g}, received others")


def bench_dashboard(runs: str | Path, load: Load, *, run: str | None = None, seed: int = 7) -> dict[str, Any]:
    """Serve the folder `runs` on a free port of this machine, let the users ask, and stop the server.

    Every question is a fresh event of one or two assets, so that no answer is remembered from an earlier one.
    Latencies in seconds; memory is the resident memory of the server in MiB after the first answer, at the end, and as
    (seconds, MiB) every half minute in between.
    """
    ids = run_ids(runs)
    if not ids:
        raise InputError(f"{runs}: expected a folder with a finished run, received none")
    chosen = ids[0] if run is None else run
    assets = open_run(runs, chosen).record["market"]["assets"]
    port = _free_port()
    command = [sys.executable, "-m", "qfin", "dashboard", "--runs", str(runs), "--port", str(port)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server)
        first = _ask(url, chosen, _event(assets, np.random.default_rng(seed)))
        before = _resident(server.pid)
        with _watched(server.pid) as memory:
            latencies, failures = _visit(url, chosen, assets, load, seed)
        after = _resident(server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)
    if not latencies:
        raise InputError("load: expected time for at least one answer, received none")
    return {
        "run": chosen,
        "n_assets": len(assets),
        "users": load.n_users,
        "seconds": load.seconds,
        "n_answers": len(latencies),
        "n_failures": failures,
        "first_s": first,
        "p50_s": float(np.quantile(latencies, 0.5)),
        "p95_s": float(np.quantile(latencies, 0.95)),
        "max_s": float(max(latencies)),
        "memory_start_mib": before,
        "memory_end_mib": after,
        "memory_mib": memory,
        "cores": os.cpu_count(),
    }


@contextmanager
def _watched(process: int) -> Iterator[list[tuple[float, float | None]]]:
    """Seconds and resident memory of a process while the block runs."""
    seen: list[tuple[float, float | None]] = []
    started, over = time.monotonic(), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY):
            seen.append((round(time.monotonic() - started, 1), _resident(process)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _visit(url: str, run: str, assets: list[str], load: Load, seed: int) -> tuple[list[float], int]:
    """All latencies of all users, and how many questions were not answered."""
    latencies: list[float] = []
    failures: list[str] = []
    end = time.monotonic() + load.seconds
    leave = threading.Event()

    def user(number: int) -> None:
        rng = stream(seed, "user", str(number))
        leave.wait(rng.uniform(0.0, min(load.think[1], load.seconds / 2)))
        for _ in range(load.max_requests):
            if time.monotonic() >= end:
                return
            try:
                latencies.append(_ask(url, run, _event(assets, rng)))
            except (OSError, ValueError) as error:
                failures.append(str(error))
            leave.wait(min(rng.uniform(*load.think), max(0.0, end - time.monotonic())))

    users = [threading.Thread(target=user, args=(number,), daemon=True) for number in range(load.n_users)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    return latencies, len(failures)


def _event(assets: list[str], rng: np.random.Generator) -> str:
    """One or two assets that fall, by amounts that nobody asked for before."""
    names = rng.choice(len(assets), size=int(rng.integers(1, 3)), replace=False)
    return " and ".join(f'"{assets[i]}" < -{rng.uniform(*_FALLS):.4f}%' for i in names)


def _ask(url: str, run: str, event: str) -> float:
    """Seconds until the page has its answer; ValueError where it is none."""
    body = {
        "output": "..crash-result.children...crash-event.error..",
        "outputs": [{"id": "crash-result", "property": "children"}, {"id": "crash-event", "property": "error"}],
        "inputs": [
            {"id": "crash-event", "property": "value", "value": event},
            {"id": "crash-model", "property": "value", "value": "mps"},
        ],
        "changedPropIds": ["crash-event.value"],
        "state": [{"id": "run", "property": "value", "value": run}],
    }
    request = Request(
        f"{url}/_dash-update-component",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    started = time.perf_counter()
    with urlopen(request, timeout=_LATEST_ANSWER) as answer:
        text = answer.read().decode()
    seconds = time.perf_counter() - started
    if '"data-event"' not in text:
        raise ValueError(f"no answer to {event}")
    return seconds


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            if server.poll() is not None or time.monotonic() > end:
                raise InputError("dashboard: expected a server that answers, received none") from None
            time.sleep(0.1)


def _resident(process: int) -> float | None:
    """Resident memory in MiB; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmRSS:"))
