"""`qfin crash`: synthetic crashes of a run's model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption, SeedOption
from qfin.cli.output import Output
from qfin.exceptions import InputError

_WAYS = "--reverse, --like, --temper, --shocks or --view"
_SHOWN_ASSETS = 5


def crash(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    reverse: Annotated[
        str | None, typer.Option(help="The likeliest ways to lose this much in a day, such as 5%.")
    ] = None,
    like: Annotated[str | None, typer.Option(help="As bad for the book as a named crash: 2008-09, 2020-03, …")] = None,
    days: Annotated[int, typer.Option(help="With --like: its worst run of so many days; draws become paths.")] = 1,
    temper: Annotated[
        str | None, typer.Option(help="Draws weighted towards losses: a mean loss such as 3%, or ess=10%.")
    ] = None,
    shocks: Annotated[Path | None, typer.Option(help="CSV with the columns asset (or factor) and shock.")] = None,
    factors: Annotated[str | None, typer.Option(help="Prices of the factors that --shocks names, by date.")] = None,
    view: Annotated[list[str] | None, typer.Option(help='Such as "mean: JPM == -0.02"; may be repeated.')] = None,
    out: Annotated[Path | None, typer.Option(help="File to write: .csv, .csv.gz, .parquet or .xlsx.")] = None,
    model: Annotated[str, typer.Option(help="mps, circuit, student_t, gaussian, …")] = "mps",
    n: Annotated[int, typer.Option(help="Days to draw.")] = 20_000,
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Crashes that have not happened: reversed from a loss, like a named one, tempered, shocked, or as viewed."""
    output = Output(json)
    ways: dict[str, Callable[[_Job], dict[str, Any]]] = {}
    if reverse is not None:
        ways["reverse"] = lambda job: _reverse(job, fraction(reverse, "--reverse"))
    if like is not None:
        ways["like"] = lambda job: _like(job, like) if days == 1 else _like_run(job, like, days)
    if temper is not None:
        ways["temper"] = lambda job: _temper(job, temper)
    if shocks is not None:
        ways["shocks"] = lambda job: _shocks(job, shocks, factors)
    if view:
        ways["view"] = lambda job: _view(job, view)
    if len(ways) != 1:
        received = " and ".join(f"--{name}" for name in ways) or "none"
        raise InputError(f"crash: expected one of {_WAYS}, received {received}")
    if factors is not None and shocks is None:
        raise InputError("crash: expected --factors together with --shocks, received it alone")
    if days != 1 and like is None:
        raise InputError("crash: expected --days together with --like, received it alone")
    (kind, way) = next(iter(ways.items()))
    content = way(_job(output, run, model, n, seed, out))
    output.json({"kind": kind, "model": model} | content)


@dataclass(frozen=True)
class _Job:
    """What every way needs."""

    output: Output
    folder: Any
    generator: Any
    model: str
    n: int
    seed: int
    out: Path | None


def _job(output: Output, run: Path, model: str, n: int, seed: int | None, out: Path | None) -> _Job:
    from qfin.experiments import RunFolder, load_generator

    folder = RunFolder.open(run)
    chosen = folder.record["seed"] if seed is None else seed
    return _Job(output, folder, load_generator(folder, model), model, n, chosen, out)


def _reverse(job: _Job, level: float) -> dict[str, Any]:
    from qfin.experiments.crash import reverse_content
    from qfin.experiments.history import run_history
    from qfin.scenarios import reverse_stress

    with job.output.status(f"Searching the likeliest losses of {level:.1%} under {job.model}"):
        history, _ = run_history(job.folder)
        found = reverse_stress(job.generator, level, history=history, rng=job.seed)
    content = reverse_content(found)
    rows = content["rows"]
    probability = found.likelihood.probability
    job.output.say(f"P(loss > {level:.2%}) = {probability:.3g} a day, once in {1.0 / probability:,.0f} days")
    job.output.say(f"{found.n_converged} of {found.n_starts} searches converged, {len(rows)} distinct mode(s)")
    for number, row in enumerate(rows, start=1):
        job.output.say(_mode_title(number, row))
        job.output.table("Parts of the loss", _mode_table(row))
    return content | {"file": _save_modes(job, rows)}


