"""Sessions of an exchange: the dates that days to come will have."""

import warnings
from datetime import date

import pandas as pd

from qfin.exceptions import InputError
from qfin.market.table import as_day

_SLACK_DAYS = 30  # calendar days beyond the expected ones, for holidays and closures


def next_sessions(last: str | date, n_sessions: int, calendar: str = "XNYS") -> pd.DatetimeIndex:
    """The first `n_sessions` sessions after the day `last`, by `exchange_calendars` (XNYS: New York).

    Known holidays and closures are left out; those that nobody has announced yet are not.
    """
    import exchange_calendars

    if isinstance(n_sessions, bool) or not isinstance(n_sessions, int) or n_sessions < 1:
        raise InputError(f"n_sessions: expected a whole number of at least 1, received {n_sessions!r}")
    try:
        day = pd.Timestamp(as_day(last))
    except ValueError as error:
        raise InputError(f"last: expected a date such as 2010-12-31, received {error}") from None
    first = day + pd.Timedelta(days=1)
    end = first + pd.Timedelta(days=int(n_sessions * 7 / 4) + _SLACK_DAYS)
    if calendar not in exchange_calendars.get_calendar_names():
        raise InputError(f"calendar: expected a name of exchange_calendars such as XNYS or XLON, received {calendar!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, about how the package reads its tables
            sessions = exchange_calendars.get_calendar(calendar, start=first, end=end).sessions
    except (ValueError, exchange_calendars.errors.CalendarError) as error:
        raise InputError(f"calendar {calendar}: expected days that it covers, received {error}") from None
    if len(sessions) < n_sessions:
        raise InputError(f"calendar {calendar}: expected {n_sessions} sessions after {day:%Y-%m-%d}")
    return pd.DatetimeIndex(sessions[:n_sessions].to_numpy(), name="date")
