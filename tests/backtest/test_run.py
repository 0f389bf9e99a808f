"""A back-test in stages: resumed and parallel ones give the same record; rows are those of the tests by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qfin.backtest import REGIMES, BacktestInputs, BacktestPlan, run_backtest
from qfin.backtest.evaluation import regime_of
from qfin.exceptions import InputError
from qfin.risk import diebold_mariano, fissler_ziegel_loss, kupiec

FAST = ("hs", "fhs", "garch_t")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return {k: v for k, v in a.items() if k != "timings"} == {k: v for k, v in b.items() if k != "timings"}


@pytest.fixture(scope="module")
def record(tmp_path_factory: Any, fx_returns: Any) -> dict[str, Any]:
    plan = BacktestPlan(FAST, window=400, refit=10, n_draws=1_000, n_kept=99, levels=(0.9, 0.95))
    inputs = BacktestInputs.of(fx_returns.iloc[:440], plan)
    return run_backtest(inputs, tmp_path_factory.mktemp("run"), source="fx", n_workers=1)


def test_rows_are_those_of_the_tests(record: dict[str, Any]) -> None:
    assert record["kind"] == "backtest"
    losses = np.array(record["losses"])
    assert [(row["model"], row["level"]) for row in record["rows"]] == [(m, x) for x in (0.9, 0.95) for m in FAST]
    for row in record["rows"]:
        found = record["forecasts"][row["model"]][f"{row['level']:g}"]
        hits = losses > np.array(found["var"])
        assert row["n"] == len(losses)
        assert row["exceedances"] == hits.sum()
        assert row["expected"] == pytest.approx(len(losses) * (1.0 - row["level"]))
        assert row["kupiec_p"] == pytest.approx(kupiec(hits, row["level"]).p_value)
        score = fissler_ziegel_loss(losses, found["var"], found["es"], row["level"])
        assert row["fz_loss"] == pytest.approx(score.mean(), abs=1e-5)
        np.testing.assert_allclose(found["score"], score, atol=1e-4)
        names = [test["test"] for test in record["tests"][row["model"]][f"{row['level']:g}"]]
        assert {"acerbi_szekely_z3", "dynamic_quantile", "nolde_ziegel", "berkowitz"} <= set(names)
        assert 0.0 < row["z2_p"] <= 1.0
        assert 0.0 < row["cc_p"] <= 1.0
        assert 0.0 < row["dq_p"] <= 1.0
    assert any(row["in_mcs"] for row in record["rows"])


def test_comparisons_are_with_filtered_historical_simulation(record: dict[str, Any]) -> None:
    row = next(row for row in record["comparisons"] if row["model"] == "hs" and row["level"] == 0.95)
    a, b = (record["forecasts"][name]["0.95"]["score"] for name in ("hs", "fhs"))
    assert row["p_value"] == pytest.approx(diebold_mariano(a, b).p_value, abs=1e-3)
    assert row["difference"] == pytest.approx(np.mean(a) - np.mean(b), abs=1e-5)


def test_regimes_divide_the_days(record: dict[str, Any]) -> None:
    rows = [row for row in record["regimes"] if row["model"] == "fhs" and row["level"] == 0.95]
    assert [row["regime"] for row in rows] == ["calm", "2008"]
    whole = next(row for row in record["rows"] if row["model"] == "fhs" and row["level"] == 0.95)
    for column in ("n", "exceedances"):
        assert sum(row[column] for row in rows) == whole[column]
    assert record["regime"] == regime_of(tuple(record["dates"]))
    assert regime_of((REGIMES["2020"][0], "2017-05-05", REGIMES["2022"][1])) == ["2020", "calm", "2022"]


def test_an_interrupted_back_test_goes_on_to_the_same_numbers(fx_inputs: Any, tmp_path: Path) -> None:
    """One model's forecasts and tests are lost."""
    inputs = fx_inputs("hs", "fhs", "gaussian")
    whole = run_backtest(inputs, tmp_path / "whole", source="fx", n_workers=1)
    stages = tmp_path / "whole" / "stages"
    (stages / f"fhs-{inputs.spans[0][0]}.npz").unlink()
    (stages / "tests-fhs.json").unlink()
    looks: list[tuple[str, int, int]] = []
    again = run_backtest(
        inputs, tmp_path / "whole", source="fx", resume=True, n_workers=1, on_progress=lambda *look: looks.append(look)
    )
    assert same(whole, again)
    assert same(again, json.loads((tmp_path / "whole" / "record.json").read_text()))
    assert looks[0] == ("forecasts", 2, 3)
    assert ("tests", 2, 3) in looks
    assert looks[-1] == ("tests", 3, 3)


def test_two_processes_give_the_numbers_of_one(fx_returns: Any, tmp_path: Path) -> None:
    plan = BacktestPlan(("hs", "fhs"), window=250, refit=170, n_draws=1_000, n_kept=99, levels=(0.9,))
    inputs = BacktestInputs.of(fx_returns.iloc[:440], plan)
    assert len(inputs.spans) == 2
    one = run_backtest(inputs, tmp_path / "one", source="fx", n_workers=1)
    two = run_backtest(inputs, tmp_path / "two", source="fx", n_workers=2)
    assert same(one, two)


def test_over_several_days_tests_use_losses_that_do_not_overlap(fx_inputs: Any, tmp_path: Path) -> None:
    inputs = fx_inputs("hs", "fhs", horizon=2)
    record = run_backtest(inputs, tmp_path, source="fx", n_workers=1)
    assert len(record["losses"]) == 40
    assert {row["n"] for row in record["rows"]} == {20}
    assert any("do not overlap" in note for note in record["notes"])
    hits = np.array(record["losses"])[::2] > np.array(record["forecasts"]["hs"]["0.9"]["var"])[::2]
    assert record["rows"][0]["kupiec_p"] == pytest.approx(kupiec(hits, 0.9).p_value)


def test_levels_with_too_few_days_are_left_out(fx_inputs: Any, tmp_path: Path) -> None:
    record = run_backtest(fx_inputs("hs", levels=(0.9, 0.99)), tmp_path, source="fx", n_workers=1)
    assert record["rows"][1]["kupiec_p"] is None
    assert record["rows"][1]["in_mcs"] is None
    assert record["tests"]["hs"]["0.99"] == []
    assert any("left out" in note for note in record["notes"])


def test_folders_of_another_back_test_are_refused(fx_inputs: Any, tmp_path: Path) -> None:
    run_backtest(fx_inputs("hs"), tmp_path, source="fx", n_workers=1)
    with pytest.raises(InputError, match="out: expected a new folder"):
        run_backtest(fx_inputs("hs"), tmp_path, source="fx", n_workers=1)
    with pytest.raises(InputError, match="resume: expected the settings, data and version"):
        run_backtest(fx_inputs("hs", seed=8), tmp_path, source="fx", resume=True, n_workers=1)
    with pytest.raises(InputError, match="workers: expected 1 or 2, received 3"):
        run_backtest(fx_inputs("hs"), tmp_path, source="fx", n_workers=3)
