"""Optimiser, first half: the rules of a new search, checked, and the command that starts it."""

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboards.context import Context
from dashboards.pages.market import source_path
from dashboards.parts import card, options
from qfin._files import write_whole
from qfin.exceptions import InputError
from qfin.experiments.geo import GeoConfig
from qfin.experiments.geo_problem import OBJECTIVES, GeoRules, load_geo_data, problem_of
from qfin.experiments.geo_rivals import RIVALS

_INSTANCES = (("port1", 31), ("port2", 85), ("port3", 89), ("port4", 98), ("port5", 225))
_MOST_CALLS = 100_000
_THIS_RUN = "run"
# label, lowest, highest, whole: of every number that is asked for
_NUMBERS: dict[str, tuple[str, float, float, bool]] = {
    "fewest": ("Names held, at least", 1, 225, True),
    "most": ("Names held, at most", 1, 225, True),
    "lowest": ("Lowest weight, %", 0, 100, False),
    "highest": ("Highest weight, %", 1, 100, False),
    "level": ("Confidence, %", 50, 99.9, False),
    "mean": ("Least mean return, %", -100, 100, False),
    "turnover": ("Book that may change, %", 0, 100, False),
    "budget": ("Portfolios to solve", 10, _MOST_CALLS, True),
    "seed": ("Seed", 0, 2**31 - 1, True),
}
_OPTIONAL = ("mean", "turnover")
FIELDS = ("data", "assets", "objective", "hold", "avoid", "groups", "book", "rivals", *_NUMBERS)
"""Every field of the form, by what follows `optimiser-` in its id."""


def form(context: Context, run: str | None) -> Any:
    assets = [] if run is None else context.run(run).record["market"]["assets"]
    of_run = [] if run is None else [(_THIS_RUN, f"The {len(assets)} assets of this run")]
    instances = [(name, f"OR-Library {name}: {n} assets, variance") for name, n in _INSTANCES]
    held = max(1, min(5, len(assets) - 1)) if assets else 10
    return card(
        "New search",
        dmc.Group(
            [
                _select("data", "Data", [*of_run, *instances], _THIS_RUN if of_run else "port1"),
                _select("objective", "Objective", [(n, t.capitalize()) for n, t in OBJECTIVES.items()], "variance"),
                _several("assets", "Only these assets", assets, "All"),
            ],
            align="end",
        ),
        dmc.Group(
            [
                _number("fewest", held),
                _number("most", held),
                _number("lowest", 1),
                _number("highest", 100),
                _number("level", 95),
                _number("mean", None, "None"),
            ],
            align="end",
        ),
        dmc.Accordion(
            dmc.AccordionItem(
                [
                    dmc.AccordionControl("More rules: names, groups, turnover"),
                    dmc.AccordionPanel(dmc.Stack(_more_rules(assets), gap="sm")),
                ],
                value="rules",
            ),
            variant="contained",
            id="optimiser-more",
        ),
        dmc.Group(
            [
                _number("budget", 300),
                _number("seed", 7),
                dmc.MultiSelect(
                    id="optimiser-rivals",
                    label="Other solvers beside it",
                    data=options((name, label) for name, (label, _) in RIVALS.items()),
                    placeholder="None",
                    clearable=True,
                    w={"base": "100%", "sm": 320},
                ),
                dmc.Button("Start", id="optimiser-start"),
            ],
            align="end",
        ),
        html.Div(id="optimiser-answer"),
        note="From the days that the run learned from; the others stay unseen. It runs in the background and goes on "
        "when this page is closed. The other solvers have the same budget each, and see values alone.",
    )


def _more_rules(assets: list[str]) -> list[Any]:
    return [
        dmc.Group(
            [
                _several("hold", "Must be held", assets, "None"),
                _several("avoid", "Must not be held", assets, "None"),
            ],
            align="end",
        ),
        dmc.Textarea(
            id="optimiser-groups",
            label="Limits of sectors or other groups, one a line",
            placeholder="Banks: JPM, BAC <= 30%",
            autosize=True,
            minRows=2,
            maw=620,
        ),
        dmc.Group(
            [
                dmc.Textarea(
                    id="optimiser-book",
                    label="Current book, in %",
                    placeholder="JPM 40, KO 35, XOM 25",
                    autosize=True,
                    minRows=1,
                    w={"base": "100%", "sm": 455},
                ),
                _number("turnover", None, "None"),
            ],
            align="end",
        ),
        dmc.Text(
            "Half the sum of all changes of weight; it needs the current book. Names not in the book are not held yet.",
            size="xs",
            c="dimmed",
        ),
    ]


def _select(name: str, label: str, known: list[tuple[str, str]], value: str) -> Any:
    return dmc.Select(
        id=f"optimiser-{name}",
        label=label,
        data=options(known),
        value=value,
        allowDeselect=False,
        w={"base": "100%", "sm": 300},
    )


def _several(name: str, label: str, assets: list[str], placeholder: str) -> Any:
    return dmc.MultiSelect(
        id=f"optimiser-{name}",
        label=label,
        data=options((a, a) for a in assets),
        placeholder=placeholder,
        searchable=True,
        clearable=True,
        w={"base": "100%", "sm": 300},
    )


def _number(name: str, value: float | None, placeholder: str = "") -> Any:
    label, low, high, whole = _NUMBERS[name]
    return dmc.NumberInput(
        id=f"optimiser-{name}",
        label=label,
        value="" if value is None else value,
        placeholder=placeholder,
        min=low,
        max=high,
        allowDecimal=not whole,
        w={"base": "47%", "sm": 160},
    )


