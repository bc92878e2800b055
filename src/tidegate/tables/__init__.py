"""Tables: Parquet, CSV and JSON Lines, read by DuckDB into numpy columns; only the columns asked for."""

from tidegate.tables.column import Column, Kind, Level, Want
from tidegate.tables.identity import Meeting
from tidegate.tables.keys import Keys
from tidegate.tables.quality import Misfit
from tidegate.tables.scan import SUFFIXES
from tidegate.tables.sql import quote
from tidegate.tables.table import Table, open_table

__all__ = [
    "SUFFIXES",
    "Column",
    "Keys",
    "Kind",
    "Level",
    "Meeting",
    "Misfit",
    "Table",
    "Want",
    "open_table",
    "quote",
]
