"""What the README shows must run as it stands."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def test_the_six_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert code is not None
    lines = code.group(1).strip().splitlines()
    exec(compile(code.group(1), "README.md", "exec"), {})
    assert "EURUSD" in capsys.readouterr().out
    assert len([line for line in lines if not line.startswith(("import", "from"))]) <= 6


def test_commands_and_files_exist() -> None:
    from qfin.cli.main import app

    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    named = set(re.findall(r"`qfin (\w+)", README))
    assert named <= known, named - known
    root = Path(__file__).resolve().parents[2]
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (root / link).exists(), link


def test_the_arrows_are_those_of_the_packages() -> None:
    import ast

    root = Path(__file__).resolve().parents[2] / "qfin"
    for package in root.iterdir():
        if (package / "__init__.py").exists():
            docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
            assert docstring is not None
            assert docstring.splitlines()[0] in README, package.name
