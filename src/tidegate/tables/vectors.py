"""Columns of vectors, such as embeddings: lists of numbers of one length, whatever the format keeps them as."""

from dataclasses import dataclass

import numpy as np

from tidegate.errors import DataError
from tidegate.tables.source import Source
from tidegate.tables.sql import FLOATS, INTEGERS, quote
from tidegate.wording import plural

MOST_DIMENSIONS = 16_384
_LIMIT = 20_000
_PROBED = 1_000
_CELLS_AT_ONCE = 4_000_000
_NO_LIST = "CAST(NULL AS DOUBLE[])"
_PLAIN = INTEGERS | FLOATS | {"DECIMAL"}


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """Vectors of some rows of a table.

    Attributes:
        values: shape (n, d) float32; NaN where a number is missing, and throughout a row without a vector.
        missing: mask of the rows without a vector, shape (n,).
        rows: their positions in the table, ascending, shape (n,).
        table_rows: rows of the whole table.
    """

    name: str
    values: np.ndarray
    missing: np.ndarray
    rows: np.ndarray
    table_rows: int


class Vectors(Source):
    """Columns of a table that hold a list of numbers in each row."""

    def vector_columns(self) -> list[str]:
        """The columns that hold vectors, in the order of the table.

        A type of lists of numbers says so by itself. Of text, which is all that CSV has, the first thousand rows do:
        each that is filled must be a list in brackets, as in ``[0.1, 0.2]``, of numbers alone.
        """
        typed = [name for name, sql_type in self.schema.items() if _holds_numbers(sql_type)]
        texts = [name for name, sql_type in self.schema.items() if sql_type in ("VARCHAR", "JSON")]
        found = {*typed, *self._lists_in_text(texts)}
        return [name for name in self.schema if name in found]

    def read_vectors(self, name: str, *, limit: int = _LIMIT) -> VectorColumn:
        """Read a column of vectors, or as many of its rows, drawn by what they hold and not by where they stand.

        An empty list is a missing vector. Numbers beyond those of 32 bits become infinite.

        Args:
            name: the column.
            limit: how many rows at most.

        Raises:
            DataError: there is no such column, a row holds no list of numbers, or lists differ in length.
        """
        self.require([name])
        lists = self._lists(name)
        asked = self._arrays(
            f"SELECT hash({lists}) AS h, coalesce(len({lists}), 0) AS n, {self._misfit(name)} AS b FROM {self.source}"
        )
        lengths, misfits = (np.ma.filled(asked[key], 0) for key in ("n", "b"))
        self._rows = len(lengths)
        self._refuse_misfit(name, misfits)
        dimensions = self._one_length(name, lengths)
        rows = _drawn(np.ma.filled(asked["h"], 0).astype(np.uint64), limit)
        values = np.full((len(rows), dimensions), np.nan, dtype=np.float32)
        filled = lengths[rows] > 0
        if filled.any():
            self._fill(values, np.flatnonzero(filled), rows, lists)
        return VectorColumn(name, values, ~filled, rows, self._rows)

    def _lists(self, name: str) -> str:
        """SQL of a column as lists of 64-bit floats; NULL where it holds none."""
        column, sql_type = quote(name), self.schema[name]
        if _holds_numbers(sql_type):
            return f"CAST({column} AS DOUBLE[])"
        return f"TRY_CAST(CAST({column} AS VARCHAR) AS DOUBLE[])" if _may_hold(sql_type) else _NO_LIST

    def _misfit(self, name: str) -> str:
        """SQL that tells whether a value is there, but is no list of numbers."""
        column, sql_type = quote(name), self.schema[name]
        if _holds_numbers(sql_type):
            return "false"
        if not _may_hold(sql_type):
            return f"{column} IS NOT NULL"
        # JSON itself has a value that says it is none.
        filled = f"coalesce(trim(CAST({column} AS VARCHAR)), 'null') <> 'null'"
        cells = f"TRY_CAST(CAST({column} AS VARCHAR) AS VARCHAR[])"
        wrong = f"list_filter({cells}, lambda e: e IS NOT NULL AND TRY_CAST(e AS DOUBLE) IS NULL)"
        # Whether a number that is not there is missing or no number is only asked where there is one: it is slow.
        gaps = f"len(list_filter({self._lists(name)}, lambda e: e IS NULL))"
        return (
            f"CASE WHEN {self._lists(name)} IS NULL THEN {filled} WHEN {gaps} = 0 THEN false"
            f" ELSE len({wrong}) > 0 END"
        )

    def _lists_in_text(self, names: list[str]) -> list[str]:
        if not names:
            return []
        parts = ", ".join(
            f"count(*) FILTER (len({self._lists(name)}) > 0) > 0 AND NOT bool_or({self._misfit(name)})"
            for name in names
        )
        first = f"(SELECT * FROM {self.source} LIMIT {_PROBED})"
        row = self._query(f"SELECT {parts} FROM {first}").fetchone() or ()
        return [name for name, holds in zip(names, row, strict=True) if holds]

    def _refuse_misfit(self, name: str, misfits: np.ndarray) -> None:
        if not misfits.any():
            return
        first = int(np.argmax(misfits))
        shown = self._one(f"SELECT CAST({quote(name)} AS VARCHAR) FROM {self.source} LIMIT 1 OFFSET {first}")
        raise DataError(
            f"{self.path}: column {name!r} must hold a list of numbers in every row, but row {first + 1:,} holds"
            f" {str(shown)[:60]!r}: mend the file, or leave the column out"
        )

    def _one_length(self, name: str, lengths: np.ndarray) -> int:
        found, counts = np.unique(lengths[lengths > 0], return_counts=True)
        if not len(found):
            return 0
        if len(found) > 1:
            usual, other = found[np.argsort(-counts, kind="stable")[:2]]
            one, another = (int(np.argmax(lengths == length)) + 1 for length in (usual, other))
            raise DataError(
                f"{self.path}: the vectors of column {name!r} must be of one length, but row {one:,} has"
                f" {plural(int(usual), 'number')} and row {another:,} has {other:,}: write them with one model"
            )
        if found[0] > MOST_DIMENSIONS:
            raise DataError(
                f"{self.path}: the vectors of column {name!r} have {found[0]:,} numbers; at most"
                f" {MOST_DIMENSIONS:,} are read: leave the column out, or store shorter ones"
            )
        return int(found[0])

    def _fill(self, values: np.ndarray, filled: np.ndarray, rows: np.ndarray, lists: str) -> None:
        """Write the vectors of `rows[filled]` into `values`, a part at a time."""
        dimensions = values.shape[1]
        step = max(1, _CELLS_AT_ONCE // dimensions)
        chosen = rows[filled]
        # Parts of the rows, so that neither text nor 64-bit floats of all of them are in memory at once.
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            wanted = ", ".join(map(str, part.tolist()))
            numbered = f"(SELECT row_number() OVER () - 1 AS r, {lists} AS v FROM {self.source})"
            cells = self._arrays(
                f"SELECT unnest(v) AS x FROM (SELECT v FROM {numbered} WHERE r IN ({wanted}) ORDER BY r)"
            )["x"]
            with np.errstate(over="ignore"):
                found = np.ma.filled(cells.astype(np.float64), np.nan).astype(np.float32)
            values[filled[start : start + step]] = found.reshape(len(part), dimensions)


def _holds_numbers(sql_type: str) -> bool:
    """Whether a type is one of lists of numbers: FLOAT[], DOUBLE[384], DECIMAL(3,2)[]."""
    element, bracket, rest = sql_type.rpartition("[")
    return bool(bracket) and rest.endswith("]") and element.split("(")[0] in _PLAIN


def _may_hold(sql_type: str) -> bool:
    """Whether values of a type that does not say so may be lists of numbers nevertheless."""
    return sql_type.endswith("]") or sql_type in ("VARCHAR", "JSON", '"NULL"')


def _drawn(hashes: np.ndarray, limit: int) -> np.ndarray:
    """Positions of at most so many rows, ascending; which of those that hold the same makes no difference."""
    if len(hashes) <= limit:
        return np.arange(len(hashes))
    order = np.argsort(hashes, kind="stable")
    ascending = hashes[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    copy = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    # Each copy has a chance of its own: a vector that many rows share should be drawn as often as it occurs.
    key = ascending ^ (copy.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    key = (key ^ (key >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return np.sort(order[np.argsort(key ^ (key >> np.uint64(29)), kind="stable")[:limit]])
