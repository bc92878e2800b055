"""Numbers, counts and slices in the words that reasons are written in."""

from collections.abc import Mapping


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def name_slice(where: Mapping[str, object] | None) -> str:
    """`` for carrier AA``, or nothing for all rows."""
    if where is None:
        return ""
    parts = (f"{column} {'(missing)' if value is None else value}" for column, value in where.items())
    return " for " + " and ".join(parts)
