"""What can be wrong with the columns of a table, found without reading them into memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.tables.source import Source
from tidegate.tables.sql import kinds_of, quote


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column that is not of the kind that was asked for.

    Attributes:
        rows: that do not fit; 0 where the column as a whole does not, or is not there.
        example: the first such value in order of text, or the type of the column; None where there is no column.
    """

    column: str
    expected: str
    rows: int
    example: str | None


class Quality(Source):
    """Columns of a table, by what is wrong with them."""

    def constant(self, columns: Iterable[str]) -> dict[str, str | None]:
        """Columns that hold the same in every row, with that value as text; None where all is missing, NaN included."""
        names = list(columns)
        self.require(names)
        if not names:
            return {}
        filled = [self._filled(name) for name in names]
        parts = ", ".join(
            f"count({value}), CAST(min({value}) AS VARCHAR), min({value}) IS NOT DISTINCT FROM max({value})"
            for value in filled
        )
        row = self._query(f"SELECT count(*), {parts} FROM {self.source}").fetchone() or (0,)
        return {
            name: row[3 * i + 2]
            for i, name in enumerate(names)
            if row[3 * i + 1] in (0, row[0]) and row[3 * i + 3]
        }

    def distinct_rows(self, columns: Iterable[str]) -> int:
        """How many different rows there are in `columns`, told apart by a 64-bit hash."""
        names = list(columns)
        self.require(names)
        hashed = f"hash({', '.join(map(self._filled, names))})"
        return int(self._one(f"SELECT count(*) FROM (SELECT 1 FROM {self.source} GROUP BY {hashed})"))

    def misfits(self, expected: Mapping[str, str]) -> list[Misfit]:
        """Columns that are missing or not of the kind expected, in the order given.

        Args:
            expected: column to ``integer``, ``number``, ``text``, ``boolean`` or ``time``. In a CSV file the values
                decide and any is text; elsewhere the type does. A column without any value fits every kind.
        """
        present = [name for name in expected if name in self.schema]

        def shown(name: str) -> str:
            return quote(name) if self.format == "csv" else "''"

        wrong = {name: self._unfit(name, expected[name]) for name in present}
        parts = ", ".join(
            f"count(CASE WHEN {unfit} THEN 1 END), min(CASE WHEN {unfit} THEN left({shown(name)}, 200) END)"
            for name, unfit in wrong.items()
        )
        row = (self._query(f"SELECT {parts} FROM {self.source}").fetchone() if present else None) or ()
        found = {name: (row[2 * i], row[2 * i + 1]) for i, name in enumerate(present)}
        return [
            Misfit(name, kind, 0, None)
            if name not in found
            else Misfit(
                name, kind, found[name][0], found[name][1] if self.format == "csv" else self.schema[name]
            )
            for name, kind in expected.items()
            if name not in found or found[name][0]
        ]

    def _unfit(self, name: str, kind: str) -> str:
        """SQL that holds for the values of a column that are not of a kind."""
        column = quote(name)
        if self.format != "csv":
            return "false" if kind in kinds_of(self.schema[name], self.format) else f"{column} IS NOT NULL"
        fits = {
            "integer": f"regexp_full_match(trim({column}), '[+-]?[0-9]+')",
            "number": f"TRY_CAST({column} AS DOUBLE) IS NOT NULL",
            "boolean": f"lower({column}) IN ('true', 'false')",
            "time": f"TRY_CAST({column} AS TIMESTAMP) IS NOT NULL",
            "text": "true",
        }[kind]
        return f"{column} IS NOT NULL AND NOT {fits}"
