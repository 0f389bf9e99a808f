"""The runs that lie in one folder."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from qfin.exceptions import InputError
from qfin.experiments.jobs import Job
from qfin.experiments.run_folder import RunFolder

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_ids(root: str | Path, kind: str = "run") -> list[str]:
    """Finished runs in `root`, the newest first: of models, or of another kind ("geo", "backtest")."""
    records = [p for p in Path(root).glob("*/record.json") if _ID.fullmatch(p.parent.name)]
    known = [(p.stat().st_mtime_ns, p) for p in records]
    return [p.parent.name for written, p in sorted(known, reverse=True) if _kind(p, written) == kind]


@lru_cache(maxsize=1024)
def _kind(record: Path, written: int) -> str:
    """What a record is of; one that cannot be read is of no kind."""
    try:
        content = json.loads(record.read_text())
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    return str(content.get("kind", "backtest" if "confidence_sets" in content else "run"))


def open_run(root: str | Path, run_id: str) -> RunFolder:
    """A run of `root` by its id; an id is the plain name of a folder there, so that no path leads out of it."""
    if not isinstance(run_id, str) or not _ID.fullmatch(run_id):
        raise InputError(f"run: expected the id of a run, received {run_id!r}")
    folder = Path(root) / run_id
    if folder.is_symlink() or not (folder / "record.json").is_file():
        raise InputError(f"run: expected the id of a finished run, received {run_id!r}")
    return RunFolder.open(folder)


def unfinished_runs(root: str | Path) -> list[str]:
    """Folders in `root` that a run was begun in and has not finished, by name."""
    begun = (path.parent for path in Path(root).glob("*/config.toml"))
    return sorted(p.name for p in begun if _ID.fullmatch(p.name) and not (p / "record.json").exists())


def run_states(root: str | Path, jobs: Iterable[Job]) -> dict[str, str]:
    """State of every run that is not finished: that of the newest job which writes it, or unfinished without one."""
    states = dict.fromkeys(unfinished_runs(root), "unfinished")
    for job in reversed(list(jobs)):  # the newest has the last word
        name = _written_by(job)
        if name is not None and not (Path(root) / name / "record.json").exists():
            states[name] = job.state
    return states


def _written_by(job: Job) -> str | None:
    """The run that a job's command writes."""
    words = job.arguments
    if words[:1] != ("run",) or "--out" not in words[:-1]:
        return None
    return Path(words[words.index("--out") + 1]).name


def run_rows(root: str | Path) -> list[dict[str, Any]]:
    """One row a run: what it was made from, and how far its Born machine is above its base."""
    rows = []
    for run_id in run_ids(root):
        record = open_run(root, run_id).record
        by_model = {row["model"]: row for row in record["rows"]}
        best = max((row for row in record["rows"] if row["loglik"] is not None), key=lambda row: row["loglik"])
        rows.append(
            {
                "run": run_id,
                "title": record["title"],
                "created": record["timings"]["created"],
                "assets": len(record["market"]["assets"]),
                "train_end": record["market"]["train"][1],
                "test_days": record["market"]["n_test"],
                "ahead": best["model"],
                "mps_above_base": by_model["mps"]["diff"],
                "mps_lo": by_model["mps"]["diff_lo"],
                "mps_hi": by_model["mps"]["diff_hi"],
                "seed": record["seed"],
            }
        )
    return rows
