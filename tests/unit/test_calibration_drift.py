import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import special

from tidegate.drift.calibration import calibration_drift
from tidegate.drift.calibration_figures import CalibrationFigures, calibration_figures, top_class
from tidegate.errors import DataError
from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions


def scored(seed, rows=5_000, shift=0.0, slope=1.0, intercept=0.0):
    """Scores that are true, but for a slope and an intercept of their logits."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(shift, 1.2, rows)
    label = rng.random(rows) < special.expit(intercept + slope * logit)
    score = special.expit(logit)
    said = (score >= 0.5).astype(np.int32)
    return Predictions("binary", rows, ("0", "1"), label.astype(np.int32), said, score)


def drift(reference, current, **kwargs):
    return calibration_drift(reference, current, **{"confidence": 0.99, **kwargs})


def test_other_scores_alone_are_no_drift():
    found = drift(scored(1), scored(2, shift=1.0))
    assert found.p_value > 0.01
    assert found.drifted is False
    assert found.effect < 0.02
    assert "no sign" in found.detail


@pytest.mark.parametrize("changed", [{"intercept": 0.6}, {"slope": 0.4}, {"slope": -1}])
def test_scores_that_no_longer_hold_what_they_held(changed):
    found = drift(scored(1), scored(2, **changed))
    assert found.drifted is True
    assert found.p_value < 1e-6
    assert found.effect > 0.04
    key, figure = ("slope", found.slope) if "slope" in changed else ("intercept", found.intercept)
    assert figure.current == pytest.approx(changed[key], abs=0.15)
    assert figure.ci[0] < figure.change < figure.ci[1]
    assert not figure.ci[0] <= 0 <= figure.ci[1]
    assert figure.p_value < 0.001


def test_a_certain_trifle_is_no_drift():
    found = drift(scored(1, 400_000), scored(2, 400_000, intercept=0.06))
    assert found.p_value < 1e-4
    assert found.effect < 0.02
    assert found.drifted is False


def test_the_figures_are_those_of_the_metrics():
    then, now = scored(1), scored(2)
    found = drift(then, now)
    for name, figure in (
        ("expected_calibration_error", found.error),
        ("calibration_slope", found.slope),
        ("calibration_intercept", found.intercept),
    ):
        metric = METRICS[name]
        for data, value, ci in (
            (then, figure.reference, figure.reference_ci),
            (now, figure.current, figure.current_ci),
        ):
            own = metric.estimate(data, Groups.everything(data.rows), metric.settled, 0.99)[0]
            assert value == pytest.approx(own.value, rel=1e-9)
            assert ci == pytest.approx((own.interval.low, own.interval.high), abs=2e-3)


def test_the_chart_has_the_rows_of_both_windows():
    found = drift(scored(1), scored(2))
    assert sum(each.reference_rows for each in found.bins) == 5_000
    assert sum(each.current_rows for each in found.bins) == 5_000
    assert all(each.from_score <= each.current_score <= each.to_score for each in found.bins)


def test_a_stored_reference_gives_the_same():
    then, now = scored(1), scored(2, intercept=0.3)
    kept = json.loads(json.dumps(calibration_figures(then, confidence=0.99).to_json(), allow_nan=False))
    assert len(json.dumps(kept)) < 6_000
    assert drift(CalibrationFigures.from_json(kept), now) == drift(then, now)


def test_the_order_of_rows_does_not_matter():
    then, now = scored(1), scored(2)
    order = np.random.default_rng(0).permutation(5_000)
    assert asdict(drift(then, now)) == asdict(drift(then.take(order), now.take(order)))


def test_of_several_classes_the_likeliest_is_judged():
    rng = np.random.default_rng(4)
    score = rng.dirichlet([1, 1, 1], 6_000)
    label = np.array([rng.choice(3, p=p) for p in score], dtype=np.int32)
    data = Predictions("multiclass", 6_000, ("a", "b", "c"), label, np.argmax(score, axis=1), score)
    right, top = top_class(data)
    assert right.mean() == pytest.approx(top.mean(), abs=0.02)
    half = np.arange(3_000)
    assert drift(data.take(half), data.take(half + 3_000)).drifted is False
    wrong = replace(data, label=np.where(rng.random(6_000) < 0.2, 0, label).astype(np.int32))
    assert drift(data.take(half), wrong.take(half + 3_000)).drifted is True


def test_clusters_and_weights_widen():
    then, now = scored(1), scored(2, intercept=0.35)
    twice = [
        replace(
            each.take(np.repeat(np.arange(5_000), 4)), cluster=np.repeat(np.arange(5_000), 4).astype(np.int32)
        )
        for each in (then, now)
    ]
    once, repeated = drift(then, now), drift(*twice)
    assert repeated.statistic == pytest.approx(once.statistic, rel=0.1)
    assert repeated.slope.ci == pytest.approx(once.slope.ci, rel=0.05)
    # Rows of weight zero are as if absent.
    weight = np.where(np.arange(5_000) < 2_500, 1.0, 0.0)
    half = np.arange(2_500)
    halved = drift(then.take(half), now.take(half))
    weighted = drift(replace(then, weight=weight), replace(now, weight=weight))
    assert weighted.error.reference == pytest.approx(halved.error.reference)
    uneven = np.where(np.arange(5_000) % 10 == 0, 20.0, 1.0)
    assert drift(replace(then, weight=uneven), replace(now, weight=uneven)).statistic < once.statistic


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": None}, "no scores"),
        ({"label": None}, "no labels"),
        ({"task": "regression"}, "no probabilities"),
        ({"score": np.full(5_000, 1.5)}, "no probabilities"),
        ({"score": np.full(5_000, np.nan)}, "no probabilities"),
    ],
)
def test_windows_without_calibration_say_why(change, words):
    assert words in drift(scored(1), replace(scored(2), **change))
    assert words in drift(replace(scored(1), **change), scored(2))


@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("label", [0, 1])
def test_degenerate_windows(score, label):
    rows = 40
    flat = Predictions(
        "binary", rows, ("0", "1"), np.full(rows, label, dtype=np.int32), None, np.full(rows, score)
    )
    for windows in ((flat, scored(2)), (scored(1), flat), (flat, flat)):
        found = drift(*windows)
        json.dumps(asdict(found), allow_nan=False)
        assert 0 <= found.p_value <= 1
    assert drift(flat, flat).drifted is False
    assert "40 rows" in drift(scored(1), scored(2).take(np.arange(0))) or "0 labelled rows" in drift(
        scored(1), scored(2).take(np.arange(0))
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: [],
        lambda kept: {**kept, "rows": -1},
        lambda kept: {**kept, "bins": {**kept["bins"], "rows": [1.0]}},
        lambda kept: {**kept, "bins": {**kept["bins"], "labels": [1e9] * 10}},
        lambda kept: {**kept, "bins": {**kept["bins"], "rows": ["1"] * 10}},
        lambda kept: {**kept, "chart": {**kept["chart"], "edges": kept["chart"]["edges"][::-1]}},
        lambda kept: {**kept, "error": {"value": float("inf"), "rows": 1}},
        lambda kept: {**kept, "slope": {"value": 1.0, "rows": 1, "limits": [[2, 0, 1]]}},
        lambda kept: {key: value for key, value in kept.items() if key != "chart"},
    ],
)
def test_a_stored_reference_is_not_trusted(spoil):
    kept = calibration_figures(scored(1), confidence=0.99).to_json()
    with pytest.raises(DataError, match="make the profile again"):
        CalibrationFigures.from_json(spoil(kept))
