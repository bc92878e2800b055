"""The history that is replayed: one table cut into windows, or tables that are windows already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from tidegate.backtest import Span
from tidegate.backtest.timeline import MOST_WINDOWS
from tidegate.commands.base import Invocation
from tidegate.errors import DataError, UsageError
from tidegate.tables import Table, open_table, quote
from tidegate.wording import duration, plural

_DAY = timedelta(days=1)
_NOMINAL_START = datetime(2000, 1, 3)
"""A Monday, from which windows without times are counted."""
_LEAST_FILLED = 0.5


@dataclass(frozen=True, slots=True)
class History:
    """Windows in order of time, each a table of its own.

    Attributes:
        whole: what they are part of, for the document.
        dated: whether their times are real.
    """

    spans: list[Span]
    tables: list[Table]
    whole: list[Table]
    dated: bool
    warnings: list[str]


def cut_history(invocation: Invocation, spec: str, length: timedelta, place: Path) -> History:
    """Cut a table into windows of equal length, the first beginning with the day (or hour) of the first row.

    A window that was cut before, by an earlier run on the same table, is taken as it is.

    Args:
        invocation: the run.
        spec: of the table.
        length: of a window.
        place: folder that the windows are kept in.

    Raises:
        DataError: no times, no labels, or fewer than two windows.
    """
    if length <= timedelta(0):
        raise UsageError("--window must be longer than nothing, such as 7d")
    table, name = invocation.open(spec), _timestamp(invocation)
    table.require([name, *_label(invocation)])
    column = table.read([(name, "time")])[name, "time"]
    known = column.values[~column.missing]
    if not len(known):
        raise DataError(f"{table.path}: column {name!r} holds no time, so it cannot be cut into windows")
    first, last = _moment(known.min()), _moment(known.max())
    start = _floor(first, length)
    count = int((last - start) / length) + 1
    if count > MOST_WINDOWS:
        raise DataError(
            f"{table.path} spans {duration(last - first)}, {count:,} windows of {duration(length)}: at most"
            f" {MOST_WINDOWS:,} are replayed; choose a longer --window"
        )
    warnings = []
    undated = int(column.missing.sum())
    if undated:
        warnings.append(f"{plural(undated, 'row')} without a time in {name} are left out")
    if last - (start + (count - 1) * length) < _LEAST_FILLED * length and count > 1:
        count -= 1
        warnings.append(
            f"the last window, from {start + count * length:%Y-%m-%d %H:%M}, is less than half full"
        )
    edges = [start + i * length for i in range(count + 1)]
    places = np.searchsorted(np.array(edges, dtype="datetime64[us]"), known, side="right") - 1
    rows = np.bincount(places[places < count], minlength=count)
    empty = int((rows == 0).sum())
    if empty:
        warnings.append(f"{plural(empty, 'window')} without rows are left out")
    spans, tables = [], []
    for i in np.flatnonzero(rows).tolist():
        spans.append(Span(edges[i], edges[i + 1], int(rows[i])))
        tables.append(_window(table, name, edges[i], edges[i + 1], place))
    return History(spans, tables, [table], True, warnings)


def listed_history(invocation: Invocation, specs: Sequence[str], length: timedelta | None) -> History:
    """Tables that are windows, in their order; those of a glob in order of their names.

    Args:
        invocation: the run.
        specs: paths and globs.
        length: of a window, where rows have no times.

    Raises:
        DataError: a table has no rows or no labels.
        UsageError: there are no times, and no length to count them by.
    """
    tables = [table for spec in specs for table in _single(invocation, spec)]
    name = invocation.model.columns.timestamp
    dated = name is not None and all(name in table.schema for table in tables)
    if not dated and length is None:
        raise UsageError(
            "the windows have no times: name `columns.timestamp` in the config, or say with --window how long each"
            " of them is"
        )
    spans = []
    for i, table in enumerate(tables):
        table.require(_label(invocation))
        if table.rows == 0:
            raise DataError(f"{table.path} has no rows: a window needs at least one")
        if dated:
            spans.append(_period(table, str(name)))
        else:
            start = _NOMINAL_START + i * (length or _DAY)
            spans.append(Span(start, start + (length or _DAY), table.rows))
    if dated:
        spans = _joined(spans)
    warnings = [] if dated else ["the windows have no times: ages and days are counted from --window"]
    return History(spans, tables, tables, dated, warnings)


def _single(invocation: Invocation, spec: str) -> list[Table]:
    found = invocation.open(spec)
    if len(found.files) == 1:
        return [found]
    return [open_table(str(file)) for file in found.files]


def _timestamp(invocation: Invocation) -> str:
    name = invocation.model.columns.timestamp
    if name is None:
        raise UsageError(
            "--history is cut into windows by time: name the column in `columns.timestamp` of the config, or give"
            " the windows themselves with --windows"
        )
    return name


def _label(invocation: Invocation) -> list[str]:
    return [invocation.need("columns.label", invocation.model.columns.label)]


def _window(table: Table, name: str, start: datetime, end: datetime, place: Path) -> Table:
    suffix = table.files[0].suffix.lower()
    kept = place / f"{table.sha256[:16]}-{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}{suffix}"
    if not kept.is_file():
        place.mkdir(parents=True, exist_ok=True)
        when = f"CAST({quote(name)} AS TIMESTAMP)"
        # The suffix tells the format, so the file that is not whole yet differs by its beginning.
        part = kept.with_name(f"part-{kept.name}")
        table.export(part, where=f"{when} >= TIMESTAMP '{start}' AND {when} < TIMESTAMP '{end}'")
        part.replace(kept)
    return open_table(str(kept), shown=f"the window from {start:%Y-%m-%d %H:%M}")


def _period(table: Table, name: str) -> Span:
    column = table.read([(name, "time")])[name, "time"]
    known = column.values[~column.missing]
    if not len(known):
        raise DataError(f"{table.path}: column {name!r} holds no time")
    return Span(_moment(known.min()), _moment(known.max()) + timedelta(microseconds=1), table.rows)


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Each window lasts until the next one begins, as far as they are in order; the last until its last row."""
    ends = [later.start if later.start >= span.end else span.end for span, later in pairwise(spans)]
    return [Span(span.start, end, span.rows) for span, end in zip(spans, [*ends, spans[-1].end], strict=True)]


def _floor(moment: datetime, length: timedelta) -> datetime:
    if length >= _DAY:
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return moment.replace(minute=0, second=0, microsecond=0)


def _moment(value: np.datetime64) -> datetime:
    found: datetime = value.astype("datetime64[us]").item()
    return found
