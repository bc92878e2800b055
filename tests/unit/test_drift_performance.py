import json

import numpy as np
import pytest

from tidegate.drift.figures import Figure, Measure, change, figure_from_json, figures
from tidegate.drift.performance import ReferenceFigures, realised_drop
from tidegate.errors import ConfigError, DataError
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import mover_difference


def window(seed, rows=2_000, accuracy=0.9):
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.4).astype(np.int32)
    said = np.where(rng.random(rows) < accuracy, label, 1 - label).astype(np.int32)
    score = np.clip(0.5 + 0.3 * (said - 0.5) + rng.normal(0, 0.1, rows), 0.01, 0.99)
    return Predictions("binary", rows, ("0", "1"), label, said, score)


def test_the_p_value_is_where_the_interval_touches_zero():
    for seed in range(8):
        then, now = window(seed), window(seed + 50, accuracy=0.9 - seed / 200)
        for confidence in (0.95, 0.99):
            found = realised_drop("accuracy", then, now, confidence=confidence, min_drop=None).realised
            assert (found.p_value < 1 - confidence) == (not found.ci[0] <= 0 <= found.ci[1])
        found = realised_drop("roc_auc", then, now, confidence=0.99, min_drop=None).realised
        edge = realised_drop("roc_auc", then, now, confidence=1 - found.p_value, min_drop=None).realised
        assert min(abs(edge.ci[0]), abs(edge.ci[1])) < 0.1 * (edge.ci[1] - edge.ci[0])
        half = found.p_value / 2
        assert found.p_worse == pytest.approx(half if found.drop > 0 else 1 - half)


def test_nothing_moved():
    then = window(1)
    found = realised_drop("accuracy", then, then, confidence=0.99, min_drop=None).realised
    assert (found.drop, found.p_value, found.p_worse, found.fired) == (0, 1, 0.5, False)


def test_metrics_with_options():
    then, now = window(1), window(2, accuracy=0.7)
    found = realised_drop("recall", then, now, confidence=0.99, min_drop=None, options={"class": "0"})
    assert found.realised.fired
    assert found.metric == "recall (class 0)"
    plain = realised_drop("recall", then, now, confidence=0.99, min_drop=None)
    assert plain.realised.current != found.realised.current
    # The options that a metric has by default need not be given.
    ece = realised_drop("expected_calibration_error", then, now, confidence=0.99, min_drop=None)
    assert ece.realised is not None


def test_a_stored_reference_does():
    then, now = window(1), window(2, accuracy=0.8)
    measures = [Measure("accuracy"), Measure("roc_auc")]
    kept = json.loads(
        json.dumps(ReferenceFigures.of(measures, then, confidence=0.99).to_json(), allow_nan=False)
    )
    read = ReferenceFigures.from_json(kept)
    for each in measures:
        fresh = realised_drop(each.metric, then, now, confidence=0.99, min_drop=None).realised
        stored = realised_drop(each.metric, read, now, confidence=0.99, min_drop=None).realised
        assert stored == fresh
    missing = realised_drop("recall", read, now, confidence=0.99, min_drop=None)
    assert missing.realised is None
    assert "make the profile again" in missing.detail


def test_a_reference_known_by_value_interval_and_rows():
    now = window(2, accuracy=0.8)
    kept = {"accuracy": {"value": 0.9, "ci": [0.886, 0.912], "rows": 2_000}}
    found = realised_drop(
        "accuracy", ReferenceFigures.from_json(kept), now, confidence=0.99, min_drop=None
    ).realised
    fresh = realised_drop("accuracy", window(1), now, confidence=0.99, min_drop=None).realised
    assert found.fired
    assert found.ci[1] - found.ci[0] == pytest.approx(fresh.ci[1] - fresh.ci[0], rel=0.1)
    bare = ReferenceFigures.from_json({"accuracy": {"value": 0.9, "rows": 2_000}})
    unbounded = realised_drop("accuracy", bare, now, confidence=0.99, min_drop=None).realised
    assert (unbounded.ci, unbounded.p_value, unbounded.fired) == (None, 1, False)


