"""The models of `qfin bench copula`: the names an analyst asks for, their rows, and the circuit among them."""

import numpy as np
import pytest

from qfin.bench.circuit_copula import CircuitOnChain
from qfin.bench.copula import DEFAULT_MODELS, MODELS, bench_copulas
from qfin.copulas import StudentTCopula

REQUIRED = {"independence", "gaussian", "student_t", "factor_t", "vine_tll", "vine_parametric", "vine_student"} | {
    "born_pure", "born_gaussian", "born_t", "born_triangular", "born_vine", "born_circuit", "born_fast", "born"
}  # fmt: skip


def observations(n: int, seed: int, n_assets: int = 3) -> np.ndarray:
    correlation = 0.5 * np.eye(n_assets) + 0.5
    copula = StudentTCopula.from_arrays({"correlation": correlation, "degrees_of_freedom": np.array(4.0)})
    return copula.sample(n, rng=seed)


def test_every_model_of_the_comparison_has_a_name() -> None:
    assert set(MODELS) >= REQUIRED
    assert set(DEFAULT_MODELS) <= set(MODELS)
    assert {"independence", "factor_t", "born", "born_fast"} <= set(DEFAULT_MODELS)


def test_rows_of_the_classical_models() -> None:
    rows = bench_copulas(observations(500, 1), observations(500, 2), ["independence", "factor_t", "student_t"])
    by_name = {row["model"]: row for row in rows}
    assert by_name["independence"]["loglik"] == by_name["independence"]["n_params"] == 0
    # Three assets have one factor, which any correlation of one value fulfils.
    assert by_name["factor_t"]["n_params"] == by_name["student_t"]["n_params"] == 4
    assert by_name["factor_t"]["loglik"] == pytest.approx(by_name["student_t"]["loglik"], abs=0.01)
    assert by_name["factor_t"]["loglik"] > 0.3
    assert all(row["draws_per_s"] > 0 and row["classical"] for row in rows)


def test_the_circuit_starts_from_its_chain_and_is_a_density() -> None:
    u = observations(400, 3)
    model = CircuitOnChain(max_steps=100, max_circuit_steps=20).fit(u)
    assert model.machine_.circuit.ansatz.n_qubits == 9
    record = model.machine_.circuit.record_
    assert record.best_validation >= record.validation[0]
    assert model.n_params_ > model.machine_.chain.n_params_
    cube = np.random.default_rng(4).random((20_000, 3))
    density = np.exp(model.logpdf(cube))
    assert abs(density.mean() - 1.0) < 5 * density.std() / np.sqrt(len(cube))
    draws = model.sample(2_000, rng=5)
    assert draws.shape == (2_000, 3)
    # Five standard errors of a rank correlation on as many days.
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(np.corrcoef(u.T)[0, 1], abs=5 / np.sqrt(400))
