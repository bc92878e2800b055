"""Differences of shares of rows that do not count alike, no surer than a score interval of what the rows are worth.

Where models disagree on few rows, the rows at hand hardly tell the spread of the difference, and what they tell hangs
on the weights of those few. A score interval (Tango 1998) takes the spread from the shares themselves.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import Metric, Options
from tidegate.metrics.cells import CellMetric, row_weights
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import RowMean
from tidegate.stats.clustered import Spread, effective_rows
from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.paired import tango_interval
from tidegate.stats.results import PairedResult


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of the rows that count, which only the first model (1) or only the second (-1) has right, with their weights."""

    values: np.ndarray
    weight: np.ndarray


def paired_outcomes(
    metric: Metric, first: Predictions, second: Predictions, options: Options
) -> Outcomes | None:
    """What two models have right on the same rows; None for what is no share of rows."""
    if isinstance(metric, CellMetric) and metric.is_paired_share:
        a, b = (metric.hits(data, options) for data in (first, second))
    elif isinstance(metric, RowMean):
        a, b = (metric.values(data, options) for data in (first, second))
    else:
        return None
    counted = ~(np.isnan(a) | np.isnan(b))
    won = (a - b)[counted]
    if not len(won) or not np.isin(won, (-1, 0, 1)).all():
        return None
    return Outcomes(won, row_weights(second)[counted])


def no_surer_than_score(
    result: PairedResult, outcomes: Outcomes, of: Spread, confidence: float
) -> PairedResult:
    """The result, on each side no narrower than Tango's interval for the rows that these are worth.

    They are worth no more than their weights allow (Kish 1965), and no more than the spread of the difference says.

    Args:
        result: by the influences.
        outcomes: of :func:`paired_outcomes`.
        of: the spread of the difference.
        confidence: of the two-sided interval.
    """
    weight = outcomes.weight
    won, lost = (float(weight[outcomes.values == sign].sum() / weight.sum()) for sign in (1, -1))
    worth = effective_rows(weight)
    if of.variance > 0 and math.isfinite(of.variance):
        worth = min(worth, (won + lost - (won - lost) ** 2) / of.variance)
    if worth <= 0:
        return result
    score = tango_interval(won * worth, lost * worth, worth, confidence=confidence)
    low, high = min(result.low, score.low), max(result.high, score.high)
    if (low, high) == (result.low, result.high):
        return result
    half = max(result.estimate - low, high - result.estimate)
    error = max(result.standard_error, half / t_quantile(confidence, math.inf))
    p_value = max(result.p_value, t_p_value(result.estimate / error, math.inf))
    return replace(result, low=low, high=high, standard_error=error, p_value=p_value)
