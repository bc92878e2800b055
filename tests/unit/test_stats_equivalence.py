import math

import numpy as np
import pytest
from statsmodels.stats.weightstats import ztost

from tidegate.stats.equivalence import equivalence
from tidegate.stats.intervals import t_quantile
from tidegate.stats.paired import paired_mean, proportion_difference_from_counts
from tidegate.stats.results import Interval


@pytest.mark.parametrize("margin", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.1])
def test_p_value_agrees_with_statsmodels(margin, shift):
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    b = b + shift
    difference = a - b
    half = t_quantile(0.95, math.inf) * difference.std(ddof=1) / math.sqrt(60)
    interval = Interval(difference.mean() - half, difference.mean() + half)
    found = equivalence(difference.mean(), interval, margin, confidence=0.95)
    theirs, *_ = ztost(difference, -margin, margin)
    assert found.p_value == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_holds_exactly_when_each_side_is_significant(confidence):
    values = np.random.default_rng(1).exponential(size=80) - 0.9
    result = paired_mean(values, confidence=confidence)
    interval = Interval(result.low, result.high)
    edge = max(-result.low, result.high)
    for margin, holds in ((edge * (1 - 1e-9), False), (edge * (1 + 1e-9), True)):
        found = equivalence(result.estimate, interval, margin, confidence=confidence)
        assert found.holds is holds
        assert (found.p_value <= (1 - confidence) / 2) is holds


def test_identical_models_are_equivalent_within_any_margin():
    for margin in (0.0, 0.01):
        found = equivalence(0.0, Interval(0.0, 0.0), margin, confidence=0.95)
        assert (found.holds, found.p_value) == (True, 0.0)


def test_a_certain_difference_beyond_the_margin_is_none():
    found = equivalence(0.2, Interval(0.2, 0.2), 0.1, confidence=0.95)
    assert (found.holds, found.p_value) == (False, 1.0)


def test_an_interval_without_bounds_shows_nothing():
    found = equivalence(0.0, Interval(-math.inf, math.inf), 0.1, confidence=0.95)
    assert (found.holds, found.p_value) == (False, 1.0)


def test_a_lopsided_interval_is_measured_on_each_side():
    result = proportion_difference_from_counts(1, 0, 100, confidence=0.95)
    interval = Interval(result.low, result.high)
    assert result.high - result.estimate > result.estimate - result.low
    found = equivalence(result.estimate, interval, result.high, confidence=0.95)
    assert found.holds
    assert found.p_value == pytest.approx(0.025, rel=1e-9)


def test_p_value_falls_as_the_margin_grows():
    found = [
        equivalence(0.1, Interval(-0.1, 0.3), margin, confidence=0.95).p_value
        for margin in (0.05, 0.1, 0.2, 1)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.5
    assert found[1] == pytest.approx(0.5)
