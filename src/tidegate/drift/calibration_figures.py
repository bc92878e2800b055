"""Calibration of one window: sums by bin of the score, small enough to keep where the rows are not."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tidegate.drift.figures import FAR, Figure, figure_from_json
from tidegate.errors import DataError
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Predictions
from tidegate.stats import cox
from tidegate.stats.calibration import ReliabilityTable, calibration_error_interval
from tidegate.stats.clustered import design_effect, spread
from tidegate.stats.intervals import t_quantile
from tidegate.stats.results import Interval, Linearised
from tidegate.wording import plural

LEAST_ROWS = 20
_CHART_BINS = 15
_TEST_BINS = 10
_MOST_BINS = 100


@dataclass(frozen=True, slots=True)
class BinSums:
    """Rows in bins of their scores; lists of one length. A bin holds its upper edge and not its lower one.

    Attributes:
        edges: upper edges of all bins but the last.
        rows: as many as the rows are worth.
        labels, scores: sums.
        squared_error: sum of (score - label) squared.
        expected_error: sum of score * (1 - score).
    """

    edges: list[float]
    rows: list[float]
    labels: list[float]
    scores: list[float]
    squared_error: list[float]
    expected_error: list[float]

    @property
    def table(self) -> ReliabilityTable:
        """As the statistics take it."""
        rows, labels, scores = (np.array(each) for each in (self.rows, self.labels, self.scores))
        filled, none = np.maximum(rows, np.finfo(float).tiny), np.zeros(len(rows))
        return ReliabilityTable(
            rows=rows,
            mean_label=labels / filled,
            mean_score=scores / filled,
            squared_error=np.array(self.squared_error),
            expected_error=np.array(self.expected_error),
            score_variation=none,
            covariation=none,
        )


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """What a profile keeps of the calibration on the reference.

    Attributes:
        rows: labelled rows.
        chart: bins of equal width.
        bins: bins of as many rows of the reference each.
        error, slope, intercept: expected calibration error, and Cox's slope and calibration in the large.
    """

    rows: int
    chart: BinSums
    bins: BinSums
    error: Figure
    slope: Figure
    intercept: Figure

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: object) -> "CalibrationFigures":
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: it is none of these; a stored file is not to be trusted.
        """
        if not isinstance(kept, Mapping) or type(kept.get("rows")) is not int or kept["rows"] < 0:
            raise DataError(
                "stored calibration must be a mapping with a count of rows: make the profile again"
            )
        figures = {name: figure_from_json(kept.get(name)) for name in ("error", "slope", "intercept")}
        return cls(
            kept["rows"], _bins_from_json(kept.get("chart")), _bins_from_json(kept.get("bins")), **figures
        )


