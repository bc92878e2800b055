"""What a comparison could have shown, and how many rows would settle it: normal approximations."""

import math

from scipy import special

from tidegate.stats.results import tail

_ENDLESS = 1e12


def detectable_difference(standard_error: float, *, confidence: float, power: float = 0.8) -> float:
    """Smallest true difference that the two-sided interval excludes zero for, with the given power.

    The usual sum of two normal quantiles (Cohen, 1988), in the units of the standard error.
    """
    return _reach(confidence, power) * standard_error


def rows_needed(
    estimate: float,
    standard_error: float,
    rows: int,
    *,
    confidence: float,
    margin: float = 0.0,
    power: float = 0.8,
) -> int | None:
    """Rows in all, not in addition, at which the interval would leave ``-margin`` on one side.

    Takes the estimate for the truth and lets the standard error shrink with the square root of the
    rows. An estimate above ``-margin`` then settles as non-inferior (superior at margin 0), one below
    as inferior. None when no number of rows would do, or none that anybody has.
    """
    distance = abs(estimate + margin)
    if distance == 0 or not math.isfinite(standard_error) or rows == 0:
        return None
    needed = rows * (_reach(confidence, power) * standard_error / distance) ** 2
    return math.ceil(needed) if needed < _ENDLESS else None


def _reach(confidence: float, power: float) -> float:
    return float(special.ndtri(1 - tail(confidence)) + special.ndtri(power))
