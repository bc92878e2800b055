"""Margins: the largest loss that is acceptable, as a number or as a share of production's value."""

import math

import numpy as np

from tidegate.config import Guardrail, Primary
from tidegate.metrics.base import Paired
from tidegate.metrics.data import Predictions


def effective_margin(
    use: Primary | Guardrail, answer: Paired, candidate: Predictions, production: Predictions
) -> float:
    """The loss that the interval of a comparison must stay above.

    A margin that is a share r of production's value is itself an estimate: what is bounded is delta + r * production.
    Its error is that of the sum of both influences, and the margin shrinks by as much as its interval is wider than
    that of delta. Of an absolute and a relative margin the larger counts.

    Args:
        use: says which margin, and the metric.
        answer: the comparison.
        candidate: its rows of the slice.
        production: the same rows by production.
    """
    absolute = use.margin or 0.0
    if use.relative_margin is None or answer.production is None or answer.delta is None:
        return absolute
    share = use.relative_margin * abs(answer.production)
    if answer.interval is None or not math.isfinite(answer.interval.low):
        return max(absolute, share)
    half = answer.delta - answer.interval.low
    return max(absolute, share - half * (max(_widening(use, candidate, production), 1.0) - 1), 0.0)


def _widening(use: Primary | Guardrail, candidate: Predictions, production: Predictions) -> float:
    """How much larger the standard error of delta + r * production is than that of delta."""
    first = use.definition.linearise(candidate, use.options)
    second = use.definition.linearise(production, use.options)
    if first is None or second is None or use.relative_margin is None:
        return 1.0
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
