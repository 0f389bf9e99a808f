"""Sessions to come, against the exchange's published holidays."""

import pandas as pd
import pytest

from qfin.exceptions import InputError
from qfin.market import next_sessions


def test_new_york_skips_weekends_and_holidays() -> None:
    """3 July 2020 was closed for Independence Day (Saturday the 4th), says the NYSE's calendar of 2020."""
    sessions = next_sessions("2020-07-01", 3)
    assert [str(day.date()) for day in sessions] == ["2020-07-02", "2020-07-06", "2020-07-07"]
    assert sessions.tz is None


def test_the_eleventh_of_september() -> None:
    """Closed from 11 to 14 September 2001; trading went on on Monday the 17th."""
    assert [str(day.date()) for day in next_sessions("2001-09-10", 2)] == ["2001-09-17", "2001-09-18"]


def test_london_has_its_own_holidays() -> None:
    """The 31 August 2020 was the summer bank holiday in London and a session in New York."""
    assert str(next_sessions("2020-08-28", 1, "XLON")[0].date()) == "2020-09-01"
    assert str(next_sessions("2020-08-28", 1)[0].date()) == "2020-08-31"


def test_a_year_of_sessions() -> None:
    sessions = next_sessions(pd.Timestamp("2018-12-31").date(), 252)
    assert str(sessions[-1].date()) == "2019-12-31"
    assert len(sessions) == 252


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="calendar: expected a name of exchange_calendars"):
        next_sessions("2020-01-01", 5, "MOON")
    with pytest.raises(InputError, match="n_sessions"):
        next_sessions("2020-01-01", 0)
    with pytest.raises(InputError, match="last: expected a date"):
        next_sessions("soon", 5)
