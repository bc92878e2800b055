from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tidegate.drift.label_ages import mature
from tidegate.drift.labels import label_coverage, reweighted_performance
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

ROWS = 6_000
DAY = np.timedelta64(1, "D")
START = np.datetime64("2024-01-01T00:00:00", "us")


def number(values, name="x"):
    return Column(name, "number", np.asarray(values, dtype=np.float64))


def times(days):
    stamps = START + (np.asarray(days) * 86_400e6).astype("timedelta64[us]")
    return Column("at", "time", stamps)


def window(seed=1, rows=ROWS):
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 30, rows))
    # The feature moves with time, as features do.
    return {
        "x": number(rng.normal(size=rows) + days / 10),
        "flag": number(rng.integers(0, 2, rows), "flag"),
    }, days


def test_labels_that_have_not_arrived_are_a_delay_and_no_bias():
    columns, days = window()
    found = label_coverage(days < 20, columns, times=times(days))
    assert (found.delayed, found.biased) == (True, None)
    assert found.lag_days == pytest.approx(10, abs=0.2)
    assert found.share == pytest.approx(2 / 3, abs=0.02)
    assert "delay and no bias" in found.detail
    # The newest rows first.
    assert found.by_age[0].share == 0
    assert found.by_age[-1].share == 1
    assert found.arrived_after_days == pytest.approx(10, abs=3)


def test_delays_that_vary_are_no_bias_though_the_features_move_with_time():
    columns, days = window()
    late = np.random.default_rng(3).exponential(6, ROWS)
    known = days + late < 30
    found = label_coverage(known, columns, times=times(days))
    assert (found.delayed, found.biased) == (True, False)
    # Without the times the same absence looks like a bias.
    assert label_coverage(known, columns).biased is True


def test_absence_that_hangs_on_a_feature_is_named():
    columns, days = window()
    chance = np.where(columns["flag"].values == 1, 0.9, 0.4)
    known = np.random.default_rng(5).random(ROWS) < chance
    for when in (None, times(days)):
        found = label_coverage(known, columns, times=when)
        assert found.biased is True
        assert [each.column for each in found.columns if each.biased] == ["flag"]
        assert "flag" in found.detail
    assert found.delayed is False


def test_rows_younger_than_the_label_delay_are_not_judged():
    columns, days = window()
    known = days < 20
    found = label_coverage(known, columns, times=times(days), label_delay=timedelta(days=11))
    assert found.mature_rows == found.mature_labelled == int((days <= days.max() - 11).sum())
    assert found.biased is False
    assert "older than 11 days" in found.detail


def test_which_rows_are_mature():
    stamps = times([0, 5, 9, 10]).values.copy()
    stamps[1] = np.datetime64("NaT")
    column = Column("at", "time", stamps)
    assert mature(column, timedelta(days=1)).tolist() == [True, False, True, False]
    assert mature(column, timedelta(days=1), START + 20 * DAY).tolist() == [True, False, True, True]
    nothing = Column("at", "time", np.full(3, np.datetime64("NaT"), dtype="datetime64[us]"))
    assert not mature(nothing, timedelta(days=1)).any()


def test_the_order_of_rows_does_not_matter():
    columns, days = window()
    chance = np.where(columns["flag"].values == 1, 0.8, 0.6)
    known = (np.random.default_rng(5).random(ROWS) < chance) & (days < 25)
    order = np.random.default_rng(6).permutation(ROWS)
    first = label_coverage(known, columns, times=times(days))
    second = label_coverage(
        known[order], {name: each.take(order) for name, each in columns.items()}, times=times(days[order])
    )
    assert first == second


def test_few_distinct_rows_are_thinned_evenly():
    rng = np.random.default_rng(8)
    days = np.sort(rng.uniform(0, 10, ROWS))
    columns = {"flag": number(rng.integers(0, 2, ROWS), "flag")}
    # Old rows have nearly all their labels, new ones few: both are thinned, and by different shares.
    known = rng.random(ROWS) < np.where(days < 5, 0.95, 0.1)
    assert label_coverage(known, columns, times=times(days)).biased is False


@pytest.mark.parametrize("rows", [0, 1, 30])
@pytest.mark.parametrize("share", [0, 1])
def test_windows_with_next_to_nothing_in_them(rows, share):
    columns, days = window(rows=rows)
    known = np.full(rows, bool(share))
    for when in (None, times(days), times(np.zeros(rows))):
        found = label_coverage(known, columns, times=when, label_delay=timedelta(days=1))
        assert found.biased is not True
        assert found.labelled == share * rows
    assert label_coverage(known, {}, times=None).columns == []


def binary(label, score):
    said = (score >= 0.5).astype(np.int32)
    return Predictions("binary", len(label), ("0", "1"), label.astype(np.int32), said, score)


def test_the_reweighted_metric_speaks_for_all_rows():
    rng = np.random.default_rng(11)
    group = rng.integers(0, 2, 8_000)
    score = np.full(8_000, 0.7)
    label = rng.random(8_000) < np.where(group == 1, 0.95, 0.55)
    known = rng.random(8_000) < np.where(group == 1, 0.9, 0.1)
    rows = np.flatnonzero(known)
    whole, part = binary(label, score), binary(label[rows], score[rows])
    columns = {"group": number(group, "group")}
    found = reweighted_performance("accuracy", whole, part, known, columns, confidence=0.99, min_drop=None)
    assert found.performance.realised.current == pytest.approx(label.mean(), abs=0.02)
    assert abs((label[rows] == 1).mean() - label.mean()) > 0.1
    assert found.effective_rows < len(rows)
    assert "hangs on the columns alone" in found.detail
    # Weights of the user's own stay in force.
    heavy = replace(part, weight=np.where(group[rows] == 1, 1.0, 3.0))
    lower = reweighted_performance("accuracy", whole, heavy, known, columns, confidence=0.99, min_drop=None)
    assert lower.performance.realised.current < found.performance.realised.current - 0.05


def test_what_cannot_be_reweighted_is_said():
    data = binary(np.ones(5), np.full(5, 0.7))
    known = np.arange(10) < 5
    found = reweighted_performance(
        "accuracy", data, data, known, {"x": number(np.arange(10))}, confidence=0.9, min_drop=None
    )
    assert found == "5 labelled rows and 1 column are too few to weigh by"
    with pytest.raises(ValueError, match="labelled rows"):
        reweighted_performance("accuracy", data, data, known[:3], {}, confidence=0.9, min_drop=None)
