"""From a table to the facts that its data quality is judged by."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from tidegate.data_quality import duplicate_rows
from tidegate.drift.quality.facts import ClockFacts, ColumnFacts, IdFacts, QualityFacts, instant
from tidegate.tables import Table
from tidegate.tables.instants import Asked
from tidegate.tables.windows import WindowScan

CLOCK_SKEW = timedelta(minutes=5)
ZONES = timedelta(hours=14)
"""What the local time of the easternmost zone is ahead of UTC: as much as a time without an offset may be."""
_EXAMPLES = 3
_MICROSECOND = timedelta(microseconds=1)


def gather(
    table: Table,
    columns: Iterable[str] | None = None,
    *,
    now: datetime,
    timestamp: str | None = None,
    id: str | None = None,
    against: QualityFacts | None = None,
    duplicates: bool = True,
) -> QualityFacts:
    """Survey a window.

    Args:
        table: the window; it may have no rows.
        columns: to watch; those that the table does not have are left out and missed later. None takes all but the id
            and the timestamp.
        now: what is later is in the future; without a time zone it is UTC.
        timestamp: orders the rows in time.
        id: unique per row.
        against: for the current window the facts of the reference: how many rows lie outside its ranges and before its
            end can be counted only here.
        duplicates: whether rows that repeat another are looked for.

    Raises:
        DataError: the table cannot be read.
    """
    schema = table.schema
    asked = [name for name in schema if name not in (id, timestamp)] if columns is None else columns
    watched = [name for name in dict.fromkeys(asked) if name in schema]
    clock_column = timestamp if timestamp in schema else None
    id_column = id if id in schema else None
    read = [name for name in dict.fromkeys((*watched, clock_column, id_column)) if name is not None]
    content = [name for name in read if name != id_column]
    with WindowScan(table, read) as scan:
        rows = scan.rows()
        known = against.columns if against is not None else {}
        bounds = {
            name: (facts.minimum, facts.maximum)
            for name, facts in known.items()
            if facts.minimum is not None and facts.maximum is not None
        }
        surveyed = scan.survey(watched, bounds)
        clock = _clock(scan, clock_column, now, against) if clock_column is not None else None
        ids = IdFacts(id_column, *scan.repeated_ids(id_column, _EXAMPLES)) if id_column is not None else None
        repeated = scan.repeated_rows(content) if duplicates else 0
    return QualityFacts(
        rows=rows,
        columns={name: ColumnFacts(**asdict(column)) for name, column in surveyed.items()},
        clock=clock,
        no_clock=timestamp if clock is None else None,
        ids=ids,
        no_id=id if ids is None else None,
        repeated_rows=_judged(table, content, repeated) if duplicates else None,
    )


def _clock(scan: WindowScan, column: str, now: datetime, against: QualityFacts | None) -> ClockFacts:
    before = against.clock.last if against is not None and against.clock is not None else None
    skew, zones = (int(each / _MICROSECOND) for each in (CLOCK_SKEW, ZONES))
    moment = int((in_utc(now) - instant(0)) / _MICROSECOND)
    found = scan.instants(column, Asked(moment, skew, skew + zones, before))
    return ClockFacts(column=column, kind=scan.kind(column), **asdict(found))


def _judged(table: Table, columns: list[str], repeated: int) -> int:
    """Repeated rows, or 0 where there are no more than few and coarse values make by chance."""
    return repeated if repeated and duplicate_rows(table, columns) is not None else 0


def in_utc(moment: datetime) -> datetime:
    """A time in UTC; without a zone it is taken to be."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
