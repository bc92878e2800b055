from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.drift.rhythm import Rhythm, rhythm, same_window, seen_windows
from tidegate.drift.watchdog import last_good_run, watch_dog
from tidegate.history.drift import KeptDrift, KeptWindow, KeptWindows, PastReport

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 25, 5, 23, tzinfo=UTC)  # a Wednesday


def window(name: object, rows: int = 500, **more: Any) -> KeptWindow:
    return KeptWindow(sha256=sha256(str(name).encode()).hexdigest(), rows=rows, **more)


def good(at: datetime, name: object = None, rows: int = 500) -> PastReport:
    windows = KeptWindows(current=window(at if name is None else name, rows))
    return PastReport(at, "none", KeptDrift(windows=windows))


def failed(at: datetime, reason: str = "current.parquet has no rows") -> PastReport:
    return PastReport(at, "failed", KeptDrift(failed=reason))


def days(*ago: float) -> list[PastReport]:
    return [good(NOW - each * DAY) for each in ago]


def checks(past: Sequence[PastReport], now: datetime = NOW, **given: Any) -> list[str]:
    return [finding.check for finding in watch_dog(now, past, **given)]


# --- the last good run


@pytest.mark.parametrize(
    ("past", "at", "sentence"),
    [
        ([], None, "this is the first run that the history knows of"),
        (days(3), "2026-11-22T05:23:00Z", "the last good run was 3 days ago, on 2026-11-22 05:23 UTC"),
        (
            [*days(3), failed(NOW - DAY)],
            "2026-11-22T05:23:00Z",
            "the last good run was 3 days ago, on 2026-11-22 05:23 UTC",
        ),
        ([*days(3), good(NOW - DAY, rows=0)], "2026-11-22T05:23:00Z", "the last good run was 3 days ago"),
        ([*days(1), *days(3)], "2026-11-24T05:23:00Z", "the last good run was 24 hours ago"),
        (
            [failed(NOW - DAY), failed(NOW - 2 * DAY, "older")],
            None,
            "no run was good so far: the last 2 runs failed, the newest with: current.parquet has no rows",
        ),
        ([good(NOW + HOUR)], "2026-11-25T06:23:00Z", "the last good run was 0 seconds ago"),
    ],
)
def test_the_last_good_run_is_told(past: list[PastReport], at: str | None, sentence: str) -> None:
    told = last_good_run(NOW, past)

    assert told.at == at
    assert told.sentence.startswith(sentence.replace("24 hours", "1 day"))
    assert (told.days is None) == (at is None)


def test_a_line_of_an_older_version_is_a_good_run() -> None:
    assert last_good_run(NOW, [PastReport(NOW - 2 * DAY, "watch")]).days == 2


def test_what_a_summary_keeps_is_no_run() -> None:
    kept = PastReport(NOW - 30 * DAY, "none", KeptDrift(), summarised=True)
    assert last_good_run(NOW, [kept]).sentence == "this is the first run that the history knows of"


# --- late


def test_a_run_in_its_rhythm_is_not_late() -> None:
    assert checks(days(5, 4, 3, 2, 1)) == []


def test_a_run_after_a_missed_one_is_late() -> None:
    (finding,) = watch_dog(NOW, days(6, 5, 4, 3, 2))

    assert (finding.check, finding.column, finding.value, finding.severity) == ("late", None, 2.0, "warning")
    assert finding.detail == (
        "the last good run was 2 days ago, where one came so far every 1 day: look whether the schedule is switched"
        " off or its runs fail"
    )


def test_weekends_are_not_late_on_a_schedule_of_working_days() -> None:
    monday = datetime(2026, 11, 23, 5, 23, tzinfo=UTC)
    past = [good(monday - i * DAY) for i in range(1, 29) if (monday - i * DAY).isoweekday() <= 5]

    assert checks(past, monday) == []
    assert checks(past, monday + DAY) == ["late"]


@pytest.mark.parametrize(
    ("every", "passed", "late"),
    [
        (HOUR, 2.4 * HOUR, False),
        (HOUR, 2.6 * HOUR, True),
        (DAY, 36.9 * HOUR, False),
        (DAY, 37.1 * HOUR, True),
        (7 * DAY, 10.5 * DAY, False),
        (7 * DAY, 11 * DAY, True),
    ],
)
def test_the_configured_schedule_counts_from_the_first_run_on(
    every: timedelta, passed: timedelta, late: bool
) -> None:
    assert checks([good(NOW - passed)], expected_every=every) == (["late"] if late else [])


def test_one_run_has_no_rhythm() -> None:
    assert checks(days(300)) == []


def test_repeated_runs_do_not_quicken_the_rhythm() -> None:
    past = [
        good(NOW - i * DAY + j * timedelta(minutes=5), f"day {i}") for i in (4, 3, 2, 1) for j in range(6)
    ]
    assert checks(past) == []


# --- failures


def test_failures_in_a_row_are_counted_up_to_now() -> None:
    past = [failed(NOW - 5 * DAY), *days(4, 3), failed(NOW - 2 * DAY, "old"), failed(NOW - DAY, "no labels")]
    (late, row) = watch_dog(NOW, past[::-1])

    assert (late.check, row.check, row.value) == ("late", "failed", 2.0)
    assert row.detail == "the last 2 runs failed, the newest with: no labels"
    assert checks([failed(NOW - 2 * DAY), *days(1)]) == []


