"""Whether a difference is shown to be small in both directions."""

import math
from dataclasses import dataclass

from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.results import Interval


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests.

    Attributes:
        p_value: the larger of both, of "the difference is the margin or more, one way or the other".
        holds: whether the two-sided interval of the difference lies within the margins.
    """

    p_value: float
    holds: bool


def equivalence(estimate: float, interval: Interval, margin: float, *, confidence: float) -> Equivalence:
    """Whether a difference lies within ``margin`` of zero on both sides (TOST: Schuirmann, 1987; Westlake, 1981).

    Read off the interval that is shown, so that verdict and interval cannot disagree: the test has level
    (1 - confidence) / 2 on each side, and holds when its p-value is at most that. At 95% this is stricter than the
    5% test that goes with a 90% interval. Each side of an interval that is not symmetric is measured by its own
    length; for a normal one the p-value is that of the two z tests.

    Args:
        estimate: of the difference.
        interval: its two-sided interval, of level ``confidence``. One of no width, as of identical models, is
            certain; one without a bound shows nothing.
        margin: the largest difference that does not matter, at least 0.
        confidence: of the interval.
    """
    above = _one_sided(estimate + margin, estimate - interval.low, confidence)
    below = _one_sided(margin - estimate, interval.high - estimate, confidence)
    return Equivalence(max(above, below), -margin <= interval.low and interval.high <= margin)


def _one_sided(distance: float, length: float, confidence: float) -> float:
    """P-value of an estimate that lies ``distance`` inside the margin, its interval reaching ``length`` that way."""
    if length == 0:
        return 0.0 if distance >= 0 else 1.0
    if math.isinf(length):
        return 1.0
    half = t_p_value(t_quantile(confidence, math.inf) * distance / length, math.inf) / 2
    return half if distance >= 0 else 1 - half
