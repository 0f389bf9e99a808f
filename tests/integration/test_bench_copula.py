"""`qfin bench copula` from the command line, on bundled data."""

import json
import subprocess
import sys


def qfin(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "qfin", *arguments], capture_output=True, text=True, check=False)


def test_rows_and_differences() -> None:
    arguments = ["bench", "copula", "--data", "fx-usd", "--train-end", "2012-12-31", "--assets", "EURUSD,USDCHF,USDJPY"]
    done = qfin(*arguments, "--models", "gaussian,student_t,vine_student,born_fast", "--json", "-")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    columns = {"model", "loglik", "loglik_se", "fit_s", "n_params", "draws_per_s"}
    columns |= {"diff_best_classical", "diff_lo", "diff_hi"}
    rows = {row["model"]: row for row in answer["rows"]}
    assert list(rows) == ["gaussian", "student_t", "vine_student", "born_fast"]
    assert all(columns <= set(row) for row in rows.values())
    best = rows[rows["gaussian"]["best_classical"]]
    assert best["loglik"] == max(rows[name]["loglik"] for name in ("gaussian", "student_t", "vine_student"))
    for row in rows.values():
        assert abs(row["diff_best_classical"] - (row["loglik"] - best["loglik"])) < 1e-9
        assert row["diff_lo"] <= row["diff_best_classical"] <= row["diff_hi"]


def test_wrong_models_end_with_code_two() -> None:
    for models, words in (("magic", "magic"), ("born_fast", "at least one classical")):
        done = qfin("bench", "copula", "--data", "fx-usd", "--models", models)
        assert done.returncode == 2
        assert words in done.stderr
