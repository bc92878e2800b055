"""The alarm budget: at which level a report may alarm, so that the whole schedule keeps its rate of false alarms.

Expectations add up whatever depends on what. A report that alarms without cause with a chance of at most (time since
the last report) / (time in which one false alarm is accepted) gives, over any schedule, at most one false alarm in
that time on average, even where all reports share one reference. Only a schedule that hangs on earlier results (more
reports after a near miss) is not covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidegate.wording import duration, number

_YEAR = timedelta(days=365.25)


@dataclass(frozen=True, slots=True)
class Spent:
    """What an earlier report of the same model spent.

    Attributes:
        at: when it was made; without a time zone it is UTC.
        windows: hash of the two windows that it compared.
        level: chance of a false alarm that it was allowed.
    """

    at: datetime
    windows: str
    level: float


@dataclass(frozen=True, slots=True)
class AlarmLevel:
    """The level of one report.

    Attributes:
        level: chance of a false alarm that the whole report may spend; 0 when it may not alarm at all.
        spent_over_period: levels of the distinct reports of the last period, this one included; None without a history.
        expected_false_alarms_per_year: at most, at the pace of the last period; None until two reports tell a pace.
        repeated: the same windows were reported before, and this report has the level that they had.
    """

    level: float
    spent_over_period: float | None
    expected_false_alarms_per_year: float | None
    repeated: bool
    sentence: str


def alarm_level(
    now: datetime,
    windows: str,
    past: Sequence[Spent] | None,
    *,
    false_alarm_rate: float,
    false_per: timedelta | None,
) -> AlarmLevel:
    """The level at which a report may alarm.

    The same windows seen again are the same chance taken once more, which costs nothing: they get the level that they
    had. Times that lie in the future (a clock was wrong) count as spent, but time is not measured from them; the sum
    over the last period never exceeds 1 whatever the clocks say.

    Args:
        now: time of this report; without a time zone it is UTC.
        windows: hash of the two windows that it compares.
        past: earlier reports in any order, at least those of the last `false_per`; None when no history is at hand.
        false_alarm_rate: the most that one report may spend.
        false_per: time in which one false alarm is accepted on average; None keeps the rate within each report alone.

    Raises:
        ValueError: the rate is no probability, or the time is not positive.
    """
    if not 0 < false_alarm_rate <= 1:
        raise ValueError(f"the false-alarm rate must lie above 0 and be at most 1, not {false_alarm_rate}")
    if false_per is not None and false_per <= timedelta(0):
        raise ValueError("the time in which one false alarm is accepted must be positive")
    if false_per is None or past is None:
        return _alone(false_alarm_rate, false_per)
    now = _utc(now)
    reports = _distinct(past, false_alarm_rate)
    recent = [each for each in reports if each.at > now - false_per and each.windows != windows]
    spent = math.fsum(each.level for each in recent)
    same = next((each for each in reports if each.windows == windows), None)
    earlier = [each.at for each in reports if each.at <= now and each.windows != windows]
    elapsed = now - max(earlier) if earlier else None
    if same is not None:
        level = min(same.level, false_alarm_rate)
        why = "these windows were reported before and keep the level that they had"
    elif elapsed is None:
        level, why = false_alarm_rate, "the first report"
    else:
        level, why = min(false_alarm_rate, elapsed / false_per), f"{duration(elapsed)} after the last report"
    if same is None and 1 - spent < level:
        level, why = max(1 - spent, 0.0), "what the last reports have left"
    return AlarmLevel(
        level=level,
        spent_over_period=spent + level,
        expected_false_alarms_per_year=_pace(reports, Spent(now, windows, level), false_per),
        repeated=same is not None,
        sentence=_in_words(level, why, false_per),
    )


def _alone(rate: float, false_per: timedelta | None) -> AlarmLevel:
    sentence = f"the chance of a false alarm is at most {number(rate)} within this report"
    if false_per is not None:
        sentence += (
            f"; without a history it is not known over repeated reports, of one in {duration(false_per)}"
        )
    return AlarmLevel(rate, None, None, False, sentence)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _distinct(past: Sequence[Spent], rate: float) -> list[Spent]:
    """Each pair of windows once, by its first report, oldest first."""
    found: dict[str, Spent] = {}
    for each in sorted(past, key=lambda report: _utc(report.at)):
        level = min(max(each.level, 0.0), 1.0) if math.isfinite(each.level) else rate
        found.setdefault(each.windows, Spent(_utc(each.at), each.windows, level))
    return list(found.values())


def _pace(reports: Sequence[Spent], this: Spent, false_per: timedelta) -> float | None:
    """Levels a year since the oldest report of the last period, whose own level was for the time before it."""
    counted = [each for each in reports if this.at - false_per <= each.at <= this.at]
    if all(each.windows != this.windows for each in reports):
        counted.append(this)
    if len(counted) < 2 or this.at <= counted[0].at:
        return None
    return math.fsum(each.level for each in counted[1:]) * (_YEAR / (this.at - counted[0].at))


def _in_words(level: float, why: str, false_per: timedelta) -> str:
    promise = f"one false alarm in {duration(false_per)} on average over all reports"
    if level == 0:
        return f"this report may not alarm: {why} gives no chance of a false alarm within {promise}"
    return f"the chance of a false alarm in this report is at most {number(level)} ({why}), which keeps {promise}"
