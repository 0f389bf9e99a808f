"""Scenario sets: checks at the door, losses, files written whole or not at all."""

import dataclasses
import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.scenarios import ScenarioSet, _files

RETURNS = np.array([[0.01, -0.02], [0.1, 0.3], [-0.5, 1 / 3]])
READERS = {
    "csv": pd.read_csv,
    "csv.gz": pd.read_csv,
    "parquet": pd.read_parquet,
    "xlsx": pd.read_excel,
}


def weighted() -> ScenarioSet:
    return ScenarioSet(RETURNS, ("AAA", "BBB"), np.array([0.5, 0.25, 0.25]), {"generator": "test", "seed": 7})


def test_values_are_copied_and_read_only() -> None:
    source = RETURNS.copy()
    scenarios = ScenarioSet(source, ("AAA", "BBB"))
    source[0, 0] = 9.0
    assert scenarios.returns[0, 0] == 0.01
    with pytest.raises(ValueError, match="read-only"):
        scenarios.returns[0, 0] = 1.0
    with pytest.raises(TypeError):
        scenarios.provenance["seed"] = 1  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenarios.assets = ("X", "Y")  # type: ignore[misc]


def test_losses_weigh_equally_or_as_told() -> None:
    scenarios = weighted()
    np.testing.assert_allclose(scenarios.losses(), [0.005, -0.2, 0.25 - 1 / 6])
    np.testing.assert_allclose(scenarios.losses([1.0, 0.0]), -RETURNS[:, 0])
    with pytest.raises(InputError, match="expected 2 finite numbers"):
        scenarios.losses([1.0])


def test_effective_sample_size() -> None:
    assert ScenarioSet(RETURNS, ("AAA", "BBB")).effective_sample_size == 3.0
    assert weighted().effective_sample_size == pytest.approx(1 / (0.25 + 2 * 0.0625))
    assert ScenarioSet(RETURNS, ("AAA", "BBB"), np.array([0.0, 1.0, 0.0])).effective_sample_size == 1.0


@pytest.mark.parametrize("suffix", READERS)
def test_saved_tables_read_back_exactly(tmp_path: Path, suffix: str) -> None:
    path = weighted().save(tmp_path / f"draws.{suffix}")
    table = READERS[suffix](path)
    assert list(table) == ["AAA", "BBB", "probability"]
    np.testing.assert_array_equal(table[["AAA", "BBB"]], RETURNS)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    if suffix == "parquet":
        assert table.attrs == {"generator": "test", "seed": 7}
    if suffix == "xlsx":
        assert list(pd.read_excel(path, sheet_name="provenance")["value"]) == ["test", 7]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_same_draws_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = (weighted().save(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert first == second


def test_unknown_suffix_and_unwritable_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.csv\.gz, \.parquet, \.xlsx, received 'draws\.json'"):
        weighted().save(tmp_path / "draws.json")
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(InputError, match="a file that can be written"):
            weighted().save(folder / "draws.csv")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weighted().save(tmp_path / "draws.csv")
    before = path.read_bytes()

    def write_half(frame: pd.DataFrame, file) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(_files._WRITERS, ".csv", write_half)
    with pytest.raises(InputError, match="No space left"):
        weighted().save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["draws.csv"]


def test_excel_refuses_more_rows_than_a_sheet_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 1048575 rows"):
        ScenarioSet(np.zeros((1_048_576, 1)), ("AAA",)).save(tmp_path / "draws.xlsx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"assets": ("AAA",)}, "2 different names"),
        ({"assets": ("AAA", "AAA")}, "2 different names"),
        ({"returns": RETURNS * np.nan}, "finite"),
        ({"returns": RETURNS[:0]}, "at least 1 rows"),
        ({"probabilities": np.ones(3)}, "sum 3"),
        ({"probabilities": np.ones(2) / 2}, "expected 3 numbers"),
        ({"probabilities": np.array([1.5, -0.5, 0.0])}, "non-negative"),
        ({"provenance": {"seed": [1]}}, "provenance"),
        ({"assets": ("AAA", "probability"), "probabilities": np.ones(3) / 3}, "no asset called 'probability'"),
    ],
)
def test_wrong_values_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScenarioSet(**{"returns": RETURNS, "assets": ("AAA", "BBB"), **arguments})
