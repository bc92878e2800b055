"""How often a backtest is wrong about what it claims: intervals over windows, what may be best, the onset."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.backtest import (
    Contrast,
    Retrained,
    Run,
    Span,
    Timeline,
    estimated_onset,
    may_be_best,
    onset_confidence,
)
from tidegate.backtest.blocks import mean_interval
from tidegate.backtest.costing import Costed
from tidegate.drift.performance import realised_drop
from tidegate.metrics.data import Predictions

pytestmark = pytest.mark.statistical

COVERED = 0.92
"""What 95% intervals over windows are claimed to cover at least, up to a correlation of 0.5 between neighbours."""


def series(rng: np.random.Generator, shape: tuple[int, ...], correlation: float) -> np.ndarray:
    """Stationary, of first order, with mean zero; windows along the last axis."""
    steps = rng.normal(size=shape)
    found = np.empty(shape)
    found[..., 0] = steps[..., 0] / math.sqrt(1 - correlation**2)
    for i in range(1, shape[-1]):
        found[..., i] = correlation * found[..., i - 1] + steps[..., i]
    return found


@pytest.mark.parametrize("windows", [6, 9, 12, 24, 52, 104])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_intervals_over_windows_cover(windows, correlation):
    runs = repetitions(1_000, 20_000)
    rng = np.random.default_rng(windows)
    found = [mean_interval(each, 0.95) for each in series(rng, (runs, windows), correlation)]
    hits = sum(each.low <= 0 <= each.high for each in found)
    assert_at_least(hits, runs, COVERED, f"{windows} windows, correlation {correlation}")


@pytest.mark.parametrize("windows", [12, 24, 52])
@pytest.mark.parametrize("policies", [2, 8])
def test_the_best_policy_is_seldom_out(windows, policies):
    runs = repetitions(300, 4_000)
    rng = np.random.default_rng(windows * policies)
    told = [
        Run(str(i), "given", {}, [], [Retrained(i, "new", "old", "", Contrast(None, None))])
        for i in range(policies)
    ]
    out = 0
    for _ in range(runs):
        # All are as good, so that whichever is left out may be the best; what they share cancels.
        costs = 5 + series(rng, (policies, windows), 0.5) + 3 * series(rng, (1, windows), 0.5)
        out += not may_be_best(Costed(told, list(range(windows)), costs, costs))[0]
    assert_at_most(out, runs, 0.05, f"{policies} policies on {windows} windows")


def test_a_policy_that_is_dearer_beyond_noise_is_out():
    rng = np.random.default_rng(5)
    told = [
        Run(str(i), "given", {}, [], [Retrained(i, "new", "old", "", Contrast(None, None))]) for i in range(3)
    ]
    runs = repetitions(200, 2_000)
    out = 0
    for _ in range(runs):
        costs = series(rng, (3, 24), 0.3) + np.array([[0.0], [0.0], [4.0]])
        out += not may_be_best(Costed(told, list(range(24)), costs, costs))[2]
    assert_at_least(out, runs, 0.9, "a difference of four standard deviations")


def scored(rng: np.random.Generator, rows: int) -> Predictions:
    label = rng.integers(0, 2, rows).astype(np.int32)
    score = 1 / (1 + np.exp(-(rng.normal(size=rows) + label)))
    return Predictions("binary", rows, ("0", "1"), label=label, score=score)


def test_without_a_change_an_onset_is_seldom_found():
    runs, windows = repetitions(150, 2_000), 12
    rng = np.random.default_rng(11)

    start = datetime(2024, 1, 1)
    spans = [Span(start + timedelta(days=i), start + timedelta(days=i + 1), 300) for i in range(windows)]
    confidence = onset_confidence(windows)
    found = 0
    for _ in range(runs):
        reference = scored(rng, 300)

        def drop(window, reference=reference):
            return realised_drop(
                "roc_auc", reference, scored(rng, 300), confidence=confidence, min_drop=0.0
            ).realised

        found += estimated_onset(Timeline(spans, 0), drop).window is not None
    assert_at_most(found, runs, 0.05, "histories with an onset")
