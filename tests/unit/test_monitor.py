"""The monitor over a stream of windows: what it counts, what it keeps, what it refuses."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.drift.evidence import Distance, Shift, WindowEvidence, shift_from_interval
from tidegate.drift.monitor import LONGEST_RUN, MOST_STREAMS, Monitor, from_state
from tidegate.errors import ConfigError, DataError
from tidegate.history.records import MAX_LINE_BYTES

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def window(i: int, *streams: Shift | Distance, reference: str = "reference") -> WindowEvidence:
    return WindowEvidence(f"window {i}", reference, START + (i + 1) * DAY, START + i * DAY, streams)


def drop(size: float = 2.0, name: str = "performance") -> Shift:
    return Shift(name, size, 0.1, 1.0)


def after(windows: int, *streams: Shift | Distance, run_length: int = 1_000) -> Monitor:
    monitor = Monitor.start(run_length)
    for i in range(windows):
        monitor = monitor.update(window(i, *streams))
    return monitor


def test_a_lasting_small_drop_is_found_and_dated():
    monitor = after(20, drop(0.0))
    for i in range(20, 60):
        monitor = monitor.update(window(i, drop(1.2)))
    report = monitor.report()
    assert report.alarm
    assert report.value >= report.threshold
    assert report.streams == ["performance"]
    assert report.since == "2026-01-22T00:00:00Z", "the end of the first window that moved"
    assert "performance moved away from the reference since 2026-01-22" in report.sentence


def test_nothing_to_see_says_how_long_the_run_is_and_how_soon_it_would_see():
    report = after(50, drop(0.0), Distance("x", 0.02, 1_000, 1_000)).report()
    assert not report.alarm
    assert report.streams == []
    assert report.since is None
    assert report.windows == 50
    assert report.delay is not None
    assert "1,000 windows or more" in report.sentence


def test_a_monitor_that_has_seen_nothing_reports():
    report = Monitor.start(100).report()
    assert (report.value, report.alarm, report.windows, report.delay) == (0, False, 0, None)


def test_one_gross_break_alarms_at_once():
    assert after(1, drop(9.0)).report().alarm


def test_an_improvement_is_no_drop():
    assert not after(100, drop(-3.0)).report().alarm


@pytest.mark.parametrize("stream", [Distance("x", 0.2, 2_000, 500), Distance("x", 40.0, 2_000, 500, df=4)])
def test_columns_are_seen_by_either_test(stream):
    assert after(30, stream).report().streams == ["x"]


def test_the_same_window_is_not_counted_twice():
    once = after(5, drop())
    again = once.update(window(4, drop()))
    assert (again.value, again.windows) == (once.value, once.windows)
    assert "counted before" in again.report().sentence
    assert replace(again, note="") == once


def test_windows_that_share_rows_wait():
    monitor = after(5, drop())
    half = WindowEvidence("half", "reference", START + 5.5 * DAY, START + 4.5 * DAY, [drop()])
    assert monitor.update(half).windows == 5
    assert "shares time" in monitor.update(half).report().sentence
    assert monitor.update(window(5, drop())).windows == 6


def test_a_new_reference_starts_anew():
    monitor = after(30, drop()).update(window(30, drop(0.0), reference="retrained"))
    assert monitor.windows == 1
    assert monitor.value < 1
    assert "began anew" in monitor.report().sentence


def test_evidence_that_is_none_is_not_counted():
    bad = [
        drop(math.nan),
        drop(math.inf),
        Shift("x", 1.0, 0.1, 0.0),
        Shift("x", 1.0, -0.1, 1.0),
        Shift("x", 1.0, 0.1, 1.0, weight=0.0),
        Shift("x", 1.0, 0.1, 1.0, weight=math.nan),
        Shift("x", 1.0, 0.1, 1.0, weight=math.inf),
        Distance("x", math.nan, 10, 10),
        Distance("x", 0.5, 0, 10),
        Distance("x", 3.0, 10, 10, df=0),
    ]
    monitor = after(1, *bad)
    assert monitor.windows == 0
    assert "no evidence" in monitor.report().sentence


def test_extreme_evidence_stays_finite():
    streams = [drop(1e308), Shift("y", 1.0, 1e-300, 1e-300), Distance("z", 1e308, 1e15, 1e15, df=1)]
    for stream in streams:
        report = after(300, stream).report()
        assert math.isfinite(report.value)
        assert report.alarm
        json.dumps(after(300, stream).state(), allow_nan=False)


def test_after_the_change_has_gone_the_alarm_does_too():
    monitor = after(100, drop(5.0))
    for i in range(100, 115):
        monitor = monitor.update(window(i, drop(-0.5)))
    assert not monitor.report().alarm


def test_a_stream_that_comes_late_takes_nothing_from_the_others_evidence():
    monitor = after(20, drop(1.5))
    before = monitor.value
    monitor = monitor.update(window(20, drop(1.5), drop(0.0, "label")))
    assert monitor.value > before


def test_the_order_of_streams_does_not_matter():
    streams = [drop(1.0, name) for name in "abc"]
    assert after(10, *streams).report() == after(10, *streams[::-1]).report()


def test_a_state_gives_the_same_monitor_back():
    monitor = after(30, drop(1.0), Distance("a column", 0.1, 1_000, 500))
    kept = json.loads(json.dumps(monitor.state(), allow_nan=False))
    assert from_state(kept) == monitor
    assert from_state(kept).update(window(30, drop())).report() == monitor.update(window(30, drop())).report()
    assert from_state(Monitor.start(7).state()) == Monitor.start(7)


def test_the_state_of_very_many_streams_with_long_names_fits_a_line_of_the_history():
    streams = [drop(2.0, "\u202e" * 500 + str(i)) for i in range(300)]
    monitor = after(40, *streams)
    assert len(monitor.streams) == MOST_STREAMS
    assert len(json.dumps(monitor.state())) < MAX_LINE_BYTES / 2
    assert from_state(monitor.state()) == monitor


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "tidegate/monitor/2"},
        {"run_length": 1},
        {"run_length": "many"},
        {"windows": -1},
        {"windows": None},
        {"until": "yesterday"},
        {"until": "2026-01-01T00:00:00"},
        {"seen": ["not a hash"]},
        {"seen": ["0" * 16] * 10_000},
        {"attention": math.nan},
        {"streams": {"x": {"evidence": [1.0, math.inf, 0.0], "rise": 1.0, "since": "2026-01-01T00:00:00Z"}}},
        {"streams": {"x": {"evidence": [1.0, -1.0, 0.0], "rise": 1.0, "since": "2026-01-01T00:00:00Z"}}},
        {"streams": {"x": {"evidence": [1.0], "rise": 1.0, "since": "2026-01-01T00:00:00Z"}}},
        {"streams": {"x" * 500: {"evidence": [0, 0, 0], "rise": 1.0, "since": "2026-01-01T00:00:00Z"}}},
        {
            "streams": {
                str(i): {"evidence": [0, 0, 0], "rise": 1.0, "since": "2026-01-01T00:00:00Z"}
                for i in range(999)
            }
        },
        {"surprise": 1},
    ],
)
def test_a_damaged_state_is_one_clear_error(damage):
    with pytest.raises(DataError, match="state of the drift monitor"):
        from_state({**after(3, drop()).state(), **damage})


@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_state_whatever_crashes(state):
    with pytest.raises(DataError):
        from_state(state)


@pytest.mark.parametrize("run_length", [-1, 0, 1, LONGEST_RUN + 1])
def test_a_run_length_that_makes_no_sense_is_refused(run_length):
    with pytest.raises(ConfigError, match="run_length"):
        Monitor.start(run_length)


def test_an_interval_of_two_windows_is_shared_out_by_their_rows():
    shift = shift_from_interval("auc", 0.05, (0.03, 0.07), 0.95, 9_000, 1_000)
    assert shift is not None
    assert math.hypot(shift.reference_error, shift.current_error) == pytest.approx(0.02 / 1.959964)
    assert shift.current_error == pytest.approx(3 * shift.reference_error)
    assert shift_from_interval("auc", 0.05, None, 0.95, 9_000, 1_000) is None
