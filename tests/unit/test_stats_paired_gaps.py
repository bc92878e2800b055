import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tidegate.stats import paired_gaps
from tidegate.stats.paired_gaps import TwoModels, gap_difference, independent_groups


def two_models(first, second, error=0.02, correlation=0.5, freedom=math.inf):
    a, b = np.atleast_2d(first).astype(float), np.atleast_2d(second).astype(float)
    one = error**2 * np.array([[1, correlation], [correlation, 1]])
    return TwoModels(a, b, independent_groups(np.broadcast_to(one, (*a.shape, 2, 2))), freedom)


def compared(groups, kind="difference", confidence=0.95):
    return gap_difference(groups, kind=kind, confidence=confidence, rows=100)


def test_two_groups_far_apart_have_walds_interval_of_one_contrast():
    found = compared(two_models([0.2, 0.7], [0.3, 0.6]))
    half = special.ndtri(0.975) * 0.02 * math.sqrt(4 - 4 * 0.5)
    assert found.estimate == pytest.approx(0.5 - 0.3)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-12)
    assert found.p_value == pytest.approx(2 * special.ndtr(-0.2 / (half / special.ndtri(0.975))), rel=1e-9)


@pytest.mark.parametrize("shared", [-0.8, 0.5])
def test_groups_that_move_together_have_the_variance_of_the_contrast(shared):
    first, second = [0.2, 0.7], [0.3, 0.6]
    # Of one model the two groups, of one group the two models, and what is left of both.
    of_groups, of_models = np.array([[1, shared], [shared, 1]]), np.array([[1, 0.5], [0.5, 1]])
    covariance = 0.02**2 * np.einsum("mn,gh->mngh", of_models, of_groups)
    found = compared(TwoModels(np.array([first]), np.array([second]), covariance))
    half = special.ndtri(0.975) * 0.02 * math.sqrt(2 * (1 - 0.5) * 2 * (1 - shared))
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-12)


def test_figures_that_move_together_have_the_variance_of_the_contrast():
    groups = two_models([[0.1, 0.9], [0.5, 0.5]], [[0.4, 0.5], [0.1, 0.8]], correlation=0)
    apart = compared(groups)
    # The worst figure of the one model and that of the other share what moves them.
    covariance = groups.covariance.copy()
    covariance[0, 1, [0, 1], [2, 3]] = covariance[1, 0, [2, 3], [0, 1]] = 0.9 * 0.02**2
    together = compared(TwoModels(groups.first, groups.second, covariance))
    assert together.high - together.low == pytest.approx(math.sqrt(0.1) * (apart.high - apart.low), rel=1e-9)


def test_few_rows_have_students_quantile():
    wide, narrow = (compared(two_models([0.2, 0.7], [0.3, 0.6], freedom=f)) for f in (4, math.inf))
    ratio = special.stdtrit(4, 0.975) / special.ndtri(0.975)
    assert wide.high - 0.2 == pytest.approx(ratio * (narrow.high - 0.2), rel=1e-9)


def upper_by_hand(a, b, error, correlation):
    """The limit for one family, pair by pair."""
    pairs = [(i, j) for i in range(len(a)) for j in range(len(a)) if i != j]

    def contrast(first, second, shared):
        weights = np.zeros((2, len(a)))
        for model, (i, j) in enumerate((first, second)):
            sign = (1, -1)[model]
            weights[model, i] += sign
            weights[model, j] -= sign
        return error * math.sqrt((weights**2).sum() + 2 * shared * (weights[0] * weights[1]).sum())

    gaps = {(i, j): b[i] - b[j] for i, j in pairs}
    best = max(pairs, key=gaps.__getitem__)
    near = [pair for pair in pairs if gaps[best] - gaps[pair] <= 3 * contrast(best, pair, 1)]
    z = special.ndtri(1 - 0.025 / len(near))
    return max(
        min(a[i] - a[j] - gaps[pair] + z * contrast((i, j), pair, correlation) for pair in near)
        for i, j in pairs
    )


@pytest.mark.parametrize("second", [[0.3, 0.31, 0.3], [0.5, 0.1, 0.3], [0.3, 0.35, 0.42]])
@pytest.mark.parametrize("correlation", [0, 0.8])
def test_limits_are_those_of_all_contrasts(second, correlation):
    first = [0.3, 0.4, 0.5]
    found = compared(two_models(first, second, correlation=correlation))
    assert found.high == pytest.approx(upper_by_hand(first, second, 0.02, correlation), rel=1e-12)
    assert found.low == pytest.approx(-upper_by_hand(second, first, 0.02, correlation), rel=1e-12)


def test_ratios_by_the_delta_method():
    found = compared(two_models([0.4, 0.8], [0.6, 0.8], error=0.001), "ratio")
    errors = [math.hypot((low + 0.001) / 0.8**2, 1 / 0.8) * 0.001 for low in (0.4, 0.6)]
    shared = ((0.401 * 0.601) / 0.8**4 + 1 / 0.8**2) * 0.5 * 0.001**2
    half = special.ndtri(0.975) * math.sqrt(errors[0] ** 2 + errors[1] ** 2 - 2 * shared)
    assert found.estimate == pytest.approx(0.5 - 0.75)
    assert (found.low, found.high) == pytest.approx((-0.25 - half, -0.25 + half), rel=1e-9)


def test_the_worst_of_two_families_counts():
    groups = two_models([[0.5, 0.5], [0.1, 0.6]], [[0.2, 0.6], [0.3, 0.3]])
    assert compared(groups).estimate == pytest.approx(0.5 - 0.4)


def test_groups_without_a_value_are_left_out():
    with_gap = two_models([0.2, math.nan, 0.7], [0.3, math.nan, 0.6])
    without = two_models([0.2, 0.7], [0.3, 0.6])
    assert compared(with_gap) == compared(without)


def test_zeros_are_never_the_larger_of_a_ratio():
    found = compared(two_models([0.0, 0.5, 0.6], [0.0, 0.5, 0.6]), "ratio")
    assert found.estimate == 0
    assert found.low <= 0 <= found.high


def test_a_spread_that_is_not_known_bounds_nothing():
    groups = two_models([0.2, 0.7], [0.3, 0.6])
    groups.covariance[0, 0, 1, 1] = math.nan
    found = compared(groups)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.estimate == pytest.approx(0.2)


FIGURES = st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=6)


@given(figures=FIGURES, kind=st.sampled_from(["difference", "ratio"]), correlation=st.floats(-1, 1))
@settings(deadline=None)
def test_changing_the_models_about_turns_the_result_about(figures, kind, correlation):
    first, second = np.array(figures).T
    there = compared(two_models(first, second, correlation=correlation), kind)
    back = compared(two_models(second, first, correlation=correlation), kind)
    assert there.low <= there.estimate <= there.high
    assert (back.estimate, back.low, back.high) == pytest.approx(
        (-there.estimate, -there.high, -there.low), rel=1e-9, abs=1e-12
    )
    sure = there.low > 0 or there.high < 0
    assert sure == (there.p_value < 0.05) or there.p_value == pytest.approx(0.05, abs=1e-9)


def test_many_groups_are_compared_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    groups = two_models(rng.random(20), rng.random(20) / 20)
    whole = compared(groups)
    monkeypatch.setattr(paired_gaps, "_CONTRASTS_AT_ONCE", 100)
    assert compared(groups) == whole
