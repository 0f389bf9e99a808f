"""Stages that are computed once: an interrupted run goes on where it stopped, with the very same numbers."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from qfin._types import AnyArray
from qfin.exceptions import InputError
from qfin.experiments.run_folder import RunFolder

Arrays = dict[str, AnyArray]


class Progress(Protocol):
    """What a run tells while it works; the command line shows it as bars."""

    def start(self, stage: str, description: str) -> None: ...

    def update(self, done: float, total: float) -> None: ...

    def look(self, curve: str, step: int, info: Mapping[str, float]) -> None:
        """A point of a training curve: log-likelihood above the base on `train` and `validation` days."""

    def finish(self, stage: str, seconds: float, restored: bool) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def start(self, stage: str, description: str) -> None:
        pass

    def update(self, done: float, total: float) -> None:
        pass

    def look(self, curve: str, step: int, info: Mapping[str, float]) -> None:
        pass

    def finish(self, stage: str, seconds: float, restored: bool) -> None:
        pass


def watched(
    progress: Progress, curve: str, first: float = 0.0, last: float = 1.0
) -> Callable[[int, int, dict[str, float]], None]:
    """A training's `on_step` that fills the part of the bar from `first` to `last` and tells the points of a curve."""

    def on_step(step: int, max_steps: int, info: dict[str, float]) -> None:
        progress.update(first + (last - first) * step / max_steps, 1.0)
        progress.look(curve, step, info)

    return on_step


@dataclass
class Stages:
    """Runs each stage, or restores what an earlier call with the same fingerprint left in the folder.

    A stage returns facts (JSON-ready) and arrays. Later stages see them only through the files' own types, so that a
    restored run cannot differ from a fresh one.
    """

    folder: RunFolder
    fingerprint: str
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def open(self, *, resume: bool) -> None:
        """Mark the folder as this run's; refuse one that holds another run."""
        marker = self.folder.path / "stages" / "fingerprint"
        known = marker.read_text() if marker.is_file() else None
        if known is not None and not resume:
            raise InputError(
                f"out: expected a new folder, received {self.folder.path}, which holds a run; "
                "choose another, or continue it with --resume"
            )
        if known is not None and known != self.fingerprint:
            raise InputError(
                f"resume: expected the config, data and version that {self.folder.path} was started with, "
                "received different ones"
            )
        if known is None:
            try:
                marker.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise InputError(f"{marker.parent}: expected a folder to write, received: {error.strerror}") from None
            self.folder.write_text("stages/fingerprint", self.fingerprint)

    def run(
        self, name: str, description: str, compute: Callable[[], tuple[dict[str, Any], Arrays]]
    ) -> tuple[dict[str, Any], Arrays]:
        facts_path = self.folder.path / "stages" / f"{name}.json"
        self.progress.start(name, description)
        restored = facts_path.is_file()
        if restored:
            stored = json.loads(facts_path.read_text())
            facts, self.seconds[name] = stored["facts"], stored["seconds"]
            arrays = self.folder.arrays(f"stages/{name}")
        else:
            started = time.perf_counter()
            computed, arrays = compute()
            self.seconds[name] = time.perf_counter() - started
            self.folder.write_arrays(f"stages/{name}", arrays)
            # Written last: its presence says that the stage is whole.
            self.folder.write_json(f"stages/{name}.json", {"facts": computed, "seconds": self.seconds[name]})
            facts = json.loads(json.dumps(computed))
        self.progress.finish(name, self.seconds[name], restored)
        return facts, arrays


def fingerprint_of(*parts: str | AnyArray) -> str:
    """SHA-256 of texts and arrays."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
        digest.update(b"\0")
    return digest.hexdigest()


def with_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under keys that begin with `prefix.`."""
    return {f"{prefix}.{key}": value for key, value in arrays.items()}


def without_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays whose keys begin with `prefix.`, under the rest of the key."""
    return {key.removeprefix(f"{prefix}."): value for key, value in arrays.items() if key.startswith(f"{prefix}.")}
