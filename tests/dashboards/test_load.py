"""The load bench: two users, two questions each."""

from pathlib import Path

import pytest

from qfin.bench.dashboard import Load, bench_dashboard
from qfin.exceptions import InputError

from .conftest import RUN, local_sockets


def test_two_users_are_answered_and_counted(made_run: Path) -> None:
    load = Load(n_users=2, seconds=30.0, think=(0.1, 0.2), max_requests=2)
    with local_sockets():
        result = bench_dashboard(made_run.parent, load)
    assert result["run"] == RUN
    assert (result["n_answers"], result["n_failures"]) == (4, 0)
    assert 0.0 < result["p50_s"] <= result["p95_s"] <= result["max_s"] < 30.0
    assert result["memory_start_mib"] > 50.0
    assert result["memory_end_mib"] > 50.0


def test_loads_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="users"):
        Load(n_users=1_000)
    with pytest.raises(InputError, match="minutes"):
        Load(seconds=1e6)
    with pytest.raises(InputError, match="finished run"):
        bench_dashboard(tmp_path, Load())
