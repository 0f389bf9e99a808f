"""`qfin backtest`: rows, page and folder; figures from the record."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from qfin.cli.main import app
from qfin.exceptions import InputError
from qfin.viz.backtest import forecast_fan_figure, score_difference_figure, transform_figure

COLUMNS = [
    "model", "level", "n", "exceedances", "expected", "kupiec_p", "cc_p", "dq_p", "z2_p", "fz_loss", "in_mcs",
]  # fmt: skip


def arguments(out: Path, *more: str) -> list[str]:
    chosen = ["--assets", "EURUSD,GBPUSD,USDJPY", "--models", "hs,fhs", "--window", "300", "--levels", "0.95,0.975"]
    days = ["--start", "2008-09-01", "--end", "2008-12-31"]
    return ["backtest", "--prices", "fx-usd", *chosen, *days, "--workers", "1", "--out", str(out), *more]


def test_the_command_writes_rows_record_and_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, arguments(tmp_path / "run", "--json", str(tmp_path / "rows.json")))
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "rows.json").read_text())
    assert [list(row) for row in content["rows"]] == [COLUMNS] * 4
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["rows"] == content["rows"]
    assert record["dates"][0] == "2008-09-01"
    page = (tmp_path / "run" / "backtest.html").read_text()
    assert page.count("qfinFigure(") == 3
    assert "src=" not in page.replace("data-src=", "").split("</script>")[-1]
    for sentence in record["verdict"]:
        assert sentence.split(":")[0] in page

    fan = forecast_fan_figure(record, 0.975)
    hits = np.array(record["losses"]) > np.array(record["forecasts"]["fhs"]["0.975"]["var"])
    row = next(row for row in record["rows"] if (row["model"], row["level"]) == ("fhs", 0.975))
    marked = next(trace for trace in fan.data if trace.name == "exceedance" and trace.legendgroup == "fhs")
    assert len(marked.x) == hits.sum() == row["exceedances"]
    hs, fhs = score_difference_figure(record, 0.975).data
    assert np.allclose(fhs.y, 0.0)
    scores = [np.array(record["forecasts"][name]["0.975"]["score"]) for name in ("hs", "fhs")]
    assert hs.y[-1] == pytest.approx((scores[0] - scores[1]).sum())
    bars = transform_figure(record).data
    assert [bar.y.mean() for bar in bars] == pytest.approx([1.0, 1.0])


def test_a_book_from_a_file(tmp_path: Path) -> None:
    book = tmp_path / "book.csv"
    book.write_text("asset,weight\nEURUSD,0.7\nUSDJPY,-0.3\n")
    result = CliRunner().invoke(app, arguments(tmp_path / "run", "--book", str(book), "--models", "hs"))
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "run" / "record.json").read_text())["weights"] == [0.7, 0.0, -0.3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,weight\nEURUSD,1\n", "expected columns asset,weight"),
        ("asset,weight\nEURUSD,1\nEURUSD,2\n", "expected each asset once"),
        ("asset,weight\nGOLD,1\n", "book: expected finite weights"),
    ],
)
def test_a_wrong_book_is_refused(tmp_path: Path, content: str, message: str) -> None:
    book = tmp_path / "book.csv"
    book.write_text(content)
    result = CliRunner().invoke(app, arguments(tmp_path / "run", "--book", str(book)))
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_finished_back_test_is_shown_again_with_resume_alone(tmp_path: Path) -> None:
    first = CliRunner().invoke(app, arguments(tmp_path / "run"))
    refused = CliRunner().invoke(app, arguments(tmp_path / "run"))
    resumed = CliRunner().invoke(app, arguments(tmp_path / "run", "--resume"))
    assert first.exit_code == 0
    assert isinstance(refused.exception, InputError)
    assert resumed.exit_code == 0
