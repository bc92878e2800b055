"""Concept drift: no alarm when features alone move, though the model is wrong; found when labels follow otherwise.

Calibration drift, labels that are missing, and trends: the level that each promises.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.drift.calibration import calibration_drift
from tidegate.drift.concept import concept_drift
from tidegate.drift.figures import Measure
from tidegate.drift.labels import label_coverage
from tidegate.drift.over_time import track
from tidegate.drift.tracked_slices import Observed, Plan
from tidegate.metrics.cuts import Cut
from tidegate.metrics.data import Predictions
from tidegate.stats.trend import theil_sen
from tidegate.tables import Column

pytestmark = pytest.mark.statistical
LEVEL = 0.05


def window(rng, rows, *, shift=0.0, flip=0.0, reverse=False):
    """A model that does not know that its slope is another in group 2; its errors hang on the features."""
    x, group = rng.normal(shift, 1, rows), rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    logit = 1.5 * x * np.where(group == 2, 0.3, 1.0)
    if reverse:
        logit = np.where(group == 1, -logit, logit)
    label = rng.random(rows) < special.expit(logit)
    label = np.where(rng.random(rows) < flip, ~label, label).astype(np.int32)
    score = special.expit(1.5 * x)
    data = Predictions("binary", rows, ("0", "1"), label, (score >= 0.5).astype(np.int32), score)
    category = Column("group", "category", group.astype(np.int32), ("a", "b", "c"))
    return data, {"x": Column("x", "number", x), "group": category}


def simulate(runs, rows, metric, seed, **change):
    for run in range(runs):
        rng = np.random.default_rng((seed, run))
        (then, before), (now, after) = window(rng, rows), window(rng, rows, **change)
        yield concept_drift(metric, then, now, before, after, confidence=1 - LEVEL)


@pytest.mark.parametrize(
    ("metric", "shift"), [("accuracy", 0.0), ("accuracy", 0.7), ("log_loss", 0.7), ("roc_auc", 0.7)]
)
def test_features_that_move_alone_are_no_concept_drift(metric, shift):
    runs = repetitions(12, 1_000)
    found = list(simulate(runs, 800, metric, 1, shift=shift))
    assert_at_most(sum(each.present is True for each in found), runs, LEVEL, "present")
    assert_at_most(sum(each.remaining.p_value <= LEVEL for each in found), runs, LEVEL * 1.2, "remaining")
    assert_at_most(sum(each.relation.p_value <= LEVEL for each in found), runs, LEVEL * 1.2, "relation")
    confirmed = sum(any(one.confirmed for one in each.segments.found) for each in found)
    assert_at_most(confirmed, runs, LEVEL / 3, "a segment")
    # The part that features explain is found where they move.
    if shift:
        drops = np.array([each.remaining.drop for each in found])
        assert abs(drops.mean()) < 4 * drops.std() / np.sqrt(runs) + 1e-3


def test_labels_flipped_for_one_row_in_ten_are_found():
    runs = repetitions(8, 200)
    found = list(simulate(runs, 3_000, "accuracy", 2, flip=0.1))
    assert_at_least(sum(each.present is True for each in found), runs, 0.9, "power")


def test_a_relation_that_turned_in_one_region_is_found_there():
    runs = repetitions(10, 200)
    found = list(simulate(runs, 1_000, "log_loss", 3, reverse=True, shift=0.4))
    assert_at_least(sum(each.present is True for each in found), runs, 0.95, "power")
    in_place = [
        any(one.confirmed and one.slice.get("group") == "b" for one in each.segments.found) for each in found
    ]
    assert_at_least(sum(in_place), runs, 0.9, "the region")
    elsewhere = [
        any(one.confirmed and one.slice.get("group", "b") != "b" for one in each.segments.found)
        for each in found
    ]
    assert_at_most(sum(elsewhere), runs, LEVEL, "another region")


@pytest.mark.parametrize(
    ("rows", "base", "shift"),
    [((2_000, 500), 0.0, 0.0), ((500, 2_000), -3.5, 0.5), ((1_000, 1_000), 0.0, 1.5)],
)
def test_calibration_that_did_not_change(rows, base, shift):
    runs = repetitions(20, 3_000)
    alarms = 0
    for run in range(runs):
        rng = np.random.default_rng((4, run))
        windows = []
        for size, move in zip(rows, (0.0, shift), strict=True):
            logit = rng.normal(base + move, 1.2, size)
            # Badly calibrated, and as badly in both.
            label = (rng.random(size) < special.expit(0.3 + 0.8 * logit)).astype(np.int32)
            windows.append(Predictions("binary", size, ("0", "1"), label, None, special.expit(logit)))
        alarms += calibration_drift(*windows, confidence=0.95, min_effect=0.0).p_value <= 0.05
    assert_at_most(alarms, runs, 0.055, "calibration drift")


def test_labels_missing_by_age_alone_are_not_called_biased():
    runs, biased = repetitions(60, 2_000), 0
    for run in range(runs):
        rng = np.random.default_rng((5, run))
        days = np.sort(rng.uniform(0, 30, 1_500))
        stamps = np.datetime64("2024-01-01", "us") + (days * 86_400e6).astype("timedelta64[us]")
        columns = {
            "x": Column("x", "number", rng.normal(days / 15, 1)),
            "flag": Column("flag", "number", (rng.random(1_500) < days / 40).astype(float)),
        }
        known = days + rng.exponential(8, 1_500) < 30
        found = label_coverage(known, columns, times=Column("at", "time", stamps), level=0.05, min_effect=0.0)
        biased += found.biased is True
    assert_at_most(biased, runs, 0.055, "biased")


def test_nothing_is_called_changed_over_all_slices():
    runs, alarms = repetitions(25, 1_000), 0
    plan = Plan([Measure("accuracy"), Measure("recall")], [(Cut("group"),)])
    for run in range(runs):
        rng = np.random.default_rng((6, run))
        windows = []
        for _ in range(2):
            data, columns = window(rng, 1_500)
            data = replace(
                data,
                latency=rng.gamma(3, 10, 1_500),
                columns={("group", "category"): columns["group"]},
            )
            windows.append(Observed(data, data))
        found = track(*windows, plan, confidence=0.95, min_change=0.0)
        alarms += any(each.changed for each in found.tracked)
    assert_at_most(alarms, runs, 0.05, "changed")


@pytest.mark.parametrize("points", [7, 12, 40])
def test_slopes_are_covered_and_no_trend_is_called_seldom(points):
    runs = repetitions(400, 20_000)
    covered = called = 0
    times = np.cumsum(np.random.default_rng(7).uniform(0.5, 2, points))
    for run in range(runs):
        noise = np.random.default_rng((8, run)).standard_t(3, points)
        found = theil_sen(times, 0.3 * times + noise, confidence=0.95)
        covered += found.low <= 0.3 <= found.high
        called += theil_sen(times, noise, confidence=0.95).p_value <= 0.05
    assert_at_least(covered, runs, 0.95, "coverage")
    assert_at_most(called, runs, 0.05, "a trend")
