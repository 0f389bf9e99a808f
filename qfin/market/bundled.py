"""Bundled sets: a name -> a return panel, read from qfin's own data folder or from a package qfin depends on."""

import csv
import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qfin.exceptions import InputError
from qfin.market.panel import ReturnPanel, to_returns
from qfin.market.reader import read_table
from qfin.market.table import MarketTable, check_kind, table_from_frame


@dataclass(frozen=True)
class BundledSet:
    """What a set is. `file` is its place in the data folder, None where another package carries it."""

    name: str
    title: str
    kind: str
    first: str
    last: str
    n_assets: int
    unit: str
    source: str
    licence: str
    defects: str
    file: str | None


_ECB_LICENCE = "free reuse; cite the European Central Bank as source and state changes"
_SETS = (
    BundledSet(
        name="us20",
        title="20 large US stocks, daily adjusted close",
        kind="prices",
        first="1990-01-02",
        last="2022-12-28",
        n_assets=20,
        unit="US dollars, adjusted for splits and dividends",
        source="load_sp500_dataset of the installed package skfolio",
        licence="the package is BSD-3-Clause; the prices are not qfin's to license and are not shipped with it",
        defects="chosen in hindsight (survivors only); RRC hardly traded before 1993: long flat runs, bid-ask bounces",
        file=None,
    ),
    BundledSet(
        name="fx-eur",
        title="12 euro reference rates, daily",
        kind="levels",
        first="1999-01-04",
        last="2020-12-31",
        n_assets=12,
        unit="foreign currency per 1 EUR",
        source="European Central Bank, euro foreign exchange reference rates",
        licence=_ECB_LICENCE,
        defects="one fixing a day (about 14:15 CET), not a close; DKK is held close to the euro, HKD to the dollar",
        file="fx_ecb_eur_1999_2020/eur_reference_rates.csv.gz",
    ),
    BundledSet(
        name="fx-usd",
        title="9 US dollar exchange rates, daily",
        kind="levels",
        first="1999-01-04",
        last="2020-12-31",
        n_assets=9,
        unit="EURUSD GBPUSD AUDUSD NZDUSD: dollars per unit; USDJPY USDCHF USDCAD USDSEK USDNOK: units per dollar",
        source="crosses computed by qfin from the European Central Bank's euro reference rates",
        licence=_ECB_LICENCE,
        defects="one fixing a day (about 14:15 CET), not a close; rounded to 7 significant digits",
        file="fx_ecb_eur_1999_2020/usd_pairs.csv.gz",
    ),
    BundledSet(
        name="fx-fed",
        title="21 exchange rates against the US dollar, daily noon in New York",
        kind="levels",
        first="1971-01-04",
        last="2017-12-01",
        n_assets=21,
        unit="foreign currency per 1 USD, in every column",
        source="Board of Governors of the Federal Reserve System, release H.10",
        licence="PDDL-1.0 (public domain); cite the Board",
        defects="about 4 digits, so small returns are lumpy; late starts and gaps; pegs (flat runs of up to 737 days)",
        file="fx_fed_h10_1971_2017/units_per_usd.csv.gz",
    ),
    BundledSet(
        name="wti",
        title="WTI crude oil spot price at Cushing, daily",
        kind="prices",
        first="1986-01-02",
        last="2019-01-03",
        n_assets=1,
        unit="US dollars per barrel",
        source="US Energy Information Administration (FRED series DCOILWTICO)",
        licence="public domain (US government)",
        defects="days without a quote are left out; ends before the negative price of April 2020",
        file="wti_daily_1986_2019/prices.csv.gz",
    ),
)


def list_bundled() -> list[BundledSet]:
    """All bundled sets; the first is the default of a run."""
    return list(_SETS)


def load_bundled(name: str) -> ReturnPanel:
    """The returns of a bundled set."""
    return to_returns(_table(_find(name)))


def describe_bundled(name: str) -> dict[str, Any]:
    """What a set is, and under "rows" one flat object per asset: first and last return, counts (see `ReturnPanel`)."""
    panel = load_bundled(name)
    assets = panel.counts.reset_index()
    for end in ("first", "last"):
        assets[end] = assets[end].dt.strftime("%Y-%m-%d")
    totals = {"n_days": len(panel.returns), "n_changes": len(panel.changes), "n_warnings": len(panel.warnings)}
    return {**asdict(_find(name)), **totals, "rows": assets.to_dict("records")}


def load_panel(source: str | Path, kind: str | None = None) -> ReturnPanel:
    """The returns of a bundled set or of a price file.

    Parameters
    ----------
    source : the name of a bundled set, or a path.
    kind : one of `KINDS`; by default the set's own, "prices" for a file.
    """
    if kind is not None:
        check_kind(kind)
    names = [entry.name for entry in _SETS]
    if source in names:
        if kind == "returns":
            raise InputError(f"kind: expected prices or levels for the bundled set {source}, received returns")
        return load_bundled(str(source))
    if not Path(source).exists():
        raise InputError(f"{source}: expected an existing file or one of {', '.join(names)}, received neither")
    return to_returns(read_table(source, kind=kind or "prices"))


def data_file(name: str) -> Path:
    """The path of a file of the data folder, such as "orlib/port1.txt", once its checksum agrees with the manifest."""
    folder = _data_folder()
    manifest = {row["file"]: row["sha256"] for row in _manifest(folder)}
    if name not in manifest:
        raise InputError(f"data: expected one of the files listed in MANIFEST.csv, received {name!r}")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise InputError(f"data: expected the file {name}, received: {error.strerror}") from None
    received = hashlib.sha256(content).hexdigest()
    if received != manifest[name]:
        raise InputError(f"data: expected {name} with SHA-256 {manifest[name]}, received {received}")
    return folder / name


def _data_folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent / "data"


def _manifest(folder: Path) -> list[dict[str, str]]:
    try:
        with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(f"data: expected the file MANIFEST.csv, received: {error.strerror}") from None


def _find(name: str) -> BundledSet:
    for entry in _SETS:
        if entry.name == name:
            return entry
    raise InputError(f"bundled set: expected one of {', '.join(entry.name for entry in _SETS)}, received {name!r}")


def _table(entry: BundledSet) -> MarketTable:
    if entry.file is not None:
        table = read_table(data_file(entry.file), kind=entry.kind)
        return MarketTable(table.values, table.kind, table.changes, f"{entry.name}: {entry.source}")
    from skfolio.datasets import load_sp500_dataset

    source = f"{entry.name}: {entry.source}, version {version('skfolio')}"
    return table_from_frame(load_sp500_dataset(), kind=entry.kind, source=source)