def start_search(context: Context, run: str | None, asked: dict[str, Any]) -> str:
    """Queue `qfin geo` of checked words alone and return the job's id; `asked` has `FIELDS`.

    The data are read and the rules tried first, so that rules which no portfolio meets are told at once.
    """
    numbers = {name: _checked_number(name, asked.get(name)) for name in _NUMBERS}
    if asked["objective"] not in OBJECTIVES:
        raise InputError(f"objective: expected one of {', '.join(OBJECTIVES)}, received {asked['objective']!r}")
    book = _book(asked.get("book"))
    if (book is None) != (numbers["turnover"] is None):
        raise InputError("turnover: expected it together with the current book, received one of the two")
    name = f"geo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    rules = GeoRules(
        objective=asked["objective"],
        cardinality=(int(numbers["fewest"] or 0), int(numbers["most"] or 0)),
        bounds=(_share(numbers["lowest"]) or 0.0, _share(numbers["highest"]) or 1.0),
        level=_share(numbers["level"]) or 0.95,
        target_return=_share(numbers["mean"]),
        max_turnover=_share(numbers["turnover"]),
        current=None if book is None else str(_stored_book(context, name, book)),
        must_hold=tuple(asked.get("hold") or ()),
        must_not=tuple(asked.get("avoid") or ()),
        groups=tuple(line.strip() for line in (asked.get("groups") or "").splitlines() if line.strip()),
    )
    config = replace(
        _data(context, run, asked["data"], asked.get("assets") or [], rules),
        budget=int(numbers["budget"] or 0),
        seed=int(numbers["seed"] or 0),
        rivals=tuple(asked.get("rivals") or ()),
    )
    problem_of(load_geo_data(config), rules)
    return context.jobs.submit(f"Portfolio {name}", [*_words(config), "--out", str(context.runs / name)])


def _checked_number(name: str, value: Any) -> float | None:
    label, low, high, whole = _NUMBERS[name]
    if value in (None, "") and name in _OPTIONAL:
        return None
    kind: Any = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        words = "a whole number" if whole else "a number"
        raise InputError(f"{label}: expected {words} from {low:g} to {high:,}, received {value!r}")
    return float(value)


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100.0, 12)


def _book(text: str | None) -> dict[str, float] | None:
    """Asset -> percent, of "JPM 40, KO 35.5"."""
    book: dict[str, float] = {}
    for part in re.split(r"[,;\n]+", text or ""):
        if not part.strip():
            continue
        found = re.fullmatch(r"\s*(\S+)\s+([0-9.]+)\s*%?\s*", part)
        try:
            weight = float(found[2]) if found else -1.0
        except ValueError:
            weight = -1.0
        if found is None or weight < 0.0 or found[1] in book:
            raise InputError(
                f"current book: expected each name once with its percent, such as JPM 40, received {part!r}"
            )
        book[found[1]] = weight
    return book or None


def _stored_book(context: Context, name: str, book: dict[str, float]) -> Any:
    """The table that the command reads, kept beside the jobs."""
    folder = context.runs / ".books"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["asset,weight", *(f"{asset},{weight / 100.0:.12g}" for asset, weight in book.items())]
    return write_whole(folder / f"{name}.csv", lambda partial: partial.write_text("\n".join(lines) + "\n"))


def _data(context: Context, run: str | None, data: str, assets: list[str], rules: GeoRules) -> GeoConfig:
    """The run's own prices, training days and assets; or an instance."""
    sizes = dict(_INSTANCES)
    if data in sizes:
        return GeoConfig(rules, instance=data)
    if data != _THIS_RUN or run is None:
        raise InputError(f"data: expected this run or one of {', '.join(sizes)}, received {data!r}")
    market, settings = (context.run(run).record[key] for key in ("market", "config"))
    unknown = [asset for asset in assets if asset not in market["assets"]]
    if unknown:
        raise InputError(f"assets: expected names of the run's assets, received {unknown[0]!r}")
    chosen = assets or market["assets"]
    if len(chosen) < 2:
        raise InputError(f"assets: expected at least 2, received {len(chosen)}")
    return GeoConfig(
        rules,
        prices=source_path(context, f"run:{run}"),
        kind=settings["market"]["kind"],
        assets=tuple(chosen),
        start=market["train"][0],
        end=market["train"][1],
    )


def _words(config: GeoConfig) -> list[str]:
    """The command line of a search."""
    rules = config.rules
    given = {
        "--prices": config.prices,
        "--instance": config.instance,
        "--kind": config.kind,
        "--assets": ",".join(config.assets),
        "--start": config.start,
        "--end": config.end,
        "--objective": rules.objective,
        "--cardinality": f"{rules.cardinality[0]}-{rules.cardinality[1]}",
        "--bounds": f"{rules.bounds[0]:.12g},{rules.bounds[1]:.12g}",
        "--level": f"{rules.level:.12g}",
        "--target-return": None if rules.target_return is None else f"{rules.target_return:.12g}",
        "--current": rules.current,
        "--max-turnover": None if rules.max_turnover is None else f"{rules.max_turnover:.12g}",
        "--must-hold": ",".join(rules.must_hold),
        "--must-not": ",".join(rules.must_not),
        "--rivals": ",".join(config.rivals),
        "--budget": str(config.budget),
        "--seed": str(config.seed),
    }
    # One word each, so that no value is ever read as an option.
    return [
        "geo",
        *(f"{name}={value}" for name, value in given.items() if value),
        *(f"--group={g}" for g in rules.groups),
    ]
