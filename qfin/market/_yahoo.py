"""The child process of a download: `python -m qfin.market._yahoo FOLDER FIRST STOP TICKERS…` writes prices.parquet."""

import sys
from pathlib import Path

import pandas as pd


def adjusted_closes(answer: pd.DataFrame | None) -> pd.DataFrame:
    """The adjusted closes in yfinance's answer (columns field × ticker): no time zone, no empty row or column."""
    if answer is None or answer.empty:
        return pd.DataFrame()
    closes = answer["Close"].dropna(axis="columns", how="all").dropna(axis="index", how="all").astype("float64")
    closes.index = pd.DatetimeIndex(closes.index).tz_localize(None).normalize()
    return closes.rename_axis(index="date", columns=None)


def main(folder: str, first: str, stop: str, *tickers: str) -> None:
    """Ask Yahoo for daily bars, adjusted for splits and dividends, and store the closes."""
    import yfinance

    yfinance.set_tz_cache_location(folder)
    answer = yfinance.download(list(tickers), start=first, end=stop, auto_adjust=True, progress=False)
    adjusted_closes(answer).to_parquet(Path(folder) / "prices.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
