"""What a command shows: tables and bars for people, one JSON object for scripts, never mixed on stdout."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qfin._files import write_whole

_NO_EDGE = 200  # columns


class Output:
    """Tables go to stdout, bars and notes to stderr; with `--json -` stdout carries the JSON object alone."""

    def __init__(self, json_target: str | None) -> None:
        from rich.console import Console

        self._target = json_target
        self._console = _wide(Console(stderr=json_target == "-", highlight=False))
        self._errors = _wide(Console(stderr=True, highlight=False))

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on stderr about what goes on."""
        self._errors.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, rows: list[dict[str, Any]]) -> None:
        """Rows of one shape as a table."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title), title_justify="left")
        for name in rows[0] if rows else []:
            number = isinstance(rows[0][name], int | float)
            # A cut number is a wrong number: words give way first.
            table.add_column(Text(name), justify="right" if number else "left", no_wrap=number)
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row.values()))
        self._console.print(table)

    def run_tables(self, record: dict[str, Any]) -> None:
        """The table of models and the verdict of a run."""
        from rich.table import Table
        from rich.text import Text

        from qfin.reporting import summary_table

        columns, rows = summary_table(record)
        table = Table(title=Text(record["title"]), title_justify="left")
        for position, column in enumerate(columns):
            table.add_column(Text(column), justify="left" if position == 0 else "right")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)
        for sentence in record["verdict"]:
            self.say(f"• {sentence}")

    def json(self, content: dict[str, Any]) -> None:
        """Write the object where `--json` asked for it."""
        if self._target is None:
            return
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        if self._target == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_whole(Path(self._target), lambda partial: partial.write_text(text))

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        with self._errors.status(text):
            yield

    @contextmanager
    def bars(self) -> Iterator[Any]:
        """A bar per stage on stderr; also the file that the environment names, for a job in the background."""
        from qfin.experiments.progress import PROGRESS_VARIABLE, ProgressFile, Together

        bars = Bars(self._errors)
        path = os.environ.get(PROGRESS_VARIABLE)
        with bars.display:
            yield bars if path is None else Together([bars, ProgressFile(path)])


class Bars:
    """Progress of a run as one bar per stage; plain lines where stderr is no terminal."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._console = console
        self.display = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: Any = None
        self._text = ""

    def start(self, stage: str, description: str) -> None:
        self._text = description
        self._task = self.display.add_task(f"{description:<60}", total=1.0)

    def update(self, done: float, total: float) -> None:
        self.display.update(self._task, completed=done / total)

    def look(self, curve: str, step: int, info: Mapping[str, float]) -> None:
        """A bar shows no curves."""

    def finish(self, stage: str, seconds: float, restored: bool) -> None:
        self.display.update(self._task, completed=1.0)
        if not self._console.is_terminal:
            note = " (restored)" if restored else ""
            self._console.print(f"{self._text}: {clock(seconds)}{note}", markup=False, soft_wrap=True)


def _wide(console: Any) -> Any:
    """A file or a pipe has no edge at which a table would have to be cut."""
    if not console.is_terminal:
        console.width = _NO_EDGE
    return console


def clock(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3 min 05 s."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
