"""The main job from the command line to the report, on real currency data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qfin.experiments import RunFolder, load_generator
from qfin.market import load_bundled, write_table

CONFIG = """
seed = 3
[market]
prices = "{prices}"
train_end = "2012-12-31"
assets = ["EURUSD", "GBPUSD", "USDCHF", "USDJPY"]
[born]
n_functions = 4
max_bond = 2
max_steps = 150
[circuit]
n_assets = 3
n_layers = 2
n_distant = 1
max_steps = 40
full_assets = 4
full_layers = 1
[quantum]
shots = 2000
noisy_shots = 200
full_shots = 200
training_steps = 2
training_shots = 200
[scenarios]
n_samples = 2000
"""


def qfin(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qfin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    record = json.loads(json.dumps(record))
    record.pop("timings")
    for row in record["rows"]:
        row.pop("fit_s")
    return record


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder: Path) -> dict[str, Any]:
    (folder / "small.toml").write_text(CONFIG.format(prices="fx-usd"))
    done = qfin("run", "--config", folder / "small.toml", "--out", folder / "run", "--json", "-")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_rows_have_the_columns_that_scripts_rely_on(run: dict[str, Any]) -> None:
    names = "model loglik loglik_se var_95 es_95 var_975 es_975 var_99 es_99 tail_dep_err kendall_err margin_dev fit_s"
    assert [row["model"] for row in run["rows"]] == ["historical", "gaussian", "student_t", "mps", "circuit"]
    for row in run["rows"]:
        assert set(names.split()) <= set(row)
        assert 0 < row["var_95"] < row["var_975"] < row["var_99"]
        assert all(row[f"es_{level}"] >= row[f"var_{level}"] for level in ("95", "975", "99"))


def test_the_folder_is_whole(run: dict[str, Any], folder: Path) -> None:
    stored = RunFolder.open(folder / "run")
    for name in ("config.toml", "record.json", "report.html", "circuit.qpy", "circuit.qasm"):
        assert (stored.path / name).stat().st_size > 0
    assert not list(stored.path.rglob(".*")), "nothing half-written stays behind"
    assert stored.record["rows"] == run["rows"]
    page = (stored.path / "report.html").read_text()
    assert all(asset in page for asset in ("EURUSD", "USDJPY"))


def test_numbers_of_the_record_come_out_of_the_stored_models(run: dict[str, Any], folder: Path) -> None:
    """The second way: load the model, score the test days, and average."""
    stored = RunFolder.open(folder / "run")
    u_test = stored_ranks(stored)
    days = stored.arrays("arrays/days")
    for row in stored.record["rows"][1:]:
        copula = load_generator(stored, row["model"]).copula_
        np.testing.assert_allclose(copula.logpdf(u_test), days[f"loglik_{row['model']}"], rtol=1e-8, atol=1e-10)
        assert row["loglik"] == pytest.approx(days[f"loglik_{row['model']}"].mean(), rel=1e-12)
    losses = stored.arrays("arrays/book")["losses_mps"]
    mps = next(row for row in stored.record["rows"] if row["model"] == "mps")
    assert mps["var_99"] == pytest.approx(np.sort(losses)[int(np.ceil(0.99 * len(losses))) - 1], rel=1e-12)


def stored_ranks(stored: RunFolder) -> np.ndarray:
    test = load_bundled("fx-usd").select(stored.record["market"]["assets"]).split("2012-12-31")[1].complete()[0]
    return test.rank().to_numpy() / (len(test) + 1)


def test_qiskit_reads_the_circuit_back(run: dict[str, Any], folder: Path) -> None:
    from qiskit import qpy
    from qiskit.quantum_info import Statevector, state_fidelity
    from qiskit_qasm3_import import parse

    with (folder / "run" / "circuit.qpy").open("rb") as file:
        circuit = qpy.load(file)[0]
    text = parse((folder / "run" / "circuit.qasm").read_text())
    assert state_fidelity(Statevector(circuit), Statevector(text)) == pytest.approx(1.0, abs=1e-9)


def test_samplers_agree_with_exact_probabilities_where_no_noise_is(run: dict[str, Any], folder: Path) -> None:
    rows = RunFolder.open(folder / "run").record["samplers"]
    assert len(rows) == 5
    for row in rows:
        if "noise" not in row["sampler"]:
            assert row["max_z"] < 5, row


def test_same_seed_same_record_and_resume_restores_it(run: dict[str, Any], folder: Path) -> None:
    first = RunFolder.open(folder / "run").record
    again = folder / "again"
    done = qfin("run", "--config", folder / "small.toml", "--out", again)
    assert done.returncode == 0, done.stderr
    assert without_times(RunFolder.open(again).record) == without_times(first)
    # Interrupted in the middle: the last stages are missing, and the rest must not be computed again.
    kept = (again / "stages" / "born.npz").stat().st_mtime_ns
    for name in ("record.json", "stages/scenarios.json", "stages/quantum.json"):
        (again / name).unlink()
    done = qfin("run", "--config", folder / "small.toml", "--out", again, "--resume")
    assert done.returncode == 0, done.stderr
    assert (again / "stages" / "born.npz").stat().st_mtime_ns == kept
    assert without_times(RunFolder.open(again).record) == without_times(first)


def test_an_existing_run_is_neither_overwritten_nor_mixed(run: dict[str, Any], folder: Path) -> None:
    done = qfin("run", "--config", folder / "small.toml", "--out", folder / "run")
    assert done.returncode == 2
    assert "holds a run" in done.stderr
    done = qfin("run", "--config", folder / "small.toml", "--seed", "4", "--out", folder / "run", "--resume")
    assert done.returncode == 2
    assert "different ones" in done.stderr


def test_the_future_changes_nothing_that_was_fitted(run: dict[str, Any], folder: Path) -> None:
    """All prices after the end of training are replaced; every fitted array must be the same bit for bit."""
    returns = load_bundled("fx-usd").returns.copy()
    future = returns.index > "2012-12-31"
    returns.loc[future] = np.random.default_rng(0).normal(0, 0.02, (future.sum(), returns.shape[1]))
    write_table(returns, folder / "changed.csv")
    original = load_bundled("fx-usd").returns.copy()
    write_table(original, folder / "same.csv")
    for name in ("same", "changed"):
        (folder / f"{name}.toml").write_text(CONFIG.format(prices=folder / f"{name}.csv"))
        done = qfin("run", "--config", folder / f"{name}.toml", "--kind", "returns", "--out", folder / name)
        assert done.returncode == 0, done.stderr
    for stage in ("marginals", "copulas", "born", "mapping", "circuit", "shots"):
        same, changed = (RunFolder.open(folder / name).arrays(f"stages/{stage}") for name in ("same", "changed"))
        assert same.keys() == changed.keys()
        for key in same:
            np.testing.assert_array_equal(same[key], changed[key], err_msg=f"{stage}: {key}")
    logliks = [RunFolder.open(folder / name).record["rows"][2]["loglik"] for name in ("same", "changed")]
    assert logliks[0] != logliks[1]


@pytest.mark.parametrize(("model", "ending"), [("historical", "xlsx"), ("student_t", "parquet"), ("circuit", "csv")])
def test_sample_draws_from_a_stored_model(run: dict[str, Any], folder: Path, model: str, ending: str) -> None:
    files = [folder / f"{model}-{i}.{ending}" for i in range(2)]
    for file in files:
        done = qfin(
            "sample", folder / "run", "--model", model, "--n", "50", "--seed", "5", "--out", file, "--json", "-"
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["n"] == 50
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel}
    frames = [readers[ending](file) for file in files]
    assert frames[0].shape == (50, 4)
    pd.testing.assert_frame_equal(frames[0], frames[1])


def test_report_is_written_anew(run: dict[str, Any], folder: Path) -> None:
    page = folder / "run" / "report.html"
    page.unlink()
    done = qfin("report", folder / "run")
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size > 100_000
    assert "circuit" in done.stdout


def test_wrong_runs_and_models_end_with_code_two(run: dict[str, Any], folder: Path) -> None:
    for arguments, words in [
        (("report", folder / "nowhere"), "record.json"),
        (("sample", folder / "run", "--model", "magic", "--n", "5", "--out", folder / "x.csv"), "mps"),
        (("sample", folder / "run", "--model", "mps", "--n", "0", "--out", folder / "x.csv"), "at least 1"),
        (("sample", folder / "run", "--model", "mps", "--n", "5", "--out", folder / "x.doc"), ".parquet"),
        (("sample", folder / "run", "--model", "mps", "--n", "5", "--out", folder / "no" / "x.csv"), "can be written"),
    ]:
        done = qfin(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (folder / "x.csv").exists()


def test_the_report_names_the_unusual_days(run: dict[str, Any], folder: Path) -> None:
    """The franc's unpegging on 15 January 2015 is the least likely day of any model trained to 2012."""
    stored = RunFolder.open(folder / "run")
    first = stored.record["unusual"]["rows"][0]
    assert first["date"] == "2015-01-15"
    assert first["assets"][0]["asset"] == "USDCHF"
    assert "2015-01-15" in (stored.path / "report.html").read_text()
