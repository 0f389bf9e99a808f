"""Throw-away virtual environments: each peer is installed, run as a child process and removed with all it brought.

Peers pin versions that contradict ours, so none of them may enter qfin's own environment. What a peer runs lies in
`qfin.bench.peers`; problem and answer travel as NumPy archives without pickle.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qfin._types import AnyArray
from qfin.exceptions import QfinError

_HARNESS = Path(__file__).with_name("peers") / "harness.py"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class PeerUnavailableError(QfinError):
    """A peer could not be installed or did not finish; one sentence says why."""


@dataclass(frozen=True)
class Environment:
    """A Python interpreter with a peer installed, and the folder that goes when the peer is done."""

    python: Path
    folder: Path


class Deadline:
    """Seconds that a bench may still take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, at_most: float = float("inf")) -> float:
        """What is left, at most `at_most`; raises where less than a second is left."""
        left = self._end - time.monotonic()
        if left < 1.0:
            raise PeerUnavailableError("the bench's time limit was reached before")
        return min(left, at_most)


@contextmanager
def throwaway_environment(requirements: Sequence[str], deadline: Deadline) -> Iterator[Environment]:
    """A fresh virtual environment with `requirements` from the package index, removed on leaving.

    Raises
    ------
    PeerUnavailableError
        No network, no such version for this Python, or no time left.
    """
    with tempfile.TemporaryDirectory(prefix="qfin-bench-") as name:
        folder = Path(name)
        python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        _checked([sys.executable, "-m", "venv", str(folder / "venv")], deadline.left(), "a virtual environment")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        _checked(pip, deadline.left(), f"an installation of {', '.join(requirements)}")
        yield Environment(python, folder)


def run_peer(
    environment: Environment,
    peer: str,
    problem: Mapping[str, AnyArray],
    *,
    limit_s: float,
    one_thread: bool = False,
) -> dict[str, AnyArray]:
    """What `qfin/bench/peers/<peer>.py` answers to `problem`; its threads are its own default unless `one_thread`."""
    question, answer = environment.folder / "problem.npz", environment.folder / "answer.npz"
    answer.unlink(missing_ok=True)
    arrays: dict[str, Any] = dict(problem)
    np.savez(question, **arrays)
    variables = {key: value for key, value in os.environ.items() if key not in _THREAD_VARIABLES}
    if one_thread:
        variables |= dict.fromkeys(_THREAD_VARIABLES, "1")
    command = [str(environment.python), str(_HARNESS), peer, str(question), str(answer)]
    _checked(command, limit_s, f"an answer of {peer}", variables)
    with np.load(answer, allow_pickle=False) as content:
        return dict(content)


def _checked(command: list[str], limit_s: float, expected: str, variables: dict[str, str] | None = None) -> None:
    """Run to the end within `limit_s`, or raise with the last line of what went wrong."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env=variables, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise PeerUnavailableError(f"expected {expected}, received none within {limit_s:.0f} s") from None
    except OSError as error:
        raise PeerUnavailableError(f"expected {expected}, received: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["nothing on stderr"]
        raise PeerUnavailableError(f"expected {expected}, received exit code {done.returncode}: {lines[-1][:300]}")
