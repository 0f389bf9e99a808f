"""Imports go down the table of packages, each heavy library has one owner, and importing qfin does no work."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "qfin"
BASE = {"_types", "_random", "_validation", "exceptions", "_files", "_threads"}
# package -> the packages of qfin it may import (base is free everywhere)
LAYERS: dict[str, set[str]] = {
    "market": set(),
    "marginals": set(),
    "basis": set(),
    "training": set(),
    "quantum": set(),
    "risk": set(),
    "born": {"basis", "training", "quantum"},
    "copulas": {"basis", "born"},
    "scenarios": {"marginals", "copulas"},
    "portfolio": {"risk", "scenarios"},
    "geo": {"basis", "training", "quantum", "born", "portfolio"},
    "backtest": {"market", "marginals", "born", "copulas", "risk", "scenarios"},
    "evaluation": {"born", "copulas", "scenarios"},
    "experiments": {
        "market", "marginals", "basis", "training", "quantum", "born", "copulas", "scenarios", "risk", "portfolio",
        "geo", "backtest", "evaluation",
    },
    "viz": {"experiments", "scenarios", "risk", "portfolio", "geo", "backtest", "evaluation"},
    "reporting": {"experiments", "viz"},
    "bench": {
        "market", "marginals", "basis", "training", "quantum", "born", "copulas", "scenarios", "risk", "portfolio",
        "geo", "backtest", "evaluation", "experiments", "viz",
    },
    "cli": {
        "market", "scenarios", "copulas", "risk", "portfolio", "geo", "backtest", "experiments", "viz", "reporting",
        "bench",
    },
}  # fmt: skip
OWNERS: dict[str, set[str]] = {
    "qiskit": {"quantum"},
    "qiskit_aer": {"quantum"},
    "quimb": {"born"},
    "optax": {"training"},
    "pyvinecopulib": {"copulas"},
    "yfinance": {"market"},
    "plotly": {"viz"},
    "jinja2": {"reporting"},
    "typer": {"cli"},
    "rich": {"cli", "experiments"},
    "skfolio": {"market", "bench", "scenarios", "portfolio", "geo"},
    "arch": {"evaluation", "marginals", "risk"},
    "cma": {"training"},
    "qiskit_algorithms": {"quantum"},
    "qiskit_finance": {"quantum", "bench"},
    "qiskit_ibm_runtime": {"quantum"},
    "qiskit_optimization": {"geo"},
    "cvxpy": {"portfolio"},
    "highspy": {"geo"},
    "pyscipopt": {"geo"},
    "pymoo": {"geo"},
    "exchange_calendars": {"market"},
}


def imported_modules(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def files() -> list[tuple[str, Path]]:
    return [(path.relative_to(ROOT).parts[0].removesuffix(".py"), path) for path in sorted(ROOT.rglob("*.py"))]


def test_every_package_has_a_layer_and_an_arrow() -> None:
    packages = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert packages <= set(LAYERS)
    for package in packages:
        docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
        assert docstring, f"qfin/{package}/__init__.py has no docstring"
        assert ":" in docstring.splitlines()[0], f"qfin/{package}: the first line of the docstring is its arrow"


@pytest.mark.parametrize(("package", "path"), files(), ids=lambda value: str(value).rsplit("/qfin/", 1)[-1])
def test_imports_go_down_and_heavy_libraries_have_one_owner(package: str, path: Path) -> None:
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] == "qfin" and len(parts) > 1 and package in LAYERS:
            allowed = LAYERS[package] | BASE | {package, "__version__"}
            assert parts[1] in allowed, f"{path}: {package} must not import {name}"
        if parts[0] in OWNERS:
            assert package in OWNERS[parts[0]], f"{path}: {parts[0]} belongs to {OWNERS[parts[0]]}"


@pytest.mark.parametrize("statement", ["import qfin", "import qfin.cli.main"])
def test_import_stays_light(statement: str) -> None:
    code = f"import sys; {statement}; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "qiskit",
        "qiskit_aer",
        "quimb",
        "jax",
        "skfolio",
        "dash",
        "plotly",
        "pandas",
        "scipy",
        "sklearn",
        "yfinance",
    }
    assert not heavy & set(ast.literal_eval(loaded))


def test_help_answers_within_a_second() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "qfin", "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 1.0
