"""`qfin bench dashboard`: latency and memory of the crash explorer under load."""

from pathlib import Path
from typing import Annotated

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output

_SHOWN = ("users", "n_answers", "n_failures", "p50_s", "p95_s", "max_s", "memory_start_mib", "memory_end_mib")


def dashboard(
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("reports"),
    run: Annotated[str | None, typer.Option(help="The run asked of; the newest by default.")] = None,
    users: Annotated[int, typer.Option(help="Simulated users.")] = 20,
    minutes: Annotated[float, typer.Option(help="How long they stay, at most 15.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 7,
    json: JsonOption = None,
) -> None:
    """Users who each ask the crash explorer a new event every 5 to 10 seconds: latencies, and the server's memory."""
    output = Output(json)
    from qfin.bench.dashboard import Load, bench_dashboard

    load = Load(users, 60.0 * minutes)
    with output.status(f"{users} users for {minutes:g} min"):
        result = bench_dashboard(runs, load, run=run, seed=seed)
    title = f"Crash explorer of {result['run']}, {result['n_assets']} assets, {result['cores']} cores; seconds, MiB"
    output.table(title, [{key: result[key] for key in _SHOWN}])
    output.json(result)
