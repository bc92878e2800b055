"""Rows by the hash of what identifies them, the same on every machine."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tidegate.tables.source import Source
from tidegate.tables.sql import quote

# A value as text, whatever type it was stored as: a number as a 64-bit float, a time in full, missing as NaN, and
# without what separates the values of a row. A cast that fails is slow: only what has the hyphen of a date is tried.
_CANONICAL = (
    "coalesce(CAST(TRY_CAST(cell AS DOUBLE) + 0.0 AS VARCHAR),"
    " CASE WHEN cell[5] = '-' THEN CAST(TRY_CAST(cell AS TIMESTAMP) AS VARCHAR) END,"
    " CASE WHEN lower(cell) IN ('true', 'false') THEN lower(cell) END, replace(cell, chr(31), chr(30)), 'nan')"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Rows by the hash of what identifies them.

    Attributes:
        rows: that have a key.
        distinct: keys among them.
        single: keys that one row alone has.
        hashes: the smallest of the distinct hashes, ascending, shape (k,), uint64.
    """

    rows: int
    distinct: int
    single: int
    hashes: np.ndarray


class Hashing(Source):
    """Rows of a table, by hash."""

    def id_keys(self, column: str, *, limit: int | None = None, at_most: int | None = None) -> Keys:
        """Hashes of an id as text, as :meth:`match` compares it; missing ids have none.

        Args:
            column: the id.
            limit: how many of the smallest hashes are kept; None keeps all.
            at_most: hashes above it are not kept.
        """
        self.require([column])
        return self._keys(f"CAST({quote(column)} AS VARCHAR)", limit, at_most)

    def content_keys(
        self, columns: Iterable[str], *, limit: int | None = None, at_most: int | None = None
    ) -> Keys:
        """Hashes of what rows hold in `columns`, the same in whichever format they are stored.

        Numbers are compared as 64-bit floats, times in UTC, NaN as missing; the order of columns does not matter.
        (A 32-bit float is what it prints as, which JSON does not keep.)
        """
        names = sorted(columns)
        self.require(names)
        cells = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in names)
        row = f"list_transform([{cells}], lambda cell: {_CANONICAL})"
        return self._keys(f"array_to_string({row}, chr(31))", limit, at_most)

    def row_keys(self, *columns: str | None) -> np.ndarray:
        """(rows,) uint64: a hash of the first of `columns` that has a value in the row, as text; 0 where none has."""
        names = [name for name in columns if name is not None]
        self.require(names)
        cells = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in names)
        hashes = self._arrays(f"SELECT {_hashed(f'coalesce({cells})')} AS v FROM {self.source}")["v"]
        return np.ma.filled(hashes.astype(np.uint64), 0)

    def _keys(self, key: str, limit: int | None, at_most: int | None) -> Keys:
        self._query(
            f"CREATE OR REPLACE TEMP TABLE keyed AS SELECT {_hashed(key)} AS v, count(*) AS n FROM {self.source}"
            " GROUP BY 1"
        )
        try:
            row = self._query(
                "SELECT coalesce(sum(n), 0), count(*), count(*) FILTER (n = 1) FROM keyed WHERE v IS NOT NULL"
            ).fetchone()
            kept = "v IS NOT NULL" if at_most is None else f"v <= {at_most:d}"
            first = "" if limit is None else f" LIMIT {limit:d}"
            hashes = self._arrays(f"SELECT v FROM keyed WHERE {kept} ORDER BY v{first}")["v"]
        finally:
            self._query("DROP TABLE keyed")
        rows, distinct, single = row or (0, 0, 0)
        return Keys(int(rows), int(distinct), int(single), np.ma.getdata(hashes).astype(np.uint64))


def _hashed(text: str) -> str:
    """SQL of a hash that every machine and every version of the engine computes alike."""
    return f"CAST('0x' || substr(sha256({text}), 1, 16) AS UBIGINT)"
