"""Tables of a run: records in, text in cells out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qfin.reporting.numbers import count, fixed, interval, percent, seconds, signed, with_error
from qfin.viz.theme import model_style

Record = Mapping[str, Any]

RISK_COLUMNS = ("var_95", "es_95", "var_975", "es_975", "var_99", "es_99")
_KINDS = {
    "classical": "Classical",
    "quantum-inspired": "Quantum-inspired: a tensor network on an ordinary computer",
    "quantum circuit": "Quantum circuit",
}
_HEAD_LABELS = {
    "mps (exact marginal)": ("MPS, exact marginal", "the trained MPS of all assets, seen through these assets only"),
    "mps (leading Schmidt vector)": ("MPS, leading state", "the pure state closest to it; what the circuit copies"),
    "mps (equal parameters)": ("MPS, equal parameters", "trained on these assets alone, about as large as the circuit"),
    "circuit (mapped)": ("Circuit, mapped", "gates computed from the MPS, no training yet"),
    "circuit (trained)": ("Circuit, trained", "trained on, with distant gates where they gain on held-out days"),
    "circuit (after shots)": ("Circuit, after shots", "trained further from measured shots alone, as on a device"),
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """Text of one cell, a smaller second line, and whether it is the best of its column."""

    text: str
    detail: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """One row: what it is about, a gloss, and its cells."""

    label: str
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True)
class RowGroup:
    """Rows under one heading."""

    heading: str
    rows: tuple[TableRow, ...]


def summary_table(record: Record) -> tuple[list[str], list[list[str]]]:
    """Column headings and rows of text for a terminal of 80 columns: the models, then the realised test window.

    A cell may hold two lines.
    """
    headings = ["Model", "Nats per day", "Above base", "VaR 97.5", "ES 97.5"]
    rows = []
    for row in record["rows"]:
        difference = difference_cell(row, record["base"]["name"])
        rows.append(
            [
                row_label(row["model"], record),
                with_error(row["loglik"], row["loglik_se"]),
                "\n".join(part for part in (difference.text, difference.detail) if part),
                percent(row["var_975"]),
                percent(row["es_975"]),
            ]
        )
    realised = record.get("realised")
    if realised:
        risk = percent(realised["var_975"]), percent(realised["es_975"])
        rows.append([model_style("realised").label, "", "", *risk])
    return headings, rows


def main_table(record: Record) -> list[RowGroup]:
    """All models, grouped by kind; the best of each column marked, for VaR and ES the nearest to the realised."""
    columns = [_main_cells(record, name) for name in ("loglik", "diff", *RISK_COLUMNS)]
    columns += [
        _main_cells(record, name) for name in ("tail_dep_err", "kendall_err", "margin_dev", "n_params", "fit_s")
    ]
    rows = [
        (row["kind"], TableRow(row_label(row["model"], record), tuple(cells)))
        for row, *cells in zip(record["rows"], *columns, strict=True)
    ]
    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    return [RowGroup(_KINDS.get(kind, kind), tuple(row for k, row in rows if k == kind)) for kind in kinds]


def realised_row(record: Record) -> TableRow | None:
    """VaR and ES of the test window itself."""
    realised = record.get("realised")
    if not realised:
        return None
    return TableRow(model_style("realised").label, tuple(Cell(percent(realised.get(name))) for name in RISK_COLUMNS))


def head_table(record: Record) -> list[TableRow]:
    """The circuit stage on the first assets."""
    rows: Sequence[Record] = record.get("head_rows") or []
    log_likelihoods = mark_best([row["loglik"] for row in rows], lambda value: fixed(value, 3), _most)
    cells = []
    for row, best in zip(rows, log_likelihoods, strict=True):
        label, note = _HEAD_LABELS.get(row["model"], (row_label(row["model"], record), ""))
        likelihood = Cell(with_error(row["loglik"], row["loglik_se"]), best=best)
        difference = difference_cell(row, record["base"]["name"], decimals=4)
        cells.append(TableRow(label, (likelihood, difference, Cell(count(row["n_params"]))), note))
    return cells


def sampler_table(record: Record) -> list[TableRow]:
    """How the ways to draw from the circuit compare with its exact probabilities."""
    return [
        TableRow(
            row["sampler"][:1].upper() + row["sampler"][1:],
            (
                Cell(count(row["n_qubits"])),
                Cell(count(row["shots"])),
                Cell(fixed(row["max_z"], 2)),
                Cell(fixed(row["total_variation"], 4)),
            ),
        )
        for row in record.get("samplers") or []
    ]


def unusual_table(record: Record) -> list[tuple[str, tuple[Cell, ...]]]:
    """The least likely test days: date, how rare, the book's return, and the assets and pairs that make it so."""
    rows: list[tuple[str, tuple[Cell, ...]]] = []
    for day in (record.get("unusual") or {}).get("rows") or []:
        moves = [f"{a['asset']} {percent(a['return'], 1)} ({_once_in(a['one_in'])})" for a in day["assets"]]
        pairs = [f"{first} and {second}" for first, second in day["pairs"]]
        cells = (
            Cell(percent(day["percentile"])),
            Cell(percent(day["book_return"])),
            Cell(", ".join(moves)),
            Cell(", ".join(pairs) or "–"),
        )
        rows.append((day["date"], cells))
    return rows


def _once_in(days: float) -> str:
    """How seldom, as people say it; beyond a million days no model is to be believed to the digit."""
    return "rarer than 1 in a million" if days > 1e6 else f"1 in {count(max(1, round(days)))}"


def row_label(model: str, record: Record) -> str:
    """The model's label; the base is named as such."""
    label = model_style(model).label
    return f"{label} (base)" if model == record["base"]["name"] else label


def difference_cell(row: Record, base: str, decimals: int = 3) -> Cell:
    """Difference to the base with its 95% interval."""
    if row["model"] == base:
        return Cell("base")
    return Cell(signed(row["diff"], decimals), interval(row["diff_lo"], row["diff_hi"], decimals))


def mark_best(
    values: Sequence[float | None], text: Callable[[float | None], str], merit: Callable[[float], float]
) -> list[bool]:
    """Which values have the highest merit; those that read the same as the best are marked too."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return [False] * len(values)
    best = text(max(known, key=merit))
    return [value is not None and text(value) == best for value in values]


def _most(value: float) -> float:
    return value


def _least(value: float) -> float:
    return -abs(value)


def _main_cells(record: Record, name: str) -> list[Cell]:
    rows: Sequence[Record] = record["rows"]
    values = [row[name] for row in rows]
    if name == "loglik":
        marks = mark_best(values, lambda value: fixed(value, 3), _most)
        errors = [row["loglik_se"] for row in rows]
        return [Cell(with_error(v, e), best=b) for v, e, b in zip(values, errors, marks, strict=True)]
    if name == "diff":
        return [difference_cell(row, record["base"]["name"]) for row in rows]
    if name in RISK_COLUMNS:
        target = (record.get("realised") or {}).get(name)
        marks = [False] * len(rows) if target is None else mark_best(values, percent, lambda v: -abs(v - target))
        return [Cell(percent(v), best=b) for v, b in zip(values, marks, strict=True)]
    if name in ("n_params", "fit_s"):
        return [Cell(count(v) if name == "n_params" else seconds(v)) for v in values]
    marks = mark_best(values, lambda value: fixed(value, 4), _least)
    return [Cell(fixed(v, 4), best=b) for v, b in zip(values, marks, strict=True)]
