"""The optimisers' bench on a panel of toy days: budgets kept, losses lowered, the same again by seed."""

import numpy as np
import pytest

from qfin.bench.continuation import LatentPanel
from qfin.bench.optimisers import OPTIMISERS, bench_optimisers
from qfin.exceptions import InputError


def panel() -> LatentPanel:
    rng = np.random.default_rng(1)
    y = rng.standard_t(5, size=(250, 3)) * np.exp(0.3 * rng.normal(size=(250, 1)))
    return LatentPanel("toy", y[:200], y[200:], np.zeros(50), 3)


def test_every_optimiser_from_every_start_within_its_budget() -> None:
    rows = bench_optimisers(panel(), n_evaluations=30, n_seeds=1)["rows"]
    assert [(row["start"], row["optimiser"]) for row in rows] == [
        (name, optimiser) for name in ("mps", "identity") for optimiser in ("none", *OPTIMISERS)
    ]
    before = {row["start"]: row for row in rows if row["optimiser"] == "none"}
    for row in rows:
        start = before[row["start"]]
        # a step under way is finished: at most a line search or a generation more
        assert row["n_evaluations"] == 0 if row is start else 30 <= row["n_evaluations"] <= 30 + 24
        assert row["gain_valid"] == pytest.approx(row["loglik_valid"] - start["loglik_valid"])
        if row["optimiser"] in ("adam", "l-bfgs"):
            assert row["loss_train"] < start["loss_train"]
    assert before["mps"]["loss_train"] < before["identity"]["loss_train"]


def test_rows_repeat_by_seed_and_say_how_many() -> None:
    first, again = (
        bench_optimisers(panel(), n_evaluations=5, n_seeds=2, optimisers=("adam",), seed=3)["rows"] for _ in range(2)
    )
    assert [row | {"seconds": 0.0} for row in first] == [row | {"seconds": 0.0} for row in again]
    assert {row["n_seeds"] for row in first} == {2}
    assert all(row["gain_sd"] >= 0.0 for row in first)
    cut = bench_optimisers(panel(), n_evaluations=5, n_seeds=2, optimisers=("adam",), limit_s=0.0)["rows"]
    assert {(row["n_seeds"], row["gain_sd"]) for row in cut} == {(1, None)}


def test_wrong_sizes_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="expected positive numbers"):
        bench_optimisers(panel(), n_seeds=0)
    with pytest.raises(InputError, match="optimisers: expected names"):
        bench_optimisers(panel(), optimisers=("newton",))
