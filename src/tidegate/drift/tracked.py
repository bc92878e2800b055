"""What is tracked over time: a figure in two windows, what the history keeps of it, and its trend over months."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from tidegate.drift.figures import Figure, figure_from_json
from tidegate.errors import DataError
from tidegate.metrics.data import canonical
from tidegate.stats.multiplicity import holm
from tidegate.stats.trend import theil_sen
from tidegate.tables import Level
from tidegate.wording import name_slice, number, plural

Kind = Literal["overall", "segment", "fairness", "service"]
Better = Literal["higher", "lower", "neither"]
Word = Literal["rising", "falling", "steady", "too few"]
Where = Mapping[str, Level | None] | None

FEWEST_POINTS = 5
"""Of fewer independent points no order is unlikely enough to be a trend at 5%."""
_MOST_POINTS = 500
_MONTH = 30.0


@dataclass(frozen=True, slots=True)
class Tracked:
    """A figure of both windows.

    Attributes:
        slice: value by column; None for all rows.
        change: current minus reference; `ci` is two-sided, and None where the rows do not bound it.
        better: which direction is.
        worse: it moved in the other; None where neither direction is better, or it did not move.
        p_value, adjusted_p_value: two-sided, of no change; the latter over everything tracked (Holm, 1979).
        changed: certain after the correction, and of a size that counts.
    """

    kind: Kind
    name: str
    slice: dict[str, Level | None] | None
    reference: float | None
    reference_ci: tuple[float, float] | None
    current: float | None
    current_ci: tuple[float, float] | None
    change: float | None
    better: Better
    worse: bool | None
    ci: tuple[float, float] | None
    p_value: float | None
    adjusted_p_value: float | None
    changed: bool
    rows_reference: int
    rows_current: int
    detail: str


@dataclass(frozen=True, slots=True)
class TrackedValue:
    """What the history keeps of a figure of one window."""

    name: str
    slice: dict[str, Level | None] | None
    value: float
    ci: tuple[float, float] | None
    rows: int
    confidence: float = 0.95
    better: Better = "neither"

    @property
    def figure(self) -> Figure:
        """As it is compared."""
        limits = () if self.ci is None else ((self.confidence, *self.ci),)
        return Figure(self.value, self.rows, limits)

    @classmethod
    def from_json(cls, kept: object) -> "TrackedValue":
        """Read what was written of one; a stored file is not to be trusted.

        Raises:
            DataError: it is none.
        """
        if not isinstance(kept, Mapping) or not isinstance(kept.get("name"), str):
            raise DataError("a tracked value must be a mapping with a name: drop the record it stands in")
        figure = figure_from_json(kept)
        where = kept.get("slice")
        if where is not None and not (
            isinstance(where, Mapping)
            and all(isinstance(key, str) for key in where)
            and all(value is None or isinstance(value, str | int | float) for value in where.values())
        ):
            raise DataError(
                "the slice of a tracked value must map columns to values: drop the record it stands in"
            )
        if figure.value is None:
            raise DataError("a tracked value must have a value: drop the record it stands in")
        level, low, high = figure.limits[0] if figure.limits else (0.95, None, None)
        better = kept.get("better")
        return cls(
            name=kept["name"][:200],
            slice=None if where is None else dict(where),
            value=figure.value,
            ci=None if low is None or high is None else (low, high),
            rows=figure.rows,
            confidence=level,
            better=better if better in ("higher", "lower") else "neither",
        )


@dataclass(frozen=True, slots=True)
class Trend:
    """How a tracked figure moves from report to report.

    Attributes:
        points: values it stands on.
        first_at, last_at: ISO times of the first and the last.
        slope: per 30 days; `ci` is two-sided.
        p_value, adjusted_p_value: of no trend (Mann, 1945), and over all figures with points enough (Holm, 1979).
        word: ``rising`` or ``falling`` where the adjusted p-value is small enough.
        worse: a rise or fall is one for the worse.
    """

    name: str
    slice: dict[str, Level | None] | None
    points: int
    first_at: str | None
    last_at: str | None
    slope: float | None
    ci: tuple[float, float] | None
    p_value: float | None
    adjusted_p_value: float | None
    word: Word
    worse: bool | None
    values: list[float]
    detail: str


def slice_key(where: Where) -> tuple[tuple[str, str], ...]:
    """By which slices of different windows are told to be the same."""
    if where is None:
        return ()
    return tuple(
        sorted((name, "" if value is None else "=" + canonical(value)) for name, value in where.items())
    )


def tracked_values(tracked: Sequence[Tracked], *, confidence: float) -> list[TrackedValue]:
    """What the history should keep: of each figure of the current window its value, interval and rows.

    Args:
        tracked: of one report.
        confidence: of the intervals of that report.
    """
    return [
        TrackedValue(
            each.name, each.slice, each.current, each.current_ci, each.rows_current, confidence, each.better
        )
        for each in tracked
        if each.current is not None
    ]


def trend(
    past: Sequence[Mapping[str, Any]],
    now: Sequence[TrackedValue],
    now_at: str,
    *,
    level: float = 0.05,
    apart: timedelta = timedelta(0),
) -> list[Trend]:
    """Follow each figure of the current report through the history.

    Args:
        past: records ``{at: ISO time, values: [tracked value]}`` in any order.
        now: figures of the current report.
        now_at: its time.
        level: the chance to call any figure rising or falling when none has a trend.
        apart: windows that overlap are not independent: of reports closer than this the newer one counts. Give the
            length of a window.

    Raises:
        DataError: a record is none; a stored file is not to be trusted.
    """
    series = _series(past, now, now_at)
    kept = [_spaced(series[_key(each)], apart) for each in now]
    # Of two intervals one is as wide as the other is certain: it has the level of the test.
    found = [_slope(points, 1 - level) for points in kept]
    known = [each for each in found if each is not None]
    adjusted = iter(holm([each[1] for each in known]).tolist()) if known else iter(())
    return [
        _trend(one, points, slope, None if slope is None else next(adjusted), level)
        for one, points, slope in zip(now, kept, found, strict=True)
    ]


_Points = list[tuple[datetime, float]]
_Key = tuple[str, tuple[tuple[str, str], ...]]


def _key(value: TrackedValue) -> _Key:
    return value.name, slice_key(value.slice)


def _series(
    past: Sequence[Mapping[str, Any]], now: Sequence[TrackedValue], now_at: str
) -> dict[_Key, _Points]:
    series: dict[_Key, _Points] = {_key(each): [] for each in now}
    records = [(_time(record.get("at")), record.get("values", [])) for record in past if _is_record(record)]
    records.append((_time(now_at), list(now)))
    for at, values in sorted(records, key=lambda record: record[0])[-_MOST_POINTS:]:
        if not isinstance(values, list):
            raise DataError("values of a record must be a list: drop the record")
        for each in values:
            value = each if isinstance(each, TrackedValue) else TrackedValue.from_json(each)
            if _key(value) in series:
                series[_key(value)].append((at, value.value))
    return series


def _is_record(record: object) -> bool:
    if not isinstance(record, Mapping):
        raise DataError("a record must be a mapping with `at` and `values`: drop it")
    return True


def _time(text: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise DataError(f"{str(text)[:40]!r} is no ISO time: drop the record it stands in") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _spaced(points: _Points, apart: timedelta) -> _Points:
    """From the newest back, those at least so far apart; of equal times the last."""
    kept: _Points = []
    for at, value in reversed(points):
        if not kept or (at < kept[-1][0] and kept[-1][0] - at >= apart):
            kept.append((at, value))
    return kept[::-1]


def _slope(points: _Points, confidence: float) -> tuple[Any, float] | None:
    if len(points) < FEWEST_POINTS:
        return None
    start = points[0][0]
    days = np.array([(at - start).total_seconds() / 86_400 for at, _ in points])
    found = theil_sen(days, np.array([value for _, value in points]), confidence=confidence)
    return found, found.p_value


def _trend(
    one: TrackedValue, points: _Points, found: tuple[Any, float] | None, adjusted: float | None, level: float
) -> Trend:
    word: Word = "too few"
    slope = ci = None
    if found is not None and adjusted is not None:
        slope = found[0].slope * _MONTH
        low, high = found[0].low * _MONTH, found[0].high * _MONTH
        ci = (low, high) if math.isfinite(low) and math.isfinite(high) else None
        word = "steady"
        if adjusted <= level and found[0].s != 0:
            word = "rising" if found[0].s > 0 else "falling"
    worse = None
    if word in ("rising", "falling") and one.better != "neither":
        worse = (word == "rising") == (one.better == "lower")
    return Trend(
        name=one.name,
        slice=one.slice,
        points=len(points),
        first_at=points[0][0].isoformat() if points else None,
        last_at=points[-1][0].isoformat() if points else None,
        slope=slope,
        ci=ci,
        p_value=None if found is None else found[1],
        adjusted_p_value=adjusted,
        word=word,
        worse=worse,
        values=[value for _, value in points],
        detail=_in_words(one, points, slope, word, worse),
    )


def _in_words(one: TrackedValue, points: _Points, slope: float | None, word: Word, worse: bool | None) -> str:
    what = f"{one.name}{name_slice(one.slice)}"
    if slope is None:
        return f"{what}: {plural(len(points), 'point')} so far; a trend needs {FEWEST_POINTS}"
    if word == "steady":
        return f"{what}: no trend over {plural(len(points), 'point')}"
    direction = "" if worse is None else ", for the worse" if worse else ", for the better"
    return (
        f"{what} is {word} by {number(abs(slope))} in 30 days over {plural(len(points), 'point')}{direction}"
    )
