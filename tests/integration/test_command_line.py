"""The command line at its borders: wrong input ends with code 2 and one sentence, and nothing is left behind."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.experiments.config import RunConfig, config_from_dict, load_config, preset


def qfin(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qfin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def prices(n_days: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (n_days, 3)), axis=0))
    return pd.DataFrame(values, pd.date_range("2001-01-01", periods=n_days, name="date"), ["AAA", "BBB", "CCC"])


def with_cell(value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(object)
        frame.iloc[7, 1] = value
        return frame

    return spoil


def with_column(value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(BBB=value)


BAD_TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no date column": (lambda frame: frame.rename_axis("day"), "date"),
    "unsorted dates": (lambda frame: frame.iloc[::-1], "2002-02-0"),
    "duplicate dates": (lambda frame: pd.concat([frame.iloc[:5], frame.iloc[4:]]), "2001-01-05"),
    "non-numeric cell": (with_cell("n.a.?"), "BBB"),
    "negative price": (with_cell(-3.0), "BBB"),
    "zero price": (with_cell(0.0), "BBB"),
    "constant column": (with_column(5.0), "BBB"),
    "all-NaN column": (with_column(float("nan")), "BBB"),
    "too few rows": (lambda frame: frame.iloc[:10], "rows"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_prices(case: str, tmp_path: Path) -> None:
    spoil, words = BAD_TABLES[case]
    spoil(prices()).to_csv(tmp_path / "prices.csv")
    done = qfin("run", "--prices", tmp_path / "prices.csv", "--out", tmp_path / "run")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "expected" in done.stderr
    assert "received" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def bad_options(folder: Path) -> list[tuple[tuple[str | Path, ...], str]]:
    file = folder / "prices.csv"
    return [
        (("--prices", folder / "missing.csv"), "missing.csv"),
        (("--prices", file, "--assets", "AAA,ZZZ"), "ZZZ"),
        (("--prices", file, "--assets", "AAA"), "at least 2"),
        (("--prices", file, "--assets", ","), "separated by commas"),
        (("--prices", file, "--train-end", "1999-01-01"), "1999-01-01"),
        (("--prices", file, "--train-end", "2030-01-01"), "2030-01-01"),
        (("--prices", file, "--train-end", "soon"), "soon"),
        (("--prices", file, "--kind", "guesses"), "guesses"),
        (("--preset", "huge"), "huge"),
        (("--config", folder / "missing.toml"), "missing.toml"),
        (("--config", file), "TOML"),
        (("--preset", "quick", "--config", file), "both"),
        (("--preset", "quick", "--seed", "-1"), "seed"),
        (("--preset", "quick", "--resume", "--out", file / "x"), "x"),
    ]


def test_bad_options(tmp_path: Path) -> None:
    prices().to_csv(tmp_path / "prices.csv")
    for options, words in bad_options(tmp_path):
        done = qfin("run", "--out", tmp_path / "run", *options, cwd=tmp_path)
        assert done.returncode == 2, (options, done.stdout, done.stderr)
        assert words in done.stderr, (options, done.stderr)
        assert not (tmp_path / "run").exists(), options


def test_resume_without_an_unfinished_run(tmp_path: Path) -> None:
    done = qfin("run", "--resume", cwd=tmp_path)
    assert done.returncode == 2
    assert "unfinished" in done.stderr


def test_data_commands() -> None:
    listed = json.loads(qfin("data", "list", "--json", "-").stdout)
    assert {"us20", "fx-eur", "fx-usd", "fx-fed", "wti"} == {row["name"] for row in listed["rows"]}
    described = json.loads(qfin("data", "describe", "fx-usd", "--json", "-").stdout)
    assert len(described["rows"]) == 9
    wrong = qfin("data", "describe", "nothing")
    assert wrong.returncode == 2
    assert "fx-usd" in wrong.stderr


def test_json_goes_to_a_file_whole(tmp_path: Path) -> None:
    done = qfin("data", "list", "--json", tmp_path / "list.json")
    assert done.returncode == 0
    assert "us20" in done.stdout
    assert len(json.loads((tmp_path / "list.json").read_text())["rows"]) == 5
    refused = qfin("data", "list", "--json", tmp_path / "no" / "list.json")
    assert refused.returncode == 2


def test_config_goes_through_toml_and_back(tmp_path: Path) -> None:
    for name in ("default", "quick"):
        config = preset(name)
        (tmp_path / "config.toml").write_text(config.to_toml())
        assert load_config(tmp_path / "config.toml") == config
        assert config_from_dict(config.to_dict()) == config
    assert RunConfig() == config_from_dict({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[born]\nn_functions = 6", "power of two"),
        ("[born]\nn_functions = 8.5", "expected int"),
        ("[born]\nbonds = 3", "bonds"),
        ("[copula]\nbase = 'clayton'", "clayton"),
        ("[circuit]\nn_assets = 1", "at least 2"),
        ("[marginals]\ntail_fraction = 1.5", "below 1"),
        ("[market]\nassets = 'EURUSD'", "EURUSD"),
        ("born = 3", "section"),
        ("seed = true", "seed"),
    ],
)
def test_wrong_configs_name_the_key(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        load_config(tmp_path / "config.toml")
