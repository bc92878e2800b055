"""Reading columns into memory: all of them that a command needs, or a sample of rows."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tidegate.errors import DataError
from tidegate.tables.column import Column, Kind, Want
from tidegate.tables.source import Source
from tidegate.tables.sql import FLOATS, INTEGERS, base_type, kind_of, literal, quote, without_nan

_SAMPLED_CELLS = 10_000_000
# Of a category only which rows are alike: the levels of a column of free text would cost more than its rows.
_COMPARED = {
    "number": "CAST({} AS DOUBLE)",
    "time": "CAST({} AS TIMESTAMP)",
    "category": "CASE WHEN {0} IS NOT NULL THEN hash({0}) END",
}


class Reading(Source):
    """Columns of a table, in memory."""

    def read(self, wanted: Iterable[tuple[str, Want]]) -> dict[tuple[str, Want], Column]:
        """Read columns into memory in one pass, in the order of the file.

        Args:
            wanted: pairs of column name and the kind it must have; ``any`` takes what the type suggests. One column may
                be read as several kinds.

        Raises:
            DataError: a column is missing, or a value does not fit the kind (the first is named).
        """
        asked = list(dict.fromkeys(wanted))
        names = list(dict.fromkeys(name for name, _ in asked))
        self.require(names)
        if not names:
            return {}
        selected = ", ".join(f"{quote(name)} AS c{i}" for i, name in enumerate(names))
        self._query(f"CREATE OR REPLACE TEMP TABLE loaded AS SELECT {selected} FROM {self.source}")
        try:
            columns = {
                (name, want): self._load(f"c{names.index(name)}", name, self.schema[name], want)
                for name, want in asked
            }
        finally:
            self._query("DROP TABLE loaded")
        self._rows = len(columns[asked[0]].values)
        return columns

    def times(self, columns: Iterable[str]) -> list[str]:
        """Those of the columns that hold times, by their type; of a CSV file, by what all their values are."""
        names = list(columns)
        self.require(names)
        if self.format != "csv":
            return [name for name in names if kind_of(base_type(self.schema[name])) == "time"]
        # Whatever looks like no time in the first rows is none, and costs no pass over the others.
        likely = [name for name in names if self._starts_with_times(name)]
        if not likely:
            return []
        counts = ", ".join(
            f"count({quote(name)}), count(TRY_CAST({quote(name)} AS TIMESTAMP))" for name in likely
        )
        row = self._query(f"SELECT {counts} FROM {self.source}").fetchone() or ()
        return [name for i, name in enumerate(likely) if row[2 * i] and row[2 * i] == row[2 * i + 1]]

    def _starts_with_times(self, name: str) -> bool:
        column = quote(name)
        first = f"(SELECT {column} AS v FROM {self.source} WHERE {column} IS NOT NULL LIMIT 20)"
        # A year alone, or any other number, is no time.
        found = self._one(
            f"SELECT count(*) > 0 AND bool_and(TRY_CAST(v AS TIMESTAMP) IS NOT NULL"
            f" AND TRY_CAST(v AS DOUBLE) IS NULL) FROM {first}"
        )
        return bool(found)

    def sample(self, columns: Iterable[str], limit: int) -> dict[str, Column]:
        """About `limit` rows spread evenly over the table by their position, or all; of a very wide table fewer.

        The columns are of the kind that their type or values suggest. Categories come as codes without levels.
        """
        names = list(dict.fromkeys(columns))
        self.require(names)
        every = max(self.rows / max(min(limit, _SAMPLED_CELLS // max(len(names), 1)), 1), 1)
        slots = {f"c{i}": name for i, name in enumerate(names)}
        selected = ", ".join(f"{quote(name)} AS {slot}" for slot, name in slots.items())
        numbered = f"(SELECT {selected}, row_number() OVER () AS r FROM {self.source})"
        # Of rows that alternate, every k-th would be of one class; Knuth's multiplicative hash has no such period.
        drawn = f"r % {2**32} * 2654435761 % {2**32} < {int(2**32 / every)}"
        self._query(
            f"CREATE OR REPLACE TEMP TABLE loaded AS SELECT * EXCLUDE (r) FROM {numbered} WHERE {drawn}"
        )
        try:
            bases = self._meant({slot: self.schema[name] for slot, name in slots.items()})
            kinds = {slot: kind_of(base) for slot, base in zip(slots, bases, strict=True)}
            parts = ", ".join(f"{_COMPARED[kind].format(slot)} AS {slot}" for slot, kind in kinds.items())
            arrays = self._arrays(f"SELECT {parts} FROM loaded")
            return {name: _compared(name, kinds[slot], arrays[slot]) for slot, name in slots.items()}
        finally:
            self._query("DROP TABLE loaded")

    def _load(self, slot: str, name: str, sql_type: str, want: Want) -> Column:
        (base,) = self._meant({slot: sql_type})
        if want == "any":
            want = kind_of(base)
        if want == "category":
            return self._load_category(slot, name, sql_type, base)
        target = "DOUBLE" if want == "number" else "TIMESTAMP"
        # Epochs and numbers written as times are guesses we do not make.
        fits = (kind_of(base) == want and base != "VARCHAR") or (base == "BOOLEAN" and want == "number")
        if not fits:
            self._refuse_misfits(slot, name, target)
        if base == "BOOLEAN" and self.format == "csv":
            slot = f"{slot}::BOOLEAN"
        values = self._arrays(f"SELECT CAST({slot} AS {target}) AS v FROM loaded")["v"]
        return _measured(name, want, values)

    def _meant(self, slots: Mapping[str, str]) -> list[str]:
        """Types of loaded columns without their parameters; of CSV columns the narrowest that all values fit."""
        if self.format != "csv":
            return ["DOUBLE" if base_type(each) == "DECIMAL" else base_type(each) for each in slots.values()]
        names, found = list(slots), []
        # Filters of aggregates take memory, however few the rows are.
        for start in range(0, len(names), 100):
            parts = ", ".join(_fits(slot) for slot in names[start : start + 100])
            row = self._query(f"SELECT {parts} FROM loaded").fetchone() or ()
            found += [_narrowest(*row[i : i + 6]) for i in range(0, len(row), 6)]
        return found

    def _refuse_misfits(self, slot: str, name: str, target: str) -> None:
        row = self._query(
            f"SELECT rowid + 1, CAST({slot} AS VARCHAR) FROM loaded WHERE {slot} IS NOT NULL"
            f" AND TRY_CAST(CAST({slot} AS VARCHAR) AS {target}) IS NULL ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            what = "a number" if target == "DOUBLE" else "a time"
            raise DataError(
                f"{self.path}: column {name!r} must hold {what} in every row, but row {row[0]} holds"
                f" {str(row[1])[:60]!r}: mend the file, or name another column in the config"
            )

    def _load_category(self, slot: str, name: str, sql_type: str, base: str) -> Column:
        typed = f"TRY_CAST({slot} AS {base})" if base != sql_type else slot
        if base not in INTEGERS | FLOATS | {"BOOLEAN"}:
            typed = f"CAST({slot} AS VARCHAR)"
        if base in FLOATS:
            # Zero has no sign: as text, which the levels are told apart by, it has.
            typed = without_nan(f"({typed} + CAST(0 AS {base}))")
        distinct = self._query(
            f"SELECT DISTINCT {typed} AS v, CAST({typed} AS VARCHAR) AS t FROM loaded"
            f" WHERE {typed} IS NOT NULL ORDER BY v"
        ).fetchall()
        if not distinct:
            return Column(
                name, "category", np.full(self._one("SELECT count(*) FROM loaded"), -1, dtype=np.int32)
            )
        self._query("DROP TYPE IF EXISTS level")
        self._connection.execute(
            "CREATE TYPE level AS ENUM (" + ", ".join(literal(t) for _, t in distinct) + ")"
        )
        codes = self._arrays(f"SELECT enum_code(CAST(CAST({typed} AS VARCHAR) AS level)) AS v FROM loaded")[
            "v"
        ]
        return Column(
            name, "category", np.ma.filled(codes.astype(np.int32), -1), tuple(value for value, _ in distinct)
        )


def _fits(slot: str) -> str:
    """SQL that counts how many values of a CSV column are there, and how many fit each type."""
    # An integer is what reads the same when written again: 1.5 is none, and 007 is a code.
    return (
        f"count({slot}), count(TRY_CAST({slot} AS DOUBLE)),"
        f" count(*) FILTER (CAST(TRY_CAST({slot} AS BIGINT) AS VARCHAR) = {slot}),"
        f" count(*) FILTER (regexp_matches({slot}, '^[+-]?0[0-9]')),"
        f" count(TRY_CAST({slot} AS TIMESTAMP)), count(*) FILTER (lower({slot}) IN ('true', 'false'))"
    )


def _narrowest(filled: int, doubles: int, integers: int, padded: int, times: int, booleans: int) -> str:
    """The type that the counts of :func:`_fits` speak for."""
    if filled == 0 or integers == filled:
        return "BIGINT" if filled else "DOUBLE"
    if booleans == filled:
        return "BOOLEAN"
    if doubles == filled and not padded:
        return "DOUBLE"
    return "TIMESTAMP" if times == filled else "VARCHAR"


def _measured(name: str, kind: Kind, values: Any) -> Column:
    """A column of numbers or times from a masked array."""
    if kind == "number":
        return Column(name, kind, np.ma.filled(values.astype(np.float64), np.nan))
    return Column(name, kind, np.ma.filled(values.astype("datetime64[us]"), np.datetime64("NaT")))


def _compared(name: str, kind: Kind, values: Any) -> Column:
    """A sampled column from what :data:`_COMPARED` selects."""
    if kind != "category":
        return _measured(name, kind, values)
    codes = np.unique(np.ma.filled(values, 0), return_inverse=True)[1].astype(np.int32)
    codes[np.ma.getmaskarray(values)] = -1
    return Column(name, kind, codes)
