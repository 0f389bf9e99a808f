"""Returns: the missing-data rule, the counts, the split by date, and the past that the future cannot change."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qfin.exceptions import InputError
from qfin.market import Change, Flag, MarketTable, ReturnPanel, load_bundled, load_panel, table_from_frame, to_returns

NAN = np.nan
RAGGED = Path(__file__).resolve().parents[3] / "shared" / "data" / "us19_ragged_daily" / "prices.csv.gz"


def frame(columns: dict[str, list[float]], first: str = "2020-01-01") -> pd.DataFrame:
    n_rows = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range(first, periods=n_rows, name="date"))


def panel(columns: dict[str, list[float]], *changes: Change) -> ReturnPanel:
    return ReturnPanel(frame(columns), changes, "test")


def random_prices(n_rows: int, n_assets: int, seed: int) -> pd.DataFrame:
    steps = np.random.default_rng(seed).normal(0.0, 0.02, (n_rows, n_assets))
    return frame({f"S{j}": list(100 * np.exp(np.cumsum(steps[:, j]))) for j in range(n_assets)})


def test_returns_exist_where_both_prices_do() -> None:
    prices = frame(
        {
            "whole": [1, 2, 3, 3, 6, 3],
            "late": [NAN, NAN, 4, 5, 5, 6],
            "gap": [1, 2, NAN, 3, 6, 12],
            "delisted": [2, 1, 3, 6, NAN, NAN],
        }
    )
    result = to_returns(table_from_frame(prices, kind="prices", source="test", min_rows=3))
    expected = {
        "whole": [1, 0.5, 0, 1, -0.5],
        "late": [NAN, NAN, 0.25, 0, 0.2],
        "gap": [1, NAN, NAN, 1, 1],
        "delisted": [-0.5, 2, 1, NAN, NAN],
    }
    expected_frame = frame(expected, "2020-01-02")
    pd.testing.assert_frame_equal(result.returns, expected_frame, check_freq=False, check_index_type=False, rtol=1e-15)
    counts = result.counts.drop(columns=["first", "last"])
    assert counts.to_dict("index") == {
        asset: dict(zip(counts.columns, row, strict=True))
        for asset, row in {
            "whole": (5, 0, 0, 0, 1, 1),
            "late": (3, 2, 0, 0, 1, 1),
            "gap": (3, 0, 2, 0, 0, 0),
            "delisted": (3, 0, 0, 2, 0, 0),
        }.items()
    }
    assert list(result.counts["first"].dt.day) == [2, 4, 2, 2]
    assert list(result.counts["last"].dt.day) == [6, 6, 6, 4]


def test_returns_of_kind_returns_stay_as_they_are() -> None:
    values = frame({"A": [0.1, NAN, -0.2, 0.0], "B": [0.1, 0.3, NAN, 0.2]})
    result = to_returns(table_from_frame(values, kind="returns", source="test", min_rows=3))
    pd.testing.assert_frame_equal(result.returns, values, check_freq=False, check_index_type=False)


def test_a_row_without_any_price_is_bridged_and_logged() -> None:
    prices = frame({"A": [1, 2, NAN, 3], "B": [4, 2, NAN, 3]})
    result = to_returns(table_from_frame(prices, kind="prices", source="test", min_rows=3))
    np.testing.assert_allclose(result.returns.to_numpy(), [[1, -0.5], [0.5, 0.5]], rtol=1e-15)
    assert [change.date for change in result.changes] == [pd.Timestamp("2020-01-03")]


PRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 30), st.integers(1, 4)),
    elements=st.floats(1e-3, 1e6) | st.just(NAN),
)


def table_of(prices: np.ndarray) -> MarketTable:
    columns = {f"S{j}": list(prices[:, j]) for j in range(prices.shape[1])}
    return MarketTable(frame(columns), "prices", (), "test")


@settings(deadline=None, derandomize=True)
@given(PRICES)
def test_prices_to_returns_and_back(prices: np.ndarray) -> None:
    returns = to_returns(table_of(prices)).returns.to_numpy()
    both = ~np.isnan(prices[1:]) & ~np.isnan(prices[:-1])
    np.testing.assert_array_equal(~np.isnan(returns), both)
    # the return is rounded by at most 2⁻⁵³ (1 + |r|), twice
    slack = 4 * 2.0**-53 * (1 + np.abs(returns[both])) * prices[:-1][both] + 4 * 2.0**-53 * prices[1:][both]
    assert (np.abs(prices[:-1][both] * (1 + returns[both]) - prices[1:][both]) <= slack).all()


@settings(deadline=None, derandomize=True)
@given(PRICES, st.data())
def test_counts_add_up_and_agree_with_a_plain_loop(prices: np.ndarray, data: st.DataObject) -> None:
    prices = np.where(data.draw(hnp.arrays(np.bool_, prices.shape)), 5.0, prices)
    result = to_returns(table_of(prices))
    for asset, counts in result.counts.iterrows():
        column = list(result.returns[asset])
        longest = run = 0
        for value in column:
            run = run + 1 if value == 0.0 else 0
            longest = max(longest, run)
        assert counts["longest_flat_run"] == longest
        assert counts["zero_returns"] == column.count(0.0)
        missing = counts[["missing_leading", "missing_interior", "missing_trailing"]].sum()
        assert missing + counts["n_returns"] == len(column)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(0, 2**31), st.integers(5, 35), st.floats(0.01, 100.0))
def test_the_future_never_changes_the_past(seed: int, n_train: int, factor: float) -> None:
    prices = random_prices(41, 3, seed)
    prices.iloc[3:5, 1] = NAN
    changed = prices.copy()
    changed.iloc[n_train + 1 :] = changed.iloc[n_train + 1 :][::-1].to_numpy() * factor
    changed.iloc[n_train + 2, :] = NAN
    train_end = prices.index[n_train]
    trains = []
    for table in (prices, changed):
        whole = to_returns(table_from_frame(table, kind="prices", source="test"))
        trains.append(whole.split(train_end, min_rows=3)[0])
    assert trains[0].returns.to_numpy().tobytes() == trains[1].returns.to_numpy().tobytes()
    pd.testing.assert_frame_equal(trains[0].counts, trains[1].counts)
    assert trains[0].changes == trains[1].changes
    assert trains[0].warnings == trains[1].warnings


def test_split_puts_each_day_and_change_on_its_side() -> None:
    stripped = Change(None, "A", "white space stripped from ticker", " A", "A")
    early, late = (Change(pd.Timestamp(day), None, "row dropped", "", "") for day in ("2020-01-02", "2020-01-05"))
    whole = panel({"A": [0.1, 0.2, 0.3, 0.4, 0.5]}, stripped, early, late)
    for train_end in ("2020-01-03", date(2020, 1, 3), pd.Timestamp("2020-01-03")):
        train, test = whole.split(train_end, min_rows=2)
        assert list(train.returns["A"]) == [0.1, 0.2, 0.3]
        assert list(test.returns["A"]) == [0.4, 0.5]
        assert train.changes == (stripped, early)
        assert test.changes == (stripped, late)


@pytest.mark.parametrize(
    ("train_end", "message"),
    [
        ("2019-12-31", "2020-01-01 to 2020-01-05, received 2019-12-31, which leaves 0 days up to it and 5 after it"),
        ("2020-01-05", "2020-01-01 to 2020-01-05, received 2020-01-05, which leaves 5 days up to it and 0 after it"),
        ("2020-01-04", "at least 2 days on either side"),
        ("2020-01-01", "at least 2 days on either side"),
        ("soon", "such as 2010-12-31, received 'soon'"),
        (2010, "such as 2010-12-31, received 2010"),
        (pd.Timestamp("2020-01-03", tz="UTC"), "with a time zone"),
    ],
)
def test_a_train_end_that_cannot_split(train_end: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^train-end: expected a date .*{message}"):
        panel({"A": [0.1, 0.2, 0.3, 0.4, 0.5]}).split(train_end, min_rows=2)


def test_select_orders_the_columns_and_names_what_there_is() -> None:
    own, other = (Change(None, asset, "white space stripped from ticker", "", asset) for asset in "AC")
    whole = panel({"A": [0.1, 0.2], "B": [0.3, 0.4], "C": [0.5, 0.6]}, own, other)
    chosen = whole.select(["B", "A"])
    assert chosen.assets == ("B", "A")
    assert chosen.changes == (own,)
    pd.testing.assert_frame_equal(chosen.returns, whole.returns[["B", "A"]])
    with pytest.raises(InputError, match="test: expected tickers among A, B, C, received X, Y"):
        whole.select(["A", "X", "Y"])
    for wrong in ([], ["A", "A"]):
        with pytest.raises(InputError, match="at least one ticker and each once"):
            whole.select(wrong)


def test_complete_days() -> None:
    whole = panel({"A": [0.1, 0.2, NAN, 0.4], "B": [NAN, 0.1, 0.2, 0.3]})
    days, n_dropped = whole.complete(min_rows=2)
    assert n_dropped == 2
    np.testing.assert_array_equal(days, [[0.2, 0.1], [0.4, 0.3]])


def test_too_few_complete_days_name_the_assets_behind_it() -> None:
    whole = panel(
        {"A": [0.1] * 6, "late": [NAN] * 5 + [0.1], "B": [0.1] * 6, "gone": [0.1] * 2 + [NAN] * 4, "none": [NAN] * 6}
    )
    message = (
        r"all 5 assets have a return, received 0; fewest returns: none 0, late 1 \(2020-01-06 to 2020-01-06\), gone 2"
    )
    with pytest.raises(InputError, match=message):
        whole.complete(min_rows=1)


def test_suspect_cells_are_flagged_and_left() -> None:
    values = {
        "decimal": [0.01] * 5 + [9.0, -0.9] + [0.01] * 20,
        "crash": [0.01] * 5 + [-0.6, 0.1] + [0.01] * 20,
        "flat": [0.01] * 3 + [0.0] * 21 + [0.01] * 3,
        "calm": [0.01] * 3 + [0.0] * 20 + [0.01] * 4,
        "listed": [NAN] * 20 + [0.6] + [NAN] * 6,
    }
    whole = panel(values)
    assert whole.warnings == (
        Flag(pd.Timestamp("2020-01-04"), "flat", "unchanged for 21 days"),
        Flag(pd.Timestamp("2020-01-06"), "decimal", "return of +900.0% undone the next day"),
    )
    pd.testing.assert_frame_equal(whole.returns, frame(values))


def test_a_panel_is_read_only_and_holds_returns_only() -> None:
    whole = panel({"A": [0.1, 0.2]})
    with pytest.raises(ValueError, match="read-only"):
        whole.returns.iloc[0, 0] = 1.0
    with pytest.raises(InputError, match="expected finite returns above -1, received -1 for A on 2020-01-02"):
        panel({"A": [0.1, -1.0]})
    with pytest.raises(InputError, match="received inf for S0 on 2020-01-02"):
        to_returns(table_of(np.array([[1e-300], [1e300], [1.0]])))


def test_the_callers_array_stays_apart() -> None:
    values = frame({"A": [0.1, 0.2]})
    whole = ReturnPanel(values, (), "test")
    values.iloc[0, 0] = 9.0
    assert whole.returns.iloc[0, 0] == 0.1


@pytest.mark.skipif(not RAGGED.exists(), reason="the ragged set of 19 stocks is not beside the repository")
def test_late_listings_in_real_prices() -> None:
    whole = load_panel(RAGGED)
    raw = pd.read_csv(RAGGED, index_col="date", parse_dates=True)
    assert int(raw.isna().sum().sum()) == 31461
    assert dict(whole.counts["missing_leading"]) == dict(raw.isna().sum())
    assert whole.counts[["missing_interior", "missing_trailing"]].to_numpy().sum() == 0
    assert whole.counts["first"].idxmax() == "BABA"
    days, n_dropped = whole.complete()
    plain = (raw / raw.shift() - 1).dropna()
    np.testing.assert_array_equal(days, plain)
    assert len(days) + n_dropped == 8795
    with pytest.raises(InputError, match=r"received 0; fewest returns: BABA 0, GM 0, META 0"):
        whole.split("2009-12-31")[0].complete()
    assert {flag.asset for flag in whole.warnings} == {"RRC"}


def test_between_keeps_the_days_asked_for_and_names_what_is_wrong() -> None:
    panel = load_bundled("fx-usd")
    part = panel.between("2005-01-03", "2006-12-29")
    inside = (panel.returns.index >= "2005-01-03") & (panel.returns.index <= "2006-12-29")
    pd.testing.assert_frame_equal(part.returns, panel.returns[inside])
    assert panel.between(None, None).returns.equals(panel.returns)
    with pytest.raises(InputError, match="at least 30 days from 2030-01-01"):
        panel.between("2030-01-01", None)
    with pytest.raises(InputError, match="first day: expected a date"):
        panel.between("soon", None)
