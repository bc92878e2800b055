"""How well calibrated chances are, on rows that the calibration has not seen."""

import numpy as np

from tidegate.drift.label_free.results import CalibrationQuality, Verdict
from tidegate.metrics.base import finite_bounds
from tidegate.stats.calibration import ReliabilityTable, calibration_error_interval
from tidegate.wording import number, plural

_BINS = 10
_POOR, _WELL = 0.02, 0.05


def calibration_quality(
    label: np.ndarray, chances: np.ndarray, raw: np.ndarray, weight: np.ndarray, confidence: float
) -> CalibrationQuality:
    """Expected calibration error of chances; of several classes, of whether the likeliest is right.

    Args:
        label: shape (m,), class codes.
        chances: shape (m, K), of rows left out.
        raw: shape (m, K), what the model says.
        weight: shape (m,).
        confidence: of the two-sided interval.
    """
    table = _table(*_top(label, chances), weight)
    error = table.expected_calibration_error
    interval = calibration_error_interval(table, confidence=confidence)
    verdict: Verdict = "not known"
    if interval.low > _POOR:
        verdict = "poor"
    elif interval.high <= _WELL:
        verdict = "well calibrated"
    rows = round(float(table.rows.sum()))
    return CalibrationQuality(
        error=error,
        ci=finite_bounds(interval),
        raw_error=_table(*_top(label, raw), weight).expected_calibration_error,
        verdict=verdict,
        rows=rows,
        detail=_in_words(verdict, error, interval.low, interval.high, rows),
    )


def _in_words(verdict: Verdict, error: float, low: float, high: float, rows: int) -> str:
    measured = (
        f"calibration error {number(error)} [{number(low)}, {number(high)}] on {plural(rows, 'row')} of the reference"
        " left out of the fit"
    )
    ends = {
        "poor": "the chances do not hold what they say",
        "well calibrated": "well calibrated",
        "not known": "too few rows to tell whether the chances hold what they say",
    }
    return f"{measured}: {ends[verdict]}"


def _top(label: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if chances.shape[1] == 2:
        return (label == 1).astype(np.float64), chances[:, 1]
    best = np.argmax(chances, axis=1)
    return (best == label).astype(np.float64), chances[np.arange(len(label)), best]


def _table(right: np.ndarray, chance: np.ndarray, weight: np.ndarray) -> ReliabilityTable:
    """Bins of equal weight, on a table of as many rows as the weights are worth."""
    order = np.argsort(chance)
    right, chance, weight = right[order], chance[order], weight[order]
    upto = np.cumsum(weight)
    edges = chance[np.searchsorted(upto, upto[-1] * np.arange(1, _BINS) / _BINS).clip(max=len(chance) - 1)]
    index = np.searchsorted(edges, chance)
    scaled = weight * (weight.sum() / (weight**2).sum())

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, weights=scaled * values, minlength=_BINS)

    rows = sums(np.ones(len(right)))
    label, score = (
        np.divide(sums(each), rows, out=np.zeros(_BINS), where=rows > 0) for each in (right, chance)
    )
    of_label, of_score = right - label[index], chance - score[index]
    return ReliabilityTable(
        rows=rows,
        mean_label=label,
        mean_score=score,
        squared_error=sums((chance - right) ** 2),
        expected_error=sums(chance * (1 - chance)),
        score_variation=sums(of_score**2),
        covariation=sums(of_score * of_label),
    )
