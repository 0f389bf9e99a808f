"""`qfin bench …`: models and engines beside their peers."""

from typing import Annotated

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.output import Output


def copula(
    data: Annotated[str, typer.Option(help="Price file or bundled set.")],
    kind: Annotated[str | None, typer.Option(help="prices, levels or returns.")] = None,
    train_end: Annotated[str | None, typer.Option(help="Last training day, YYYY-MM-DD.")] = None,
    train_start: Annotated[str | None, typer.Option(help="First training day; the data's first by default.")] = None,
    test_end: Annotated[str | None, typer.Option(help="Last test day; the data's last by default.")] = None,
    assets: Annotated[str | None, typer.Option(help="Tickers, comma-separated; all by default.")] = None,
    models: Annotated[str | None, typer.Option(help="Names, comma-separated.")] = None,
    seeds: Annotated[int, typer.Option(help="Fits of each Born model.", min=1)] = 1,
    json: JsonOption = None,
) -> None:
    """Log-likelihood of unseen days under every dependence model, fitted to the same ranks."""
    output = Output(json)
    from qfin.bench.copula import DEFAULT_MODELS, bench_copulas, check_models
    from qfin.cli.runs import tickers
    from qfin.experiments.config import MarketConfig
    from qfin.experiments.panel import load_market

    names = check_models(list(DEFAULT_MODELS) if models is None else [name.strip() for name in models.split(",")])
    chosen = () if assets is None else tickers(assets)
    panel = load_market(MarketConfig(data, kind, train_end, chosen, train_start, test_end))
    output.note(f"{len(panel.assets)} assets, {len(panel.train)} training days, {len(panel.test)} test days")
    rows = bench_copulas(
        panel.u_train, panel.u_test, names, n_seeds=seeds, on_model=lambda name: output.note(f"fitting {name}")
    )
    shown = ["model", "loglik", "loglik_se", "diff_best_classical", "diff_lo", "diff_hi", "fit_s"]
    heading = f"{data}: nats a day on {len(panel.test)} unseen days"
    output.table(heading, [{key: row[key] for key in shown} for row in rows])
    facts = {key: panel.facts[key] for key in ("assets", "n_train", "n_test", "train", "test", "left_out")}
    output.json({"data": data, **facts, "rows": rows})
