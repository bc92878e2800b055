"""The difference of two models' fairness gaps: coverage, above all where one of them is fair."""

import math
from functools import partial

import numpy as np
import pytest
from simulation import assert_covers, repetitions

from tidegate.metrics import METRICS
from tidegate.metrics.cuts import Cut
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.results import PairedResult
from tidegate.tables import Column

pytestmark = pytest.mark.statistical
SETTINGS = [
    ((300, 300, 300), (0.3, 0.4, 0.5), (0.3, 0.3, 0.3), 1),
    ((300, 300, 300), (0.3, 0.3, 0.3), (0.3, 0.4, 0.5), 1),
    ((300, 300, 300), (0.3, 0.3, 0.3), (0.3, 0.3, 0.3), 1),
    ((100, 100), (0.3, 0.5), (0.4, 0.4), 1),
    ((500, 500), (0.02, 0.05), (0.02, 0.02), 1),
    ((60, 400, 100, 30), (0.1, 0.2, 0.4, 0.15), (0.12, 0.12, 0.12, 0.12), 1),
    ((500, 500, 40), (0.1, 0.2, 0.9), (0.1, 0.12, 0.5), 100),
]


def gap_of(kind, figures):
    return max(figures) - min(figures) if kind == "difference" else min(figures) / max(figures)


def protected(sizes):
    codes = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    return {("g", "category"): Column("g", "category", codes, tuple("abcdefgh"[: len(sizes)]))}


def interval(name, a, b, min_rows):
    options = {"by": (Cut("g"),), "min_rows": min_rows}
    (found,) = METRICS[name].compare(a, b, Groups.everything(a.rows), options, 0.95)
    return PairedResult(found.delta, found.interval.low, found.interval.high, 0, 0, "", a.rows)


def drawn_rates(rng, sizes, first, second):
    """Predictions of two models of which four in five rows are drawn alike."""
    columns = protected(sizes)
    codes = columns["g", "category"].values
    one = rng.random(len(codes))
    other = np.where(rng.random(len(codes)) < 0.8, one, rng.random(len(codes)))
    label = np.zeros(len(codes), dtype=np.int32)
    for chances, rates in ((one, first), (other, second)):
        said = (chances < np.array(rates)[codes]).astype(np.int32)
        yield Predictions("binary", len(codes), ("0", "1"), label, said, columns=columns)


def drawn_errors(rng, sizes, first, second):
    """Numbers off by a mean error of each group, with a tail."""
    columns = protected(sizes)
    codes = columns["g", "category"].values
    shared = rng.exponential(1, len(codes)) - 1
    for errors in (first, second):
        said = np.array(errors)[codes] + shared + 0.5 * rng.normal(size=len(codes))
        yield Predictions("regression", len(codes), (), np.zeros(len(codes)), said, columns=columns)


@pytest.mark.parametrize(("sizes", "first", "second", "min_rows"), SETTINGS)
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_gaps_of_shares(kind, sizes, first, second, min_rows):
    rng, counted = np.random.default_rng(1), [n >= min_rows for n in sizes]
    of_both = [gap_of(kind, np.array(rates)[counted]) for rates in (first, second)]
    truth = (of_both[1] - of_both[0]) if kind == "difference" else (of_both[0] - of_both[1])
    draw = partial(drawn_rates, rng, sizes, first, second)
    runs = repetitions(400, 10_000)
    found = [interval(f"demographic_parity_{kind}", *draw(), min_rows) for _ in range(runs)]
    # The ratio's spread is that of its linear part, which leaves one side a little short.
    assert_covers(found, truth, at_least=0.95, side=0.025 if kind == "difference" else 0.035)


@pytest.mark.parametrize(
    ("sizes", "first", "second"),
    [
        ((100, 100), (0.5, 0.0), (0.0, 0.0)),
        ((300, 300, 300), (0.5, 0.2, 0.0), (0.1, 0.1, 0.1)),
        ((40, 400, 40), (0.0, 0.0, 0.0), (0.0, 0.3, 0.6)),
    ],
)
def test_gaps_of_means(sizes, first, second):
    rng = np.random.default_rng(2)
    truth = gap_of("difference", second) - gap_of("difference", first)
    draw = partial(drawn_errors, rng, sizes, first, second)
    found = [interval("mean_error_difference", *draw(), 1) for _ in range(repetitions(400, 10_000))]
    assert_covers(found, truth, at_least=0.95, side=0.025)
    assert not any(math.isnan(each.estimate) for each in found)
