"""`qfin strategy`: trading rules on crashes that have not happened."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption, SeedOption
from qfin.cli.output import Output
from qfin.exceptions import InputError


def strategy(
    paths: Annotated[Path, typer.Option(help="A run's folder, or a file that `qfin paths` wrote.")],
    rule: Annotated[
        list[str] | None,
        typer.Option(help="FILE.py with weights(prices), or builtin:NAME; repeat to compare. All built-in by default."),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help='How every path begins, such as "book < -5%"; of a run\'s folder.')
    ] = None,
    event_days: Annotated[
        int, typer.Option(help="Days over which the event's returns compound, up to the horizon.", min=1)
    ] = 1,
    model: Annotated[
        str, typer.Option(help="Of the paths of a run: garch, garch_vine, garch_mps, garch_circuit, fhs, …")
    ] = "garch",
    event_model: Annotated[
        str | None, typer.Option(help="Of the event's day, where it is one: mps (default), circuit, student_t, …")
    ] = None,
    horizon: Annotated[int, typer.Option(help="Days of a path, of a run's folder.", min=2, max=2_500)] = 250,
    n: Annotated[int, typer.Option(help="Paths, of a run's folder.", min=10)] = 2_000,
    cost: Annotated[float, typer.Option(help="Share of every amount traded.")] = 0.001,
    every: Annotated[int, typer.Option(help="Days between two looks of the rule.", min=1)] = 5,
    leverage: Annotated[float, typer.Option(help="Highest sum of |weights|.")] = 1.0,
    ruin: Annotated[str, typer.Option(help="Loss since the start that counts as ruin, such as 30%.")] = "30%",
    figure: Annotated[Path | None, typer.Option(help="HTML file for the distribution of drawdowns.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for what is found; the dashboard shows it.")] = None,
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Drawdown, recovery and ruin of trading rules over synthetic paths, beside history's."""
    output = Output(json)
    from qfin.backtest.rule_risk import rule_row
    from qfin.backtest.rules import BUILT_IN, load_rule
    from qfin.backtest.strategies import Trading
    from qfin.cli.crash import fraction

    trading, level = Trading(cost, every, leverage), fraction(ruin, "--ruin")
    if not 0.0 < level < 1.0:
        raise InputError(f"--ruin: expected a share between 0 and 1, received {ruin!r}")
    rules = [load_rule(text) for text in rule or [f"builtin:{name}" for name in BUILT_IN]]
    if out is not None and (out / "record.json").exists():
        raise InputError(f"{out}: expected a folder without a record, received one that has one")
    if event_days > 1 and (event is None or event_model is not None):
        raise InputError("--event-days: expected --event and no --event-model beside it, for the paths' model draws")
    if event_days > horizon:
        raise InputError(f"--event-days: expected at most the horizon of {horizon} days, received {event_days}")
    event_model = model if event_days > 1 else event_model or "mps"
    request = _Request(paths, model, event, event_days, event_model, horizon, n, seed)
    with output.bars() as bars:
        source = _drawn(request, bars)
        pairs = [_followed(chosen, source, trading, bars) for chosen in rules]
    rows = [rule_row(drawn, past, level, rng=source.seed) for drawn, past in pairs]
    _show(output, rows, source)
    if figure is not None:
        from qfin.viz.strategy import write_drawdown_page

        output.note(f"Figure: {write_drawdown_page(pairs, figure, ruin_level=level)}")
    facts: dict[str, Any] = {"assets": list(source.assets), "horizon": int(source.returns.shape[1]), "event": event}
    facts |= {"event_days": event_days} | _event_facts(source.event)
    settings = {"cost": cost, "every": every, "leverage": leverage, "ruin_level": level, "seed": source.seed}
    content = facts | settings | {"rows": rows}
    if out is not None:
        from qfin.experiments.strategy import write_strategies

        drawing = {"paths": str(paths), "model": model, "event_model": None if event is None else event_model}
        output.note(f"Stored: {write_strategies(out, content | drawing, pairs).path}")
    output.json(content)


def _drawn(request: "_Request", bars: Any) -> "_Source":
    started = time.perf_counter()
    bars.start("paths", f"Paths from {request.paths}")
    source = _run_source(request) if request.paths.is_dir() else _file_source(request)
    bars.finish("paths", time.perf_counter() - started, False)
    return source


def _followed(rule: Any, source: "_Source", trading: Any, bars: Any) -> tuple[Any, Any]:
    started = time.perf_counter()
    bars.start(rule.name, f"{rule.name}: {len(source.returns):,} paths, {len(source.windows):,} windows of history")
    pair = _run(rule, source, trading)
    bars.finish(rule.name, time.perf_counter() - started, False)
    return pair


@dataclass(frozen=True)
class _Request:
    """What paths are asked for."""

    paths: Path
    model: str
    event: str | None
    event_days: int
    event_model: str
    horizon: int
    n: int
    seed: int | None


