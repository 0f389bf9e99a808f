"""The bench of the tests: rows of one shape, sizes near nominal, wrong models found, the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qfin.bench import risk_tests
from qfin.bench.risk_tests import NOMINAL, WORLDS, Law, bench_risk_tests, summary_rows
from qfin.cli.main import app
from qfin.exceptions import InputError


def test_laws_have_variance_one_and_their_shortfall() -> None:
    for law in (Law(), Law(3.5)):
        p = (np.arange(400_000) + 0.5) / 400_000
        values = law.quantile(p)
        assert np.mean(values**2) == pytest.approx(1.0, abs=0.06 if law.degrees_of_freedom < 4 else 1e-3)
        assert law.shortfall(0.975) == pytest.approx(values[p > 0.975].mean(), rel=1e-3)
        np.testing.assert_allclose(law.cdf(values[::997]), p[::997], atol=1e-9)


def test_rates_of_a_right_and_a_wrong_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk_tests, "N_NULL", 900)
    names = ("none (normal)", "normal, volatility 20% too low")
    monkeypatch.setattr(risk_tests, "WORLDS", [world for world in WORLDS if world.alternative in names])
    lines: list[str] = []
    rows = bench_risk_tests((150,), n_repetitions=150, seed=1, say=lines.append)["rows"]
    assert lines[0] == "150 days: none (normal)"
    assert {tuple(row) for row in rows} == {
        ("test", "n", "level", "alternative", "nominal", "rejection_rate", "n_repetitions")
    }
    rates = {(row["test"], row["level"], row["alternative"]): row["rejection_rate"] for row in rows}
    error = np.sqrt(NOMINAL * (1 - NOMINAL) / 150)
    for (test, _, alternative), rate in rates.items():
        if alternative == names[0] and "asymptotic" not in test and "Pearson" not in test:
            assert rate < NOMINAL + 5 * error, test
    for test in ("acerbi_szekely_z2", "nolde_ziegel", "esr_strict", "esr_intercept", "multinomial_var"):
        assert rates[test, 0.975, names[1]] > 3 * NOMINAL
    table = {(row["test"], row["level"]): row for row in summary_rows(rows)}
    size = rates["kupiec", 0.99, names[0]]
    assert table["kupiec", "0.99"]["size"] == f"{100 * size:.1f}"
    assert table["diebold_mariano", "0.975"]["t3"] == "–"


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk_tests, "WORLDS", WORLDS[:1])
    monkeypatch.setattr(risk_tests, "TAIL_LEVELS", (0.975,))
    monkeypatch.setattr(risk_tests, "N_NULL", 900)
    path = tmp_path / "rows.json"
    words = ["bench", "tests", "--days", "150", "--repetitions", "100", "--json", str(path)]
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0, outcome.output
    assert "acerbi_szekely_z2" in outcome.output
    assert {row["n"] for row in json.loads(path.read_text())["rows"]} == {150}


def test_too_few_repetitions_are_refused() -> None:
    with pytest.raises(InputError, match="at least 100 repetitions"):
        bench_risk_tests((250,), n_repetitions=10)
