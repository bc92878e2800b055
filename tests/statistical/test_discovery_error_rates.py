"""A search over thousands of slices claims none where there is none, and finds one that is there."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.discovery import adjust, search
from tidegate.metrics import METRICS
from tidegate.metrics.conditions import Conditions, measure_all
from tidegate.metrics.data import Predictions
from tidegate.metrics.search import Searchable
from tidegate.tables import Column

pytestmark = pytest.mark.statistical

# A low confidence makes errors frequent enough to be counted.
CONFIDENCE = 0.8
Rng = np.random.Generator


@dataclass(frozen=True)
class Setting:
    metric: str
    model: Callable[[Rng, int], Predictions]
    rows: int
    columns: int
    min_rows: int


def binary(label: np.ndarray, prediction: np.ndarray, score: np.ndarray) -> Predictions:
    return Predictions(
        "binary", len(label), ("0", "1"), label.astype(np.int8), prediction.astype(np.int8), score
    )


def common(rng: Rng, rows: int, positive: float = 0.3) -> Predictions:
    """Accuracy 0.9."""
    label = rng.random(rows) < positive
    prediction = label ^ (rng.random(rows) < 0.1)
    return binary(label, prediction, np.clip(0.5 * rng.random(rows) + 0.3 * prediction, 0, 1))


def rare(rng: Rng, rows: int) -> Predictions:
    """One positive in 25."""
    return common(rng, rows, positive=0.04)


def skewed(rng: Rng, rows: int) -> Predictions:
    """Calibrated scores near zero: most losses are tiny and a few are above ten."""
    score = np.clip(rng.beta(0.2, 3, rows), 1e-12, 1 - 1e-12)
    return binary(rng.random(rows) < score, score > 0.5, score)


def outliers(rng: Rng, rows: int) -> Predictions:
    """Errors by Student's law with three degrees of freedom."""
    label = rng.normal(size=rows)
    return Predictions("regression", rows, (), label, label + rng.standard_t(3, rows))


def features(rng: Rng, rows: int, count: int) -> list[Column]:
    columns = []
    for i in range(count):
        if i % 2:
            columns.append(Column(f"n{i}", "number", rng.normal(size=rows)))
            continue
        codes = np.minimum(rng.geometric(0.35, rows) - 1, 3 + i % 9).astype(np.int32)
        columns.append(Column(f"c{i}", "category", codes, tuple(f"v{k}" for k in range(4 + i % 9))))
    return columns


def errors(data: Predictions, columns: list[Column], name: str, min_rows: int) -> tuple[bool, bool]:
    """Whether any slice is significant, and whether any is claimed."""
    metric = METRICS[name]
    assert isinstance(metric, Searchable)
    tried = [each for each in map(Conditions.of, columns) if each is not None]
    tested = measure_all(metric.scan(data, {}), tried, min_rows)
    adjusted = adjust(tested.evidence.p_value, tested.candidates)
    result = search(data, columns, metric, {}, min_rows=min_rows, confidence=CONFIDENCE)
    return bool((adjusted <= 1 - CONFIDENCE).any()), any(each.claimed for each in result.slices)


@pytest.mark.parametrize(
    "setting",
    [
        Setting("accuracy", common, 200, 5, 10),
        Setting("accuracy", common, 2_000, 20, 5),
        Setting("accuracy", common, 20_000, 10, 30),
        Setting("recall", rare, 1_000, 10, 3),
        Setting("recall", rare, 20_000, 10, 5),
        Setting("log_loss", skewed, 200, 10, 5),
        Setting("log_loss", skewed, 2_000, 10, 5),
        Setting("log_loss", skewed, 20_000, 8, 30),
        Setting("brier_score", skewed, 1_000, 10, 5),
        Setting("f1", rare, 1_000, 8, 3),
        Setting("matthews_corrcoef", common, 1_000, 8, 10),
        Setting("roc_auc", common, 300, 8, 5),
        Setting("roc_auc", skewed, 1_000, 8, 5),
        Setting("mean_absolute_error", outliers, 1_000, 10, 5),
    ],
    ids=lambda each: f"{each.metric}-{each.model.__name__}-{each.rows}-{each.columns}",
)
def test_without_a_slice_effect_nothing_is_claimed(setting):
    runs = repetitions(25, 400)
    any_significant = any_claimed = 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, setting.rows, setting.columns])
        data, columns = setting.model(rng, setting.rows), features(rng, setting.rows, setting.columns)
        significant, claimed = errors(data, columns, setting.metric, setting.min_rows)
        any_significant += significant
        any_claimed += claimed
    assert_at_most(any_significant, runs, 1 - CONFIDENCE, "a slice is significant")
    assert_at_most(any_claimed, runs, 1 - CONFIDENCE, "a slice is claimed")


