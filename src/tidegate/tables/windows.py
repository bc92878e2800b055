"""What the data quality of a window is judged by, in few passes of SQL: columns, levels and ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from tidegate.tables.instants import SHORT, Asked, Instants, read_instants
from tidegate.tables.reading import Reading
from tidegate.tables.sql import FLOATS, INTEGERS, kind_of, literal, quote, without_nan

LEVELS = 1_000
"""Different values up to which those of a text column are kept."""
_AT_ONCE = 100
_MAJORITY_LIKELY = 0.7
_SPECIAL = {"TIME": "time of day", "ENUM": "text", "VARCHAR": "text", "UUID": "text", "BOOLEAN": "boolean"}


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One column as it stands in a table; the fields are those of `ColumnFacts`, which explains them."""

    kind: str
    typed: bool
    filled: int
    infinite: int = 0
    minimum: float | None = None
    maximum: float | None = None
    constant: str | None = None
    commonest: str | None = None
    commonest_rows: int = 0
    levels: dict[str, int] | None = None
    level_count: int | None = None
    below: int | None = None
    above: int | None = None


class WindowScan:
    """A window under survey, a context manager.

    Parquet is read where it lies, column by column. Other formats are loaded once, since parsing them costs more than
    all that is asked.

    Args:
        table: the window.
        columns: that are asked about; all must exist.
    """

    def __init__(self, table: Reading, columns: Iterable[str]) -> None:
        self._table = table
        names = list(dict.fromkeys(columns))
        table.require(names)
        self._slots = {name: f"c{i}" for i, name in enumerate(names)}
        selected = ", ".join(f"{quote(name)} AS {slot}" for name, slot in self._slots.items()) or "1 AS c0"
        self._from = f"(SELECT {selected} FROM {table.source})"
        self._bases: dict[str, str] = {}

    def __enter__(self) -> "WindowScan":
        if self._table.format != "parquet":
            self._query(f"CREATE OR REPLACE TEMP TABLE loaded AS SELECT * FROM {self._from}")
            self._from = "loaded"
        try:
            meant = self._table._meant({slot: self._table.schema[name] for name, slot in self._slots.items()})
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self._bases = dict(zip(self._slots, meant, strict=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._from == "loaded":
            self._query("DROP TABLE IF EXISTS loaded")

    def rows(self) -> int:
        """Number of rows."""
        return int(self._one(f"SELECT count(*) FROM {self._from}"))

    def survey(
        self, columns: Sequence[str], bounds: Mapping[str, tuple[float, float]]
    ) -> dict[str, Surveyed]:
        """What each column holds.

        Args:
            columns: of those that the scan was made for.
            bounds: range of a column of numbers; how many rows lie outside is counted.
        """
        found: dict[str, Surveyed] = {}
        numbers = [name for name in columns if self.kind(name) == "number"]
        for start in range(0, len(numbers), _AT_ONCE):
            found |= self._numbers(numbers[start : start + _AT_ONCE], bounds)
        others = [name for name in columns if name not in found]
        for start in range(0, len(others), _AT_ONCE):
            found |= self._others(others[start : start + _AT_ONCE])
        return {name: found[name] for name in columns}

    def row_hashes(self, columns: Sequence[str]) -> np.ndarray:
        """(rows,) uint64: a hash of each row, the same in every format where the kinds are; of this process only."""
        hashes = self._table._arrays(f"SELECT {self._hashed(columns)} AS v FROM {self._from}")["v"]
        return np.ma.getdata(hashes).astype(np.uint64)

    def id_hashes(self, column: str) -> np.ndarray:
        """(rows,) uint64: a hash of an id as text, whatever it is stored as; 0 where there is none."""
        slot = self._slots[column]
        hashed = f"CASE WHEN {slot} IS NULL THEN 0 ELSE hash(CAST({slot} AS VARCHAR)) END"
        sql = f"SELECT {hashed} AS v FROM {self._from}"
        return np.ma.getdata(self._table._arrays(sql)["v"]).astype(np.uint64)

    def _hashed(self, columns: Sequence[str]) -> str:
        cells = [
            self._value(name) if self.kind(name) == "number" else self._comparable(name) for name in columns
        ]
        return f"hash({', '.join(cells)})"

    def repeated_rows(self, columns: Sequence[str]) -> int:
        """Rows that are like an earlier one in all of `columns`, told apart by a 64-bit hash."""
        if not columns:
            return 0
        counted = f"SELECT count(*) AS n FROM {self._from} GROUP BY {self._hashed(columns)}"
        return int(self._one(f"SELECT coalesce(sum(n - 1), 0) FROM ({counted})"))

    def repeated_ids(self, column: str, shown: int) -> tuple[int, int, list[tuple[str, int]]]:
        """Rows without an id, rows whose id an earlier row has, and the ids that stand in most rows."""
        # As it is written: a 64-bit float would take long ids for each other.
        value = f"CAST({self._slots[column]} AS VARCHAR)"
        counted = f"(SELECT {value} AS v, count(*) AS n FROM {self._from} GROUP BY 1)"
        row = self._query(
            "SELECT coalesce(sum(CASE WHEN v IS NULL THEN n END), 0),"
            f" coalesce(sum(CASE WHEN v IS NOT NULL THEN n - 1 END), 0) FROM {counted}"
        ).fetchone() or (0, 0)
        most: list[tuple[Any, Any]] = []
        if row[1]:
            most = self._query(
                f"SELECT left(v, {SHORT}), n FROM {counted} WHERE v IS NOT NULL AND n > 1"
                f" ORDER BY n DESC, v LIMIT {shown:d}"
            ).fetchall()
        return int(row[0]), int(row[1]), [(str(value), int(count)) for value, count in most]

    def instants(self, column: str, asked: Asked) -> Instants:
        """When the rows are from; of a column that holds neither times nor text no row is read."""
        return read_instants(self._query, self._from, self._slots[column], self._table.schema[column], asked)

    def _numbers(
        self, names: Sequence[str], bounds: Mapping[str, tuple[float, float]]
    ) -> dict[str, Surveyed]:
        parts = []
        for name in names:
            value = self._value(name)
            finite = f"CASE WHEN isfinite({value}) THEN {value} END"
            outside = "0, 0"
            if name in bounds:
                low, high = (f"CAST({literal(repr(bound))} AS DOUBLE)" for bound in bounds[name])
                outside = f"count(CASE WHEN {finite} < {low} THEN 1 END), count(CASE WHEN {finite} > {high} THEN 1 END)"
            parts.append(
                f"count({value}), count({finite}), min({finite}), max({finite}), approx_count_distinct({value}),"
                f" {outside}"
            )
        row = self._query(f"SELECT {', '.join(parts)} FROM {self._from}").fetchone() or ()
        cells = {name: row[7 * i : 7 * i + 7] for i, name in enumerate(names)}
        # Where nearly all values differ, none can be that of most rows.
        repeating = [name for name, cell in cells.items() if 0 < cell[4] <= _MAJORITY_LIKELY * cell[0] + 1]
        majority = self._majority(repeating)
        return {
            name: Surveyed(
                kind="number" if filled else "empty",
                typed=self._table.format != "csv",
                filled=int(filled),
                infinite=int(filled - finite),
                minimum=low,
                maximum=high,
                constant=repr(low + 0.0) if filled > 1 and finite == filled and low == high else None,
                below=int(below) if name in bounds else None,
                above=int(above) if name in bounds else None,
                **_of_most_rows(*majority.get(name, (None, 0)), int(filled)),
            )
            for name, (filled, finite, low, high, _, below, above) in cells.items()
        }

    def _majority(self, names: Sequence[str]) -> dict[str, tuple[str | None, int]]:
        """The median and its rows: what more than half of all rows hold is the median."""
        if not names:
            return {}
        values = [self._value(name) for name in names]
        medians = (
            self._query(
                f"SELECT {', '.join(f'quantile_disc({value}, 0.5)' for value in values)} FROM {self._from}"
            ).fetchone()
            or ()
        )
        equal = ", ".join(
            f"count(CASE WHEN {value} = CAST({literal(repr(median))} AS DOUBLE) THEN 1 END)"
            for value, median in zip(values, medians, strict=True)
        )
        counts = self._query(f"SELECT {equal} FROM {self._from}").fetchone() or ()
        return {
            name: (repr(median + 0.0), int(count))
            for name, median, count in zip(names, medians, counts, strict=True)
        }

    def _others(self, names: Sequence[str]) -> dict[str, Surveyed]:
        values = [self._comparable(name) for name in names]
        parts = ", ".join(
            f"count({value}),"
            f" CASE WHEN min({value}) = max({value}) THEN left(CAST(min({value}) AS VARCHAR), {SHORT}) END"
            for value in values
        )
        row = self._query(f"SELECT {parts} FROM {self._from}").fetchone() or ()
        found = {}
        for i, name in enumerate(names):
            filled, constant = int(row[2 * i]), row[2 * i + 1]
            kept = self._levels(name, filled) if self.kind(name) in ("text", "boolean") and filled else {}
            found[name] = Surveyed(
                kind=self.kind(name) if filled else "empty",
                typed=self._table.format != "csv",
                filled=filled,
                constant=constant if filled > 1 else None,
                **kept,
            )
        return found

    def _levels(self, name: str, filled: int) -> dict[str, Any]:
        value = self._comparable(name)
        # A long value is known by its beginning and a digest of the whole.
        short = (
            f"CASE WHEN length({value}) > {SHORT} THEN left({value}, {SHORT - 10}) || '… ' || left(md5({value}), 8)"
            f" ELSE {value} END"
        )
        counted = (
            f"(SELECT {short} AS v, count(*) AS n FROM {self._from} WHERE {value} IS NOT NULL GROUP BY 1)"
        )
        rows = self._query(
            f"SELECT v, n, count(*) OVER () FROM {counted} ORDER BY n DESC, v LIMIT {LEVELS + 1}"
        ).fetchall()
        few = len(rows) <= LEVELS
        return {
            "levels": {str(level): int(count) for level, count, _ in rows} if few else None,
            "level_count": int(rows[0][2]),
            **_of_most_rows(str(rows[0][0]), int(rows[0][1]), filled),
        }

    def _comparable(self, name: str) -> str:
        """SQL of a column that is no number, such that equal values are equal in every format."""
        kind, slot = self.kind(name), self._slots[name]
        if kind == "time":
            return f"TRY_CAST({slot} AS TIMESTAMPTZ)"
        return f"lower(CAST({slot} AS VARCHAR))" if kind == "boolean" else f"CAST({slot} AS VARCHAR)"

    def _value(self, name: str) -> str:
        """SQL of a column whose numbers are 64-bit floats, and whose NaN are missing."""
        slot, base = self._slots[name], self._bases[name]
        if self.kind(name) != "number":
            return slot
        number = f"TRY_CAST({slot} AS DOUBLE)"
        whole = base in INTEGERS and self._table.format != "csv"
        return number if whole else without_nan(number)

    def kind(self, name: str) -> str:
        """The kind of a column, as `ColumnFacts` names it."""
        base = self._bases[name]
        if base in INTEGERS | FLOATS:
            return "number"
        return "time" if kind_of(base) == "time" else _SPECIAL.get(base, base.lower()[:SHORT])

    def _query(self, sql: str) -> Any:
        return self._table._query(sql)

    def _one(self, sql: str) -> Any:
        return self._table._one(sql)


def _of_most_rows(value: str | None, rows: int, filled: int) -> dict[str, Any]:
    """The value of at least half of all rows, where there is one."""
    return {"commonest": value, "commonest_rows": rows} if 2 * rows >= filled > 0 else {}
