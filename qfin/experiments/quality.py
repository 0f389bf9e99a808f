"""A model's draws against the days it has seen or has not seen."""

from typing import Any

from qfin._random import stream
from qfin.evaluation import quality_rows
from qfin.experiments.history import run_history
from qfin.experiments.paths import path_generator
from qfin.experiments.run_folder import RunFolder

_HORIZON = 250


def quality_of_model(folder: RunFolder, model: str, *, on_train: bool, n_paths: int, seed: int) -> dict[str, Any]:
    """Figures of `n_paths` paths of 250 days, JSON-ready, beside the test days' (or the training days')."""
    train, test = run_history(folder)
    history = (train if on_train else test).dropna()
    paths = path_generator(folder, model).sample_paths(n_paths, _HORIZON, rng=stream(seed, "quality", model))
    rows = quality_rows(paths, history[list(paths.assets)], rng=stream(seed, "quality", model, "tests"))
    return {
        "model": model,
        "days": "train" if on_train else "test",
        "first": str(history.index[0].date()),
        "last": str(history.index[-1].date()),
        "n_history": len(history),
        "n_paths": n_paths,
        "horizon": _HORIZON,
        "rows": [
            {
                "metric": row.metric,
                "history": row.history,
                "model": row.model,
                "distance": row.distance,
                "floor": row.floor,
                "ratio": row.ratio if row.floor > 0.0 else None,
            }
            for row in rows
        ],
    }