def _mode_title(number: int, row: dict[str, Any]) -> str:
    return (
        f"{number}. log-density {row['log_density']:.2f}, {row['share']:.0%} of the likeliest; nearest day "
        f"{row['nearest_day']} (distance {row['nearest_distance']:.1f}, book {row['nearest_book_return']:+.2%})"
    )


def _mode_table(row: dict[str, Any]) -> list[dict[str, str]]:
    ordered = sorted(row["assets"], key=lambda part: -part["contribution"])
    shown = [
        {
            "asset": part["asset"],
            "return": f"{part['return']:+.2%}",
            "share of loss": f"{part['contribution'] / row['loss']:.0%}",
        }
        for part in ordered[:_SHOWN_ASSETS]
    ]
    rest = ordered[_SHOWN_ASSETS:]
    if rest:
        share = sum(part["contribution"] for part in rest) / row["loss"]
        shown.append({"asset": f"{len(rest)} others", "return": "", "share of loss": f"{share:.0%}"})
    return shown


def _save_modes(job: _Job, rows: list[dict[str, Any]]) -> str | None:
    if job.out is None:
        return None
    import pandas as pd

    from qfin.market import write_table

    frame = pd.DataFrame(
        {"mode": number, "loss": row["loss"], "log_density": row["log_density"]}
        | {part["asset"]: part["return"] for part in row["assets"]}
        for number, row in enumerate(rows, start=1)
    )
    return _wrote(job, write_table(frame, job.out))


def _like(job: _Job, name: str) -> dict[str, Any]:
    import pandas as pd

    from qfin.experiments.crash import episode_content
    from qfin.experiments.history import run_history
    from qfin.scenarios import episode_stress

    with job.output.status(f"Drawing {job.n:,} days like {name} from {job.model}"):
        history = pd.concat(run_history(job.folder))
        found = episode_stress(job.generator, history, name, job.n, rng=job.seed)
    content = _stress(job, found.stress)
    episode, told = found.episode, episode_content(found)
    job.output.say(f"{name}: {episode.what}; worst day {found.worst_day:%Y-%m-%d}, book {found.book_return:+.2%}")
    job.output.table(
        "The episode, and who leads in the draws",
        [
            {
                "asset": row["asset"],
                "worst day": f"{row['worst_day']:+.1%}",
                f"{episode.first} to {episode.last}": f"{row['episode']:+.1%}",
                "mean given": f"{row['mean_given']:+.1%}",
                "leads": f"{row['leads']:.0%}" + (" (led)" if row["led"] else ""),
            }
            for row in told["leads"]
        ],
    )
    return content | told


def _like_run(job: _Job, name: str, days: int) -> dict[str, Any]:
    import pandas as pd

    from qfin.experiments.crash import replay_rows
    from qfin.experiments.history import run_history
    from qfin.scenarios import episode_paths

    with job.output.status(f"Drawing {job.n:,} runs of {days} days like {name} from {job.model}"):
        history = pd.concat(run_history(job.folder))
        found = episode_paths(job.generator, history, name, job.n, days, rng=job.seed)
    probability, effective = found.likelihood.probability, found.paths.effective_sample_size
    first, last = (str(day.date()) for day in (found.replay.index[0], found.replay.index[-1]))
    rows = found.rows()
    job.output.say(f"{name}: {found.episode.what}; worst {days} days {first} to {last}, book {found.book_return:+.2%}")
    error = found.likelihood.standard_error
    job.output.say(f"P = {probability:.3g} in {days} independent days (standard error {error:.2g})")
    job.output.say(f"{len(found.paths):,} paths, effective sample size {effective:,.0f}")
    job.output.table(
        f"Return over {days} days",
        [
            {"asset": row["asset"], "then": f"{row['episode']:+.1%}", "mean given": f"{row['mean_given']:+.1%}"}
            for row in rows
        ],
    )
    return {
        "episode": name,
        "days": days,
        "first": first,
        "last": last,
        "book_return": found.book_return,
        "probability": probability,
        "probability_se": error,
        "n": len(found.paths),
        "ess": effective,
        "replay": replay_rows(found.replay),
        "rows": rows,
        "file": None if job.out is None else _wrote(job, found.paths.save(job.out)),
    }


