"""The commands. Heavy packages are imported inside, so that help answers at once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.output import Output, clock

JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the figures as one JSON object; - for stdout.")
]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every random number.")]


def run(
    config: Annotated[Path | None, typer.Option(help="TOML file; see config.toml in any run folder.")] = None,
    preset: Annotated[str | None, typer.Option(help="default (20 US stocks) or quick (9 currency pairs).")] = None,
    prices: Annotated[str | None, typer.Option(help="Price file or bundled set (`qfin data list`).")] = None,
    kind: Annotated[str | None, typer.Option(help="prices, levels or returns.")] = None,
    train_end: Annotated[str | None, typer.Option(help="Last training day, YYYY-MM-DD.")] = None,
    assets: Annotated[str | None, typer.Option(help="Tickers, comma-separated; all by default.")] = None,
    seed: SeedOption = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; reports/<run-id> by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    json: JsonOption = None,
) -> None:
    """The main job: learn from prices, run the circuit, draw scenarios, compare on unseen days, write the report."""
    output = Output(json)
    from qfin.cli.runs import chosen_config, chosen_folder
    from qfin.experiments import run_experiment
    from qfin.reporting import build_report

    chosen = chosen_config(config, preset, prices, kind, train_end, assets, seed)
    folder_path = chosen_folder(out, chosen, resume)
    with output.bars() as bars:
        folder = run_experiment(chosen, folder_path, resume=resume, progress=bars)
    page = build_report(folder)
    record = folder.record
    output.run_tables(record)
    output.say(f"Report: {page}    ({clock(record['timings']['total_s'])})")
    output.json({"run": str(folder.path), "verdict": record["verdict"], "rows": record["rows"]})


def fetch(
    tickers: Annotated[list[str], typer.Argument(help="Tickers as Yahoo Finance writes them.")],
    start: Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .csv.gz, .parquet or .xlsx.")],
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt.")] = 30.0,
    json: JsonOption = None,
) -> None:
    """Download adjusted closing prices from Yahoo Finance (personal use; see their terms)."""
    output = Output(json)
    from qfin.market import fetch_prices, write_table

    with output.status(f"Downloading {len(tickers)} ticker(s)"):
        frame = fetch_prices(tickers, start, end, timeout=timeout)
    path = write_table(frame, out)
    rows = [
        {
            "asset": str(name),
            "n_prices": int(column.notna().sum()),
            "first": str(column.first_valid_index().date()),
            "last": str(column.last_valid_index().date()),
        }
        for name, column in frame.items()
    ]
    output.table(f"{path}", rows)
    output.json({"file": str(path), "rows": rows})


def sample(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    model: Annotated[str, typer.Option(help="historical, gaussian, student_t, mps, circuit, …")],
    n: Annotated[int, typer.Option(help="Days to draw.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .csv.gz, .parquet or .xlsx.")],
    seed: SeedOption = None,
    json: JsonOption = None,
) -> None:
    """Draw scenario days (simple returns) from a model of a run."""
    output = Output(json)
    from qfin.experiments import RunFolder, load_generator

    folder = RunFolder.open(run)
    generator = load_generator(folder, model)
    with output.status(f"Drawing {n:,} days from {model}"):
        scenarios = generator.sample_set(n, rng=folder.record["seed"] if seed is None else seed)
    path = scenarios.save(out)
    returns = scenarios.returns
    rows = [
        {"asset": asset, "mean": float(column.mean()), "sd": float(column.std()), "min": float(column.min())}
        for asset, column in zip(scenarios.assets, returns.T, strict=True)
    ]
    output.say(f"{path}: {n:,} days × {len(scenarios.assets)} assets from {model}")
    output.json({"file": str(path), "model": model, "n": n, "rows": rows})


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    json: JsonOption = None,
) -> None:
    """Write report.html of a run anew from its stored figures, and show its table."""
    output = Output(json)
    from qfin.experiments import RunFolder
    from qfin.reporting import build_report

    folder = RunFolder.open(run)
    page = build_report(folder)
    output.run_tables(folder.record)
    output.say(f"Report: {page}")
    output.json({"report": str(page), "rows": folder.record["rows"]})


def data_list(json: JsonOption = None) -> None:
    """The bundled sets, with their licences."""
    output = Output(json)
    from qfin.market import list_bundled

    rows: list[dict[str, Any]] = [
        {
            "name": item.name,
            "title": item.title,
            "assets": item.n_assets,
            "first": str(item.first),
            "last": str(item.last),
            "licence": item.licence,
        }
        for item in list_bundled()
    ]
    output.table("Bundled data", rows)
    output.json({"rows": rows})


def data_describe(
    name: Annotated[str, typer.Argument(help="As in `qfin data list`.")], json: JsonOption = None
) -> None:
    """A bundled set in full: source, licence, defects, and per asset its days and gaps."""
    output = Output(json)
    from qfin.market import describe_bundled

    description = describe_bundled(name)
    rows = description["rows"]
    for key, value in description.items():
        if key != "rows":
            output.say(f"{key}: {value}")
    output.table(name, rows)
    output.json(description)