# --- rows


def test_no_rows_is_an_error() -> None:
    (finding,) = watch_dog(NOW, days(2, 1), current=window("now", rows=0))
    assert (finding.check, finding.severity) == ("no_rows", "error")


def test_the_same_rows_again_and_again_are_told() -> None:
    past = [*days(9, 8, 7, 6, 5), *(good(NOW - i * DAY, "stuck") for i in (4, 3, 2, 1))]
    (finding,) = watch_dog(NOW, past, current=window("stuck"))

    assert (finding.check, finding.value) == ("same_rows", 4.0)
    assert finding.detail == (
        "the current window is the one of 4 days ago, while one came every 1 day: no new rows arrive"
    )
    assert checks(past, current=window("new")) == []


def test_rows_that_never_changed_are_told_too() -> None:
    past = [good(NOW - i * DAY, "stuck") for i in (4, 3, 2, 1)]
    assert checks(past, current=window("stuck")) == ["same_rows"]


def test_a_run_that_is_repeated_soon_reads_the_same_rows_rightly() -> None:
    assert checks([*days(3, 2, 1), good(NOW - HOUR, "now")], current=window("now")) == []


# --- stale and idle


def test_old_rows_are_stale() -> None:
    (finding,) = watch_dog(NOW, [], newest_row=NOW - 9 * DAY, max_age=2 * DAY)

    assert (finding.check, finding.value) == ("stale", 9.0)
    assert finding.detail == "the newest row is 9 days old; 2 days is accepted"
    assert checks([], newest_row=NOW - 2 * DAY, max_age=2 * DAY) == []
    assert checks([], newest_row=NOW - 9 * DAY) == []
    assert checks([], newest_row=NOW + DAY, max_age=2 * DAY) == []


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (44.9, None),
        (45.0, "15 days are left"),
        (58.5, "2 days are left"),
        (59.0, "one day is left"),
        (60.0, "it may do so now"),
        (400.0, "it may do so now"),
    ],
)
def test_a_repository_without_commits_is_about_to_lose_its_schedule(ago: float, said: str | None) -> None:
    found = watch_dog(NOW, [], last_commit=NOW - ago * DAY)

    assert [finding.check for finding in found] == ([] if said is None else ["idle_repository"])
    assert all(str(said) in finding.detail and "after 60 days" in finding.detail for finding in found)


# --- windows and their rhythm


def test_windows_are_the_same_by_bytes_or_by_times_and_rows() -> None:
    times = {"start": "2026-11-01", "end": "2026-11-07"}

    assert same_window(window("a"), window("a", **times))
    assert same_window(window("a", **times), window("b", **times))
    assert not same_window(window("a"), window("b"))
    assert not same_window(window("a", **times), window("b", rows=501, **times))
    assert not same_window(window("a", start="x"), window("b", start="x"))
    assert not same_window(None, window("a"))
    assert not same_window(None, None)


def test_every_window_is_seen_once_in_the_order_of_first_reports() -> None:
    past = [good(NOW, "a"), good(NOW + HOUR, "b"), failed(NOW + 2 * HOUR), good(NOW + 3 * HOUR, "a")]
    # A summary keeps too few reports to tell a rhythm from.
    past.append(replace(good(NOW - DAY, "c"), summarised=True))
    seen = seen_windows(past[::-1])

    assert [(each.first, each.newest.at) for each in seen] == [
        (NOW, NOW + 3 * HOUR),
        (NOW + HOUR, NOW + HOUR),
    ]


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        ([], None),
        ([2], Rhythm(2 * DAY, 2 * DAY)),
        ([1, 9], Rhythm(DAY, DAY)),
        ([1, 1, 1, 9], Rhythm(DAY, DAY)),
        ([1, 1, 1, 1, 3, 1, 1, 1, 1, 3], Rhythm(DAY, 3 * DAY)),
        ([1] * 9 + [30], Rhythm(DAY, DAY)),
        ([7] * 40 + [1] * 30, Rhythm(DAY, DAY)),
    ],
)
def test_the_rhythm_is_the_median_and_what_one_in_ten_exceeds(gaps: list[int], found: Rhythm | None) -> None:
    times = [NOW]
    for gap in gaps:
        times.append(times[-1] + gap * DAY)

    assert rhythm(times) == found
    assert rhythm(times, HOUR) == Rhythm(HOUR, HOUR)


@given(
    st.lists(
        st.tuples(
            st.integers(-10_000, 10_000), st.integers(0, 3), st.sampled_from(["good", "failed", "old"])
        ),
        max_size=20,
    ),
    st.none() | st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_any_past_is_told_in_any_order(runs: list[Any], current: int | None) -> None:
    made = {
        "good": good,
        "failed": lambda at, name: failed(at),
        "old": lambda at, name: PastReport(at, "none"),
    }
    past = [made[kind](NOW + i * HOUR, name) for i, name, kind in {run[0]: run for run in runs}.values()]
    given: dict[str, Any] = {
        "current": None if current is None else window(current),
        "last_commit": NOW - 50 * DAY,
    }
    found = watch_dog(NOW, past, **given)

    assert found == watch_dog(NOW, past[::-1], **given)
    assert all(finding.detail for finding in found)
    assert last_good_run(NOW, past).sentence == last_good_run(NOW, past[::-1]).sentence
