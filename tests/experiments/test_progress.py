"""Progress in a file: what another process sees of a run while it works."""

import json
from pathlib import Path

import pytest

from qfin.experiments.checkpoints import Silent, watched
from qfin.experiments.progress import ProgressFile, Together


def test_the_file_holds_stage_share_and_curves(tmp_path: Path) -> None:
    progress = Together([Silent(), ProgressFile(tmp_path / "progress.json")])
    progress.start("marginals", "Marginals")
    progress.finish("marginals", 0.5, True)
    progress.start("circuit", "Circuit")
    on_step = watched(progress, "circuit", 0.5, 1.0)
    on_step(0, 100, {"train": 0.0, "validation": 0.0})
    on_step(50, 100, {"train": 0.2, "validation": 0.1})
    progress.finish("circuit", 1.5, False)
    seen = json.loads((tmp_path / "progress.json").read_text())
    assert (seen["stage"], seen["description"], seen["done"]) == ("circuit", "Circuit", 1.0)
    assert [(s["stage"], s["seconds"], s["restored"]) for s in seen["stages"]] == [
        ("marginals", 0.5, True),
        ("circuit", 1.5, False),
    ]
    curves = {"circuit_steps": [0, 50], "circuit_train": [0.0, 0.2], "circuit_validation": [0.0, 0.1]}
    assert seen["curves"] == curves


def test_a_part_of_a_bar_is_filled_in_its_place() -> None:
    class Bar(Silent):
        done = 0.0

        def update(self, done: float, total: float) -> None:
            self.done = done / total

    bar = Bar()
    watched(bar, "circuit", 0.5, 1.0)(25, 100, {})
    assert bar.done == pytest.approx(0.625)
