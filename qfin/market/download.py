"""Daily prices from Yahoo Finance, through yfinance. The data are for personal use under Yahoo's terms."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import pandas as pd

from qfin.exceptions import DownloadError, InputError
from qfin.market.table import as_day

HOST = ("query2.finance.yahoo.com", 443)
PROBE_SECONDS = 4.0
PAUSE_SECONDS = 1.0

# (tickers, first day, day after the last, seconds) -> adjusted closes, one column per ticker that was found
Download = Callable[[list[str], str, str, float], pd.DataFrame]


def fetch_prices(
    tickers: Sequence[str],
    start: str | date,
    end: str | date,
    *,
    timeout: float = 30.0,
    retries: int = 2,
    download: Download | None = None,
) -> pd.DataFrame:
    """Adjusted daily closes (dates × tickers, NaN where there is none) from `start` to `end`, both included.

    Parameters
    ----------
    tickers : Yahoo's symbols, such as "AAPL" or "EURUSD=X".
    timeout : seconds after which one attempt is ended.
    retries : further attempts for the tickers still missing.
    download : the source; by default yfinance, in a child process that is ended after `timeout`.

    Raises
    ------
    InputError
        No or repeated tickers, or dates that are no period.
    DownloadError
        No connection, no answer in time, or no prices for some of the tickers (they are named).
    """
    missing, first, stop = _request(tickers, start, end)
    wanted = list(missing)
    if download is None:
        probe(_gateway(), PROBE_SECONDS)
        download = download_in_child
    found: dict[str, pd.Series] = {}
    reason = "no prices"
    for attempt in range(1 + retries):
        if attempt:
            time.sleep(PAUSE_SECONDS * attempt)
        try:
            prices = download(missing, first, stop, timeout)
        except DownloadError as error:
            reason = str(error)
            continue
        found |= {ticker: prices[ticker] for ticker in missing if ticker in prices and prices[ticker].notna().any()}
        missing = [ticker for ticker in wanted if ticker not in found]
        if not missing:
            return pd.DataFrame({ticker: found[ticker] for ticker in wanted}).sort_index().rename_axis("date")
        reason = "no prices"
    raise DownloadError(
        f"yfinance: expected prices of {', '.join(wanted)} from {start} to {end}, received {reason} for "
        f"{', '.join(missing)} after {1 + retries} attempt(s)"
    )


def _request(tickers: Sequence[str], start: str | date, end: str | date) -> tuple[list[str], str, str]:
    symbols = [ticker.strip().upper() for ticker in tickers]
    if not symbols or not all(symbols) or len(set(symbols)) < len(symbols):
        raise InputError(f"tickers: expected at least one and each once, received {list(tickers)}")
    try:
        first, last = as_day(start), as_day(end)
    except ValueError as error:
        raise InputError(f"dates: expected a start and an end such as 2020-01-31, received {error}") from None
    if last < first:
        raise InputError(f"dates: expected a start not after the end, received {first} and {last}")
    return symbols, str(first), str(last + timedelta(days=1))


def _gateway() -> tuple[str, int]:
    """The first machine on the way: the proxy where one is set, else Yahoo."""
    proxy = urlsplit(getproxies().get("https", ""))
    return (proxy.hostname, proxy.port or 80) if proxy.hostname else HOST


def probe(address: tuple[str, int], seconds: float) -> None:
    """Raise `DownloadError` unless `address` takes a connection within `seconds`, the look-up of its name included."""
    failures: list[str] = ["no answer"]

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=seconds).close()
            failures.clear()
        except Exception as error:
            failures[:] = [str(error)]

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise DownloadError(f"yfinance: expected a connection to {address[0]}:{address[1]}, received: {failures[0]}")


def download_in_child(tickers: list[str], first: str, stop: str, seconds: float) -> pd.DataFrame:
    """One attempt by yfinance in a process of its own, ended after `seconds`: its own time-outs miss some waits."""
    with tempfile.TemporaryDirectory(prefix="qfin-") as folder:
        run_with_deadline([sys.executable, "-P", "-m", "qfin.market._yahoo", folder, first, stop, *tickers], seconds)
        return pd.read_parquet(Path(folder) / "prices.parquet")


def run_with_deadline(command: list[str], seconds: float) -> None:
    """Run `command`; `DownloadError` if it takes longer than `seconds` or fails."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, env=environment)
    except subprocess.TimeoutExpired:
        raise DownloadError(f"no answer within {seconds:g} s") from None
    except subprocess.CalledProcessError as error:
        last_line = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise DownloadError(f"a failure ({last_line})") from None
