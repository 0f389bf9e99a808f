"""Price files: four formats give one table, and each wrong input has its own sentence."""

import gzip
import itertools
from datetime import datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from qfin.exceptions import InputError
from qfin.market import Change, read_table, table_from_frame, write_table

GOOD = "date,A,B\n2020-01-01,1,10\n2020-01-02,2,\n2020-01-03,3,12.5\n"
FRAME = pd.DataFrame(
    {"A": [1.0, 2.0, 3.0], "B": [10.0, np.nan, 12.5]},
    index=pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"], name="date"),
)
SUFFIXES = ["csv", "csv.gz", "parquet", "xlsx"]


def write_text(folder: Path, text: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    table = read_table(write_table(FRAME, tmp_path / f"prices.{suffix}"), kind="prices", min_rows=3)
    pd.testing.assert_frame_equal(table.values, FRAME, check_index_type=False)
    assert table.kind == "prices"
    assert table.changes == ()
    assert table.source == str(tmp_path / f"prices.{suffix}")


def test_plain_text_equals_the_frame(tmp_path: Path) -> None:
    table = read_table(write_text(tmp_path, GOOD), kind="levels", min_rows=3)
    pd.testing.assert_frame_equal(table.values, FRAME, check_index_type=False)


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "NA", "N/A", "null", "None"])
def test_spellings_of_a_missing_value(tmp_path: Path, cell: str) -> None:
    path = write_text(tmp_path, GOOD.replace("2020-01-02,2,", f"2020-01-02,2,{cell}"))
    assert np.isnan(read_table(path, kind="prices", min_rows=3).values.loc["2020-01-02", "B"])


def test_a_byte_order_mark_capitals_and_blank_lines_at_the_end_are_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "prices.CSV"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("date", "Date").encode() + b"\n\n")
    pd.testing.assert_frame_equal(read_table(path, kind="prices", min_rows=3).values, FRAME, check_index_type=False)


def test_parquet_with_nullable_small_and_mixed_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "date": FRAME.index.date,
            "A": pd.array([1, 2, 3], dtype="Int32"),
            "B": pd.array([10.0, None, 12.5], dtype="Float64"),
            "C": pd.Series([1.5, 2.5, 3.5], dtype="float32"),
            "D": ["1", None, "3"],
        }
    )
    frame.to_parquet(tmp_path / "prices.parquet")
    values = read_table(tmp_path / "prices.parquet", kind="prices", min_rows=3).values
    assert (values.dtypes == "float64").all()
    np.testing.assert_array_equal(values, [[1, 10, 1.5, 1], [2, np.nan, 2.5, np.nan], [3, 12.5, 3.5, 3]])


def test_what_is_changed_is_logged(tmp_path: Path) -> None:
    path = write_text(tmp_path, "date, A ,B\n2020-01-01,1,10\n2020-01-02,,\n2020-01-03,3,12.5\n")
    table = read_table(path, kind="prices", min_rows=2)
    assert table.changes == (
        Change(None, "A", "white space stripped from ticker", " A ", "A"),
        Change(pd.Timestamp("2020-01-02"), None, "row dropped", "no value for any asset", "no row"),
    )
    pd.testing.assert_frame_equal(table.values, FRAME.iloc[[0, 2]], check_index_type=False)


