"""Tables hold the record's numbers and mark the best of each column."""

from collections.abc import Callable
from typing import Any

from qfin.experiments.run_folder import RunFolder
from qfin.reporting import summary_table
from qfin.reporting.tables import TableRow, head_table, main_table, realised_row, sampler_table

Maker = Callable[..., RunFolder]


def rows_by_label(record: dict[str, Any]) -> dict[str, TableRow]:
    return {row.label: row for group in main_table(record) for row in group.rows}


def test_main_table_is_grouped_by_kind_and_formatted(make_run: Maker) -> None:
    record = make_run().record
    assert [(group.heading.split(":")[0], len(group.rows)) for group in main_table(record)] == [
        ("Classical", 3),
        ("Quantum-inspired", 1),
        ("Quantum circuit", 1),
    ]
    row = next(row for row in record["rows"] if row["model"] == "mps")
    texts = [cell.text for cell in rows_by_label(record)["MPS Born machine"].cells]
    assert texts[0] == f"{row['loglik']:.3f} ± {row['loglik_se']:.3f}"
    assert texts[1].replace("−", "-") == f"{row['diff']:+.3f}"
    assert texts[2:8] == [
        f"{100 * row[name]:.2f}%" for name in ("var_95", "es_95", "var_975", "es_975", "var_99", "es_99")
    ]
    assert texts[8:11] == [f"{row[name]:.4f}" for name in ("tail_dep_err", "kendall_err", "margin_dev")]
    assert texts[11] == f"{row['n_params']:,}"
    detail = rows_by_label(record)["MPS Born machine"].cells[1].detail
    assert detail.replace("−", "-") == f"[{row['diff_lo']:+.3f}, {row['diff_hi']:+.3f}]"


def test_base_and_missing_numbers(make_run: Maker) -> None:
    rows = rows_by_label(make_run().record)
    assert [cell.text for cell in rows["Historical simulation"].cells[:2]] == ["–", "–"]
    assert rows["Student-t copula (base)"].cells[1].text == "base"


def test_best_is_the_largest_likelihood_the_nearest_risk_and_the_smallest_error(make_run: Maker) -> None:
    def change(record: dict[str, Any]) -> None:
        values = {
            "historical": (None, 0.0300, -0.01),
            "gaussian": (1.5, 0.0180, 0.05),
            "student_t": (2.5, 0.0212, 0.04),
            "mps": (2.4, 0.0189, 0.009),
            "circuit": (2.50004, 0.0250, None),
        }
        for row in record["rows"]:
            row["loglik"], row["var_975"], row["margin_dev"] = values[row["model"]]
        record["realised"]["var_975"] = 0.02

    marks = {
        label: [cell.best for cell in row.cells] for label, row in rows_by_label(make_run(change=change).record).items()
    }
    # 2.5 and 2.50004 read the same, so neither is put above the other.
    assert [label for label, best in marks.items() if best[0]] == ["Student-t copula (base)", "Circuit Born machine"]
    assert [label for label, best in marks.items() if best[4]] == ["MPS Born machine"]
    assert [label for label, best in marks.items() if best[10]] == ["MPS Born machine"]


def test_without_a_realised_window_no_risk_is_best(make_run: Maker) -> None:
    record = make_run(change=lambda record: record.update(realised=None)).record
    assert realised_row(record) is None
    assert not any(cell.best for row in rows_by_label(record).values() for cell in row.cells[2:8])


def test_head_table_explains_its_rows_and_uses_four_decimals(make_run: Maker) -> None:
    record = make_run().record
    rows = head_table(record)
    assert [row.label for row in rows][:2] == ["Student-t copula (base)", "MPS, exact marginal"]
    assert all(row.note for row in rows[1:])
    last = record["head_rows"][-1]
    assert rows[-1].cells[1].text == f"+{last['diff']:.4f}"
    assert rows[-1].cells[0].best


def test_sampler_table(make_run: Maker) -> None:
    first = sampler_table(make_run().record)[0]
    assert first.label == "State vector, shots"
    assert [cell.text for cell in first.cells] == ["15", "20,000", "2.61", "0.0071"]


def test_summary_has_one_row_per_model_and_the_realised_one(make_run: Maker) -> None:
    record = make_run().record
    headings, rows = summary_table(record)
    assert {len(row) for row in rows} == {len(headings)}
    assert len(rows) == len(record["rows"]) + 1
    circuit = record["rows"][-1]
    assert rows[-2][0] == "Circuit Born machine"
    assert rows[-2][headings.index("ES 97.5")] == f"{100 * circuit['es_975']:.2f}%"
    assert rows[-1][headings.index("VaR 97.5")] == f"{100 * record['realised']['var_975']:.2f}%"


def test_summary_fits_a_terminal_of_80_columns(make_run: Maker) -> None:
    headings, rows = summary_table(make_run().record)
    # The model's name may be broken between words; a frame takes three characters per column and one more.
    numbers = [
        max(len(line) for row in (headings, *rows) for line in row[j].split("\n")) for j in range(1, len(headings))
    ]
    name = max(len(word) for row in rows for word in row[0].split())
    assert sum(numbers) + name + 3 * len(headings) + 1 <= 80
