"""`qfin resources` refuses what is no run."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from qfin.cli.resources import resources
from qfin.exceptions import InputError

app = typer.Typer()
app.command()(resources)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    failure = CliRunner().invoke(app, [str(tmp_path)]).exception
    assert isinstance(failure, InputError)
    assert "record.json" in str(failure)
