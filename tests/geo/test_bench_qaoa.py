"""QAOA of qiskit-optimization beside the loop, on problems small enough to enumerate."""

import numpy as np
import pytest

from qfin.bench.geo_qaoa import bench_qaoa
from qfin.exceptions import InputError
from qfin.geo.rivals.qaoa import solve_by_qaoa


def test_qaoa_and_the_loop_look_at_equally_many_supports() -> None:
    returns = 0.02 * np.random.default_rng(3).standard_normal((80, 6))
    result = bench_qaoa(returns, 2, 2, shots=32, seed=1)
    rows = {row["solver"]: row for row in result["rows"]}
    assert set(rows) == {"geo", "qaoa", "random"}
    assert rows["geo"]["unique_calls"] == rows["qaoa"]["unique_calls"] == rows["random"]["unique_calls"] <= 15
    for row in rows.values():
        assert 0.0 <= row["value_lo"] <= row["value"] <= row["value_hi"] <= 1.0
    assert 0.0 < result["feasible_share"] <= 1.0


def test_many_shots_contain_the_enumerated_optimum() -> None:
    """x = (1, 1, 0, 0) has the least cost of all pairs; 500 shots of 16 states hold every state."""
    from qiskit_optimization import QuadraticProgram

    programme = QuadraticProgram()
    for name in "abcd":
        programme.binary_var(name)
    programme.minimize(linear={"a": -3.0, "b": -2.0, "c": -1.0, "d": 0.0}, quadratic={("a", "b"): 0.5})
    programme.linear_constraint(dict.fromkeys("abcd", 1), "==", 2)
    answer = solve_by_qaoa(programme, 2, n_layers=1, max_circuits=10, shots=500, seed=1)
    assert answer.support is not None
    assert answer.support.tolist() == [True, True, False, False]
    assert answer.n_supports == 6
    assert answer.n_circuits <= 12


def test_too_many_assets_are_refused() -> None:
    with pytest.raises(InputError, match="at most 12"):
        bench_qaoa(np.zeros((20, 13)), 3, 2)
