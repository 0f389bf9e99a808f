"""Uploading, starting, following, losing the server, cancelling: as a person does it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qfin.experiments.jobs import JobQueue

from .conftest import RUN, Server, local_sockets, serving

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    runs = tmp_path_factory.mktemp("jobs") / "runs"
    shutil.copytree(made_run, runs / RUN)
    with serving(runs) as running:
        yield running
    queue = JobQueue(runs / ".jobs")
    for job in queue.jobs():
        queue.cancel(job.job_id)


def price_file(path: Path) -> Path:
    steps = 1 + 0.01 * np.random.default_rng(0).standard_normal((900, 4))
    days = pd.bdate_range("2012-01-02", periods=len(steps), name="date")
    pd.DataFrame(100 * steps.cumprod(axis=0), index=days, columns=list("WXYZ")).to_csv(path)
    return path


def test_a_good_file_is_shown_and_a_bad_one_is_explained(visit: Open, tmp_path: Path) -> None:
    page = visit().open("/market")
    page.wait_for_selector("table[data-name=assets]")
    page.set_input_files("input[type=file]", price_file(tmp_path / "mine.csv"))
    page.wait_for_selector("table[data-name=assets] tbody th:text-is('W')")
    assert [row.inner_text() for row in page.locator("table[data-name=assets] tbody th").all()] == list("WXYZ")
    (tmp_path / "bad.csv").write_text("date,A,B\n2015-01-02,1,2\n2015-01-02,1,x\n")
    page.set_input_files("input[type=file]", tmp_path / "bad.csv")
    page.wait_for_selector(".qfin-error")
    words = page.inner_text(".qfin-error")
    assert "bad.csv" in words
    assert "expected" in words


def test_a_job_is_started_followed_outlives_the_server_and_is_cancelled(
    visit: Open, server: Server, tmp_path: Path
) -> None:
    one = visit()
    page = one.open("/market")
    page.wait_for_selector("table[data-name=assets]")
    page.fill("#market-train-end", "2012-12-31")
    page.click("#market-start")
    page.get_by_role("link", name="Follow it on the page Training").click()
    page.wait_for_selector("#training-badge >> text=running")
    page.wait_for_selector("table[data-name=stages] tbody tr", timeout=60_000)
    assert "job=" in page.evaluate("location.search")
    server.stop()
    with local_sockets():
        server.start()
    page.reload()
    page.wait_for_selector("#training-badge >> text=running")
    one.complaints.clear()  # the browser rightly says that the server was gone
    page.click("#training-cancel")
    page.wait_for_selector("#training-badge >> text=cancelled")
    jobs = JobQueue(server.runs / ".jobs").jobs()
    assert [job.state for job in jobs] == ["cancelled"]
    assert not (Path(jobs[0].arguments[jobs[0].arguments.index("--out") + 1]) / "record.json").exists()
