"""Bundled sets: what is in the folder, what is said about it, and what is loaded agree."""

import csv
import gzip
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.market import bundled, data_file, describe_bundled, list_bundled, load_bundled, load_panel

DATA = Path(__file__).resolve().parents[2] / "data"
MANIFEST = {row["file"]: row for row in csv.DictReader((DATA / "MANIFEST.csv").read_text().splitlines())}
NAMES = [entry.name for entry in list_bundled()]


def test_the_manifest_lists_every_file_and_its_shape() -> None:
    files = {path.relative_to(DATA).as_posix(): path for path in DATA.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith(("README.md", "MANIFEST.csv"))} == set(MANIFEST)
    for name, row in MANIFEST.items():
        content = files[name].read_bytes()
        assert len(content) == int(row["bytes"])
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert row["licence"]
        if ".csv" in name:
            text = gzip.decompress(content) if name.endswith(".gz") else content
            table = list(csv.reader(text.decode().splitlines()))
            assert (len(table) - 1, len(table[0]) - 1) == (int(row["rows"]), int(row["cols"])), name
            if row["first"]:
                assert (table[1][0], table[-1][0]) == (row["first"], row["last"])
    for folder in {Path(name).parent for name in MANIFEST}:
        assert (DATA / folder / "README.md").exists()


@pytest.mark.parametrize("entry", list_bundled(), ids=lambda entry: entry.name)
def test_sets_are_what_the_list_says(entry: bundled.BundledSet) -> None:
    panel = load_bundled(entry.name)
    n_prices = len(panel.returns) + 1
    if entry.file is not None:
        row = MANIFEST[entry.file]
        assert (str(n_prices), str(entry.n_assets), entry.first, entry.last) == (
            row["rows"], row["cols"], row["first"], row["last"],
        )  # fmt: skip
    assert len(panel.assets) == entry.n_assets
    assert f"{panel.returns.index[-1]:%Y-%m-%d}" == entry.last
    assert panel.changes == ()
    assert entry.name in panel.source


def test_the_default_set_is_the_one_of_the_package() -> None:
    panel = load_bundled("us20")
    assert NAMES[0] == "us20"
    assert panel.returns.shape == (8312, 20)
    assert panel.counts["n_returns"].unique() == [8312]
    # known days: Apple's profit warning, and the worst day of the set
    assert panel.returns.loc["2000-09-29", "AAPL"] == pytest.approx(-0.518, abs=1e-3)
    assert panel.returns.min().idxmin() == "RRC"
    assert {flag.asset for flag in panel.warnings} == {"RRC"}
    train, test = panel.split("2010-12-31")
    assert (len(train.returns), len(test.returns)) == (5294, 3018)


def test_dollar_pairs_follow_from_the_euro_rates() -> None:
    euro, pairs = (
        pd.read_csv(DATA / "fx_ecb_eur_1999_2020" / name, index_col="date")
        for name in ("eur_reference_rates.csv.gz", "usd_pairs.csv.gz")
    )
    assert (euro.notna().all(axis=None), pairs.notna().all(axis=None)) == (True, True)
    for pair in pairs:
        base, quote = (1.0 if code == "EUR" else euro[code] for code in (pair[:3], pair[3:]))
        np.testing.assert_allclose(pairs[pair], quote / base, rtol=5e-7, err_msg=pair)


def test_figures_told_about_the_fed_rates() -> None:
    panel = load_bundled("fx-fed")
    assert panel.counts["longest_flat_run"].max() == panel.counts.loc["MYR", "longest_flat_run"] == 737
    assert panel.returns.loc["1994-01-03", "CNY"] == pytest.approx(0.5, abs=0.005)
    days, n_dropped = panel.complete()
    assert len(days) + n_dropped == 11774
    assert days.index[0] > pd.Timestamp("1999-01-04")


def test_the_worst_oil_day() -> None:
    returns = load_bundled("wti").returns["WTI_USD_per_barrel"]
    assert f"{returns.idxmin():%Y-%m-%d}" == "1991-01-17"
    assert returns.min() == pytest.approx(-0.334, abs=1e-3)


