"""Numbers, counts and slices in the words that reasons are written in."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

_FEW = 5
DIGITS = 12
"""Significant digits published: sums that differ in the last bits between machines agree in these."""


def significant(value: float) -> float:
    """A number in the digits that are published; -0.0, which is no news to anybody, as 0.0."""
    return float(f"{value:.{DIGITS}g}") + 0.0


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_few(names: Sequence[str], *, separator: str = ", ") -> str:
    """The first five, and how many more there are."""
    shown = separator.join(names[:_FEW])
    if len(names) <= _FEW:
        return shown
    return f"{shown}{separator if separator != ', ' else ' '}and {len(names) - _FEW:,} more"


def duration(length: timedelta) -> str:
    """A length of time in its largest whole unit: ``7 days``, ``90 minutes``."""
    seconds = int(length.total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if (seconds and seconds % size == 0) or seconds >= 2 * size:
            return plural(round(seconds / size), unit)
    return plural(seconds, "second")


def name_measure(
    metric: str, column: str | None, by: str | list[str] | None, options: Mapping[str, float | str]
) -> str:
    """``share_above of latency (at 100)``."""
    of = f" of {column}" if column else ""
    groups = f" by {by if isinstance(by, str) else ' and '.join(by)}" if by else ""
    settings = ", ".join(
        f"{name} {value if isinstance(value, str) else number(value)}" for name, value in options.items()
    )
    return f"{metric}{of}{groups}{f' ({settings})' if settings else ''}"


def name_slice(where: Mapping[str, object] | None) -> str:
    """`` for carrier AA``, or nothing for all rows."""
    if where is None:
        return ""
    parts = (f"{column} {'(missing)' if value is None else value}" for column, value in where.items())
    return " for " + " and ".join(parts)
