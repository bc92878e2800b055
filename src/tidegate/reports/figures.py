"""Numbers in words, and small pictures drawn in characters.

Whatever is not a number comes out as an en dash, so that nothing hostile passes through here.
"""

from collections.abc import Sequence
from datetime import datetime
from math import ceil, log10
from typing import Any, TypeGuard

Interval = Sequence[float]

_WIDTH = 19  # characters of an interval bar; odd, so that it has a middle
_GAUGE = 20  # characters of a gauge
_LEVELS = "▁▂▃▄▅▆▇█"


def number(value: Any) -> str:
    """Format a number to about four significant digits; anything missing is an en dash."""
    if not _is_number(value):
        return "–"
    if isinstance(value, int):
        return _minus(f"{value:,}")
    size = abs(value)
    if value != 0 and size < 0.0001:
        return _minus(f"{value:.1e}")
    decimals = 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 10_000 else 0
    return _minus(f"{value:,.{decimals}f}")


def setting(value: Any) -> str:
    """Format a number that a person wrote: `0.4` stays `0.4`."""
    return _minus(f"{value:,.6g}") if _is_number(value) else "–"


def signed(value: Any) -> str:
    """Format a difference with its sign."""
    text = number(value)
    return f"+{text}" if _is_number(value) and value > 0 else text


def share(value: Any) -> str:
    """Format a share as per cent; what falls short of all does not round to 100%."""
    if not _is_number(value):
        return "–"
    missing = 100 * (1 - value)
    if 0 < missing < 0.05:
        return f"{100 * value:.{ceil(-log10(missing))}f}".rstrip("0") + "%"
    return f"{100 * value:.3g}%"


def probability(value: Any) -> str:
    """Format a p-value; very small ones as a bound."""
    if not _is_number(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:,.3f}"


def interval(bounds: Interval | None, *, sign: bool = False) -> str:
    """Format an interval as `0.28 to 0.35`."""
    if not bounds or len(bounds) != 2:
        return "–"
    form = signed if sign else number
    return f"{form(bounds[0])} to {form(bounds[1])}"


def moment(value: Any) -> str:
    """Format an ISO time to the minute; a time at midnight as its day alone."""
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return "–"
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"


def interval_bar(estimate: float, bounds: Interval | None, *, margin: float = 0.0) -> str:
    """Draw an interval around an oriented difference: `│` is zero, in the middle; right of it is better.

    Args:
        estimate: the difference, positive when good.
        bounds: its interval, low and high, or None.
        margin: the loss that is still acceptable, drawn as `┊` left of zero.
    """
    low, high = bounds if bounds is not None else (estimate, estimate)
    reach = max(abs(low), abs(high), abs(estimate), abs(margin)) or 1.0

    def place(value: float) -> int:
        return round((value / reach + 1) / 2 * (_WIDTH - 1))

    cells = ["·"] * _WIDTH
    for cell in range(place(low), place(high) + 1):
        cells[cell] = "━"
    if margin:
        cells[place(-margin)] = "┊"
    cells[place(0)] = "│"
    cells[place(estimate)] = "●"
    return "".join(cells)


def sparkline(shares: Sequence[float], top: float) -> str:
    """Draw shares as a row of blocks, the highest block standing for `top`."""
    last = len(_LEVELS) - 1
    return "".join(_LEVELS[min(last, round(last * max(0.0, value) / top))] for value in shares) if top else ""


def trend(values: Sequence[float]) -> str:
    """Draw values as a row of blocks from the lowest to the highest; one alone, or equal ones, at half height."""
    if not values:
        return ""
    low, span = min(values), max(values) - min(values)
    return sparkline([(value - low) / span if span else 0.5 for value in values], 1.0)


def gauge_bar(value: float, threshold: float) -> str:
    """Draw a value against a threshold (`┃`), both as shares of the scale."""
    cells = ["█" if (cell + 0.5) / _GAUGE <= value else "░" for cell in range(_GAUGE)]
    cells[min(_GAUGE - 1, int(threshold * _GAUGE))] = "┃"
    return "".join(cells)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
