"""Rows of a table by the values of one column: which repeat, which meet, and when they are from.

Where a table has a column of the same name, SQL takes that and not the name given to an expression: what is grouped
and ordered by is named by position.
"""

import numpy as np

from tidegate.errors import DataError
from tidegate.tables.identity import Ids, Meeting, partners
from tidegate.tables.source import Source
from tidegate.tables.sql import INTEGERS, quote


class Rows(Source):
    """Rows of a table, by what one column holds."""

    def duplicated(self, column: str, limit: int = 5) -> list[tuple[str, int]]:
        """Values of `column` that stand in more than one row, with their counts."""
        name = quote(column)
        rows = self._query(
            f"SELECT CAST({name} AS VARCHAR), count(*) FROM {self.source} GROUP BY {name} HAVING count(*) > 1"
            f" ORDER BY 2 DESC, 1 LIMIT {limit}"
        ).fetchall()
        return [("missing" if value is None else str(value), int(count)) for value, count in rows]

    def repeated_rows(self, column: str) -> int:
        """How many rows have a value of `column` that another row has too."""
        counts = f"(SELECT count(*) AS n FROM {self.source} GROUP BY {quote(column)})"
        return int(self._one(f"SELECT coalesce(sum(n), 0) FROM {counts} WHERE n > 1"))

    def require_unique(self, column: str) -> None:
        """Check that every row has a value of a column, and no other row the same.

        Raises:
            DataError: a value is missing, or stands in two rows.
        """
        filled = self._filled(column)
        counted = f"(SELECT {filled} AS v, count(*) AS n FROM {self.source} GROUP BY 1)"
        found = self._query(
            f"SELECT v IS NULL, CAST(v AS VARCHAR), n FROM {counted} WHERE n > 1 OR v IS NULL"
            " ORDER BY 1 DESC, n DESC, 2 LIMIT 1"
        ).fetchone()
        if found is None:
            return
        missing, value, count = found
        if missing:
            (first,) = self._rows_of(filled, "NULL", 1)
            raise DataError(
                f"{self.path}: {column} must be unique, but is missing in {count:,} row{'s' if count > 1 else ''},"
                f" the first of them row {first}: give each row a value of its own"
            )
        most = f"(SELECT v FROM {counted} WHERE n > 1 ORDER BY n DESC, CAST(v AS VARCHAR) LIMIT 1)"
        first, second = self._rows_of(filled, most, 2)
        raise DataError(
            f"{self.path}: {column} must be unique, but {value} stands in {count} rows, the first of them"
            f" rows {first} and {second}: keep one row of each, so that none is counted twice"
        )

    def _rows_of(self, expression: str, value: str, limit: int) -> list[int]:
        """The first rows, counted from 1, in which an expression has a value; both are SQL."""
        rows = self._query(
            f"SELECT r FROM (SELECT row_number() OVER () AS r, {expression} AS v FROM {self.source})"
            f" WHERE v IS NOT DISTINCT FROM {value} ORDER BY r LIMIT {limit}"
        ).fetchall()
        return [int(row[0]) for row in rows]

    def match(self, other: "Rows", column: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers, here and in `other`, of the rows with equal `column`; see :meth:`meet`."""
        meeting = self.meet(other, column)
        return meeting.ours, meeting.theirs

    def meet(self, other: "Rows", column: str) -> Meeting:
        """Which rows of this table and of `other` have an equal `column`, in the order of this table.

        Values are compared as text, so that an id that one file stores as a number and the other as text still joins.
        Missing values and those that stand in several rows of a table have no partner.
        """
        self.require([column])
        other.require([column])
        as_text = not (self._is_integer(column) and other._is_integer(column))
        ours, theirs = self._ids(column, as_text), other._ids(column, as_text)
        found = partners(ours, theirs)
        if found is not None:
            return Meeting(*found, ours.repeated_missing, theirs.repeated_missing)
        return Meeting(
            *self._match_repeated(other, column), self.repeated_rows(column), other.repeated_rows(column)
        )

    def _ids(self, column: str, as_text: bool) -> Ids:
        value = f"CAST({quote(column)} AS {'VARCHAR' if as_text else 'BIGINT'})"
        # The engine's own hash is fast; its next version may compute another, so it is never kept.
        hashes = f"CASE WHEN {value} IS NOT NULL THEN hash({value}) END AS k, hash({value} || '/') AS c"
        arrays = self._arrays(f"SELECT {hashes if as_text else f'{value} AS k'} FROM {self.source}")
        keys = arrays["k"]
        self._rows = len(keys)
        rows = np.flatnonzero(~np.ma.getmaskarray(keys))
        data = {name: np.ma.getdata(values)[rows] for name, values in arrays.items()}
        return Ids(rows, data["k"], data.get("c"), self._rows - len(rows))

    def values(self, column: str) -> np.ndarray:
        """A column as integers where it holds such, and else as text; shape (rows,), missing values masked."""
        self.require([column])
        value = f"CAST({quote(column)} AS {'BIGINT' if self._is_integer(column) else 'VARCHAR'})"
        values: np.ndarray = self._arrays(f"SELECT {value} AS v FROM {self.source}")["v"]
        return values

    def _is_integer(self, column: str) -> bool:
        """Whether a column holds integers of at most 64 bits, which are equal when their text is."""
        return self.schema[column] in INTEGERS - {"HUGEINT", "UBIGINT"}

    def _match_repeated(self, other: Source, column: str) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`match` where values repeat."""
        key = f"CAST({quote(column)} AS VARCHAR)"

        def alone(source: str) -> str:
            numbered = f"(SELECT row_number() OVER () - 1 AS r, {key} AS k FROM {source})"
            once = f"(SELECT {key} AS k FROM {source} GROUP BY 1 HAVING count(*) = 1)"
            return f"(SELECT r, k FROM {numbered} SEMI JOIN {once} USING (k))"

        pairs = self._arrays(
            f"SELECT a.r AS a, b.r AS b FROM {alone(self.source)} a JOIN {alone(other.source)} b USING (k) ORDER BY a.r"
        )
        return np.asarray(pairs["a"], dtype=np.int64), np.asarray(pairs["b"], dtype=np.int64)

    def period(self, column: str) -> tuple[str, str] | None:
        """The first and the last time of a column; None without any."""
        when = f"CAST({quote(column)} AS TIMESTAMP)"
        row = self._query(f"SELECT min({when}), max({when}) FROM {self.source}").fetchone()
        if row is None or row[0] is None:
            return None
        return row[0].isoformat(timespec="seconds"), row[1].isoformat(timespec="seconds")