@pytest.mark.parametrize(("number", "n_assets"), [(1, 31), (2, 85), (3, 89), (4, 98), (5, 225)])
def test_reference_optima_follow_from_the_problems(number: int, n_assets: int) -> None:
    numbers = np.array(data_file(f"orlib/port{number}.txt").read_text().split(), dtype=float)
    assert numbers[0] == n_assets
    means, deviations = numbers[1 : 1 + 2 * n_assets].reshape(-1, 2).T
    pairs = numbers[1 + 2 * n_assets :].reshape(-1, 3)
    i, j = pairs[:, :2].astype(int).T - 1
    correlation = np.zeros((n_assets, n_assets))
    correlation[i, j] = correlation[j, i] = pairs[:, 2]
    assert len(pairs) == n_assets * (n_assets + 1) // 2
    np.testing.assert_array_equal(np.diag(correlation), 1.0)
    covariance = correlation * np.outer(deviations, deviations)
    optima = [
        row
        for row in csv.DictReader(data_file("orlib/ccef_lambda_K10.csv").read_text().splitlines())
        if row["instance"] == f"port{number}"
    ]
    assert len(optima) == 50
    for row in optima:
        chosen = np.array(row["assets"].split(";"), dtype=int) - 1
        weights = np.array(row["weights"].split(";"), dtype=float)
        assert len(set(chosen)) == 10
        assert weights.sum() == pytest.approx(1.0, abs=1e-9)
        assert weights.min() >= 0.01 - 1e-9
        risk_aversion = float(row["lambda"])
        variance = weights @ covariance[np.ix_(chosen, chosen)] @ weights
        objective = risk_aversion * variance - (1 - risk_aversion) * (weights @ means[chosen])
        assert objective == pytest.approx(float(row["objective"]), rel=1e-8)
        assert float(row["objective"]) - float(row["lower_bound"]) <= 1e-6 * abs(objective)
    frontier = np.loadtxt(data_file(f"orlib/portef{number}.txt"))
    assert frontier.shape == (2000, 2)
    assert (np.diff(frontier, axis=0) < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_descriptions_are_plain_data(name: str) -> None:
    text = json.loads(json.dumps(describe_bundled(name), allow_nan=False))
    assert text["name"] == name
    assert len(text["rows"]) == text["n_assets"]
    assert {"asset", "first", "last", "missing_leading", "longest_flat_run"} <= set(text["rows"][0])
    assert not any(isinstance(value, (dict, list)) for row in text["rows"] for value in row.values())


def test_sources_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = load_panel("fx-usd")
    path = data_file("fx_ecb_eur_1999_2020/usd_pairs.csv.gz")
    pd.testing.assert_frame_equal(by_name.returns, load_panel(path).returns)
    pd.testing.assert_frame_equal(by_name.returns, load_panel(str(path), "levels").returns)
    pd.testing.assert_frame_equal(by_name.returns, load_panel("fx-usd", "prices").returns)
    with pytest.raises(InputError, match="kind: expected prices or levels for the bundled set fx-usd"):
        load_panel("fx-usd", "returns")
    with pytest.raises(InputError, match="kind: expected one of"):
        load_panel("fx-usd", "rates")
    with pytest.raises(InputError, match="us21: expected an existing file or one of us20, fx-eur, fx-usd, fx-fed, wti"):
        load_panel("us21")
    for wrong in (load_bundled, describe_bundled):
        with pytest.raises(InputError, match="expected one of us20, fx-eur, fx-usd, fx-fed, wti, received 'us21'"):
            wrong("us21")


def test_a_changed_or_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "qfin" / "market" / "bundled.py"
    shutil.copytree(DATA / "wti_daily_1986_2019", tmp_path / "qfin" / "_data" / "wti_daily_1986_2019")
    monkeypatch.setattr(bundled, "__file__", str(package))
    with pytest.raises(InputError, match=r"expected the file MANIFEST\.csv"):
        load_bundled("wti")
    shutil.copy(DATA / "MANIFEST.csv", tmp_path / "qfin" / "_data")
    assert data_file("wti_daily_1986_2019/prices.csv.gz").is_relative_to(tmp_path)
    prices = tmp_path / "qfin" / "_data" / "wti_daily_1986_2019" / "prices.csv.gz"
    prices.write_bytes(gzip.compress(gzip.decompress(prices.read_bytes()).replace(b"25.56", b"25.57", 1)))
    with pytest.raises(InputError, match=r"expected wti_daily_1986_2019/prices\.csv\.gz with SHA-256 05a7804591f3"):
        load_bundled("wti")
    prices.unlink()
    with pytest.raises(
        InputError, match=r"expected the file wti_daily_1986_2019/prices\.csv\.gz, received: No such file"
    ):
        load_bundled("wti")
    with pytest.raises(InputError, match=r"expected one of the files listed in MANIFEST\.csv, received 'secret\.csv'"):
        data_file("secret.csv")
