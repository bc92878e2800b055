"""When the rows of a table are from, whatever their times are written as."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidegate.tables.sql import base_type, kind_of, literal

DAYS = 400
"""Newest days of which the rows are counted."""
SHORT = 60
"""Characters of a value that are kept."""
_OFFSETS = 50
_DAY = 86_400_000_000
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds since 1970 of the years 1 to 9999, which Python has dates for."""
# The hyphens of a date must not read as an offset, so the minutes have to stand before it.
_ZONE = r":[0-9]{2}(?:[.,][0-9]+)?\s*(Z|z|[+-][0-9]{2}(?::?[0-9]{2}){0,2}|[A-Za-z][A-Za-z_/+-]*)$"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of times, in microseconds since 1970 UTC.

    Attributes:
        now: what is later than this, and more than it may be ahead, lies in the future.
        zoned_ahead: how much a time with an offset may be ahead.
        naive_ahead: how much a time without one may be ahead.
        before: rows earlier than this are counted.
    """

    now: int
    zoned_ahead: int
    naive_ahead: int
    before: int | None


@dataclass(frozen=True, slots=True)
class Instants:
    """The times of a table, in microseconds since 1970 UTC.

    Attributes:
        filled: rows with a value, of which `unread` are no time; `example` is the first of those in order of text.
        offsets: rows by the offset or zone that they are written with, "" for none.
        first, last: without times in the future.
        future: rows later than now, and `latest` of them.
        days: rows of each day that has any, ascending: (days since 1970, rows, first and last second of the day).
        earlier: rows before the time that was asked for.
    """

    filled: int
    unread: int = 0
    example: str | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    future: int = 0
    latest: int | None = None
    days: list[tuple[int, int, int, int]] = field(default_factory=list)
    earlier: int | None = None


def read_instants(
    query: Callable[[str], Any], source: str, column: str, sql_type: str, asked: Asked
) -> Instants:
    """Survey times. Those without an offset are read as UTC; a cast to a time without zone would drop the offset.

    Args:
        query: runs SQL.
        source: SQL of the table.
        column: SQL of the times.
        sql_type: their type; of another than times or text no row is read.
        asked: limits.
    """
    written = sql_type in ("VARCHAR", "JSON")
    value = f"({column} ->> '$')" if sql_type == "JSON" else column
    known = written or kind_of(base_type(sql_type)) == "time"
    time = f"TRY_CAST({value} AS TIMESTAMPTZ)" if known else "CAST(NULL AS TIMESTAMPTZ)"
    zone = "'+00:00'" if "TIME ZONE" in sql_type else "''"
    if written:
        zone = f"regexp_extract({value}, {literal(_ZONE)}, 1)"
    query(
        f"CREATE OR REPLACE TEMP TABLE instants AS SELECT CASE WHEN u BETWEEN {_FIRST} AND {_LAST} THEN u END AS t, z,"
        f" CASE WHEN t IS NULL THEN left(CAST(v AS VARCHAR), {SHORT}) END AS x FROM"
        f" (SELECT CASE WHEN isfinite(w) THEN epoch_us(w) END AS u, z, v FROM"
        f" (SELECT {value} AS v, {time} AS w, {zone} AS z FROM {source} WHERE {value} IS NOT NULL))"
    )
    try:
        return _summed(query, asked)
    finally:
        query("DROP TABLE instants")


def _summed(query: Callable[[str], Any], asked: Asked) -> Instants:
    latest_naive, latest_zoned = asked.now + asked.naive_ahead, asked.now + asked.zoned_ahead
    past = f"t <= CASE WHEN z = '' THEN {latest_naive:d} ELSE {latest_zoned:d} END"
    filled, read, example, first, last, future, latest, earlier = query(
        f"SELECT count(*), count(t), min(x), min(CASE WHEN {past} THEN t END), max(CASE WHEN {past} THEN t END),"
        f" count(CASE WHEN NOT {past} THEN 1 END), max(CASE WHEN NOT {past} THEN t END),"
        f" count(CASE WHEN t < {asked.before or 0:d} THEN 1 END) FROM instants"
    ).fetchone()
    offsets = query(
        f"SELECT z, count(*) FROM instants WHERE t IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_OFFSETS}"
    ).fetchall()
    # Division rounds towards zero: from the first year on no time is negative.
    second = f"t // 1000000 - 86400 * (t // {_DAY})"
    days = query(
        f"SELECT t // {_DAY}, count(*), min({second}), max({second}) FROM"
        f" (SELECT t - ({_FIRST}) AS t FROM instants WHERE {past}) GROUP BY 1 ORDER BY 1 DESC LIMIT {DAYS}"
    ).fetchall()
    return Instants(
        filled=int(filled),
        unread=int(filled - read),
        example=example,
        offsets={str(zone): int(count) for zone, count in offsets},
        first=first,
        last=last,
        future=int(future),
        latest=latest,
        days=[(int(day) + _FIRST // _DAY, int(rows), int(a), int(b)) for day, rows, a, b in reversed(days)],
        earlier=None if asked.before is None else int(earlier),
    )
