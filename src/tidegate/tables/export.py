"""Writing rows of a table to a file."""

from collections.abc import Iterable
from pathlib import Path

from tidegate.tables.scan import SUFFIXES
from tidegate.tables.source import Source
from tidegate.tables.sql import literal, quote

_COPY = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json"}
_ORDER = "tidegate row order"


class Export(Source):
    """Rows of a table, on their way into a file."""

    def export(
        self, path: Path, *, select: str = "*", where: str = "true", rows: range | None = None
    ) -> None:
        """Write rows to a file.

        Args:
            path: its suffix gives the format.
            select: columns, in SQL made by the caller.
            where: which rows, likewise.
            rows: which of the chosen rows, by their position; None: all.
        """
        options = _COPY[SUFFIXES[path.suffix.lower()]]
        part = "" if rows is None else f" LIMIT {len(rows)} OFFSET {rows.start}"
        self._query(
            f"COPY (SELECT {select} FROM {self.source} WHERE {where}{part}) TO {literal(str(path))} ({options})"
        )

    def export_joined(self, path: Path, other: Source, *, on: str, take: Iterable[str]) -> None:
        """Write this table's rows with columns `take` of `other` in the place of its own, joined by `on`."""
        taken = list(take)
        own = [name for name in self.schema if name not in taken]
        selected = [f"a.{quote(name)}" for name in own] + [f"b.{quote(name)}" for name in taken]
        joined = (
            f"(SELECT {', '.join(selected)}, a.{quote(_ORDER)}"
            f" FROM (SELECT *, row_number() OVER () AS {quote(_ORDER)} FROM {self.source}) a"
            f" JOIN {other.source} b ON CAST(a.{quote(on)} AS VARCHAR) = CAST(b.{quote(on)} AS VARCHAR))"
        )
        options = _COPY[SUFFIXES[path.suffix.lower()]]
        self._query(
            f"COPY (SELECT * EXCLUDE ({quote(_ORDER)}) FROM {joined} ORDER BY {quote(_ORDER)})"
            f" TO {literal(str(path))} ({options})"
        )