def top_class(data: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Label and score of a binary model; of several classes whether the likeliest was right, and its probability."""
    if data.label is None or data.score is None:
        raise ValueError("labels and scores are needed")
    if data.task == "binary":
        return data.label.astype(np.float64), data.score.astype(np.float64)
    best = np.argmax(data.score, axis=1)
    return (best == data.label).astype(np.float64), data.score[np.arange(data.rows), best].astype(np.float64)


def calibration_figures(data: Predictions, *, confidence: float) -> CalibrationFigures | str:
    """What is needed of the reference to tell later whether calibration changed; a sentence where there is none."""
    problem = unusable(data)
    if problem:
        return problem
    score = top_class(data)[1]
    cut = np.sort(score)[(len(score) - 1) * np.arange(1, _TEST_BINS) // _TEST_BINS]
    return measured(data, np.unique(cut), confidence)


def unusable(data: Predictions) -> str:
    """Why rows have no calibration to speak of; empty when they have."""
    if data.task not in ("binary", "multiclass"):
        return f"the scores of a {data.task} model are no probabilities"
    if data.label is None or data.score is None:
        return f"there are no {'labels' if data.label is None else 'scores'}"
    if data.rows < LEAST_ROWS:
        return f"{plural(data.rows, 'labelled row')}, and {LEAST_ROWS} are needed"
    if not (np.isfinite(data.score).all() and data.score.min() >= 0 and data.score.max() <= 1):
        return "some scores are no probabilities"
    return ""


def measured(data: Predictions, edges: np.ndarray, confidence: float) -> CalibrationFigures:
    """The figures of usable rows; `edges` are those of the bins of the test, shape (bins - 1,)."""
    label, score = top_class(data)
    # Sums must not hang on the order of rows.
    order = np.lexsort((label, score))
    label, score, weight = label[order], score[order], row_weights(data)[order].astype(np.float64)
    cluster = np.arange(len(label)) if data.cluster is None else data.cluster[order]
    kept = weight > 0
    label, score, weight, cluster = label[kept], score[kept], weight[kept], cluster[kept]
    alone = data.cluster is None and data.weight is None
    uniform = np.arange(1, _CHART_BINS) / _CHART_BINS
    chart, bins = (_binned(label, score, weight, cluster, cut, alone=alone) for cut in (uniform, edges))
    levels = (confidence, max(confidence, FAR))
    error = chart.table.expected_calibration_error
    limits = [(level, calibration_error_interval(chart.table, confidence=level)) for level in levels]
    smooth = [
        _smooth(fit(label, score, weight), weight, cluster, levels)
        for fit in (cox.calibration_slope, cox.calibration_intercept)
    ]
    return CalibrationFigures(data.rows, chart, bins, _figure(error, data.rows, limits), *smooth)


def _binned(
    label: np.ndarray,
    score: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray,
    edges: np.ndarray,
    *,
    alone: bool,
) -> BinSums:
    index = np.searchsorted(edges, score)
    scale = np.ones(len(label))
    if not alone:
        gaps = label - score
        mean = np.bincount(index, weight * gaps) / np.maximum(
            np.bincount(index, weight), np.finfo(float).tiny
        )
        apart = gaps - mean[index]
        together = np.zeros_like(index)
        effect = max(design_effect(apart, weight, cluster, each) for each in (index, together))
        # Of infinitely few clusters no row is worth anything.
        scale = weight * (len(label) / effect / weight.sum())
    parts = (np.ones(len(label)), label, score, (score - label) ** 2, score * (1 - score))
    sums = [np.bincount(index, scale * each, len(edges) + 1).tolist() for each in parts]
    return BinSums(edges.tolist(), *sums)


def _smooth(found: Linearised, weight: np.ndarray, cluster: np.ndarray, levels: tuple[float, ...]) -> Figure:
    rows = len(weight)
    if math.isnan(found.value):
        return Figure(
            None, rows, (), "the labels are of one class, or the score parts the classes without error"
        )
    of = spread(found.influence, weight, cluster)
    error = math.sqrt(of.variance)
    limits = []
    for level in levels:
        half = t_quantile(level, of.degrees_of_freedom) * error if of.degrees_of_freedom > 0 else math.inf
        limits.append((level, Interval(found.value - half, found.value + half)))
    return _figure(found.value, rows, limits)


def _figure(value: float, rows: int, limits: list[tuple[float, Interval]]) -> Figure:
    if not math.isfinite(value):
        return Figure(None, rows, (), "the rows are too few")
    by_level = dict(limits)

    def bound(at: float) -> float | None:
        return float(at) if math.isfinite(at) else None

    kept = tuple((level, bound(each.low), bound(each.high)) for level, each in sorted(by_level.items()))
    return Figure(float(value), rows, kept)


def _bins_from_json(kept: object) -> BinSums:
    names = ("edges", "rows", "labels", "scores", "squared_error", "expected_error")
    wrong = DataError("stored bins of calibration must be lists of finite numbers: make the profile again")
    if not isinstance(kept, Mapping):
        raise wrong
    lists = [kept.get(name) for name in names]
    for each in lists:
        if not isinstance(each, list) or len(each) > _MOST_BINS:
            raise wrong
        if not all(type(value) in (int, float) and math.isfinite(value) for value in each):
            raise wrong
    edges, rows, labels, scores, squared, expected = (
        [float(value) for value in each or []] for each in lists
    )
    same = {len(each) for each in (rows, labels, scores, squared, expected)} == {len(edges) + 1}
    if not same or edges != sorted(edges):
        raise wrong
    more = any(k > n * (1 + 1e-9) for k, n in zip(labels, rows, strict=True))
    if more or min(*rows, *labels, *scores, *squared, *expected) < 0:
        raise DataError("stored bins of calibration hold more labels than rows: make the profile again")
    return BinSums(edges, rows, labels, scores, squared, expected)
