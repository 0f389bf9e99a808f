"""Reporting: run folder -> report.html and summary tables."""

from importlib import import_module
from typing import Any

_PUBLIC = {"build_report": "qfin.reporting.report", "summary_table": "qfin.reporting.tables"}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.reporting' has no attribute {name!r}")
