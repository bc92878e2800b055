"""Which rows of a window have labels: how many, how old, and whether those without are of another kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np

from tidegate.drift.label_ages import AgeBand, ages, matched, mature
from tidegate.drift.performance import Performance, ReferenceFigures, realised_drop
from tidegate.drift.univariate import compare_columns
from tidegate.errors import DataError
from tidegate.metrics.data import Predictions
from tidegate.reweighting import importance_weights
from tidegate.stats.multiplicity import holm
from tidegate.tables import Column
from tidegate.wording import duration, first_few, number, plural

_LEAST_ROWS = 20
# Of rows that are matched by age: a cut in time leaves one band with both kinds, whose ages still differ.
_LEAST_MATCHED = 100
_SEED = 20110701


@dataclass(frozen=True, slots=True)
class LabelBias:
    """A column of rows with and without a label; the effect is that of :func:`compare_columns`."""

    column: str
    effect: float
    p_value: float
    adjusted_p_value: float
    biased: bool
    detail: str


@dataclass(frozen=True, slots=True)
class LabelCoverage:
    """Which rows have labels.

    Attributes:
        share: of all rows.
        newest_row, newest_labelled: ISO times; None without timestamps, or without a label.
        lag_days: between those two.
        by_age: newest first; empty without timestamps.
        arrived_after_days: age of the youngest band half of whose rows, as a share of the oldest's, have their label.
        mature_rows, mature_labelled: rows older than the label delay; all rows where none is given.
        delayed: labels of the newest rows have not arrived, which is no bias; None when nobody can tell.
        biased: rows without a label differ from those with one, beyond their age; None when nobody can tell.
        columns: what was compared, the most certain first.
        compared_labelled, compared_unlabelled: rows compared, of like ages where these are known.
    """

    rows: int
    labelled: int
    share: float
    newest_row: str | None
    newest_labelled: str | None
    lag_days: float | None
    by_age: list[AgeBand]
    arrived_after_days: float | None
    mature_rows: int
    mature_labelled: int
    delayed: bool | None
    biased: bool | None
    columns: list[LabelBias] = field(default_factory=list)
    compared_labelled: int = 0
    compared_unlabelled: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReweightedPerformance:
    """The realised metric with the labelled rows weighted to stand for all rows.

    Attributes:
        performance: its interval takes the weights as given.
        effective_rows: rows of equal weight that would do.
        uncovered_share: share of all rows that have next to no labelled ones like them.
    """

    performance: Performance
    effective_rows: float
    largest_weight: float
    uncovered_share: float
    detail: str


def label_coverage(
    labelled: np.ndarray,
    columns: Mapping[str, Column],
    *,
    times: Column | None = None,
    label_delay: timedelta | None = None,
    now: np.datetime64 | None = None,
    level: float = 0.01,
    min_effect: float = 0.05,
) -> LabelCoverage:
    """Say which rows have labels, and compare those with and without one.

    With timestamps rows of like age are compared: in each of up to 50 bands of time as many of both kinds, in one
    proportion, take part. So labels that have not arrived yet, which is a matter of age alone, are no bias. The chance
    to call the absence of labels biased when it is not is at most `level` over all columns (Holm, 1979).

    Args:
        labelled: which rows have a label, shape (n,).
        columns: features and the score of all rows.
        times: of the rows.
        label_delay: how long labels take; younger rows are left out of the comparison.
        now: time of the run; by default that of the newest row.
        level: of the false alarms of bias.
        min_effect: size below which a difference does not count.
    """
    known = np.asarray(labelled, dtype=np.bool_)
    old = np.ones(len(known), dtype=np.bool_)
    if times is not None and label_delay is not None:
        old = mature(times, label_delay, now)
    kept = matched(known, old, columns, times)
    enough = min(map(len, kept)) >= (_LEAST_ROWS if times is None else _LEAST_MATCHED)
    found = _compared(kept, columns, level, min_effect) if enough and columns else []
    coverage = LabelCoverage(
        rows=len(known),
        labelled=int(known.sum()),
        share=float(known.mean()) if len(known) else 0.0,
        mature_rows=int(old.sum()),
        mature_labelled=int((old & known).sum()),
        biased=_biased(found, known[old]),
        columns=found,
        compared_labelled=len(kept[0]),
        compared_unlabelled=len(kept[1]),
        **ages(known, times, now),
    )
    return replace(coverage, detail=_in_words(coverage, label_delay))


def _biased(found: Sequence[LabelBias], known: np.ndarray) -> bool | None:
    if found:
        return any(each.biased for each in found)
    return False if len(known) and known.all() else None


def _compared(
    kept: tuple[np.ndarray, np.ndarray], columns: Mapping[str, Column], level: float, min_effect: float
) -> list[LabelBias]:
    tests = [
        compare_columns(columns[name].take(kept[0]), columns[name].take(kept[1]), min_effect=min_effect)
        for name in sorted(columns)
    ]
    adjusted = holm([test.p_value for test in tests])
    found = [
        LabelBias(
            column=test.name,
            effect=test.effect,
            p_value=test.p_value,
            adjusted_p_value=float(p),
            biased=bool(p <= level and test.effect >= min_effect),
            detail=f"with a label → without: {test.detail}",
        )
        for test, p in zip(tests, adjusted, strict=True)
    ]
    return sorted(found, key=lambda each: (not each.biased, each.adjusted_p_value, -each.effect, each.column))


def _in_words(coverage: LabelCoverage, label_delay: timedelta | None) -> str:
    parts = [f"{coverage.labelled:,} of {plural(coverage.rows, 'row')} have a label ({coverage.share:.1%})"]
    if coverage.lag_days is not None and coverage.lag_days > 0:
        parts.append(f"the newest of them is {number(coverage.lag_days)} days older than the newest row")
    if label_delay is not None:
        parts.append(
            f"of the {plural(coverage.mature_rows, 'row')} older than {duration(label_delay)}"
            f" {coverage.mature_labelled:,} have one"
        )
    if coverage.delayed and not coverage.biased:
        parts.append("labels of the newest rows have not arrived yet, which is a delay and no bias")
    if coverage.biased:
        named = [f"{each.column} ({each.detail})" for each in coverage.columns if each.biased]
        parts.append(
            "rows without a label differ from those with one, so what is measured on the latter need not hold for all:"
            f" {first_few(named, separator='; ')}"
        )
    elif coverage.biased is None and coverage.labelled < coverage.rows:
        parts.append(
            "too few rows of both kinds, of like age where that is known, to tell whether they differ otherwise"
        )
    elif coverage.columns:
        parts.append("rows without a label look like those with one")
    return "; ".join(parts)


def reweighted_performance(
    metric: str,
    reference: Predictions | ReferenceFigures,
    current: Predictions,
    labelled: np.ndarray,
    columns: Mapping[str, Column],
    *,
    confidence: float,
    min_drop: float | None,
    options: Mapping[str, Any] | None = None,
    seed: int = _SEED,
) -> ReweightedPerformance | str:
    """The realised metric as if all rows had their label, where having one hangs on the columns alone.

    Args:
        metric: by name.
        reference: labelled rows of the reference, or the figures that were kept of them.
        current: the labelled rows of the window, in the order of the window.
        labelled: which rows of the window these are, shape (n,).
        columns: features and the score of all n rows.
        confidence: of the two-sided interval.
        min_drop: the size that counts.
        options: of the metric.
        seed: of the folds of the weights.

    Returns:
        A sentence where no weights can be found.
    """
    rows = np.flatnonzero(labelled)
    if len(rows) != current.rows:
        raise ValueError(f"{current.rows} labelled predictions for {len(rows)} labelled rows")
    if len(rows) < _LEAST_ROWS or not columns:
        return f"{plural(len(rows), 'labelled row')} and {plural(len(columns), 'column')} are too few to weigh by"
    try:
        found = importance_weights(
            {name: column.take(rows) for name, column in columns.items()}, columns, seed=seed
        )
    except DataError:
        return "no column can be used to weigh the labelled rows by"
    given = 1.0 if current.weight is None else current.weight
    weighted = replace(current, weight=found.weights * given)
    performance = realised_drop(
        metric, reference, weighted, confidence=confidence, min_drop=min_drop, options=options
    )
    detail = (
        f"weighted so that the {plural(len(rows), 'labelled row')} look like all {len(labelled):,}, worth"
        f" {found.effective_rows:,.0f} rows of equal weight; right if having a label hangs on the columns alone"
    )
    if found.uncovered_share > 0:
        detail += f"; {found.uncovered_share:.1%} of the rows have next to no labelled ones like them"
    return ReweightedPerformance(
        performance=performance,
        effective_rows=found.effective_rows,
        largest_weight=found.largest_weight,
        uncovered_share=found.uncovered_share,
        detail=detail,
    )
