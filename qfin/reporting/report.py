"""report.html of a run: one file that needs no network."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qfin.experiments.run_folder import RunFolder
from qfin.reporting import numbers, tables, words
from qfin.reporting.figures import mapping_figures, result_figures
from qfin.reporting.resources import resource_table
from qfin.viz import plotly_script

_TEMPLATES = Path(__file__).parent / "templates"
_MAX_LISTED = 200


def build_report(folder: RunFolder) -> Path:
    """Write `report.html` into the folder from its record and arrays, and return its path.

    Raises
    ------
    InputError
        The record or an archive cannot be read, or the folder cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {"seconds": numbers.seconds, "count": numbers.count}
    environment.filters.update(filters, plain=_plain_number, moment=_moment)
    page = environment.get_template("report.html.j2").render(**_context(folder))
    return folder.write_text("report.html", page)


def _context(folder: RunFolder) -> dict[str, Any]:
    record = folder.record
    return {
        "record": record,
        "plotly_script": Markup(plotly_script()),
        "style": Markup((_TEMPLATES / "style.css").read_text()),
        "opening": words.opening(record),
        "method": words.method(record),
        "main": tables.main_table(record),
        "realised": tables.realised_row(record),
        "head": tables.head_table(record),
        "head_assets": (record.get("mapping") or {}).get("assets") or [],
        "samplers": tables.sampler_table(record),
        "resources": resource_table(folder),
        "unusual": tables.unusual_table(record),
        "n_simulated": (record.get("unusual") or {}).get("n_simulated"),
        "figures": list(result_figures(folder)),
        "mapping_figures": list(mapping_figures(record)),
        "mapping_facts": words.mapping_facts(record) if record.get("mapping") else [],
        "circuit_facts": words.circuit_facts(record) if record.get("circuit") else [],
        "data_facts": words.data_facts(record),
        "run_facts": words.run_facts(record),
        "config": json.dumps(record["config"], indent=2, ensure_ascii=False),
        "max_listed": _MAX_LISTED,
    }


def _moment(iso: str) -> str:
    """A time in UTC to the minute."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain_number(value: Any) -> str:
    """A price before or after cleaning; whatever is not a number is shown as it is, None as a dash."""
    if value is None:
        return numbers.DASH
    return f"{value:g}" if isinstance(value, int | float) else str(value)
