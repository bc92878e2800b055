"""Which labels would settle whether performance dropped, and how many."""

import math

import numpy as np

from tidegate.drift.label_free.results import LabelsNeeded, Stratum
from tidegate.metrics.base import Metric
from tidegate.stats.power import detectable_difference
from tidegate.wording import number, plural

_STRATA = 5
_LEAST_SHARE = 0.1


def labels_needed(
    metric: Metric,
    min_drop: float,
    confidence: float,
    *,
    of: str,
    key: np.ndarray,
    label_variance: np.ndarray,
    total_variance: float,
) -> LabelsNeeded:
    """Plan labels for the current window, most where a label tells most (Neyman, 1934).

    The plan compares what labels show with what was expected of the same rows, which leaves only the variance that
    rows like each other still have. No stratum goes below a tenth of the mean variance: where a label is thought to be
    certain, a concept that drifted would go unseen.

    Args:
        metric: that performance is measured by.
        min_drop: the drop to be shown.
        confidence: of the two-sided interval that shows it.
        of: what rows are told apart by, in words.
        key: shape (n,), by which the window is cut into strata.
        label_variance: shape (n,), of the influence of each row over what its label may be.
        total_variance: of the influence of a row drawn at random, its label included.
    """
    n = len(key)
    if min_drop <= 0:
        sentence = "any difference counts as a drop, and no number of labels shows the smallest of them"
        return LabelsNeeded(n, n, [], False, sentence)
    error = min_drop / detectable_difference(1.0, confidence=confidence)
    edges = np.unique(np.quantile(key, np.arange(1, _STRATA) / _STRATA, method="inverted_cdf"))
    index = np.searchsorted(edges, key)
    sizes = np.bincount(index)
    variance = np.bincount(index, weights=label_variance) / np.maximum(sizes, 1)
    variance = np.maximum(variance, _LEAST_SHARE * variance.mean())
    share, deviation = sizes / n, np.sqrt(variance)
    pull = share * deviation
    # Labels of all rows leave nothing open: the usual correction for a finite window.
    rows = min(_ceil(pull.sum() ** 2 / (error**2 + share @ variance / n)), n)
    random_rows = min(_ceil(total_variance / (error**2 + total_variance / n)), n)
    wanted = np.minimum(np.ceil(rows * pull / max(pull.sum(), 1e-300)), sizes).astype(np.int64)
    which = [
        Stratum(
            of,
            float(key[index == k].min()),
            float(key[index == k].max()),
            int(wanted[k]),
            int(sizes[k]),
        )
        for k in np.flatnonzero(wanted > 0)
    ]
    enough = math.sqrt(max(total_variance, 0.0) / n) <= error
    total = int(wanted.sum())
    return LabelsNeeded(
        total,
        random_rows,
        which,
        enough,
        _in_words(metric.name, min_drop, which, total, random_rows, n, enough),
    )


def _ceil(value: float) -> int:
    return max(math.ceil(value), 1) if math.isfinite(value) else 10**12


def _in_words(
    metric: str, min_drop: float, which: list[Stratum], rows: int, random_rows: int, n: int, enough: bool
) -> str:
    if not which:
        return "no label of this window tells anything about the metric"
    most = max(which, key=lambda each: each.rows / each.available)
    where = (
        f", most of them ({most.rows:,} of {most.available:,}) where {most.of} is from {number(most.low)} to"
        f" {number(most.high)}"
    )
    least = (
        f"{plural(rows, 'label')} of the {plural(n, 'row')} in this window{where if len(which) > 1 else ''}"
    )
    settle = f"would show with 80% power whether {metric} dropped by {number(min_drop)} in this window"
    plain = f"; drawn at random it takes {random_rows:,}"
    narrow = "" if enough else f"; a window of {plural(n, 'row')} varies by more than that by chance"
    return f"{least}, {settle}{plain}{narrow}"
