"""`qfin dashboard`: the runs in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from qfin.cli.output import Output


def dashboard(
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("reports"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8050,
    token: Annotated[
        str | None, typer.Option(envvar="QFIN_TOKEN", help="Ask every visitor for it; at least 16 characters.")
    ] = None,
) -> None:
    """Runs, crashes, back-tests and portfolios in a browser; Ctrl-C stops it, jobs in the background go on."""
    from dashboards.server import serve

    Output(None).note(f"qfin dashboard: http://{host}:{port} shows the runs in {runs}/")
    serve(runs, host=host, port=port, token=token)
