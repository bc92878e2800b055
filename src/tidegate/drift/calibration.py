"""Calibration drift: do scores still hold what they held on the reference?"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from tidegate.drift.calibration_figures import (
    LEAST_ROWS,
    BinSums,
    CalibrationFigures,
    calibration_figures,
    measured,
    unusable,
)
from tidegate.drift.figures import Figure, change
from tidegate.metrics.data import Predictions
from tidegate.stats.two_sample import corrected_effect
from tidegate.wording import number

_MIN_EXPECTED = 5.0
MIN_EFFECT = 0.02
"""Probability by which labels of like scores must have moved, on average over rows, to count."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of the chart; what a window has no rows for is None."""

    from_score: float
    to_score: float
    reference_rows: float
    reference_score: float | None
    reference_label: float | None
    current_rows: float
    current_score: float | None
    current_label: float | None


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure of calibration in both windows; intervals that the rows do not bound are None."""

    reference: float | None
    reference_ci: tuple[float, float] | None
    current: float | None
    current_ci: tuple[float, float] | None
    change: float | None
    ci: tuple[float, float] | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class CalibrationDrift:
    """Calibration of both windows and whether it changed.

    Attributes:
        drifted: `p_value` at most the level, and `effect` at least the size that counts.
        statistic, df, p_value: chi-squared of labels minus scores by bin of the score, both windows' noise counted.
        effect: how far labels of like scores moved, in probability, averaged over the rows of the current window,
            without the part that chance alone gives.
        error, slope, intercept: expected calibration error, Cox's slope, and calibration in the large (Cox's intercept
            at slope 1).
    """

    drifted: bool
    statistic: float
    df: int
    p_value: float
    effect: float
    min_effect: float
    confidence: float
    error: FigureChange
    slope: FigureChange
    intercept: FigureChange
    bins: list[ReliabilityBin]
    rows_reference: int
    rows_current: int
    detail: str


def calibration_drift(
    reference: Predictions | CalibrationFigures,
    current: Predictions,
    *,
    confidence: float,
    min_effect: float = MIN_EFFECT,
) -> CalibrationDrift | str:
    """Test whether labels of like scores changed between two independent windows; a sentence where nobody can tell.

    Within bins of the score (tenths of the reference) the mean of label minus score is compared, so that other scores
    alone are no drift. Sparse bins join their neighbours. With clusters or weights the statistic is divided by the mean
    design effect (Rao & Scott, 1981). A relation that hangs on more than the score can move it without being another:
    :mod:`tidegate.drift.concept` takes that out.

    Args:
        reference: labelled rows, or what was kept of them.
        current: labelled rows.
        confidence: of the intervals; one minus it is the level of the test.
        min_effect: size that counts, in probability.
    """
    then = reference
    if isinstance(then, Predictions):
        found = calibration_figures(then, confidence=confidence)
        if isinstance(found, str):
            return f"calibration of the reference window: {found}"
        then = found
    problem = unusable(current)
    if problem or then.rows < LEAST_ROWS:
        return (
            f"calibration of the current window: {problem}" if problem else "the reference has too few labels"
        )
    now = measured(current, np.array(then.bins.edges), confidence)
    statistic, df, p_value, effect = _tested(then.bins, now.bins)
    result = CalibrationDrift(
        drifted=bool(p_value <= 1 - confidence and effect >= min_effect),
        statistic=statistic,
        df=df,
        p_value=p_value,
        effect=effect,
        min_effect=min_effect,
        confidence=confidence,
        error=_both(then.error, now.error, confidence),
        slope=_both(then.slope, now.slope, confidence),
        intercept=_both(then.intercept, now.intercept, confidence),
        bins=_chart(then.chart, now.chart),
        rows_reference=then.rows,
        rows_current=now.rows,
        detail="",
    )
    return _worded(result)


def _tested(then: BinSums, now: BinSums) -> tuple[float, int, float, float]:
    """Statistic, degrees of freedom, p-value and effect."""
    a, b = (_joined(each, then, now) for each in (then, now))
    rows, gaps = np.array([a[0], b[0]]), np.array([a[1] - a[2], b[1] - b[2]])
    filled = (rows > 0).all(axis=0)
    rows, gaps = rows[:, filled], gaps[:, filled]
    squares, expected = (np.array([a[i], b[i]])[:, filled] for i in (3, 4))
    if not filled.any():
        return 0.0, 0, 1.0, 0.0
    means = gaps / rows
    centre = gaps.sum(axis=0) / rows.sum(axis=0)
    spread_here = np.maximum(squares.sum(axis=0) - rows.sum(axis=0) * centre**2, 0.0)
    # Scores of a bin may lie elsewhere in it now, and with them the variance of labels: it is shared out as the scores
    # say, which keeps both windows' noise apart.
    told = expected.sum(axis=0)
    share = np.divide(expected, told, out=rows / rows.sum(axis=0), where=told > 0)
    error = np.sqrt((spread_here * share / rows**2).sum(axis=0))
    moved = means[1] - means[0]
    usable = error > 0
    statistic = float(((moved[usable] / error[usable]) ** 2).sum())
    df = int(usable.sum())
    weight = rows[1] / rows[1].sum()
    effect = corrected_effect(float(weight @ np.abs(moved)), float(weight @ error) * math.sqrt(2 / math.pi))
    return statistic, df, float(special.chdtrc(df, statistic)) if df else 1.0, min(effect, 1.0)


def _joined(of: BinSums, then: BinSums, now: BinSums) -> list[np.ndarray]:
    """Sums of neighbouring bins joined until each has enough labels of either kind to expect in both windows."""
    rows, labels = np.array([then.rows, now.rows]), np.array([then.labels, now.labels])
    share = rows / np.maximum(rows.sum(axis=0), np.finfo(float).tiny)
    ones = labels.sum(axis=0)
    fewest = np.minimum(ones, rows.sum(axis=0) - ones) * share
    group, held = np.zeros(rows.shape[1], dtype=np.int64), np.zeros(2)
    current = 0
    for i in range(rows.shape[1]):
        group[i] = current
        held += fewest[:, i]
        if held.min() >= _MIN_EXPECTED:
            current, held = current + 1, np.zeros(2)
    if current and held.min() < _MIN_EXPECTED:
        group[group == current] = current - 1
    parts = (of.rows, of.labels, of.scores, of.squared_error, of.expected_error)
    return [np.bincount(group, np.array(each)) for each in parts]


def _both(then: Figure, now: Figure, confidence: float) -> FigureChange:
    moved = change(then, now, confidence=confidence)
    ci = None
    if moved is not None and math.isfinite(moved.interval.low) and math.isfinite(moved.interval.high):
        ci = (moved.interval.low, moved.interval.high)
    return FigureChange(
        reference=then.value,
        reference_ci=then.bounds(confidence) if then.value is not None else None,
        current=now.value,
        current_ci=now.bounds(confidence) if now.value is not None else None,
        change=moved.change if moved else None,
        ci=ci,
        p_value=moved.p_value if moved else None,
    )


def _chart(then: BinSums, now: BinSums) -> list[ReliabilityBin]:
    edges = [0.0, *then.edges, 1.0]

    def mean(sums: list[float], rows: float, i: int) -> float | None:
        return sums[i] / rows if rows > 0 else None

    return [
        ReliabilityBin(
            edges[i],
            edges[i + 1],
            then.rows[i],
            mean(then.scores, then.rows[i], i),
            mean(then.labels, then.rows[i], i),
            now.rows[i],
            mean(now.scores, now.rows[i], i),
            mean(now.labels, now.rows[i], i),
        )
        for i in range(len(then.rows))
        if then.rows[i] > 0 or now.rows[i] > 0
    ]


def _worded(result: CalibrationDrift) -> CalibrationDrift:
    error = result.error
    verdict = (
        "scores no longer hold what they held on the reference"
        if result.drifted
        else "no sign that scores hold less than on the reference"
    )
    detail = (
        f"{verdict}: labels of like scores moved by {number(result.effect)} ({number(result.min_effect)} counts),"
        f" p = {number(result.p_value)}; calibration error {number(error.reference)} → {number(error.current)},"
        f" slope {number(result.slope.reference)} → {number(result.slope.current)}"
    )
    return replace(result, detail=detail)
