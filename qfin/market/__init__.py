"""Market: price files and bundled sets -> clean prices -> returns."""

from qfin.market.bundled import BundledSet, data_file, describe_bundled, list_bundled, load_bundled, load_panel
from qfin.market.calendars import next_sessions
from qfin.market.download import fetch_prices
from qfin.market.panel import Flag, ReturnPanel, to_returns
from qfin.market.reader import read_table
from qfin.market.table import KINDS, MIN_ROWS, Change, MarketTable, table_from_frame
from qfin.market.writer import write_table

__all__ = [
    "KINDS",
    "MIN_ROWS",
    "BundledSet",
    "Change",
    "Flag",
    "MarketTable",
    "ReturnPanel",
    "data_file",
    "describe_bundled",
    "fetch_prices",
    "list_bundled",
    "load_bundled",
    "load_panel",
    "next_sessions",
    "read_table",
    "table_from_frame",
    "to_returns",
    "write_table",
]