def test_intervals_between_the_levels_that_are_kept():
    data = window(1, 60)
    (figure,) = figures(Measure("recall"), data, Groups.everything(60), confidence=0.9)
    for level in (0.95, 0.99, 0.999):
        (own,) = figures(Measure("recall"), data, Groups.everything(60), confidence=level)
        near, exact = figure.interval(level), own.interval(level)
        # Never clearly narrower than the metric's own.
        assert near.low <= exact.low + 0.01
        assert near.high >= exact.high - 0.01
        assert near.high - near.low < 1.3 * (exact.high - exact.low)
    (kept,) = figures(Measure("recall"), data, Groups.everything(60), confidence=0.99)
    assert kept.interval(0.99) == own.__class__(kept.value, kept.rows, (kept.limits[0],)).interval(0.99)


def test_the_interval_of_a_change_is_that_of_both_windows():
    a, b = Figure(0.9, 100, ((0.95, 0.85, 0.93),)), Figure(0.8, 100, ((0.95, 0.72, 0.86),))
    found = change(a, b, confidence=0.95)
    expected = mover_difference(0.8, b.interval(0.95), 0.9, a.interval(0.95))
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.p_value < 0.05


@pytest.mark.parametrize(
    ("metric", "options", "words"),
    [("roc_aucc", {}, "unknown metric"), ("mean", {}, "needs column")],
)
def test_what_is_no_metric(metric, options, words):
    with pytest.raises(ConfigError, match=words):
        realised_drop(metric, window(1), window(2), confidence=0.9, min_drop=None, options=options)


@pytest.mark.parametrize(
    ("metric", "options", "words"),
    [
        ("latency_p95", {}, "no latency"),
        ("mean", {"column": "revenue"}, "no column 'revenue'"),
        ("root_mean_squared_error", {}, "no metric of a binary model"),
    ],
)
def test_what_the_table_does_not_hold_is_said(metric, options, words):
    found = realised_drop(metric, window(1), window(2), confidence=0.9, min_drop=None, options=options)
    assert found.realised is None
    assert words in found.detail


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_next_to_no_rows(rows):
    few = window(1).take(np.arange(rows))
    for metric in ("accuracy", "roc_auc", "log_loss"):
        for windows in ((few, window(2)), (window(2), few), (few, few)):
            found = realised_drop(metric, *windows, confidence=0.99, min_drop=None)
            assert found.realised is None or not found.realised.fired


def test_numbers_too_large_are_said():
    huge = Predictions("regression", 3, label=np.full(3, 1e308), prediction=np.full(3, -1e308))
    fine = Predictions("regression", 3, label=np.arange(3.0), prediction=np.zeros(3))
    found = realised_drop("root_mean_squared_error", fine, huge, confidence=0.9, min_drop=None)
    assert found.realised is None
    assert "current window" in found.detail


@pytest.mark.parametrize(
    "kept",
    [
        [],
        {"value": "1", "rows": 1},
        {"value": 1e999, "rows": 1},
        {"value": 1.0, "rows": -1},
        {"value": 1.0, "rows": True},
        {"value": 1.0, "rows": 1, "ci": [0.0]},
        {"value": 1.0, "rows": 1, "ci": "ab"},
        {"value": 1.0, "rows": 1, "ci": [float("nan"), 1.0]},
        {"value": 1.0, "rows": 1, "limits": [[0.99, 0, 1], [0.95, 0, 1]]},
        {"value": 1.0, "rows": 1, "ci": [0, 1], "confidence": 1},
    ],
)
def test_stored_figures_are_not_trusted(kept):
    with pytest.raises(DataError, match="make the profile again"):
        figure_from_json(kept)
    with pytest.raises(DataError, match="make the profile again"):
        ReferenceFigures.from_json([kept])


@pytest.mark.parametrize("value", [10**400, True, "1", [1]])
def test_a_stored_figure_that_is_no_number_is_refused(value):
    with pytest.raises(DataError, match="finite value"):
        ReferenceFigures.from_json({"accuracy": {"value": value, "rows": 10}})
