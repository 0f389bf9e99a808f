"""A real run, the dashboard served by its own command, and a real Chromium that listens for every complaint."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

RUN, GEO, BACKTEST, RULES = "fx-2012", "geo-small", "backtest-small", "rules-small"
CONFIG = """
seed = 3
[market]
prices = "fx-usd"
train_end = "2012-12-31"
assets = ["EURUSD", "GBPUSD", "USDCHF", "USDJPY"]
[born]
n_functions = 4
max_bond = 2
max_steps = 150
[circuit]
n_assets = 3
n_layers = 2
n_distant = 1
max_steps = 40
full_assets = 4
full_layers = 1
[quantum]
shots = 2000
noisy_shots = 200
full_shots = 200
training_steps = 2
training_shots = 200
[scenarios]
n_samples = 2000
"""


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on real currency data; not to be written to."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "qfin", "run", "--config", str(folder / "small.toml"), "--out", str(folder / RUN)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / RUN


@pytest.fixture(scope="session")
def made_geo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small search for a portfolio."""
    from qfin.experiments.geo import GeoConfig, run_geo
    from qfin.experiments.geo_problem import GeoRules

    rules = GeoRules(cardinality=(3, 3))
    config = GeoConfig(rules, prices="fx-usd", end="2012-12-31", budget=40, n_points=3)
    return run_geo(config, tmp_path_factory.mktemp("made-geo") / GEO).path


@pytest.fixture(scope="session")
def made_backtest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a back-test of a few weeks."""
    from qfin.backtest import BacktestInputs, BacktestPlan, run_backtest
    from qfin.market import load_panel

    plan = BacktestPlan(("hs", "gaussian"), (0.95, 0.975), window=250, refit=60, n_draws=1_000, n_kept=99)
    panel = load_panel("fx-usd").select(["EURUSD", "GBPUSD", "USDJPY"])
    inputs = BacktestInputs.of(panel.returns, plan, start="2015-01-05", end="2015-04-30")
    folder = tmp_path_factory.mktemp("made-backtest") / BACKTEST
    run_backtest(inputs, folder, source=panel.source)
    return folder


@pytest.fixture(scope="session")
def made_rules(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two trading rules on a few crashes."""
    from qfin.cli.strategy import strategy

    folder = tmp_path_factory.mktemp("made-rules") / RULES
    chosen = ["builtin:buy-hold", "builtin:vol-target"]
    strategy(made_run, chosen, event="book < -1%", event_model="student_t", horizon=40, n=300, ruin="5%", out=folder)
    return folder


@dataclass
class Server:
    """A dashboard that is served; `stop` and `start` as an administrator would."""

    runs: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "qfin", "dashboard", "--runs", str(self.runs), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while True:
            try:
                urlopen(self.url, timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, "the server stopped"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=20)


@contextmanager
def local_sockets() -> Iterator[None]:
    """Tests may open no socket but these: to a server of their own on this machine."""
    from pytest_socket import disable_socket, enable_socket

    enable_socket()
    try:
        yield
    finally:
        disable_socket(allow_unix_socket=True)


@contextmanager
def serving(runs: Path) -> Iterator[Server]:
    with local_sockets():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            server = Server(runs, free.getsockname()[1])
        server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(
    made_run: Path, made_geo: Path, made_backtest: Path, made_rules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The dashboard of a folder with one run of each kind, for the tests of one file."""
    runs = tmp_path_factory.mktemp("served") / "runs"
    for made in (made_run, made_geo, made_backtest, made_rules):
        shutil.copytree(made, runs / made.name)
    with serving(runs) as running:
        yield running


@dataclass
class Visit:
    """A page of a browser, and everything it complained of or asked of others."""

    page: Any
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        self.page.goto(self.url + path)
        return self.page


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Callable[..., Visit]]:
    """Open pages of the server; at the end no console error and no request to another host may have been seen."""
    visits: list[Visit] = []

    def start(width: int = 1280, **settings: Any) -> Visit:
        page = browser.new_page(viewport={"width": width, "height": 900}, **settings)
        new = Visit(page, server.url)
        page.on("pageerror", lambda error: new.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: new.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((server.url, "data:", "blob:")) else new.complaints.append(request.url)
            ),
        )
        visits.append(new)
        return new

    yield start
    for one in visits:
        one.page.close()
        assert one.complaints == []
