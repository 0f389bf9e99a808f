"""Progress as a file that another process can follow."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qfin._files import write_whole
from qfin.experiments.checkpoints import Progress

PROGRESS_VARIABLE = "QFIN_PROGRESS"
"""Environment variable that names the file to which a command writes how far it is."""

_EVERY = 0.3  # seconds between two writings


class ProgressFile:
    """Writes `stage`, `description`, `done` (0 to 1 of it), the finished `stages` and training `curves` as JSON."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._content: dict[str, Any] = {"stage": "", "description": "", "done": 0.0, "stages": [], "curves": {}}
        self._written = 0.0

    def start(self, stage: str, description: str) -> None:
        self._content |= {"stage": stage, "description": description, "done": 0.0}
        self._write()

    def update(self, done: float, total: float) -> None:
        self._content["done"] = min(1.0, done / total)
        if time.monotonic() - self._written > _EVERY:
            self._write()

    def look(self, curve: str, step: int, info: Mapping[str, float]) -> None:
        for name, value in {"steps": step, **info}.items():
            self._content["curves"].setdefault(f"{curve}_{name}", []).append(value)

    def finish(self, stage: str, seconds: float, restored: bool) -> None:
        self._content["done"] = 1.0
        finished = {"stage": stage, "description": self._content["description"], "seconds": seconds}
        self._content["stages"].append(finished | {"restored": restored})
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        write_whole(self._path, lambda partial: partial.write_text(json.dumps(self._content)))


class Together:
    """One report to several listeners."""

    def __init__(self, listeners: Sequence[Progress]) -> None:
        self._listeners = tuple(listeners)

    def start(self, stage: str, description: str) -> None:
        for listener in self._listeners:
            listener.start(stage, description)

    def update(self, done: float, total: float) -> None:
        for listener in self._listeners:
            listener.update(done, total)

    def look(self, curve: str, step: int, info: Mapping[str, float]) -> None:
        for listener in self._listeners:
            listener.look(curve, step, info)

    def finish(self, stage: str, seconds: float, restored: bool) -> None:
        for listener in self._listeners:
            listener.finish(stage, seconds, restored)
