"""Reading back what `ScenarioPaths.save` wrote."""

from pathlib import Path

import numpy as np
import pandas as pd

from qfin.exceptions import InputError
from qfin.scenarios import ScenarioPaths

_INDEX = ("path", "day", "date", "probability")


def read_paths(path: str | Path) -> ScenarioPaths:
    """Paths of a .csv, .csv.gz, .parquet or .xlsx file with one row per path and day."""
    path = Path(path)
    frame = _frame(path)
    missing = [name for name in ("path", "day") if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: expected the columns path and day, received no {missing[0]}")
    assets = tuple(str(name) for name in frame.columns if name not in _INDEX)
    frame = frame.sort_values(["path", "day"], kind="stable")
    lengths = frame.groupby("path").size()
    n_paths, horizon = len(lengths), int(lengths.iloc[0]) if len(lengths) else 0
    days = frame["day"].to_numpy()
    if n_paths * horizon != len(frame) or (days.reshape(n_paths, horizon) != np.arange(1, horizon + 1)).any():
        raise InputError(f"{path}: expected the days 1, 2, … of every path, as many for each, received others")
    try:
        returns = frame[list(assets)].to_numpy(dtype=np.float64).reshape(n_paths, horizon, len(assets))
    except ValueError as error:
        raise InputError(f"{path}: expected numbers in every column of an asset ({error})") from None
    probabilities = None
    if "probability" in frame.columns:
        probabilities = frame["probability"].to_numpy(dtype=np.float64)[::horizon]
    return ScenarioPaths(returns, assets, None, probabilities, {"file": path.name})


def _frame(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"--paths: expected a run's folder or a file, received {path}")
    if path.name.endswith((".csv", ".csv.gz")):
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".xlsx":
        return pd.read_excel(path)
    raise InputError(f"--paths: expected .csv, .csv.gz, .parquet or .xlsx, received {path.name}")
