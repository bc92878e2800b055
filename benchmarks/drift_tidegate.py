"""Tidegate's drift report, in the process: what the errors of its decisions are counted on."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import cast

import numpy as np
from drift_data import Frame, Scenario, Values, Verdict, Windows
from drift_labelled import BINARY, REGRESSION, Case, Labelled

from tidegate.commands.column_tests import window_length
from tidegate.config import Drift
from tidegate.drift.chunks import against_chunks, chunk_baseline, chunk_codes
from tidegate.drift.concluding import Circumstances, conclude
from tidegate.drift.label_free import EstimateMethod, estimate_performance
from tidegate.drift.levels import Question, divided
from tidegate.drift.multivariate import classifier_drift
from tidegate.drift.quality import ColumnFacts, QualityFacts, check
from tidegate.drift.results import Columns, Seen
from tidegate.drift.rules import Policy
from tidegate.drift.univariate import ColumnTest, compare_columns
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATE, SIZE = Drift().false_alarm_rate, Drift().min_effect


def judge(
    kind: str, rows: int, columns: int, run: int, baseline: str = "rows", multivariate: bool = False
) -> dict[str, object]:
    """What the report names."""
    windows = Scenario(kind, rows, columns).draw(run)
    return asdict(tidegate_report(windows, baseline=baseline, multivariate=multivariate))


def tidegate_report(windows: Windows, *, baseline: str = "rows", multivariate: bool = False) -> Verdict:
    """The report about two windows of features alone, as its config asks for it."""
    then, now = read(windows.reference), read(windows.current)
    asked: list[Question] = ["columns", "quality", *(["multivariate"] if multivariate else [])]
    levels = divided(RATE, asked)
    each = levels["columns"] / len(then)
    tests = [compare_columns(then[name], now[name], min_effect=SIZE, level=each) for name in then]
    if baseline == "chunks":
        tests = _against_chunks(windows, then, now, tests, each)
    together = None
    if multivariate:
        together = classifier_drift(then, now, level=levels["multivariate"], min_effect=SIZE)
    before = facts(windows.reference)
    # The rest of its level is for rows that stand in both windows, and for rows without a label.
    now_facts = facts(windows.current, before)
    effect = float(now_facts.rows) if baseline == "chunks" else 1.0
    quality = check(before, now_facts, now=NOW, level=levels["quality"] / 3, design_effect=effect)
    seen = Seen(columns=Columns(features=tests), multivariate=together, quality=quality)
    result = conclude(seen, Policy(), levels, Circumstances(now=NOW), min_effect=SIZE)
    drifted = [each.feature for each in result.features if each.drifted]
    drifted += ["multivariate"] * bool(result.multivariate and result.multivariate.drifted)
    noticed = [str(found.column) for found in result.data_quality if found.severity != "info"]
    p_values = {each.feature: each.p_value for each in result.features}
    return Verdict(drifted, sorted(set(noticed)), None, len(result.features) + multivariate, p_values)


def _against_chunks(
    windows: Windows, then: dict[str, Column], now: dict[str, Column], tests: list[ColumnTest], level: float
) -> list[ColumnTest]:
    """Every column against its chunks, which are as long as the current window."""
    assert windows.reference_times is not None
    assert windows.current_times is not None
    length = window_length(Column("at", "time", windows.current_times))
    chunk = chunk_codes(windows.reference_times, length)
    found = [
        against_chunks(chunk_baseline(then[test.name], chunk), now[test.name], level=level) for test in tests
    ]
    return [
        replace(test, p_value=each.p_value, effect=each.effect, statistic=each.statistic)
        for test, each in zip(tests, found, strict=True)
    ]


def facts(frame: Frame, against: QualityFacts | None = None) -> QualityFacts:
    """What the report judges data quality by; it surveys tables, for which these windows would have to be written."""
    known = against.columns if against else {}
    columns = {name: _facts(each, known.get(name)) for name, each in frame.items()}
    return QualityFacts(rows=len(next(iter(frame.values())).values), columns=columns)


def _facts(column: Values, before: ColumnFacts | None) -> ColumnFacts:
    values = column.values
    if column.levels:
        counts = np.bincount(values, minlength=len(column.levels)).tolist()
        levels = {name: count for name, count in zip(column.levels, counts, strict=True) if count}
        return ColumnFacts("text", True, len(values), levels=levels, level_count=len(levels))
    values = values[~np.isnan(values)]
    made = ColumnFacts("number", True, len(values), minimum=float(values.min()), maximum=float(values.max()))
    if before is None:
        return made
    below, above = np.count_nonzero(values < before.minimum), np.count_nonzero(values > before.maximum)
    return replace(made, below=int(below), above=int(above))


def read(frame: Frame) -> dict[str, Column]:
    """As the columns of a table that was read."""
    return {
        name: Column(name, "category" if each.levels else "number", np.asarray(each.values), each.levels)
        for name, each in frame.items()
    }


def estimate(
    task: str, kind: str, rows: int, reference_rows: int, run: int, method: str = "auto"
) -> dict[str, list[float]]:
    """Of each metric the estimate and its 95% interval, and 1 where it was weighted (PAPE)."""
    then, now = Case(task, kind, rows, reference_rows).draw(run)
    reference, current = predictions(task, then), replace(predictions(task, now), label=None)
    features = [
        {f"x{j}": Column(f"x{j}", "number", each.features[:, j]) for j in range(each.features.shape[1])}
        for each in (then, now)
    ]
    made: dict[str, list[float]] = {}
    for metric in REGRESSION if task == "regression" else BINARY:
        found = estimate_performance(
            metric,
            reference,
            current,
            reference_features=features[0],
            current_features=features[1],
            method=cast("EstimateMethod", method),
        )
        if isinstance(found, str):
            raise SystemExit(found)
        made[metric] = [found.value, *found.value_ci, float(found.method == "pape")]
    return made


def predictions(task: str, window: Labelled) -> Predictions:
    """As the predictions of a table that was read."""
    n = len(window.label)
    if task == "regression":
        return Predictions("regression", n, label=window.label, prediction=window.answer)
    said = (window.answer >= 0.5).astype(np.int32)
    label = window.label.astype(np.int32)
    return Predictions("binary", n, ("0", "1"), label=label, prediction=said, score=window.answer)
