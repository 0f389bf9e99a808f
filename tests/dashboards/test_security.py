"""Who may ask for what: tokens, foreign names, headers, paths and uploads."""

import base64
from pathlib import Path
from typing import Any

import pytest

from dashboards.app import create_app
from dashboards.context import Context
from dashboards.pages.market import source_path, start_fetch, start_run, store_upload
from dashboards.security import MAX_BODY_BYTES, checked_token
from qfin.exceptions import InputError
from qfin.experiments.market_view import market_view, series_of

TOKEN = "a-long-enough-token"


def client(runs: Path, token: str | None = None) -> Any:
    return create_app(runs, token=token).server.test_client()


def test_this_machine_needs_no_token_and_gets_hardened_answers(tmp_path: Path) -> None:
    answer = client(tmp_path).get("/")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "http://" not in answer.text.replace("http://localhost", "")
    assert "https://" not in answer.text


def test_a_foreign_name_for_this_machine_is_refused(tmp_path: Path) -> None:
    assert client(tmp_path).get("/", headers={"Host": "evil.example"}).status_code == 403


def test_a_page_elsewhere_cannot_ask_in_our_name(tmp_path: Path) -> None:
    headers = {"Origin": "https://evil.example"}
    assert client(tmp_path).post("/_dash-update-component", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/_dash-layout", "/_dash-dependencies", "/assets/qfin.js", "/crash"])
def test_nothing_is_told_without_the_token(tmp_path: Path, path: str) -> None:
    visitor = client(tmp_path, TOKEN)
    for header, code in (({}, 401), ("Bearer wrong", 401), (f"Bearer {TOKEN}", 200)):
        with visitor.get(path, headers={"Authorization": header} if header else {}) as answer:
            assert answer.status_code == code


def test_the_login_gives_a_signed_cookie_that_cannot_be_made_up(tmp_path: Path) -> None:
    visitor = client(tmp_path, TOKEN)
    page = visitor.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert "<form" in page.text
    assert visitor.post("/login", data={"token": "wrong"}).status_code == 401
    assert visitor.get("/").status_code == 401
    answer = visitor.post("/login", data={"token": TOKEN})
    assert answer.status_code == 302
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    assert visitor.get("/").status_code == 200
    other = client(tmp_path, TOKEN)
    other.set_cookie("qfin", "ImluIg.forged.signature")
    assert other.get("/").status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_other_machines_demand_a_token(host: str) -> None:
    with pytest.raises(InputError, match="token"):
        checked_token(host, None)
    assert checked_token(host, TOKEN) == TOKEN
    with pytest.raises(InputError, match="16 characters"):
        checked_token(host, "short")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.5"])
def test_this_machine_demands_none(host: str) -> None:
    assert checked_token(host, None) is None


@pytest.mark.parametrize("run_id", ["../secret", "..", "/etc", "a/b", "", ".jobs", "a\x00b", "x" * 101])
def test_no_run_id_leads_out_of_the_folder(tmp_path: Path, run_id: str) -> None:
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "record.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match="id of a"):
        Context(tmp_path / "runs").run(run_id)


def test_a_link_out_of_the_folder_is_no_run(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "record.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(outside)
    with pytest.raises(InputError, match="finished run"):
        Context(tmp_path / "runs").run("linked")


def encoded(body: bytes) -> str:
    return "data:text/csv;base64," + base64.b64encode(body).decode()


def prices(n_days: int = 300) -> bytes:
    import numpy as np
    import pandas as pd

    steps = 1 + 0.01 * np.random.default_rng(0).standard_normal((n_days, 2))
    table = pd.DataFrame(
        100 * steps.cumprod(axis=0), columns=["A", "B"], index=pd.bdate_range("2015-01-01", periods=n_days)
    )
    return table.rename_axis("date").to_csv().encode()


def test_a_good_upload_is_kept_under_a_name_of_ours(tmp_path: Path) -> None:
    context = Context(tmp_path)
    source = store_upload(context, encoded(prices()), "../../my prices<script>.csv")
    kept = list(context.uploads.iterdir())
    assert [f"upload:{path.name}" for path in kept] == [source]
    assert "my-prices-script" in source
    assert kept[0].read_bytes() == prices()


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".xlsx"])
def test_every_format_is_read_the_same(tmp_path: Path, ending: str) -> None:
    import gzip
    import io

    import pandas as pd

    table = pd.read_csv(io.BytesIO(prices()), parse_dates=["date"])
    body = io.BytesIO()
    if ending == ".parquet":
        table.to_parquet(body)
    elif ending == ".xlsx":
        table.to_excel(body, index=False)
    else:
        body.write(gzip.compress(prices()) if ending.endswith("gz") else prices())
    context = Context(tmp_path)
    path = source_path(context, store_upload(context, encoded(body.getvalue()), f"mine{ending}"))
    assert path.endswith(ending)
    view = market_view(path)
    expected = table.set_index("date")[["A", "B"]].pct_change().iloc[1:]
    assert view.returns.to_numpy() == pytest.approx(expected.to_numpy())
    dates, returns, fall = series_of(view, "A")
    assert len(dates) == len(returns) == len(expected)
    assert fall.min() == pytest.approx((table["A"] / table["A"].cummax() - 1.0).min())
    assert series_of(view, None)[1] == pytest.approx(expected.mean(axis=1).to_numpy())
    with pytest.raises(InputError, match="asset"):
        series_of(view, "C")


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        (b"date,A\n2015-01-01,1\n", "few.csv", "expected"),
        (b"not a table", "words.csv", "expected"),
        (b"", "empty.csv", "expected at most"),
        (b"import os", "rule.py", "ending in"),
        (b"\x80\x04K\x01.", "model.pkl", "ending in"),
        (b"PK\x03\x04 no sheet", "broken.xlsx", "expected"),
    ],
)
def test_a_bad_upload_leaves_nothing_behind(tmp_path: Path, body: bytes, name: str, words: str) -> None:
    context = Context(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        store_upload(context, encoded(body), name)
    assert str(tmp_path) not in str(caught.value)
    assert not context.uploads.exists() or list(context.uploads.iterdir()) == []


def test_a_body_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    answer = client(tmp_path).post(
        "/_dash-update-component",
        data=b"{}",
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("source", "kind", "preset", "train_end"),
    [
        ("upload:../../etc/passwd", None, "quick", ""),
        ("fx-usd", "pickles", "quick", ""),
        ("fx-usd", None, "--config=x", ""),
        ("fx-usd", None, "quick", "2012-12-31 --out /tmp/x"),
        ("/etc/passwd", None, "quick", ""),
        ("../prices.csv", None, "quick", ""),
        ("run:../x", None, "quick", ""),
    ],
)
def test_a_job_is_made_of_checked_words_alone(
    tmp_path: Path, source: str, kind: str | None, preset: str, train_end: str
) -> None:
    context = Context(tmp_path)
    with pytest.raises(InputError):
        start_run(context, source, kind, preset, train_end)
    assert context.jobs.jobs() == []


@pytest.mark.parametrize("tickers", ["SPY --out=/tmp/x", "SPY;rm", "", "../SPY"])
def test_tickers_are_names(tmp_path: Path, tickers: str) -> None:
    with pytest.raises(InputError, match="tickers"):
        start_fetch(Context(tmp_path), tickers, "2010-01-01", "2012-01-01")
