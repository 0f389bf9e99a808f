"""Files are written whole or not at all, and give back what was put in."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.market import read_table, write_table


def prices(n_rows: int = 50) -> pd.DataFrame:
    values = np.exp(np.random.default_rng(4).normal(size=(n_rows, 3)))
    values[7, 1] = np.nan
    index = pd.date_range("2020-01-01", periods=n_rows, name="date")
    return pd.DataFrame(values, index=index, columns=["A", "B.L", "^C"])


@pytest.mark.parametrize(("suffix", "rtol"), [("csv", 0), ("csv.gz", 0), ("parquet", 0), ("xlsx", 1e-15)])
def test_round_trip(tmp_path: Path, suffix: str, rtol: float) -> None:
    path = write_table(prices(), tmp_path / f"prices.{suffix}")
    values = read_table(path, kind="prices").values
    np.testing.assert_allclose(values.to_numpy(), prices().to_numpy(), rtol=rtol)
    assert list(values.columns) == list(prices().columns)
    assert list(values.index) == list(prices().index)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_the_same_frame_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = (write_table(prices(), tmp_path / f"{name}.{suffix}") for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_draws_without_dates_have_no_index_column(tmp_path: Path) -> None:
    path = write_table(prices().reset_index(drop=True), tmp_path / "draws.csv")
    assert path.read_text().startswith("A,B.L,^C\n")


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("old")
    assert len(read_table(write_table(prices(), path), kind="prices").values) == 50


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a file name ending in \.csv, .*, received 'prices\.txt'"):
        write_table(prices(), tmp_path / "prices.txt")
    with pytest.raises(InputError, match="expected a file that can be written, received: No such file or directory"):
        write_table(prices(), tmp_path / "absent" / "prices.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="expected a file to write, received a folder"):
        write_table(prices(), tmp_path / "folder.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="received: Not a directory"):
        write_table(prices(), tmp_path / "file" / "prices.csv")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="expected a file that can be written, received: Permission denied"):
        write_table(prices(), tmp_path / "prices.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"prices.{suffix}"
    path.write_text("old")
    code = (
        "import resource, sys, pandas as pd\n"
        "from qfin.exceptions import InputError\n"
        "from qfin.market import write_table\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "try: write_table(pd.DataFrame({'A': range(5000)}), sys.argv[1])\n"
        "except InputError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout == f"{path}: expected a file that can be written, received: File too large\n"
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_more_rows_than_a_sheet_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected fewer than 1048576 rows for an XLSX sheet, received 1048576"):
        write_table(pd.DataFrame({"A": np.zeros(1_048_576)}), tmp_path / "draws.xlsx")
    assert list(tmp_path.iterdir()) == []
