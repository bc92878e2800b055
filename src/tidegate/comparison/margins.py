"""Margins: the largest loss that is acceptable, as a number or as a share of production's value."""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.config import Guardrail, Primary
from tidegate.metrics import dependent
from tidegate.metrics.base import Paired
from tidegate.metrics.data import Groups, Predictions

_ASIDE = 0.1
"""Share of the error that production's own interval gets where it has to be bounded apart."""


@dataclass(frozen=True, slots=True)
class Margins:
    """The loss that the interval of a comparison must stay above to show harmlessness, and fall below to show harm.

    They are one where the margin is a number. One that is a share of production's value is an estimate itself, and
    what is not known of it counts against either claim.
    """

    harmless: float
    harmful: float


def margins_of(
    use: Primary | Guardrail, answer: Paired, candidate: Predictions, production: Predictions, level: float
) -> Margins:
    """The margins of one comparison; of an absolute and a relative one the larger counts.

    With a share r of production's value, what is bounded is delta + r * production. Its error is that of the sum of
    both influences, and the margin moves by as much as its interval is wider than that of delta. Metrics without
    influences have production's value bounded apart.

    Args:
        use: says which margin, and the metric.
        answer: the comparison.
        candidate: its rows of the slice.
        production: the same rows by production.
        level: of the two-sided interval.
    """
    absolute = use.margin or 0.0
    if use.relative_margin is None or answer.production is None or answer.delta is None:
        return Margins(absolute, absolute)
    share = use.relative_margin * abs(answer.production)
    if answer.interval is None or not math.isfinite(answer.interval.high - answer.interval.low):
        return Margins(absolute, math.inf)
    widening = _widening(use, candidate, production)
    if widening is None:
        low, high = _bounded(use, production, level)
        return Margins(max(absolute, low), max(absolute, high))
    half = max(answer.delta - answer.interval.low, answer.interval.high - answer.delta)
    more = half * (max(widening, 1.0) - 1)
    return Margins(max(absolute, share - more, 0.0), max(absolute, share + more))


def _bounded(use: Primary | Guardrail, production: Predictions, level: float) -> tuple[float, float]:
    """The share of production's value at the ends of its own interval."""
    aside = 1 - _ASIDE * (1 - level)
    everything = Groups.everything(production.rows)
    found = dependent.estimate(use.definition, production, everything, use.options, aside)[0].interval
    if found is None:
        return 0.0, math.inf
    share = use.relative_margin or 0.0
    nearest = 0.0 if found.low <= 0 <= found.high else min(abs(found.low), abs(found.high))
    return share * nearest, share * max(abs(found.low), abs(found.high))


def _widening(use: Primary | Guardrail, candidate: Predictions, production: Predictions) -> float | None:
    """How much larger the standard error of delta + r * production is than that of delta; None without influences."""
    first = use.definition.linearise(candidate, use.options)
    second = use.definition.linearise(production, use.options)
    if first is None or second is None or use.relative_margin is None:
        return None
    turn = -1.0 if "lower" in (use.better, use.definition.better) else 1.0
    delta = turn * (first.influence - second.influence)
    own = math.copysign(use.relative_margin, second.value) * second.influence
    spread = _spread(delta, production)
    return _spread(delta + own, production) / spread if spread > 0 else 1.0


def _spread(influence: np.ndarray, data: Predictions) -> float:
    """Standard error of what has these influences, up to a factor; rows of a cluster move together."""
    moved = influence if data.weight is None else influence * data.weight
    if data.cluster is not None:
        moved = np.bincount(np.unique(data.cluster, return_inverse=True)[1], weights=moved)
    return float(np.sqrt((moved**2).sum()))