def _temper(job: _Job, text: str) -> dict[str, Any]:
    from qfin.scenarios import tempered_scenarios

    share = text.strip().lower().removeprefix("ess=") if text.strip().lower().startswith("ess=") else None
    target = (
        {"mean_loss": fraction(text, "--temper")} if share is None else {"effective_share": fraction(share, "--temper")}
    )
    return _stress(job, tempered_scenarios(job.generator, job.n, rng=job.seed, **target))


def _shocks(job: _Job, file: Path, factors: str | None) -> dict[str, Any]:
    from qfin.scenarios import factor_scenarios, read_shocks, shock_scenarios

    moves = read_shocks(file)
    if factors is None:
        return _stress(job, shock_scenarios(job.generator, moves, job.n, rng=job.seed))
    from qfin.experiments.history import run_history
    from qfin.market import load_panel

    history, _ = run_history(job.folder)
    return _stress(job, factor_scenarios(history, load_panel(factors).returns, moves, job.n, rng=job.seed))


def _view(job: _Job, sentences: list[str]) -> dict[str, Any]:
    from qfin.copulas import EventProbability
    from qfin.scenarios import StressResult, pooled_scenarios

    views: dict[str, list[str]] = {}
    for sentence in sentences:
        kind, colon, rest = sentence.partition(":")
        if not colon or not rest.strip():
            raise InputError(f'--view: expected something like "mean: JPM == -0.02", received {sentence!r}')
        views.setdefault(kind.strip().lower().replace(" ", "_"), []).append(rest.strip())
    baseline = job.generator.sample_set(job.n, rng=job.seed)
    with job.output.status("Pooling"):
        viewed = pooled_scenarios(baseline, views)
    entropy = viewed.provenance["relative_entropy"]
    content = _stress(job, StressResult("; ".join(sentences), EventProbability(1.0, 0.0, True), viewed, baseline))
    job.output.say(f"Relative entropy to the model: {entropy:.3f} nats")
    return content | {"relative_entropy": entropy}


def _stress(job: _Job, result: Any) -> dict[str, Any]:
    """Tables and numbers of a `StressResult`, and its draws where a file is asked for."""
    from qfin.experiments.stress import stress_content

    content: dict[str, Any] = stress_content(result)
    output, probability = job.output, content["probability"]
    output.say(result.event)
    if 0.0 < probability < 1.0:
        output.say(f"P = {probability:.3g} a day, once in {1.0 / probability:,.0f} days")
    output.say(f"{content['n']:,} draws, effective sample size {content['ess']:,.0f}")
    if content["warning"] is not None:
        output.note(f"warning: {content['warning']}")
    output.table(
        "Book, equal weights: loss then, and on any day",
        [
            {
                "level": f"{row['level']:.1%}",
                "VaR": f"{row['var']:.2%}",
                "VaR any day": f"{row['var_before']:.2%}",
                "ES": f"{row['es']:.2%}",
                "ES any day": f"{row['es_before']:.2%}",
            }
            for row in content["book"]
        ],
    )
    output.table(
        "Assets: return then, and the mean of any day",
        [
            {"asset": row["asset"], "mean": f"{row['mean']:+.2%}"}
            | {label: f"{row[key]:+.2%}" for key, label in (("q05", "5%"), ("q50", "50%"), ("q95", "95%"))}
            | {"any day": f"{row['mean_before']:+.2%}"}
            for row in content["rows"]
        ],
    )
    return content | {"file": None if job.out is None else _wrote(job, result.scenarios.save(job.out))}


def _wrote(job: _Job, path: Path) -> str:
    job.output.say(f"Written: {path}")
    return str(path)


def fraction(text: str, option: str) -> float:
    """5% or 0.05 as a number."""
    stripped = text.strip()
    try:
        return float(stripped.removesuffix("%")) * (0.01 if stripped.endswith("%") else 1.0)
    except ValueError:
        raise InputError(f"{option}: expected a share such as 5% or 0.05, received {text!r}") from None
