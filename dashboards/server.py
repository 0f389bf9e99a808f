"""Serving the dashboard on this machine, or to those who hold a token."""

from pathlib import Path

from qfin.exceptions import InputError

_THREADS = 8


def serve(runs: str | Path, *, host: str, port: int, token: str | None) -> None:
    """Serve until interrupted; raises `InputError` for a host without a token or a port that is taken."""
    from waitress import create_server

    from dashboards.app import create_app
    from dashboards.context import Context
    from dashboards.security import MAX_BODY_BYTES, checked_token

    app = create_app(runs, token=checked_token(host, token))
    Context(Path(runs).resolve()).jobs.start_waiting()  # those that a restart left waiting
    try:
        server = create_server(
            app.server, host=host, port=port, threads=_THREADS, max_request_body_size=MAX_BODY_BYTES, ident="qfin"
        )
    except OSError as error:
        raise InputError(f"--port: expected a free port, received {port}: {error.strerror or error}") from None
    server.run()
