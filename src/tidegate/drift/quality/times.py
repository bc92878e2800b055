"""Findings about when the rows are from: unreadable, mixed, future and stale times, and windows out of order."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tidegate.drift.quality.facts import ClockFacts, QualityFacts, instant
from tidegate.drift.quality.findings import Finding, shown
from tidegate.drift.quality.gathering import in_utc
from tidegate.wording import duration, first_few, plural

_DAY = timedelta(days=1)
_UTC = ("Z", "z", "UTC", "GMT", "+00", "-00", "+0000", "-0000", "-00:00")


def check_times(
    reference: QualityFacts, current: QualityFacts, *, now: datetime, max_age: timedelta | None
) -> Iterator[Finding]:
    """All findings about the timestamps of the current window, alone and beside the reference's."""
    clock = current.clock
    if clock is None:
        if current.no_clock is not None:
            yield Finding(
                "timestamps",
                current.no_clock,
                None,
                "the current window has no such column of times",
                "error",
            )
        elif max_age is not None:
            detail = f"max_age is {duration(max_age)}, but without a timestamp the age of the newest row is not known"
            yield Finding("freshness", None, None, detail)
        return
    yield from _unread(clock, current.rows)
    yield from _zones(reference.clock, clock)
    if clock.future and clock.latest is not None:
        detail = f"{plural(clock.future, 'row')} in the future, up to {told(clock.latest)}"
        yield Finding("future", clock.column, clock.future / max(current.rows, 1), detail)
    yield from _stale(clock, now, max_age)
    if reference.clock is not None:
        yield from _periods(reference.clock, clock, current.rows)


def told(microseconds: int) -> str:
    """A time in UTC, to the second."""
    return f"{instant(microseconds):%Y-%m-%d %H:%M:%S} UTC"


def _unread(clock: ClockFacts, rows: int) -> Iterator[Finding]:
    if clock.unread:
        example = f", such as {shown(clock.example)}" if clock.example is not None else ""
        if clock.unread == clock.filled:
            detail = f"no value reads as a time{example}: the order of the rows in time is not known"
            yield Finding("timestamps", clock.column, 1.0, detail, "error")
        else:
            detail = f"{clock.unread:,} of {plural(rows, 'row')} hold no time{example}"
            yield Finding("timestamps", clock.column, clock.unread / rows, detail)
    missing = rows - clock.filled
    if rows and missing == rows:
        yield Finding("timestamps", clock.column, 1.0, "is missing in every row", "error")
    elif missing:
        detail = f"{missing:,} of {plural(rows, 'row')} have no time"
        yield Finding("timestamps", clock.column, missing / rows, detail)


def _zones(then: ClockFacts | None, now: ClockFacts) -> Iterator[Finding]:
    offsets = _offsets(now)
    naive, written = offsets.get("", 0), [offset for offset in offsets if offset]
    if naive and written:
        aware = sum(offsets[offset] for offset in written)
        detail = (
            f"{plural(naive, 'time')} without a time zone and {aware:,} with one ({_list(written)}):"
            " those without are read as UTC"
        )
        yield Finding("time_zones", now.column, min(naive, aware) / (naive + aware), detail)
        return
    if len(written) > 1:
        detail = f"times are written in {plural(len(written), 'time zone')}: {_list(written)}; they are read as UTC"
        yield Finding("time_zones", now.column, None, detail, "info")
    before = _offsets(then) if then is not None else {}
    if offsets and before and bool(naive) != ("" in before):
        without, having = ("current window", "reference") if naive else ("reference", "current window")
        detail = f"times of the {without} have no time zone, those of the {having} have one: without it is read as UTC"
        yield Finding("time_zones", now.column, None, detail)


def _offsets(clock: ClockFacts) -> dict[str, int]:
    """Rows by offset, each written in one way; most rows first."""
    found: dict[str, int] = {}
    for offset, rows in clock.offsets.items():
        name = "+00:00" if offset in _UTC else _spelt(offset)
        found[name] = found.get(name, 0) + rows
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _spelt(offset: str) -> str:
    digits = offset[1:].replace(":", "")
    if offset[:1] in ("+", "-") and digits.isdigit():
        return f"{offset[0]}{digits[:2]}:{digits[2:4] or '00'}"
    return offset


def _list(offsets: list[str]) -> str:
    return first_few([offset if offset[:1] in "+-" else shown(offset) for offset in offsets])


def _stale(clock: ClockFacts, now: datetime, max_age: timedelta | None) -> Iterator[Finding]:
    if max_age is None or clock.last is None:
        return
    age = in_utc(now) - instant(clock.last)
    if age > max_age:
        detail = f"the newest row is {duration(age)} old ({told(clock.last)}), more than max_age {duration(max_age)}"
        yield Finding("freshness", clock.column, age / _DAY, detail)


def _periods(then: ClockFacts, now: ClockFacts, rows: int) -> Iterator[Finding]:
    if then.first is None or then.last is None or now.first is None or now.last is None:
        return
    spans = [f"{told(clock.first or 0)} to {told(clock.last or 0)}" for clock in (then, now)]
    if now.last < then.first:
        detail = f"the current window ({spans[1]}) is older than the reference ({spans[0]}): swap them"
        yield Finding("periods", now.column, None, detail, "error")
    elif now.first < then.last:
        counted = "rows" if now.earlier is None else f"{now.earlier:,} of {plural(rows, 'current row')}"
        share = None if now.earlier is None else now.earlier / max(rows, 1)
        detail = (
            f"{counted} are from before the reference ends ({told(then.last)}): the windows overlap in time"
        )
        yield Finding("periods", now.column, share, detail)
    else:
        gap = timedelta(microseconds=now.first - then.last)
        if gap > max(_DAY, timedelta(microseconds=now.last - now.first)):
            detail = f"{duration(gap)} lie between the end of the reference and the current window"
            yield Finding("periods", now.column, gap / _DAY, detail, "info")
