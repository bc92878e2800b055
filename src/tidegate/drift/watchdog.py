"""Who watches the watch: drift jobs that run late, fail, read nothing or read the same rows for ever.

A job that dies leaves no report, so silence must not look like health. A run that ends in an error leaves a record
whose decision is ``failed`` (:func:`tidegate.history.drift.kept_part` with ``failed``); one that could not even start
is noticed by the next, by the time since the last good run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidegate.drift.quality import Finding
from tidegate.drift.rhythm import Rhythm, rhythm, same_window, seen_windows
from tidegate.history.drift import KeptWindow, PastReport
from tidegate.wording import duration, plural

_LATE = 1.5
"""Times the usual distance between windows."""
_GRACE = timedelta(hours=1)
"""Runners are scarce at times: a run may start late without anything being wrong."""
_IDLE, _DISABLED = 45, 60
"""Days without a commit: when to warn, and when GitHub switches schedules of public repositories off."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LastGoodRun:
    """The newest past run that read rows and came to a decision; `at` is None where there is none."""

    at: str | None
    days: float | None
    sentence: str


def last_good_run(now: datetime, past: Sequence[PastReport]) -> LastGoodRun:
    """When the last good run was, in words.

    Args:
        now: time of this run, with its time zone.
        past: earlier reports, without this one.
    """
    good, runs = _last(past), [report for report in past if not report.summarised]
    if good is None and runs:
        newest_last = sorted(runs, key=lambda report: report.at)
        return LastGoodRun(None, None, f"no run was good so far: {_failed(newest_last)}")
    if good is None:
        return LastGoodRun(None, None, "this is the first run that the history knows of")
    passed = max(now - good.at, timedelta(0))
    at = good.at.astimezone(UTC)
    sentence = f"the last good run was {duration(passed)} ago, on {at:%Y-%m-%d %H:%M} UTC"
    return LastGoodRun(at.strftime("%Y-%m-%dT%H:%M:%SZ"), passed / _DAY, sentence)


def watch_dog(
    now: datetime,
    past: Sequence[PastReport],
    *,
    current: KeptWindow | None = None,
    newest_row: datetime | None = None,
    max_age: timedelta | None = None,
    expected_every: timedelta | None = None,
    last_commit: datetime | None = None,
) -> list[Finding]:
    """What is wrong with the watching itself.

    Late means that the last good run is further away than one and a half of the usual distance between windows (and
    than what one in ten exceeds, so that weekends are not late) and an hour of grace.

    Args:
        now: time of this run; all times with their time zone.
        past: earlier reports, without this one, in any order.
        current: the window that this run read; None where it failed before it could.
        newest_row: time of the newest row, when its age is to be looked at.
        max_age: how old that row may be.
        expected_every: the schedule; by default learnt from the past.
        last_commit: of the repository's default branch.
    """
    past = sorted(past, key=lambda report: report.at)
    return [
        *_late(now, past, expected_every),
        *_failures(past),
        *_rows(now, past, current, expected_every),
        *_stale(now, newest_row, max_age),
        *_idle(now, last_commit),
    ]


def _late(now: datetime, past: Sequence[PastReport], every: timedelta | None) -> Iterator[Finding]:
    good, known = _last(past), _rhythm(past, every)
    if good is None or known is None:
        return
    passed = now - good.at
    if passed > _patience(known):
        said = "is expected" if every is not None else "came so far"
        detail = (
            f"the last good run was {duration(passed)} ago, where one {said} every {duration(known.usual)}: look"
            " whether the schedule is switched off or its runs fail"
        )
        yield Finding("late", None, passed / _DAY, detail)


def _failures(past: Sequence[PastReport]) -> Iterator[Finding]:
    row = _row_of_failures(past)
    if row:
        yield Finding("failed", None, float(len(row)), _failed(row))


def _rows(
    now: datetime, past: Sequence[PastReport], current: KeptWindow | None, every: timedelta | None
) -> Iterator[Finding]:
    if current is None:
        return
    if current.rows == 0:
        yield Finding("no_rows", None, 0.0, "the current window has no rows: nothing was watched", "error")
        return
    first = next((seen.first for seen in seen_windows(past) if same_window(seen.window, current)), None)
    known = _rhythm(past, every)
    if first is None or known is None or now - first <= _patience(known):
        return
    detail = (
        f"the current window is the one of {duration(now - first)} ago, while one came every"
        f" {duration(known.usual)}: no new rows arrive"
    )
    yield Finding("same_rows", None, (now - first) / _DAY, detail)


def _stale(now: datetime, newest: datetime | None, max_age: timedelta | None) -> Iterator[Finding]:
    if newest is None or max_age is None or now - newest <= max_age:
        return
    detail = f"the newest row is {duration(now - newest)} old; {duration(max_age)} is accepted"
    yield Finding("stale", None, (now - newest) / _DAY, detail)


def _idle(now: datetime, last_commit: datetime | None) -> Iterator[Finding]:
    days = 0 if last_commit is None else (now - last_commit) // _DAY
    if days < _IDLE:
        return
    rule = f"GitHub switches the schedules of a public repository off after {_DISABLED} days without a commit"
    left = _DISABLED - days
    when = (
        f"{plural(left, 'day')} are left"
        if left > 1
        else "one day is left"
        if left == 1
        else "it may do so now"
    )
    detail = (
        f"the last commit was {days:,} days ago, and {rule}: {when}; commit, or start the workflow by hand"
    )
    yield Finding("idle_repository", None, float(days), detail)


def _patience(known: Rhythm) -> timedelta:
    return max(_LATE * known.usual, known.long) + _GRACE


def _rhythm(past: Sequence[PastReport], every: timedelta | None) -> Rhythm | None:
    """How far apart windows come; where they never change, how far apart runs do."""
    firsts = [seen.first for seen in seen_windows(past)]
    if len(firsts) < 2:
        firsts = [report.at for report in past if _is_good(report)]
    return rhythm(firsts, every)


def _last(past: Sequence[PastReport]) -> PastReport | None:
    return max(filter(_is_good, past), key=lambda report: report.at, default=None)


def _is_good(report: PastReport) -> bool:
    window = report.kept.windows.current
    return not report.summarised and report.kept.failed is None and (window is None or window.rows > 0)


def _row_of_failures(past: Sequence[PastReport]) -> list[PastReport]:
    row: list[PastReport] = []
    for report in reversed(past):
        if report.kept.failed is None:
            break
        row.append(report)
    return row[::-1]


def _failed(row: Sequence[PastReport]) -> str:
    runs = "the last run" if len(row) == 1 else f"the last {len(row):,} runs"
    newest = "" if len(row) == 1 else ", the newest"
    reason = row[-1].kept.failed
    return f"{runs} failed{newest} with: {reason}" if reason else f"{runs} read no rows"
