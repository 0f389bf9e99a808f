"""`qfin geo`: a portfolio of few names, and the frontier around it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from qfin.cli.commands import JsonOption
from qfin.cli.crash import fraction
from qfin.cli.output import Output, clock
from qfin.cli.runs import tickers
from qfin.exceptions import InputError


def geo(
    prices: Annotated[str | None, typer.Option(help="Price file or bundled set (`qfin data list`).")] = None,
    instance: Annotated[str | None, typer.Option(help="OR-Library: port1 to port5, or a file like them.")] = None,
    cardinality: Annotated[str, typer.Option(help="Names held: 10, or a range such as 5-10.")] = "10",
    objective: Annotated[str, typer.Option(help="variance, es, var, drawdown or crash.")] = "variance",
    level: Annotated[float, typer.Option(help="Confidence of es, var, drawdown and crash.")] = 0.95,
    risk_weight: Annotated[
        float | None, typer.Option("--lambda", help="λ·variance − (1 − λ)·mean, from 0 to 1; else least variance.")
    ] = None,
    target_return: Annotated[str | None, typer.Option(help="Least mean return of a period, such as 0.05%.")] = None,
    bounds: Annotated[str, typer.Option(help="Lowest and highest weight of a name held.")] = "1%,100%",
    sectors: Annotated[str | None, typer.Option(help="CSV with the columns asset and sector.")] = None,
    sector_limit: Annotated[str | None, typer.Option(help="Highest weight of one sector, such as 30%.")] = None,
    current: Annotated[
        str | None, typer.Option(help="The current book: CSV with the columns asset and weight.")
    ] = None,
    max_turnover: Annotated[str | None, typer.Option(help="Share of the book that may change, such as 20%.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help='Limit of a group, such as "JPM, BAC <= 30%"; repeat for more.')
    ] = None,
    must_hold: Annotated[str | None, typer.Option(help="Tickers that are held, comma-separated.")] = None,
    must_not: Annotated[str | None, typer.Option(help="Tickers that are not held, comma-separated.")] = None,
    rivals: Annotated[
        str | None, typer.Option(help="Solvers to run beside it: annealing, genetic, tabu, swaps, comma-separated.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="prices, levels or returns.")] = None,
    assets: Annotated[str | None, typer.Option(help="Tickers, comma-separated; all by default.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.")] = None,
    budget: Annotated[int, typer.Option(help="Different portfolios to solve.")] = 1_000,
    points: Annotated[int, typer.Option(help="Points of the frontier; 0 for none.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 7,
    out: Annotated[Path | None, typer.Option(help="The folder to write; reports/geo-<time> by default.")] = None,
    json: JsonOption = None,
) -> None:
    """The best portfolio of few names: generator-enhanced optimisation within a budget of portfolios solved."""
    output = Output(json)
    from qfin.experiments.geo import GeoConfig, run_geo
    from qfin.experiments.geo_problem import GeoRules
    from qfin.reporting.geo import build_geo_report

    low, high = _pair(bounds, "--bounds", ",")
    rules = GeoRules(
        objective=objective,
        cardinality=_cardinality(cardinality),
        bounds=(fraction(low, "--bounds"), fraction(high, "--bounds")),
        level=level,
        risk_weight=risk_weight,
        target_return=None if target_return is None else fraction(target_return, "--target-return"),
        sectors=sectors,
        sector_limit=None if sector_limit is None else fraction(sector_limit, "--sector-limit"),
        current=current,
        max_turnover=None if max_turnover is None else fraction(max_turnover, "--max-turnover"),
        must_hold=() if must_hold is None else tickers(must_hold),
        groups=tuple(group or ()),
        must_not=() if must_not is None else tickers(must_not),
    )
    config = GeoConfig(
        rules=rules,
        prices=prices,
        instance=instance,
        kind=kind,
        assets=() if assets is None else tickers(assets),
        start=start,
        end=end,
        budget=budget,
        n_points=points,
        rivals=() if rivals is None else tickers(rivals),
        seed=seed,
    )
    path = Path("reports") / f"geo-{datetime.now():%Y%m%d-%H%M%S}" if out is None else out
    with output.bars() as bars:
        folder = run_geo(config, path, progress=bars, say=output.note)
    page = build_geo_report(folder)
    _show(output, folder.record, page)
    output.json({"run": str(folder.path)} | folder.record)


def _show(output: Output, record: dict[str, Any], page: Path) -> None:
    from qfin.reporting.geo import FRONTIER_HEADINGS, frontier_rows, geo_facts, weight_rows

    for label, value, meaning in geo_facts(record):
        output.say(f"{label}: {value} ({meaning})")
    output.table(record["title"], [{"name": name, "weight": weight} for name, weight in weight_rows(record)])
    rows = [dict(zip(FRONTIER_HEADINGS[:-1], row[:-1], strict=True)) for row in frontier_rows(record)]
    if rows:
        output.table("Frontier", rows)
    if record["n_impossible"]:
        output.note(f"{record['n_impossible']} targets of the frontier are beyond every portfolio that was found")
    output.say(f"Report: {page}    ({clock(record['timings']['total_s'])})")


def _pair(text: str, option: str, mark: str) -> tuple[str, str]:
    first, found, second = text.partition(mark)
    if not found:
        raise InputError(f"{option}: expected two numbers such as 1%{mark}100%, received {text!r}")
    return first, second


def _cardinality(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise InputError(f"--cardinality: expected 10 or a range such as 5-10, received {text!r}") from None
