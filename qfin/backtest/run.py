"""A back-test in stages on disk: an interrupted one goes on where it stopped, with the very same numbers."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from qfin._files import write_whole
from qfin._threads import one_blas_thread
from qfin.backtest.evaluation import evaluate, model_tests
from qfin.backtest.forecasts import Forecasts, forecast_span
from qfin.backtest.inputs import BacktestInputs
from qfin.backtest.record import backtest_record
from qfin.exceptions import InputError

# stage, pieces done, pieces in all
OnProgress = Callable[[str, int, int], None]
Task = tuple[Callable[..., None], tuple[Any, ...]]
MAX_WORKERS = 2
_LOOK_EVERY = 0.5  # seconds


def run_backtest(
    inputs: BacktestInputs,
    out: str | Path,
    *,
    source: str,
    resume: bool = False,
    n_workers: int = MAX_WORKERS,
    on_progress: OnProgress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Forecast, test, compare; writes `record.json` and returns it. See `qfin.backtest.record` for its layout.

    The work is done by up to two processes, a span of days or a model's tests at a time; no number depends on that.
    """
    if not 1 <= n_workers <= MAX_WORKERS:
        raise InputError(f"workers: expected 1 or {MAX_WORKERS}, received {n_workers}")
    folder = Path(out)
    _open(folder, inputs.fingerprint, resume)
    started = time.perf_counter()
    names = inputs.plan.models
    files = [_forecast_file(folder, name, span) for span in inputs.spans for name in names]
    tasks: list[Task] = [(_forecast, (inputs, folder, span)) for span in inputs.spans]
    _work(tasks, "forecasts", files, n_workers, on_progress)
    forecast_s = time.perf_counter() - started
    files = [_tests_file(folder, name) for name in names]
    tasks = [(_test, (inputs, folder, name)) for name in names if not _tests_file(folder, name).is_file()]
    _work(tasks, "tests", files, n_workers, on_progress)
    forecasts = {name: _read(folder, inputs, name) for name in names}
    tests = {name: json.loads(_tests_file(folder, name).read_text()) for name in names}
    dates = inputs.dates[inputs.days[0] : inputs.days[-1] + 1]
    found = evaluate(inputs.losses, dates, forecasts, tests, inputs.plan)
    timings = {"forecasts_s": forecast_s, "total_s": time.perf_counter() - started, "n_workers": n_workers}
    record = backtest_record(inputs, source, forecasts, tests, found, timings)
    _write_json(folder / "record.json", record)
    return record


def _open(folder: Path, fingerprint: str, resume: bool) -> None:
    """Mark the folder as this back-test's; refuse one that holds another."""
    marker = folder / "stages" / "fingerprint"
    known = marker.read_text() if marker.is_file() else None
    if known is not None and not resume:
        raise InputError(
            f"out: expected a new folder, received {folder}, which holds a back-test; choose another, or continue it "
            "with --resume"
        )
    if known is not None and known != fingerprint:
        raise InputError(
            f"resume: expected the settings, data and version that {folder} was started with, received different ones"
        )
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{marker.parent}: expected a folder to write, received: {error.strerror}") from None
    write_whole(marker, lambda partial: partial.write_text(fingerprint))


def _work(
    tasks: list[Task],
    stage: str,
    files: list[Path],
    n_workers: int,
    on_progress: OnProgress,
) -> None:
    """Do the tasks, telling how many of the `files` that they leave are there."""

    def look() -> None:
        on_progress(stage, sum(path.is_file() for path in files), len(files))

    look()
    if n_workers == 1 or len(tasks) < 2:
        for function, arguments in tasks:
            function(*arguments, on_piece=look)
        look()
        return
    # Fresh processes: JAX and its threads do not survive a fork.
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as executor:
        futures: set[Future[None]] = {executor.submit(function, *arguments) for function, arguments in tasks}
        try:
            while futures:
                done, futures = wait(futures, timeout=_LOOK_EVERY)
                for future in done:
                    future.result()
                look()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Lets no worker outlive a back-test that was killed: workers keep each other's queue open and would wait on it."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _forecast(inputs: BacktestInputs, folder: Path, span: range, on_piece: Callable[[], None] = lambda: None) -> None:
    """The forecasts of one span that are not there yet."""
    missing = tuple(name for name in inputs.plan.models if not _forecast_file(folder, name, span).is_file())
    if not missing:
        return
    plan = replace(inputs.plan, models=missing)
    with one_blas_thread():
        for name, found in forecast_span(inputs.returns, inputs.weights, plan, span):
            arrays = {"var": found.var, "es": found.es, "pit": found.pit, "draws": found.draws.astype(np.float32)}
            write_whole(_forecast_file(folder, name, span), lambda partial, a=arrays: np.savez(partial, **a))  # type: ignore[misc]
            on_piece()


def _test(inputs: BacktestInputs, folder: Path, name: str, on_piece: Callable[[], None] = lambda: None) -> None:
    """All tests of one model."""
    with one_blas_thread():
        found = model_tests(inputs.losses, _read(folder, inputs, name), inputs.plan)
    _write_json(_tests_file(folder, name), found)
    on_piece()


def _read(folder: Path, inputs: BacktestInputs, name: str) -> Forecasts:
    """One model's forecasts, from the files alone, so that restored ones cannot differ from fresh ones."""

    def part(span: range) -> Forecasts:
        with np.load(_forecast_file(folder, name, span), allow_pickle=False) as archive:
            return Forecasts(archive["var"], archive["es"], archive["pit"], archive["draws"].astype(np.float64))

    return Forecasts.join([part(span) for span in inputs.spans])


def _forecast_file(folder: Path, name: str, span: Iterable[int]) -> Path:
    return folder / "stages" / f"{name}-{next(iter(span))}.npz"


def _tests_file(folder: Path, name: str) -> Path:
    return folder / "stages" / f"tests-{name}.json"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, allow_nan=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text))
