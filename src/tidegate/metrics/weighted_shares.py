"""Differences of shares of rows that do not count alike, no surer than a score interval of what the rows are worth.

Where models disagree on few rows, the rows at hand hardly tell the spread of the difference, and what they tell hangs
on the weights of those few. A score interval (Tango 1998) takes the spread from the shares themselves.
"""

import math
from dataclasses import replace

import numpy as np

from tidegate.metrics.cells import CellMetric, row_weights
from tidegate.metrics.data import Predictions
from tidegate.stats.clustered import Spread, effective_rows
from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.paired import tango_interval
from tidegate.stats.results import Linearised, PairedResult


def paired_outcomes(
    metric: object, data: Predictions, a: Linearised, b: Linearised, counted: np.ndarray
) -> np.ndarray | None:
    """Which rows only the first model (1) or only the second (-1) has right, of those that count; None for no share.

    Args:
        metric: any; a share of rows that the label gives, or a mean of values, has outcomes.
        data: the rows, with their weights.
        a: of the first model.
        b: of the second.
        counted: mask of the rows that count.
    """
    if isinstance(metric, CellMetric) and not (metric.proportion is not None and metric.given_label):
        return None
    weight = row_weights(data)
    total = float(weight.sum())
    if not counted.any() or total == 0:
        return None
    share = float(weight[counted].sum()) / total
    # The influence of a row on a share is how far its outcome lies from it.
    found = (a.influence - b.influence)[counted] * share + (a.value - b.value)
    outcomes: np.ndarray = np.rint(found)
    return outcomes if np.allclose(found, outcomes, atol=1e-6) and np.abs(outcomes).max() <= 1 else None


def no_surer_than_score(
    result: PairedResult, outcomes: np.ndarray, weight: np.ndarray, of: Spread, confidence: float
) -> PairedResult:
    """The result, on each side no narrower than Tango's interval for the rows that these are worth.

    They are worth no more than their weights allow (Kish 1965), and no more than the spread of the difference says.

    Args:
        result: by the influences.
        outcomes: of :func:`paired_outcomes`.
        weight: of the same rows.
        of: the spread of the difference.
        confidence: of the two-sided interval.
    """
    total = float(weight.sum())
    won, lost = (float(weight[outcomes == sign].sum()) / total for sign in (1, -1))
    worth = effective_rows(weight)
    if of.variance > 0 and math.isfinite(of.variance):
        worth = min(worth, (won + lost - (won - lost) ** 2) / of.variance)
    if worth <= 0:
        return result
    score = tango_interval(won * worth, lost * worth, worth, confidence=confidence)
    low, high = min(result.low, score.low), max(result.high, score.high)
    if (low, high) == (result.low, result.high):
        return result
    error = max(
        result.standard_error,
        max(result.estimate - low, high - result.estimate) / t_quantile(confidence, math.inf),
    )
    p_value = (
        max(result.p_value, t_p_value(result.estimate / error, math.inf)) if error > 0 else result.p_value
    )
    return replace(result, low=low, high=high, standard_error=error, p_value=p_value)
