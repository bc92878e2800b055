"""Files opened by DuckDB: what all that is asked of a table goes through."""

import hashlib
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import Any, Self

import duckdb

from tidegate.errors import DataError
from tidegate.suggest import did_you_mean
from tidegate.tables.faults import disguise, json_fault
from tidegate.tables.scan import scan, shown_as
from tidegate.tables.sql import FLOATS, quote, without_nan

MAX_COLUMNS = 5_000
_MENDS = {
    "parquet": "it was cut off or damaged, or is no Parquet; write it again, or fetch all of it (git lfs pull)",
    "csv": "give each line as many values as the header, and close all quotes",
    "jsonl": "write one JSON object per line, all with the same keys",
}


class Source:
    """A table on disk, opened but not read.

    Attributes:
        path: as the user gave it, for messages.
        schema: column name to DuckDB type; CSV columns are all VARCHAR until read.
        source: the SQL that stands for the table in a query.
    """

    def __init__(self, path: str, files: list[Path], file_format: str) -> None:
        self.path = path
        self.files = files
        self.format = file_format
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
            },
        )
        # Times with a zone are read as UTC, wherever the machine stands.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._sha256: str | None = None
        self._rows: int | None = None
        self._scan = scan(files, file_format, path)
        self.source = self._scan.sql
        self.schema: dict[str, str] = {
            str(row[0]): str(row[1])
            for row in self._query(f"DESCRIBE SELECT * FROM {self.source}").fetchall()
        }
        # What DuckDB calls the values of lines that are no objects, or where there are no lines.
        if file_format == "jsonl" and list(self.schema) == ["json"]:
            self._refuse_faults()
        if len(self.schema) > MAX_COLUMNS:
            raise DataError(
                f"{path} has {len(self.schema):,} columns; at most {MAX_COLUMNS:,} are read:"
                " leave out those that nothing here needs"
            )

    def _query(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    def _arrays(self, sql: str) -> dict[str, Any]:
        """Columns of a result as masked arrays."""
        try:
            return self._connection.execute(sql).fetchnumpy()
        except duckdb.Error as error:
            raise self._unreadable(error) from None

    def _refuse_faults(self) -> None:
        """Raise what is wrong with the first file of which that can be told better than DuckDB does."""
        for file in self.files:
            fault = disguise(file, self.format) or (json_fault(file) if self.format == "jsonl" else None)
            if fault:
                raise DataError(f"{shown_as(self.path, file, self.files)}{fault}")

    def _unreadable(self, error: duckdb.Error) -> DataError:
        self._refuse_faults()
        return DataError(
            f"{self.path} cannot be read as {self.format}: {_first_lines(error)}: {_MENDS[self.format]}"
        )

    def _filled(self, name: str) -> str:
        """SQL of a column whose NaN are missing values."""
        column = quote(name)
        return without_nan(column) if self.schema[name] in FLOATS else column

    def _one(self, sql: str) -> Any:
        """The first value of the first row."""
        row = self._query(sql).fetchone()
        return row[0] if row else None

    @property
    def sha256(self) -> str:
        """Fingerprint of the bytes; of several files, of their fingerprints in order of name."""
        if self._sha256 is None:
            digests = [_file_sha256(file) for file in self.files]
            joined = "\n".join(digests).encode()
            self._sha256 = digests[0] if len(digests) == 1 else hashlib.sha256(joined).hexdigest()
        return self._sha256

    @property
    def rows(self) -> int:
        """Number of rows."""
        if self._rows is None:
            self._rows = int(self.scalar("count(*)"))
        return self._rows

    def require(self, columns: Iterable[str]) -> None:
        """Check that the columns exist.

        Raises:
            DataError: one does not; the message suggests the nearest.
        """
        for name in columns:
            if name not in self.schema:
                raise DataError(f"{self.path} has no column {name!r}.{did_you_mean(name, self.schema)}")

    def complete(self, columns: Iterable[str]) -> Self:
        """The same table without the rows in which one of `columns` is missing."""
        names = list(columns)
        self.require(names)
        if not names:
            return self
        kept = copy(self)
        known = " AND ".join(f"{self._filled(name)} IS NOT NULL" for name in names)
        kept.source = f"(SELECT * FROM {self.source} WHERE {known})"
        kept._rows = None
        return kept

    def scalar(self, expression: str) -> Any:
        """One value computed over the table; `expression` is SQL made by the caller."""
        return self._one(f"SELECT {expression} FROM {self.source}")


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_lines(error: Exception) -> str:
    """DuckDB's message without its advice, which names options that the user does not have."""
    lines: list[str] = []
    for line in str(error).splitlines():
        if not line.strip() or line.startswith(("Possible", "LINE", "The search space")):
            break
        lines.append(line.strip())
    kind, _, rest = (lines or [""])[0].partition(": ")
    if rest and kind.endswith("Error"):
        lines[0] = rest
    # What follows names options of DuckDB, which the user does not have.
    return " ".join(lines).split(" Try setting ")[0][:400]
