"""What a search for segments where one model is worse than another goes by: differences by row, and their scan."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tidegate.errors import ConfigError
from tidegate.metrics.base import Metric, Options
from tidegate.metrics.cells import CellMetric
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import RowMean
from tidegate.metrics.search import UNREMARKABLE, Evidence, Scan
from tidegate.stats.segment_scan import (
    Gains,
    GroupMeans,
    cluster_keys,
    cluster_means,
    guarded_tail,
    in_first_half,
    lower_tail,
    row_means,
    sign_tail,
)

# Larger differences are alike, so that their squares stay numbers.
_LARGEST = 1e150
# Two rows of each kind are added, so that few rows do not seem certain (Agresti & Coull 1998).
_PRIOR = 2.0


@dataclass(frozen=True, slots=True)
class Differences:
    """Candidate against production, row by row; only rows that count.

    Attributes:
        values: positive where the candidate is better, shape (n,).
        signs: they are -1, 0 or 1 by what they are, and each row counts alike and alone.
        clusters: what each row comes from, not negative, shape (n,); None where rows are independent.
        weights: positive, shape (n,); None where rows count alike.
    """

    values: np.ndarray
    signs: bool
    clusters: np.ndarray | None = None
    weights: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Differences":
        """The rows at `rows`, in their order."""
        clusters, weights = (None if each is None else each[rows] for each in (self.clusters, self.weights))
        return Differences(self.values[rows], self.signs, clusters, weights)

    def beyond(self, margin: float) -> "Differences":
        """The same, counted from the loss that is acceptable."""
        return self if margin == 0 else replace(self, values=self.values + margin, signs=False)

    def means(self, codes: np.ndarray, count: int) -> GroupMeans:
        """Means of groups, from the group of each row, with the error that clusters and weights ask for."""
        return self.by_cluster(codes, row_means(codes, count, self.values, self.weights))

    def by_cluster(self, codes: np.ndarray, means: GroupMeans) -> GroupMeans:
        """Means of groups, from those of independent rows and the group of each row."""
        if self.clusters is None:
            return means
        found = cluster_means(codes, len(means.mean), self.clusters, self.values, self.weights)
        # Clusters whose rows make up for each other are not taken to tell more than as many independent rows.
        return replace(found, error=np.maximum(found.error, means.error))


@dataclass(frozen=True, slots=True)
class Halves:
    """The rows that count in two halves, of which only the first decides what is looked at.

    Attributes:
        rows: their positions in the table, those to be scanned first, and each half in the order of its keys, with
            the rows of a cluster next to one another.
        scanned: how many are scanned; the others are held back.
        all: of these rows, in this order.
    """

    rows: np.ndarray
    scanned: int
    all: Differences

    @property
    def held_back(self) -> int:
        """How many rows are not scanned."""
        return len(self.rows) - self.scanned


def by_rows(metric: Metric) -> bool:
    """Whether it is a mean over rows that both models share, so that segments can be searched for by it."""
    if isinstance(metric, CellMetric):
        return metric.is_paired_share
    return isinstance(metric, RowMean)


def halves(
    candidate: Predictions,
    production: Predictions,
    metric: Metric,
    options: Options,
    better: Literal["higher", "lower"],
    keys: np.ndarray,
) -> Halves:
    """The differences of two models on the same rows, split by their keys; clusters stay whole.

    Raises:
        ConfigError: the metric is not :func:`by_rows`, or no column holds it by row.
    """
    a, b = (_of_rows(metric, data, options) for data in (candidate, production))
    shares = isinstance(metric, CellMetric) or all(
        isinstance(metric, RowMean) and metric.are_shares(each[~np.isnan(each)]) for each in (a, b)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.clip(-(a - b) if better == "lower" else a - b, -_LARGEST, _LARGEST)
    counts, clusters, weights = ~np.isnan(values), candidate.cluster, candidate.weight
    if weights is not None:
        counts &= weights > 0
        alike = len(np.unique(weights[counts])) < 2
        weights = None if alike else weights.astype(np.float64)
    rows = np.flatnonzero(counts)
    units = keys[rows] if clusters is None else cluster_keys(keys[rows], clusters[rows])
    held_back = ~in_first_half(units)
    finer = () if clusters is None else (keys[rows], clusters[rows])
    rows = rows[np.lexsort((*finer, units, held_back))]
    signs = shares and clusters is None and weights is None
    found = Differences(values, signs, clusters, weights).take(rows)
    return Halves(rows, int(len(rows) - held_back.sum()), found)


def _of_rows(metric: Metric, data: Predictions, options: Options) -> np.ndarray:
    """What the metric is the mean of, shape (n,); NaN where a row does not count."""
    try:
        if isinstance(metric, CellMetric) and by_rows(metric):
            return metric.hits(data, options)
        if isinstance(metric, RowMean):
            return np.asarray(metric.values(data, options), dtype=np.float64)
    except LookupError as error:
        raise ConfigError(
            f"`discover:` searches rows, and no column holds {metric.name!r} by row: name it under `columns:`, or set"
            " `discover.metric:` to another"
        ) from error
    raise ConfigError(
        f"`discover:` cannot search by {metric.name!r}, which is no mean over rows: set `discover.metric:` to one"
        " that is, such as accuracy, log_loss or mean_absolute_error"
    )


class PairedScan(Scan):
    """Whether the first model is worse than the second by more than a margin; support is of the thinner half.

    Each segment is tested by its own rows: by the exact sign test where rows are won or lost and no loss is acceptable,
    else by Student's t, guarded against gains that are large and rare.
    """

    def __init__(self, split: Halves, margin: float) -> None:
        self._size, self._scanned = split.scanned, split.all.take(np.arange(split.scanned)).beyond(margin)
        self._signs = self._scanned.signs
        if self._signs:
            self._outcome = (self._scanned.values + 1).astype(np.int64)
            return
        self._gains = Gains.of(self._scanned.values, self._scanned.weights)
        self._spread = float(np.std(self._scanned.values))

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`; the badness is what lies below the margin."""
        here, held_back = codes[: self._size], np.bincount(codes[self._size :], minlength=count)
        if self._signs:
            counted = np.bincount(here * 3 + self._outcome, minlength=3 * count).reshape(count, 3)
            return _of_signs(counted, held_back)
        rows = np.bincount(here, minlength=count)
        means = row_means(here, count, self._scanned.values, self._scanned.weights)
        p_values, error = lower_tail(means), means.error.copy()
        closer = np.flatnonzero(p_values < UNREMARKABLE)
        if len(closer):
            p_values[closer], error[closer] = self._closer(here, closer, means)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_chance = self._spread / np.sqrt(rows)
        return Evidence(-means.mean, np.fmax(error, by_chance), np.minimum(rows, held_back), p_values)

    def _closer(
        self, codes: np.ndarray, groups: np.ndarray, means: GroupMeans
    ) -> tuple[np.ndarray, np.ndarray]:
        """P-values and standard errors of the groups that look worse at first sight."""
        position = np.full(len(means.mean), -1)
        position[groups] = np.arange(len(groups))
        within = position[codes]
        rows = np.flatnonzero(within >= 0)
        within, found = within[rows], self._scanned.take(rows)
        largest = np.full(len(groups), -np.inf)
        np.maximum.at(largest, within, found.values)
        exact = found.by_cluster(within, means.take(groups))
        return guarded_tail(exact, largest, self._gains), exact.error


def _of_signs(counted: np.ndarray, held_back: np.ndarray) -> Evidence:
    """From the rows lost, undecided and won of each group, shape (G, 3)."""
    lost, won, rows = counted[:, 0], counted[:, 2], counted.sum(axis=1)
    with np.errstate(invalid="ignore"):
        badness = (lost - won) / rows
    return Evidence(
        badness=badness,
        error=np.sqrt(lost + won + 2 * _PRIOR) / (rows + 2 * _PRIOR),
        support=np.minimum(rows, held_back),
        p_value=sign_tail(lost, won, mid=True),
    )
