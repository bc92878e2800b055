"""The search for segments where a candidate is worse: its false alarms, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.config.comparing import Segments
from tidegate.metrics import METRICS
from tidegate.metrics.conditions import Conditions, measure_all
from tidegate.metrics.data import Predictions
from tidegate.metrics.search_paired import PairedScan, halves
from tidegate.segments import SegmentSearch, search
from tidegate.stats.segment_scan import shared_discovery_rate
from tidegate.tables import Column

pytestmark = pytest.mark.statistical

# A low level makes errors frequent enough to be counted.
LEVEL = 0.8
Rng = np.random.Generator


def features(rng: Rng, rows: int, count: int) -> list[Column]:
    """Columns of four values, and numbers."""
    return [
        Column(f"n{i}", "number", rng.normal(size=rows))
        if i % 2
        else Column(f"c{i}", "category", rng.integers(0, 4, rows).astype(np.int32), tuple("abcd"))
        for i in range(count)
    ]


def segment(rng: Rng, rows: int, share: float) -> Column:
    """A column of which one value has that share of the rows."""
    rest = 1 + rng.integers(0, 3, rows)
    return Column(
        "region", "category", np.where(rng.random(rows) < share, 0, rest).astype(np.int32), tuple("wxyz")
    )


def answers(label: np.ndarray, right: np.ndarray) -> Predictions:
    prediction = np.where(right, label, 1 - label).astype(np.int8)
    return Predictions("binary", len(label), ("0", "1"), label, prediction, np.full(len(label), 0.5))


def losses(loss: np.ndarray) -> Predictions:
    return Predictions("regression", len(loss), (), np.zeros(len(loss)), loss)


def classes(rng: Rng, candidate: np.ndarray, production: np.ndarray) -> tuple[Predictions, Predictions]:
    """Two models that are right with these probabilities, and agree on most rows."""
    label = rng.integers(0, 2, len(candidate)).astype(np.int8)
    u = rng.random(len(label))
    other = np.where(rng.random(len(label)) < 0.5, u, rng.random(len(label)))
    return answers(label, u < candidate), answers(label, other < production)


@dataclass(frozen=True)
class Law:
    """Two models of which the candidate is worse by the margin on average, everywhere.

    Attributes:
        clusters: rows of a cluster.
        found: claimed chance that the scan at a false discovery rate of 0.1 finds anything.
    """

    name: str
    metric: str
    draw: Callable[[Rng, int], tuple[Predictions, Predictions]]
    clusters: int | None = None
    margin: float = 0.0
    found: float = 0.1


def _alike(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    return classes(rng, np.full(rows, 0.9), np.full(rows, 0.9))


def _normal(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    hard = rng.exponential(size=rows)
    return losses(hard * rng.exponential(size=rows)), losses(hard * rng.exponential(size=rows))


def _rare_gains(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    """A little worse almost everywhere, and much better on one row in 200."""
    gain = 10.0 * (rng.random(rows) < 0.005)
    return losses(10 + 0.05 + 0.02 * rng.normal(size=rows)), losses(10 + gain)


def _skewed(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    """Gains that are log-normal."""
    return losses(np.full(rows, 1e6 + np.exp(1.125))), losses(1e6 + rng.lognormal(0, 1.5, rows))


def _clustered(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    """Ten rows of a cluster, with a common part of the difference."""
    common = rng.normal(size=rows // 10).repeat(10)
    return losses(10 + common + rng.normal(size=rows)), losses(np.full(rows, 10.0))


def _at_the_margin(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    return classes(rng, np.full(rows, 0.87), np.full(rows, 0.9))


def _weighted(rng: Rng, rows: int) -> tuple[Predictions, Predictions]:
    """Rows that count more vary more."""
    weight = rng.lognormal(0, 0.7, rows)
    return replace(losses(10 + weight * rng.normal(size=rows)), weight=weight), losses(np.full(rows, 10.0))


LAWS = [
    Law("alike", "accuracy", _alike),
    Law("at-the-margin", "accuracy", _at_the_margin, margin=0.03),
    Law("weighted", "mean_absolute_error", _weighted),
    Law("spread", "mean_absolute_error", _normal),
    # A Student's t would find segments in each of these searches: half of the rows holds too few of the gains to tell
    # their rate, and all segments share them.
    Law("rare-gains", "mean_absolute_error", _rare_gains, found=0.2),
    Law("skewed", "mean_absolute_error", _skewed),
    Law("clustered", "mean_absolute_error", _clustered, clusters=10),
]


def run(
    rng: Rng,
    candidate: Predictions,
    production: Predictions,
    columns: list[Column],
    metric: str,
    **given: float,
) -> SegmentSearch:
    settings = {"min_rows": 50, **{name: value for name, value in given.items() if name != "level"}}
    return search(
        candidate,
        production,
        columns,
        Segments(**settings),
        metric=METRICS[metric],
        options={},
        better=METRICS[metric].better,
        keys=rng.integers(0, 2**63, candidate.rows).astype(np.uint64),
        level=given.get("level", 0.95),
    )


def drawn(rng: Rng, law: Law, rows: int) -> tuple[Predictions, Predictions, list[Column]]:
    """The two models, and columns, of which those of a cluster are alike in half."""
    candidate, production = law.draw(rng, rows)
    if law.clusters is None:
        return candidate, production, features(rng, rows, 8)
    cluster = np.arange(rows, dtype=np.int32) // law.clusters
    of_cluster = features(rng, rows // law.clusters, 4)
    columns = [
        replace(each, name=f"k{each.name}", values=each.values.repeat(law.clusters)) for each in of_cluster
    ]
    return replace(candidate, cluster=cluster), production, [*columns, *features(rng, rows, 4)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_where_no_segment_is_worse_none_is_confirmed(law):
    runs, found, any_confirmed = repetitions(40, 1_000), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, 1])
        candidate, production, columns = drawn(rng, law, 8_000)
        # With so lax a scan most searches find something, and it is left to the held-back rows to refuse it.
        result = run(
            rng,
            candidate,
            production,
            columns,
            law.metric,
            level=LEVEL,
            false_discovery_rate=0.9,
            margin=law.margin,
        )
        found += bool(result.found)
        any_confirmed += any(each.confirmed for each in result.found)
    print(law.name, "found", found / runs, "confirmed", any_confirmed / runs)
    assert_at_most(any_confirmed, runs, 1 - LEVEL, "a segment is confirmed")


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_where_no_segment_is_worse_the_scan_finds_seldom_one(law):
    runs, found, confirmed = repetitions(40, 1_000), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, 2])
        candidate, production, columns = drawn(rng, law, 8_000)
        result = run(rng, candidate, production, columns, law.metric, margin=law.margin)
        found += result.discovered > 0
        confirmed += any(each.confirmed for each in result.found)
    print(law.name, "found", found / runs, "confirmed", confirmed / runs)
    # When nothing is worse, every discovery is false.
    assert_at_most(found, runs, law.found, "a segment is found")


def false_share(
    expected: np.ndarray, pair: tuple[Predictions, Predictions], columns: list[Column], metric: str, rng: Rng
) -> tuple[float, int]:
    """Share of false ones among the segments that the scan finds, by the expected difference of each row."""
    keys = rng.integers(0, 2**63, len(expected)).astype(np.uint64)
    split = halves(*pair, METRICS[metric], {}, METRICS[metric].better, keys)
    kept = [each for each in map(Conditions.of, columns) if each is not None]
    tested = measure_all(PairedScan(split, 0.0), [replace(c, codes=c.codes[split.rows]) for c in kept], 50)
    pairs = (tested.parents[:, 0] >= 0).astype(np.int64)
    adjusted = shared_discovery_rate(tested.evidence.p_value, pairs, np.bincount(pairs, minlength=2))
    found = np.flatnonzero(adjusted <= 0.1)
    scanned = np.zeros(len(expected), dtype=bool)
    scanned[split.rows[: split.scanned]] = True
    false = 0
    for which in found:
        inside = scanned.copy()
        for column, level in zip(tested.columns[which], tested.levels[which], strict=True):
            if column >= 0:
                inside &= kept[column].holds(level)
        false += expected[inside].mean() >= 0
    return false / max(len(found), 1), len(found)


@pytest.mark.parametrize("metric", ["accuracy", "mean_absolute_error"])
def test_of_what_the_scan_finds_few_are_false(metric):
    """One truly bad segment; elsewhere the candidate is a little better, so that by other columns it is as good."""
    runs, shares, found = repetitions(40, 1_000), 0.0, 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, 3])
        region = segment(rng, 10_000, 0.05)
        bad = region.values == 0
        expected = np.where(bad, -0.15, 0.15 * 0.05 / 0.95)
        if metric == "accuracy":
            pair = classes(rng, 0.85 + expected, np.full(10_000, 0.85))
        else:
            pair = losses(2 - expected + 0.3 * rng.normal(size=10_000)), losses(np.full(10_000, 2.0))
        share, count = false_share(expected, pair, [*features(rng, 10_000, 7), region], metric, rng)
        shares, found = shares + share, found + count
    print(metric, "false share", shares / runs, "found per search", found / runs)
    # Shares of the same mean that are 0 or 1 vary most, so counting them as such is on the safe side.
    assert_at_most(int(shares), runs, 0.1, "share of false discoveries")


@pytest.mark.parametrize(
    ("fewer", "agreement", "at_least"), [(0.1, 1.0, 0.99), (0.1, 0.5, 0.7), (0.15, 0.5, 0.95)]
)
def test_a_segment_of_a_twentieth_of_the_rows_is_found_and_confirmed(fewer, agreement, at_least):
    """Accuracy falls from 0.9 in 500 of 10,000 rows; elsewhere the models are as good, and agree or do not."""
    runs, confirmed, alone, first = repetitions(60, 1_000), 0, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, 4])
        region = segment(rng, 10_000, 0.05)
        label = rng.integers(0, 2, 10_000).astype(np.int8)
        u = rng.random(10_000)
        other = np.where(rng.random(10_000) < agreement, u, rng.random(10_000))
        right = u < np.where(region.values == 0, 0.9 - fewer, 0.9)
        pair = answers(label, right), answers(label, other < 0.9)
        result = run(rng, *pair, [*features(rng, 10_000, 7), region], "accuracy")
        named = [each.slice for each in result.found if each.confirmed]
        confirmed += {"region": "w"} in named
        alone += named == [{"region": "w"}]
        first += [each.slice for each in result.found][:1] == [{"region": "w"}]
    print(fewer, agreement, "confirmed", confirmed / runs, "alone", alone / runs, "first", first / runs)
    assert_at_least(confirmed, runs, at_least, "the segment is confirmed")
