"""The alarm budget over repeated reports."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.drift.alarms import AlarmLevel, Spent, alarm_level

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
RATE = 0.01


def ask(
    now: datetime, windows: str, past: list[Spent] | None, false_per: timedelta | None = YEAR
) -> AlarmLevel:
    return alarm_level(now, windows, past, false_alarm_rate=RATE, false_per=false_per)


def replay(times: list[datetime]) -> list[AlarmLevel]:
    past: list[Spent] = []
    found = []
    for i, at in enumerate(times):
        found.append(ask(at, f"windows {i}", past))
        past.append(Spent(at, f"windows {i}", found[-1].level))
    return found


def test_a_first_report_may_spend_the_whole_rate():
    found = ask(NOW, "a", [])
    assert found.level == RATE
    assert found.spent_over_period == RATE
    assert found.expected_false_alarms_per_year is None
    assert "first report" in found.sentence


def test_without_a_history_the_rate_is_that_of_one_report_and_it_says_so():
    found = ask(NOW, "a", None)
    assert found.level == RATE
    assert found.spent_over_period is None
    assert "without a history" in found.sentence


def test_without_a_budget_nothing_is_said_of_one():
    found = ask(NOW, "a", [Spent(NOW - DAY, "b", RATE)], None)
    assert found.level == RATE
    assert "history" not in found.sentence


@pytest.mark.parametrize(
    ("gap", "level"),
    [
        (timedelta(minutes=5), 5 / (365 * 24 * 60)),
        (timedelta(hours=1), 1 / (365 * 24)),
        (DAY, 1 / 365),
        (7 * DAY, RATE),
        (200 * DAY, RATE),
    ],
    ids=["minutes", "hourly", "daily", "weekly", "months"],
)
def test_the_level_is_the_share_of_the_period_since_the_last_report(gap, level):
    assert ask(NOW, "b", [Spent(NOW - gap, "a", RATE)]).level == pytest.approx(level)


def test_the_same_windows_keep_their_level_and_cost_nothing():
    past = [Spent(NOW - DAY, "a", 0.002), Spent(NOW - timedelta(hours=1), "a", 0.002)]
    again = ask(NOW, "a", past)
    assert again.repeated
    assert again.level == 0.002
    assert again.spent_over_period == 0.002
    assert ask(NOW, "b", past).level == pytest.approx(1 / 365), (
        "time runs from the first report of the windows"
    )


def test_a_repeated_report_never_exceeds_a_rate_that_was_lowered_since():
    assert ask(NOW, "a", [Spent(NOW - DAY, "a", 0.5)]).level == RATE


def test_a_report_from_the_future_is_spent_but_no_time_is_measured_from_it():
    past = [Spent(NOW - DAY, "a", 0.002), Spent(NOW + 30 * DAY, "b", 0.003)]
    found = ask(NOW, "c", past)
    assert found.level == pytest.approx(1 / 365)
    assert found.spent_over_period == pytest.approx(0.005 + 1 / 365)


def test_other_windows_in_the_same_second_may_not_alarm():
    found = ask(NOW, "b", [Spent(NOW, "a", RATE)])
    assert found.level == 0
    assert "may not alarm" in found.sentence


def test_times_without_a_zone_are_utc():
    assert ask(NOW.replace(tzinfo=None), "b", [Spent(NOW - DAY, "a", RATE)]).level == pytest.approx(1 / 365)


def test_the_order_of_the_history_does_not_matter():
    past = [Spent(NOW - i * DAY, f"w{i}", 0.002) for i in range(1, 9)]
    assert ask(NOW, "x", past) == ask(NOW, "x", past[::-1])


@pytest.mark.parametrize("level", [math.nan, math.inf, -3.0, 7.0])
def test_damaged_levels_neither_crash_nor_open_the_budget(level):
    found = ask(NOW, "b", [Spent(NOW - DAY, "a", level)])
    assert 0 <= found.level <= 1 / 365


def test_the_pace_is_told_in_false_alarms_a_year():
    daily = replay([NOW + i * DAY for i in range(30)])[-1].expected_false_alarms_per_year
    weekly = replay([NOW + 7 * i * DAY for i in range(30)])[-1].expected_false_alarms_per_year
    assert daily == pytest.approx(365.25 / 365)
    assert weekly == pytest.approx(RATE * 365.25 / 7)


def test_what_earlier_reports_overspent_is_not_spent_again():
    past = [Spent(NOW - i * DAY, f"w{i}", 0.05) for i in range(1, 21)]
    found = ask(NOW, "x", past)
    assert found.level == 0
    assert found.spent_over_period == pytest.approx(1)


@given(
    st.lists(st.integers(-90_000, 4_000_000), max_size=40),
    st.integers(1, 900),
)
def test_no_schedule_spends_more_than_one_false_alarm_in_a_period(gaps, days):
    """Clocks that jump backwards included."""
    false_per, at, past = timedelta(days=days), NOW, []
    for i, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        found = alarm_level(at, f"w{i}", past, false_alarm_rate=0.3, false_per=false_per)
        assert 0 <= found.level <= 0.3
        assert found.spent_over_period is not None
        assert found.spent_over_period <= 1 + 1e-9
        past.append(Spent(at, f"w{i}", found.level))


@pytest.mark.parametrize(("rate", "per"), [(0.0, YEAR), (1.5, YEAR), (0.1, timedelta(0))])
def test_budgets_that_make_no_sense_are_refused(rate, per):
    with pytest.raises(ValueError, match="must"):
        alarm_level(NOW, "a", [], false_alarm_rate=rate, false_per=per)
