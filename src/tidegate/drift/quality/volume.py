"""Rows per day against the reference, with the noise and the week that days have."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.drift.quality.facts import ClockFacts
from tidegate.drift.quality.findings import Finding
from tidegate.drift.quality.shares import NOTHING, Suspect
from tidegate.wording import number, plural

_FEWEST_DAYS = 5
_TAILS = 10
_LATE = 3_600
"""Seconds that a first or last day may begin later, or end earlier, than usual and still be a whole one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """Whole days, days without rows among them: the weekday of each, and log(rows + 1/2)."""

    weekday: np.ndarray
    logs: np.ndarray
    rows: np.ndarray


def volume(reference: ClockFacts | None, current: ClockFacts | None, *, min_change: float) -> Suspect | None:
    """Test whether rows per day changed.

    Logarithms of the rows of whole days are compared by weekday where the reference has each of them twice, else as
    they are. Their spread is the reference's own, never under that of a Poisson count, and their dependence from one
    day to the next widens it. The level is kept about, not exactly: nothing but the days themselves tells their law.

    Args:
        reference: its times.
        current: those of the other.
        min_change: relative change of rows per day that counts; falling to a half is as large as doubling.

    Returns:
        None where the days are too few to tell, or there are no times.
    """
    if reference is None or current is None:
        return None
    usual = _usual_hours(reference)
    then, now = (_days(clock, usual) for clock in (reference, current))
    if len(then.logs) < _FEWEST_DAYS or not len(now.logs):
        return None
    counts = np.bincount(then.weekday, minlength=7)
    twice = bool((counts[now.weekday] >= 2).all())
    weekly = twice and len(then.logs) - int(np.count_nonzero(counts)) >= _FEWEST_DAYS
    if not weekly and not (counts[now.weekday] > 0).all():
        return None
    change, p_value = _compare(then, now, weekly)
    if abs(change) < math.log1p(min_change):
        return NOTHING
    rows = [float(days.rows.mean()) for days in (then, now)]
    what = "fell" if change < 0 else "rose"
    week = ", days of the week allowed for" if weekly else ""
    detail = (
        f"rows per day {what} to {number(math.exp(change))} times those of the reference (from {number(rows[0])} to"
        f" {number(rows[1])} on average; {plural(len(now.logs), 'whole day')} against {len(then.logs):,}{week})"
    )
    return Suspect(p_value, Finding("volume", current.column, math.exp(change), detail))


def _usual_hours(clock: ClockFacts) -> tuple[float, float]:
    """Second of the day at which the data of a day usually begin and end."""
    inner = clock.days[1:-1] or clock.days
    if not inner:
        return 0.0, 0.0
    return float(np.median([day[2] for day in inner])), float(np.median([day[3] for day in inner]))


def _days(clock: ClockFacts, usual: tuple[float, float]) -> _Days:
    """The days from the first to the last; these two only where they look whole."""
    days = list(clock.days)
    if days and days[0][2] > usual[0] + _LATE:
        days = days[1:]
    if days and days[-1][3] < usual[1] - _LATE:
        days = days[:-1]
    if not days:
        return _Days(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    first, last = days[0][0], days[-1][0]
    # A clock that jumps by centuries must not make an array of all days between.
    first = max(first, last - 2 * len(clock.days) - 60)
    rows = np.zeros(last - first + 1)
    for day, count, *_ in days:
        if day >= first:
            rows[day - first] = count
    return _Days((np.arange(first, last + 1) + 3) % 7, np.log(rows + 0.5), rows)


def _compare(then: _Days, now: _Days, weekly: bool) -> tuple[float, float]:
    """Mean difference of logarithms, and its p-value by Student's t (1908)."""
    groups = then.weekday if weekly else np.zeros_like(then.weekday)
    asked = now.weekday if weekly else np.zeros_like(now.weekday)
    counts = np.bincount(groups, minlength=7)
    means = np.bincount(groups, weights=then.logs, minlength=7) / np.maximum(counts, 1)
    residuals = then.logs - means[groups]
    freedom = len(residuals) - int(np.count_nonzero(counts))
    change = float((now.logs - means[asked]).mean())
    # Of a Poisson count x the variance of its logarithm is about 1 / x. What days vary beyond that is alike for all of
    # them, or in proportion: of the two the wider, since quiet days are noisier than the average tells.
    rows = np.bincount(groups, weights=then.rows, minlength=7) / np.maximum(counts, 1)
    poisson = 1 / (rows + 0.5)
    extra = max(0.0, (float(residuals @ residuals) - float(poisson[groups].sum())) / freedom)
    factor = float((residuals**2 / poisson[groups]).sum()) / freedom
    variance = np.maximum(poisson + extra, poisson * factor)
    share = np.bincount(asked, minlength=7) / len(asked)
    spread = float((variance * (share / len(asked) + share**2 / np.maximum(counts, 1))).sum())
    carried = _carried(residuals, freedom)
    error = math.sqrt(spread * (1 + carried) / (1 - carried))
    # Single days are skewed, which an average of many is not: heavier tails than the spread alone asks for.
    tails = min(freedom, _TAILS * len(asked))
    return change, float(2 * special.stdtr(tails, -abs(change) / error))


def _carried(residuals: np.ndarray, freedom: int) -> float:
    """Correlation of a day with the next, not under 0; the bias of short series undone (Kendall, 1954)."""
    total = float(residuals @ residuals)
    if total <= 0:
        return 0.0
    raw = float(residuals[1:] @ residuals[:-1]) / total
    return min(max(0.0, raw + (1 + 3 * raw) / max(freedom, 1)), 0.9) if raw > 0 else 0.0
