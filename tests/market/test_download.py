"""Downloads: offline, hanging and partial answers end in a clear error within seconds; answers are read aright."""

import socket
import sys
import time

import numpy as np
import pandas as pd
import pytest

from qfin.exceptions import DownloadError, InputError
from qfin.market import download, fetch_prices
from qfin.market._yahoo import adjusted_closes
from qfin.market.download import download_in_child, probe, run_with_deadline

DAYS = pd.DatetimeIndex(["2020-01-02", "2020-01-03"], name="date")


class Source:
    """A price source that knows some tickers, and takes as many requests to find them as it is told."""

    def __init__(self, known: dict[str, list[float]], found_at: int = 1) -> None:
        self.known, self.found_at, self.requests = known, found_at, []

    def __call__(self, tickers: list[str], first: str, stop: str, seconds: float) -> pd.DataFrame:
        self.requests.append((tuple(tickers), first, stop, seconds))
        if len(self.requests) < self.found_at:
            raise DownloadError("no answer")
        return pd.DataFrame({ticker: self.known[ticker] for ticker in tickers if ticker in self.known}, index=DAYS)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def closed_port(socket_enabled: None) -> tuple[str, int]:
    """An address on this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()


def test_prices_come_in_the_order_asked_for_and_the_end_is_included() -> None:
    source = Source({"AAA": [1.0, 2.0], "BBB": [3.0, np.nan]})
    prices = fetch_prices([" bbb", "AAA"], "2020-01-01", "2020-01-03", timeout=7.0, download=source)
    expected = pd.DataFrame({"BBB": [3.0, np.nan], "AAA": [1.0, 2.0]}, index=DAYS)
    pd.testing.assert_frame_equal(prices, expected)
    assert source.requests == [(("BBB", "AAA"), "2020-01-01", "2020-01-04", 7.0)]


def test_missing_tickers_are_asked_for_again_and_then_named() -> None:
    source = Source({"AAA": [1.0, 2.0], "EMPTY": [np.nan, np.nan]})
    message = "of AAA, ZZZ, EMPTY from 2020-01-01 to 2020-01-03, received no prices for ZZZ, EMPTY after 3 attempt"
    with pytest.raises(DownloadError, match=message):
        fetch_prices(["AAA", "ZZZ", "EMPTY"], "2020-01-01", "2020-01-03", download=source)
    assert [request[0] for request in source.requests] == [("AAA", "ZZZ", "EMPTY"), ("ZZZ", "EMPTY"), ("ZZZ", "EMPTY")]


def test_a_failed_attempt_is_repeated() -> None:
    late = Source({"AAA": [1.0, 2.0]}, found_at=3)
    assert list(fetch_prices(["AAA"], "2020-01-01", "2020-01-03", download=late)["AAA"]) == [1.0, 2.0]
    too_late = Source({"AAA": [1.0, 2.0]}, found_at=3)
    with pytest.raises(DownloadError, match="received no answer for AAA after 2 attempt"):
        fetch_prices(["AAA"], "2020-01-01", "2020-01-03", retries=1, download=too_late)


@pytest.mark.parametrize(
    ("tickers", "start", "end", "message"),
    [
        ([], "2020-01-01", "2020-01-03", "tickers: expected at least one and each once"),
        (["A", "a"], "2020-01-01", "2020-01-03", "tickers: expected at least one and each once"),
        (["A", " "], "2020-01-01", "2020-01-03", "tickers: expected at least one and each once"),
        (["A"], "yesterday", "2020-01-03", "dates: expected .* such as 2020-01-31, received 'yesterday'"),
        (["A"], "2020-01-04", "2020-01-03", "dates: expected a start not after the end, received 2020-01-04 and 2020"),
    ],
)
def test_requests_that_make_no_sense(tickers: list[str], start: str, end: str, message: str) -> None:
    source = Source({})
    with pytest.raises(InputError, match=message):
        fetch_prices(tickers, start, end, download=source)
    assert source.requests == []


def test_offline_is_told_within_seconds(closed_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "HOST", closed_port)
    monkeypatch.setattr(download, "getproxies", dict)
    start = time.perf_counter()
    with pytest.raises(DownloadError, match=r"expected a connection to 127\.0\.0\.1:\d+, received: .*refused"):
        fetch_prices(["AAPL"], "2020-01-01", "2020-01-31")
    assert time.perf_counter() - start < 5.0


def test_a_look_up_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_args, **_kwargs: time.sleep(3.0))
    start = time.perf_counter()
    with pytest.raises(DownloadError, match="expected a connection to nowhere:443, received: no answer"):
        probe(("nowhere", 443), 0.2)
    assert time.perf_counter() - start < 2.0


def test_an_open_port_passes_the_probe(socket_enabled: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe(server.getsockname(), 2.0)


def test_the_proxy_is_probed_where_one_is_set(closed_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "getproxies", lambda: {"https": "http://user@{}:{}".format(*closed_port)})
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1:{closed_port[1]}"):
        fetch_prices(["AAPL"], "2020-01-01", "2020-01-31")


def test_a_child_that_hangs_is_ended() -> None:
    start = time.perf_counter()
    with pytest.raises(DownloadError, match=r"no answer within 0\.5 s"):
        run_with_deadline([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    assert time.perf_counter() - start < 5.0


def test_a_child_that_fails_is_quoted() -> None:
    with pytest.raises(DownloadError, match=r"a failure \(ValueError: no such market\)"):
        run_with_deadline([sys.executable, "-c", "raise ValueError('no such market')"], 30.0)


def test_the_child_answers_without_a_network(closed_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(variable, "http://{}:{}".format(*closed_port))
    with pytest.raises(DownloadError, match="received no prices for AAPL after 1 attempt"):
        fetch_prices(["AAPL"], "2020-01-01", "2020-01-31", retries=0, download=download_in_child)


def answer(index: pd.DatetimeIndex, closes: dict[str, list[float]]) -> pd.DataFrame:
    """Bars in the shape of yfinance 1.x: columns (field, ticker)."""
    frames = {
        field: pd.DataFrame(closes, index=index) * scale for field, scale in [("Close", 1), ("High", 2), ("Open", 3)]
    }
    return pd.concat(frames, axis=1, names=["Price", "Ticker"])


def test_closes_are_taken_from_the_bars() -> None:
    index = pd.DatetimeIndex(
        ["2020-01-02 00:00", "2020-01-03 00:00", "2020-01-06 00:00"], tz="America/New_York", name="Date"
    )
    closes = adjusted_closes(answer(index, {"A": [1, 2, np.nan], "B": [np.nan, 4, np.nan], "GONE": [np.nan] * 3}))
    expected = pd.DataFrame({"A": [1.0, 2.0], "B": [np.nan, 4.0]}, index=DAYS)
    pd.testing.assert_frame_equal(closes, expected, check_index_type=False)


def test_no_bars_are_no_closes() -> None:
    assert adjusted_closes(None).empty
    assert adjusted_closes(answer(pd.DatetimeIndex([]), {"A": []})).empty