BAD_TEXT = {
    "blank file": ("\n\n", "expected a table, received an empty file"),
    "no date column": (GOOD.replace("date", "day"), "expected the first column to be 'date', received 'day'"),
    "date not first": (GOOD.replace("date,A", "A,date"), "expected the first column to be 'date', received 'A'"),
    "no ticker": ("date\n2020-01-01\n2020-01-02\n2020-01-03\n", "expected one column per ticker after 'date'"),
    "empty ticker": (GOOD.replace(",B", ", "), "expected a ticker at the head of column 3, received an empty name"),
    "duplicate ticker": (GOOD.replace("A,B", "A, A"), "expected each ticker once, received A in columns 2 and 3"),
    "short row": (GOOD.replace("2,\n", "2\n"), "expected 3 cells in every row, received 2 in row 3"),
    "long row": (GOOD.replace("2,\n", "2,3,4\n"), "expected 3 cells in every row, received 4 in row 3"),
    "unparsable date": (GOOD.replace("2020-01-02", "02.01.2020"), "2020-01-31, received '02.01.2020' in row 3"),
    "impossible date": (GOOD.replace("2020-01-02", "2020-02-30"), "such as 2020-01-31, received '2020-02-30' in row 3"),
    "empty date": (GOOD.replace("2020-01-02", ""), "such as 2020-01-31, received '' in row 3"),
    "unsorted dates": (GOOD.replace("2020-01-03", "2019-01-03"), "received 2019-01-03 after 2020-01-02 in row 4"),
    "duplicate dates": (GOOD.replace("01-03", "01-02"), "expected each date once, received 2020-01-02 in rows 3 and 4"),
    "text": (GOOD.replace("12.5", "12.5x"), "received '12.5x' for B on 2020-01-03 (row 4)"),
    "underscore": (GOOD.replace("12.5", "1_2"), "expected a number, received '1_2' for B on 2020-01-03 (row 4)"),
    "truth value": (GOOD.replace("12.5", "True"), "expected a number, received 'True' for B on 2020-01-03 (row 4)"),
    "infinite": (GOOD.replace("12.5", "inf"), "expected finite numbers, received inf for B on 2020-01-03 (row 4)"),
    "overflow": (GOOD.replace("12.5", "1e999"), "expected finite numbers, received inf for B on 2020-01-03 (row 4)"),
    "negative": (GOOD.replace("12.5", "-12.5"), "expected prices above 0, received -12.5 for B on 2020-01-03 (row 4)"),
    "zero": (GOOD.replace("12.5", "0"), "expected prices above 0, received 0 for B on 2020-01-03 (row 4)"),
    "all-NaN": ("date,A,B\n2020-01-01,1,\n2020-01-02,2,\n2020-01-03,3,\n", "every column, received none for B"),
    "constant": (GOOD.replace("12.5", "10"), "expected values that vary, received 10 on every row of B"),
    "too few rows": (GOOD[: GOOD.index("2020-01-03")], "expected at least 3 rows with values, received 2"),
    "header only": ("date,A,B\n", "expected at least 3 rows with values, received 0"),
    "open quote": (GOOD.replace("12.5", '"12.5'), "expected a CSV file in UTF-8, received one that cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_text_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    text, message = BAD_TEXT[case]
    path = write_text(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_table(path, kind="prices", min_rows=3)
    assert str(caught.value).startswith(f"{path}: expected ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_returns_levels_and_kinds(tmp_path: Path) -> None:
    returns = write_text(tmp_path, "date,A\n2020-01-01,0.1\n2020-01-02,-1\n2020-01-03,0\n")
    with pytest.raises(InputError, match=r"returns above -1 .*, received -1 for A on 2020-01-02 \(row 3\)"):
        read_table(returns, kind="returns", min_rows=3)
    with pytest.raises(InputError, match="expected levels above 0, received -1 for A"):
        read_table(returns, kind="levels", min_rows=3)
    with pytest.raises(InputError, match="kind: expected one of prices, levels, returns, received 'price'"):
        read_table(returns, kind="price")
    with pytest.raises(InputError, match="expected at least 30 rows with values, received 3"):
        read_table(write_text(tmp_path, GOOD), kind="prices")


def test_places_that_hold_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.csv: expected an existing file"):
        read_table(tmp_path / "absent.csv", kind="prices")
    with pytest.raises(InputError, match="expected a file, received a folder"):
        read_table(tmp_path, kind="prices")
    with pytest.raises(InputError, match=r"ending in \.csv, \.csv\.gz, \.parquet, \.xlsx, received 'prices\.txt'"):
        read_table(write_text(tmp_path, GOOD, "prices.txt"), kind="prices")
    for suffix in SUFFIXES:
        with pytest.raises(InputError, match="expected a table, received an empty file"):
            read_table(write_text(tmp_path, "", f"prices.{suffix}"), kind="prices")


WHAT = {"csv.gz": "a CSV file in UTF-8, gzipped", "parquet": "a Parquet file", "xlsx": "an XLSX workbook"}
DAMAGE = {
    "other content": lambda whole: GOOD.encode(),
    "cut short": lambda whole: whole[:-20],
    "end changed": lambda whole: whole[:-30] + b"\xff" * 30,
    "middle changed": lambda whole: whole[: len(whole) // 2] + b"\xff" * 30 + whole[len(whole) // 2 + 30 :],
}
# a Parquet file carries no checksum of its values, so that a change in the middle may go unseen
DAMAGED = [pair for pair in itertools.product(WHAT, DAMAGE) if pair != ("parquet", "middle changed")]


@pytest.mark.parametrize(("suffix", "damage"), DAMAGED)
def test_damaged_files(tmp_path: Path, suffix: str, damage: str) -> None:
    path = write_table(FRAME, tmp_path / f"prices.{suffix}")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(InputError, match=f"expected {WHAT[suffix]}, received one that cannot be read"):
        read_table(path, kind="prices", min_rows=3)


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(GOOD.replace(",A,", ",Ä,").encode("latin-1"))
    with pytest.raises(InputError, match="expected a CSV file in UTF-8"):
        read_table(path, kind="prices")
    compressed = tmp_path / "prices.csv.gz"
    compressed.write_bytes(gzip.compress(GOOD.encode("utf-16")))
    with pytest.raises(InputError, match="expected a CSV file in UTF-8, gzipped"):
        read_table(compressed, kind="prices")


def workbook(path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_workbooks_by_another_writer(tmp_path: Path) -> None:
    rows = [["date", "A", 7203], [datetime(2020, 1, 1), 1, 10], ["2020-01-02", 2], [datetime(2020, 1, 3), 3.0, 12.5]]
    table = read_table(workbook(tmp_path / "a.xlsx", rows), kind="prices", min_rows=3)
    pd.testing.assert_frame_equal(table.values, FRAME.rename(columns={"B": "7203"}), check_index_type=False)
    with pytest.raises(InputError, match="expected one sheet, received 2"):
        read_table(workbook(tmp_path / "b.xlsx", rows, rows), kind="prices")
    with pytest.raises(InputError, match="expected a table, received an empty file"):
        read_table(workbook(tmp_path / "c.xlsx", []), kind="prices")
    for cell, message in [
        (datetime(2020, 1, 2, 16), "received 2020-01-02 16:00:00 with a time of day in row 3"),
        (43832, "received 43832 in row 3"),
        (None, "received no date in row 3"),
    ]:
        with pytest.raises(InputError, match=message):
            read_table(workbook(tmp_path / "d.xlsx", [*rows[:2], [cell, 2, 3], rows[3]]), kind="prices", min_rows=3)
    with pytest.raises(InputError, match=r"expected a number, received True for A on 2020-01-02 \(row 3\)"):
        read_table(workbook(tmp_path / "e.xlsx", [*rows[:2], ["2020-01-02", True, 3], rows[3]]), kind="prices")


def test_parquet_peculiarities(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    FRAME.to_parquet(path)
    pd.testing.assert_frame_equal(read_table(path, kind="prices", min_rows=3).values, FRAME, check_index_type=False)
    FRAME.tz_localize("UTC").to_parquet(path)
    with pytest.raises(InputError, match=r"received 2020-01-01 00:00:00\+00:00 with a time zone in row 2"):
        read_table(path, kind="prices", min_rows=3)
    FRAME.reset_index(drop=True).to_parquet(path)
    with pytest.raises(InputError, match="expected the first column to be 'date', received 'A'"):
        read_table(path, kind="prices", min_rows=3)
    parquet.write_table(pa.table([["2020-01-01"], [1.0], [2.0]], names=["date", "A", "A"]), path)
    with pytest.raises(InputError, match="expected each ticker once, received A more than once"):
        read_table(path, kind="prices", min_rows=3)
    FRAME.assign(B=[True, False, True]).to_parquet(path)
    with pytest.raises(InputError, match="expected a number, received True for B"):
        read_table(path, kind="prices", min_rows=3)


def test_a_frame_with_a_column_named_date_besides_its_dates() -> None:
    with pytest.raises(InputError, match=r"expected a number, received .* for date on 2020-01-01"):
        table_from_frame(FRAME.assign(date=FRAME.index), kind="prices", source="frame", min_rows=3)
