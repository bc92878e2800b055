"""Times as what comes again: the weekday and the hour, over whole weeks alone."""

from dataclasses import dataclass

import numpy as np

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = tuple(f"{hour:02d} h" for hour in range(24))
_FEWEST_WEEKS = 4
_DAY = 86_400_000_000
_HOUR = 3_600_000_000
_THURSDAY = 3
"""1 January 1970."""


@dataclass(frozen=True, slots=True)
class CalendarParts:
    """Of the rows in the last whole weeks, shape (k,).

    Attributes:
        weekday: 0 is Monday; None where the weeks are fewer than four, or it never varies.
        hour: 0 to 23; None where the weeks are fewer than two, or it never varies.
        week, day: what the rows of one have in common.
    """

    weekday: np.ndarray | None
    hour: np.ndarray | None
    week: np.ndarray
    day: np.ndarray


def parts(times: np.ndarray) -> CalendarParts:
    """Weekday and hour of times in UTC, shape (n,) datetime64[us] without gaps.

    Weeks are counted back from the last time, so that a week or a day in part does not look like a change.
    """
    micros = times.astype(np.int64)
    if not len(micros):
        return CalendarParts(None, None, micros, micros)
    behind = np.floor_divide(micros.max() - micros, _DAY)
    weeks = (int(behind.max()) + 1) // 7
    whole = behind < 7 * weeks
    weekday = (np.floor_divide(micros[whole], _DAY) + _THURSDAY) % 7
    hour = np.floor_divide(micros[whole], _HOUR) % 24
    return CalendarParts(
        weekday=weekday if weeks >= _FEWEST_WEEKS and np.ptp(weekday) else None,
        hour=hour if weeks >= 2 and np.ptp(hour) else None,
        week=behind[whole] // 7,
        day=behind[whole],
    )


def days_before(values: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    """By how many days values lie before the time of their rows, shape (n,); NaN where either is missing."""
    ages = (timestamp.astype("datetime64[us]") - values.astype("datetime64[us]")).astype("timedelta64[us]")
    return np.where(np.isnat(ages), np.nan, ages.astype(np.float64) / _DAY)


def written(time: np.datetime64) -> str:
    """ISO 8601, to the second."""
    return str(time.astype("datetime64[s]"))