@dataclass(frozen=True)
class _Source:
    """Paths with the days before them, and windows of history with theirs."""

    returns: Any
    past: Any
    windows: Any
    windows_past: Any
    assets: tuple[str, ...]
    seed: int
    event: Any = None


def _run_source(request: _Request) -> _Source:
    from qfin.backtest.crash_paths import paths_after
    from qfin.backtest.rules import TREND_DAYS
    from qfin.backtest.strategies import history_windows
    from qfin.experiments import RunFolder
    from qfin.experiments.history import run_history
    from qfin.experiments.paths import path_generator

    folder = RunFolder.open(request.paths)
    seed = int(folder.record["seed"]) if request.seed is None else request.seed
    history = run_history(folder)[0].dropna()
    generator, event = path_generator(folder, request.model), None
    if request.event is None:
        drawn = generator.sample_paths(request.n, request.horizon, rng=seed)
    else:
        event = _event_days(folder, generator, request, seed)
        drawn = paths_after(generator, event.returns, request.horizon, rng=seed)
    columns = [list(history.columns).index(asset) for asset in drawn.assets]
    values = history.to_numpy()[:, columns]
    windows, before = history_windows(values, request.horizon, TREND_DAYS)
    return _Source(drawn.returns, values[None, -TREND_DAYS:], windows, before, drawn.assets, seed, event)


def _event_days(folder: Any, generator: Any, request: _Request, seed: int) -> Any:
    """The first days of every path: one drawn by the event's model, or several by that of the paths."""
    from qfin.backtest.crash_paths import RunsGiven, runs_given
    from qfin.experiments import load_generator
    from qfin.scenarios import stress_scenarios
    from qfin.scenarios.stress import returns_given

    assert request.event is not None
    if request.event_days > 1:
        return runs_given(generator, request.event, request.n, request.event_days, rng=seed)
    days = load_generator(folder, request.event_model)
    stress = stress_scenarios(days, request.event, request.n, rng=seed)
    first = returns_given(days, request.event, request.n, rng=seed)
    return RunsGiven(first[:, None], stress.likelihood, stress.scenarios.effective_sample_size)


def _event_facts(event: Any) -> dict[str, Any]:
    if event is None:
        return {"event_probability": None, "event_probability_se": None, "event_ess": None}
    found = event.likelihood
    return {
        "event_probability": found.probability,
        "event_probability_se": found.standard_error,
        "event_ess": event.effective_size,
    }


def _file_source(request: _Request) -> _Source:
    """Paths of a file, equally likely ones drawn where they carry probabilities; it has no history beside it."""
    from qfin._random import stream
    from qfin.backtest.path_files import read_paths

    if request.event is not None:
        raise InputError("--event: expected with --paths a run's folder, whose model can draw the day, received a file")
    seed = 0 if request.seed is None else request.seed
    found = read_paths(request.paths)
    returns = found.returns
    if found.probabilities is not None:
        rows = stream(seed, "strategy", "paths").choice(len(returns), size=len(returns), p=found.probabilities)
        returns = returns[rows]
    return _Source(returns, None, (), None, found.assets, seed)


def _run(rule: Any, source: _Source, trading: Any) -> tuple[Any, Any]:
    from qfin.backtest.strategies import run_rule

    drawn = run_rule(rule, source.returns, past=source.past, trading=trading)
    if not len(source.windows):
        return drawn, None
    try:
        return drawn, run_rule(rule, source.windows, past=source.windows_past, trading=trading)
    except InputError as error:
        raise InputError(f"windows of history, {error}") from error


def _show(output: Output, rows: list[dict[str, Any]], source: _Source) -> None:
    if source.event is not None:
        n_days, likelihood = source.event.returns.shape[1], source.event.likelihood
        span = "a day" if n_days == 1 else f"in the next {n_days} days"
        output.say(f"P(event) = {likelihood.probability:.3g} {span} (standard error {likelihood.standard_error:.2g})")
        output.say(f"Every path begins with it; effective sample size {source.event.effective_size:,.0f}")
    output.table(
        f"{len(source.returns):,} paths of {source.returns.shape[1]} days; 95 % intervals",
        [
            {
                "rule": row["rule"],
                "ruin": f"{row['ruin']:.1%} ({row['ruin_lo']:.1%} to {row['ruin_hi']:.1%})",
                "drawdown 50%": f"{row['drawdown_q50']:.1%}",
                "95%": f"{row['drawdown_q95']:.1%} ({row['drawdown_q95_lo']:.1%} to {row['drawdown_q95_hi']:.1%})",
                "recovered": f"{row['recovered']:.0%}",
                "history's worst": "–" if row["history_drawdown"] is None else f"{row['history_drawdown']:.1%}",
                "at percentile": "–" if row["history_percentile"] is None else f"{row['history_percentile']:.1%}",
            }
            for row in rows
        ],
    )
    for row in rows:
        output.say(f"• {row['rule']}: {row['verdict']}")
