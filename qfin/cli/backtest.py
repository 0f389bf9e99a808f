"""`qfin backtest`: daily forecasts of the book's VaR and ES by model, tested on what came."""

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output, clock
from qfin.exceptions import InputError

_P = ".3f"
# columns of a row that are shown, with the format of their numbers
_COLUMNS = {
    "model": "",
    "exceedances": "d",
    **dict.fromkeys(("kupiec_p", "cc_p", "dq_p", "z2_p"), _P),
    "fz_loss": ".4f",
    "in_mcs": "",
}
_REGIME_COLUMNS = {
    "regime": "", "model": "", "n": "d", "exceedances": "d", "expected": ".1f", "kupiec_p": _P, "fz_loss": ".4f",
}  # fmt: skip
_HEADINGS = {"exceedances": "beyond", "in_mcs": "MCS"}
_WORDS = {"forecasts": "Forecasts: spans of days by model", "tests": "Tests by model"}


def backtest(
    prices: Annotated[str, typer.Option(help="Price file or bundled set (`qfin data list`).")],
    out: Annotated[Path, typer.Option(help="Folder for record.json, backtest.html and the stages.")],
    models: Annotated[
        str, typer.Option(help="hs, fhs, gaussian, student_t, garch_t, vine, mps, circuit.")
    ] = "hs,fhs,gaussian,student_t,garch_t,vine,mps,circuit",
    book: Annotated[str, typer.Option(help="equal, or a CSV file with columns asset,weight.")] = "equal",
    window: Annotated[int, typer.Option(help="Days that a model learns from.")] = 1_000,
    refit: Annotated[int, typer.Option(help="Days until parameters are fitted anew.")] = 20,
    levels: Annotated[str, typer.Option(help="Confidences of VaR and ES.")] = "0.95,0.975,0.99",
    horizon: Annotated[int, typer.Option(help="Days that the book is held, from paths.")] = 1,
    start: Annotated[str | None, typer.Option(help="First day to forecast; after the first window by default.")] = None,
    end: Annotated[str | None, typer.Option(help="Last day to forecast.")] = None,
    kind: Annotated[str | None, typer.Option(help="prices, levels or returns.")] = None,
    assets: Annotated[str | None, typer.Option(help="Tickers, comma-separated; all by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 7,
    workers: Annotated[int, typer.Option(help="Processes, 1 or 2; no number depends on it.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted back-test.")] = False,
    json: JsonOption = None,
) -> None:
    """Walk forward: forecasts from the past alone, exceedances, all tests, losses, Model Confidence Set, regimes."""
    output = Output(json)
    from qfin.backtest import BacktestInputs, BacktestPlan, run_backtest
    from qfin.market import load_panel
    from qfin.viz.backtest import write_backtest_page

    plan = BacktestPlan(_names(models), _levels(levels), window, refit, horizon, seed)
    panel = load_panel(prices, kind)
    if assets is not None:
        panel = panel.select(_names(assets))
    inputs = BacktestInputs.of(panel.returns, plan, book=_book(book), start=start, end=end)
    with output.bars() as bars:
        following = _Following(bars)
        record = run_backtest(
            inputs, out, source=panel.source, resume=resume, n_workers=workers, on_progress=following.look
        )
    page = write_backtest_page(record, out / "backtest.html")
    _show(output, record)
    output.say(f"Page: {page}    ({clock(record['timings']['total_s'])})")
    output.json(
        {key: record[key] for key in ("rows", "tests", "confidence_sets", "comparisons", "regimes", "notes", "verdict")}
        | {"out": str(out), "timings": record["timings"]}
    )


class _Following:
    """The bars of stages whose pieces are counted."""

    def __init__(self, bars: Any) -> None:
        import time

        self._bars, self._stage, self._clock = bars, "", time.perf_counter
        self._started, self._first = 0.0, 0

    def look(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stage, self._started, self._first = stage, self._clock(), done
            self._bars.start(stage, _WORDS[stage])
        elif done == total:
            return
        self._bars.update(done, total)
        if done == total:
            self._bars.finish(stage, self._clock() - self._started, self._first == total)


def _show(output: Output, record: dict[str, Any]) -> None:
    output.say(f"{record['source']}: {len(record['assets'])} assets, {record['dates'][0]} to {record['dates'][-1]}")
    for level in record["levels"]:
        rows = [row for row in record["rows"] if row["level"] == level]
        title = f"Level {level:g}: {rows[0]['n']:,} losses, {rows[0]['expected']:.1f} expected beyond the VaR"
        output.table(title, [_shown(row, _COLUMNS) for row in rows])
    coverage = [row for row in record["regimes"] if row["level"] == record["levels"][-1]]
    output.table(f"Level {record['levels'][-1]:g} by regime", [_shown(row, _REGIME_COLUMNS) for row in coverage])
    for sentence in (*record["verdict"], *record["notes"]):
        output.say(f"• {sentence}")


def _shown(row: dict[str, Any], columns: dict[str, str]) -> dict[str, str]:
    """A row in few characters, for terminals of 80."""
    return {
        _HEADINGS.get(name, name): "–" if row[name] is None else format(row[name], form)
        for name, form in columns.items()
    }


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _levels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--levels: expected numbers such as 0.95,0.99, received {text!r}") from None


def _book(text: str) -> dict[str, float] | None:
    """Weights by asset; None for equal ones."""
    if text == "equal":
        return None
    path = Path(text)
    if not path.is_file():
        raise InputError(f"--book: expected equal or a CSV file with columns asset,weight, received {text}")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        found = {row["asset"]: float(row["weight"]) for row in rows}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected columns asset,weight with a number in each row, received others") from None
    if len(found) < len(rows):
        raise InputError(f"{path}: expected each asset once, received {len(rows)} rows of {len(found)} assets")
    return found
