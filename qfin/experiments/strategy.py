"""What trading rules made of paths, as a folder: record.json and every drawdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import qfin
from qfin._types import FloatArray
from qfin.backtest.strategies import StrategyPaths
from qfin.exceptions import InputError
from qfin.experiments.run_folder import RunFolder

_ARRAYS = "arrays/drawdowns"


@dataclass(frozen=True, eq=False)
class Drawdowns:
    """Deepest fall from a peak of each path under a rule, as a share of it; shape (n_paths,)."""

    rule: str
    max_drawdown: FloatArray


def write_strategies(
    out: str | Path, content: dict[str, Any], pairs: Sequence[tuple[StrategyPaths, StrategyPaths | None]]
) -> RunFolder:
    """Store the figures of rules, `content` with `rows`, and the drawdowns behind them: paths', and history's or none.

    Raises `InputError` where the folder has a record already.
    """
    if (Path(out) / "record.json").exists():
        raise InputError(f"{out}: expected a folder without a record, received one that has one")
    folder = RunFolder.create(out)
    arrays: dict[str, FloatArray] = {}
    for place, (drawn, past) in enumerate(pairs):
        arrays[f"paths_{place}"] = drawn.max_drawdown
        arrays[f"history_{place}"] = np.empty(0) if past is None else past.max_drawdown
    folder.write_arrays(_ARRAYS, arrays)
    head = {"kind": "strategy", "title": _title(content), "version": qfin.__version__}
    folder.write_json("record.json", head | content | {"created": datetime.now(UTC).isoformat(timespec="seconds")})
    return folder


def stored_drawdowns(folder: RunFolder) -> list[tuple[Drawdowns, Drawdowns | None]]:
    """The drawdowns of every rule of the record, in its order, on the paths and on history."""
    arrays = folder.arrays(_ARRAYS)
    pairs: list[tuple[Drawdowns, Drawdowns | None]] = []
    for place, row in enumerate(folder.record["rows"]):
        past = arrays[f"history_{place}"]
        drawn = Drawdowns(row["rule"], arrays[f"paths_{place}"])
        pairs.append((drawn, Drawdowns(row["rule"], past) if len(past) else None))
    return pairs


def _title(content: dict[str, Any]) -> str:
    beginning = "without an event" if content["event"] is None else f"after {content['event']}"
    n_paths = content["rows"][0]["n_paths"]
    return f"{len(content['rows'])} rules {beginning}: {n_paths:,} paths of {content['horizon']} days"
