"""What every page needs: where the runs lie, the models that were opened, and the queue of jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import dash

from qfin.experiments.jobs import JobQueue
from qfin.experiments.library import open_run
from qfin.experiments.run_folder import RunFolder
from qfin.experiments.runner import load_generator
from qfin.reporting.figures import FigureBlock, mapping_figures, result_figures

Query = dict[str, str]

_KEPT_MODELS = 8


@dataclass(frozen=True)
class Context:
    """The folder of the runs (its hidden sub-folders hold jobs and uploads) and what is served from it."""

    runs: Path

    @property
    def jobs(self) -> JobQueue:
        return JobQueue(self.runs / ".jobs")

    @property
    def uploads(self) -> Path:
        return self.runs / ".uploads"

    def run(self, run_id: str) -> RunFolder:
        return open_run(self.runs, run_id)

    def generator(self, run_id: str, model: str) -> Any:
        """A stored model, opened once; it is not changed by being used."""
        folder = self.run(run_id)
        with _opening:  # two users who open the same model wait for one reading
            return _generator(folder.path, model, folder.written)

    def figures(self, run_id: str) -> dict[str, FigureBlock]:
        """The figures of a run's report by name, drawn once."""
        folder = self.run(run_id)
        return _figures(folder.path, folder.written)


_opening = Lock()


@lru_cache(maxsize=_KEPT_MODELS)
def _generator(path: Path, model: str, written: int) -> Any:
    return load_generator(RunFolder.open(path), model)


@lru_cache(maxsize=4)
def _figures(path: Path, written: int) -> dict[str, FigureBlock]:
    folder = RunFolder.open(path)
    return {block.name: block for block in (*result_figures(folder), *mapping_figures(folder.record))}


@dataclass(frozen=True)
class Page:
    """One page: `layout(context, run id or None, query)` makes its parts, `register(app, context)` its callbacks.

    `needs_run` pages are shown an empty state instead where there is no run yet.
    """

    path: str
    title: str
    hint: str
    layout: Callable[[Context, str | None, Query], Any]
    register: Callable[[dash.Dash, Context], None]
    needs_run: bool = True