def noise(rng: Rng, rows: int, count: int) -> list[Column]:
    return [
        Column(f"noise{i}", "category", rng.integers(0, 4, rows).astype(np.int32), tuple("abcd"))
        for i in range(count)
    ]


@pytest.mark.parametrize(("count", "reduced"), [(60, 6), (120, 5), (400, 8)])
def test_of_more_columns_than_are_crossed_nothing_is_claimed_either(count, reduced):
    runs, any_significant, any_claimed = repetitions(reduced, 200), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, count])
        significant, claimed = errors(common(rng, 3_000), noise(rng, 3_000, count), "accuracy", 30)
        any_significant += significant
        any_claimed += claimed
    assert_at_most(any_significant, runs, 1 - CONFIDENCE, "a slice is significant")
    assert_at_most(any_claimed, runs, 1 - CONFIDENCE, "a slice is claimed")


def test_a_slice_that_only_spreads_more_is_not_claimed():
    runs, claimed = repetitions(50, 1_000), 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        columns = features(rng, 3_000, 6)
        # The mean absolute error is 1 everywhere; in one slice it is more often near 0 and more often large.
        wild = columns[0].values == 1
        error = np.where(wild, rng.gamma(0.2, 5, 3_000), rng.gamma(4, 0.25, 3_000))
        data = Predictions("regression", 3_000, (), np.zeros(3_000), error)
        result = search(data, columns, METRICS["mean_absolute_error"], {}, min_rows=20, confidence=CONFIDENCE)
        claimed += any(each.claimed for each in result.slices)
    assert_at_most(claimed, runs, 1 - CONFIDENCE)


def plant(rng: Rng, rows: int) -> tuple[np.ndarray, list[Column]]:
    """A slice of two conditions, a fifth and a quarter of the rows, among eight columns."""
    columns = features(rng, rows, 6)
    first, second = rng.integers(0, 5, rows).astype(np.int32), rng.integers(0, 4, rows).astype(np.int32)
    columns.insert(2, Column("region", "category", first, tuple("abcde")))
    columns.append(Column("device", "category", second, tuple("wxyz")))
    return (first == 2) & (second == 1), columns


WHERE = {"region": "c", "device": "x"}


def test_a_planted_slice_of_two_conditions_is_found():
    runs, hits, first, others = repetitions(40, 500), 0, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        where, columns = plant(rng, 10_000)
        label = rng.random(10_000) < 0.4
        right = rng.random(10_000) < np.where(where, 0.7, 0.9)
        data = binary(label, label == right, np.full(10_000, 0.5))
        result = search(data, columns, METRICS["accuracy"], {}, min_rows=30, confidence=0.95)
        claimed = [each.slice for each in result.slices if each.claimed]
        hits += WHERE in claimed
        first += claimed[:1] == [WHERE]
        others += len(claimed) > 1
    assert_at_least(hits, runs, 0.99, "the planted slice is claimed")
    assert_at_least(first, runs, 0.9, "it comes first")
    assert_at_most(others, runs, 0.2, "another story is claimed beside it")


def test_a_planted_slice_among_more_columns_than_are_crossed_is_found():
    runs, hits, others = repetitions(5, 100), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        where, columns = plant(rng, 10_000)
        columns += noise(rng, 10_000, 60 - len(columns))
        label = rng.random(10_000) < 0.4
        right = rng.random(10_000) < np.where(where, 0.7, 0.9)
        data = binary(label, label == right, np.full(10_000, 0.5))
        result = search(data, columns, METRICS["accuracy"], {}, min_rows=30, confidence=0.95)
        claimed = [each.slice for each in result.slices if each.claimed]
        hits += WHERE in claimed
        others += len(claimed) > 1
    assert_at_least(hits, runs, 0.99, "the planted slice is claimed")
    assert_at_most(others, runs, 0.2, "another story is claimed beside it")


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "f1"])
def test_a_planted_slice_is_found_by_other_metrics(name):
    runs, hits = repetitions(20, 200), 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        where, columns = plant(rng, 10_000)
        data = common(rng, 10_000)
        turned = where & (rng.random(10_000) < 0.4)
        flipped = np.where(turned, 1 - data.label, data.label).astype(np.int8)
        result = search(
            replace(data, label=flipped), columns, METRICS[name], {}, min_rows=30, confidence=0.95
        )
        hits += WHERE in [each.slice for each in result.slices if each.claimed]
    assert_at_least(hits, runs, 0.95)
