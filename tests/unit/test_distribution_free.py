import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tidegate.stats.auc import roc_auc
from tidegate.stats.distribution_free import (
    Share,
    auc_difference,
    exact_share,
    paired_mean,
    paired_shares,
    separate_shares,
    weighted_mean,
)
from tidegate.stats.intervals import clopper_pearson
from tidegate.stats.results import PairedResult, SingleClassError

FULLY_ADAPTIVE = 0.05 * 2**-32


def outside(low: np.ndarray, high: np.ndarray, log_mass: np.ndarray, truth: float) -> float:
    """Logarithm of the chance that an interval, of outcomes with these masses, misses the truth."""
    missed = (low > truth) | (high < truth)
    return float(special.logsumexp(log_mass[missed])) if missed.any() else -math.inf


# --- one share


@pytest.mark.parametrize("error", [0.2, 0.05, 1e-4])
def test_a_share_is_bounded_as_clopper_and_pearson_do(error):
    for x in (0, 1, 13, 39, 40):
        ours, theirs = exact_share(x, 40, error=error), clopper_pearson(x, 40, confidence=1 - error)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert exact_share(0, 0, error=error).high == 1


@pytest.mark.parametrize("error", [1e-12, 1e-50, 1e-99, 1e-101, 1e-200, 1e-305])
def test_a_share_keeps_its_level_where_floats_end(error):
    for successes, trials in ((1, 10), (9, 10), (50, 100), (990, 1_000), (5_000, 10_000), (3, 1_000_000)):
        found = exact_share(successes, trials, error=error)
        for bound, beyond in ((found.low, successes), (1 - found.high, trials - successes)):
            if bound <= 1e-15:
                continue
            # P(at least so many) under the bound, its largest term first; the terms fall at least geometrically.
            k = np.arange(beyond, min(trials, beyond + 2_000) + 1)
            terms = special.gammaln(trials + 1) - special.gammaln(k + 1) - special.gammaln(trials - k + 1)
            terms = terms + special.xlogy(k, bound) + special.xlog1py(trials - k, -bound)
            reached = special.logsumexp(terms)
            assert reached <= math.log(error / 2) + 1e-5
            assert reached >= math.log(error / 2) - 12


# --- paired shares


@pytest.mark.parametrize(("n", "error"), [(12, 0.5), (25, 0.2), (40, 0.05), (40, 1e-3), (60, 1e-12)])
def test_paired_shares_never_miss_more_often_than_claimed(n, error):
    b, c = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    b, c = b[b + c <= n], c[b + c <= n]
    found = [paired_shares(int(i), int(j), n, error=error, same=False) for i, j in zip(b, c, strict=True)]
    low, high = np.array([each.low for each in found]), np.array([each.high for each in found])
    ways = special.gammaln(n + 1) - sum(special.gammaln(k + 1) for k in (b, c, n - b - c))
    worst = -math.inf
    for won in np.linspace(0.01, 0.97, 25):
        for lost in np.linspace(0.01, 0.98 - won, 20):
            mass = ways + b * math.log(won) + c * math.log(lost) + (n - b - c) * math.log(1 - won - lost)
            truth = won - lost
            for side in ((low, np.ones_like(low)), (-np.ones_like(low), high)):
                assert outside(*side, mass, truth) <= math.log(error / 2) + 1e-9
            worst = max(worst, outside(low, high, mass, truth))
    # Not by being useless: somewhere a good part of the level is used.
    assert worst > math.log(error / 4)


def test_paired_shares_are_hardly_wider_than_normal_tails_when_models_are_alike():
    n, discordant = 10_000, 1_000
    z = -float(special.ndtri(FULLY_ADAPTIVE / 2))
    normal = z * math.sqrt(discordant) / n
    found = paired_shares(500, 500, n, error=FULLY_ADAPTIVE)
    assert normal < found.high < 1.35 * normal
    assert found.low == pytest.approx(-found.high, rel=1e-12)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(-600, -0.01))
def test_the_p_value_of_paired_shares_is_where_the_interval_leaves_zero(b, c, log_error):
    error = math.exp(log_error)
    found = paired_shares(b, c, 200, error=error, same=False)
    if error > found.p_value * (1 + 1e-9):
        assert found.low > 0 or found.high < 0
    elif error < found.p_value * (1 - 1e-9):
        assert found.low <= 0 <= found.high


def test_models_that_are_the_same_need_no_bound():
    assert paired_shares(0, 0, 10, error=1e-9) == PairedResult(
        0.0, 0.0, 0.0, 1.0, 0.0, "exact bounds on discordant rows", 10
    )
    unseen = paired_shares(0, 0, 10, error=1e-9, same=False)
    assert unseen.high == -unseen.low == exact_share(0, 10, error=1e-10).high
    assert paired_shares(0, 0, 0, error=0.05).high == math.inf


# --- means


@pytest.mark.parametrize("error", [0.5, 0.05, 1e-6, 1e-12])
@pytest.mark.parametrize("n", [2, 20, 200])
def test_means_of_two_values_never_miss_more_often_than_claimed(n, error):
    # Of all laws between two limits those on two points are the hardest; here they are counted out.
    for high_value in (1.0, 0.1):
        values = [
            paired_mean(np.repeat([high_value, 0.0], [k, n - k]), 2.0, error=error) for k in range(n + 1)
        ]
        low, high = np.array([each.low for each in values]), np.array([each.high for each in values])
        for share in np.linspace(0.001, 0.999, 60):
            mass = stats.binom.logpmf(np.arange(n + 1), n, share)
            assert outside(low, high, mass, share * high_value) <= math.log(error)


@pytest.mark.parametrize("error", [0.3, 0.05, 1e-8])
def test_means_of_three_values_never_miss_more_often_than_claimed(error):
    n = 30
    up, down = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    up, down = up[up + down <= n], down[up + down <= n]
    found = [
        paired_mean(np.repeat([1.0, -1.0, 0.0], [i, j, n - i - j]), 2.0, error=error)
        for i, j in zip(up, down, strict=True)
    ]
    low, high = np.array([each.low for each in found]), np.array([each.high for each in found])
    ways = special.gammaln(n + 1) - sum(special.gammaln(k + 1) for k in (up, down, n - up - down))
    for won in (0.001, 0.01, 0.05, 0.2, 0.5, 0.9):
        for lost in (0.001, 0.01, 0.05, 0.2, 0.4):
            if won + lost < 1:
                still = math.log(1 - won - lost)
                mass = ways + up * math.log(won) + down * math.log(lost) + (n - up - down) * still
                assert outside(low, high, mass, won - lost) <= math.log(error)


def test_means_are_bounded_by_hand():
    rng = np.random.default_rng(0)
    small, error = rng.uniform(-0.05, 0.06, 5_000), 1e-9
    found = paired_mean(small, 4.0, error=error)
    x, square = math.log(5 / error) / 5_000, (small**2).mean() / 4
    most = (math.sqrt(square + x / 2) + math.sqrt(x / 2)) ** 2
    by_square = 2 * (math.sqrt(2 * most * x) + x / 3)
    assert found.high - small.mean() == pytest.approx(by_square, rel=1e-12)
    wild = rng.choice([-1.0, 1.0], 100)
    by_range = 2 * math.sqrt(math.log(5 / error) / 200)
    assert paired_mean(wild, 2.0, error=error).high == pytest.approx(
        min(wild.mean() + by_range, 1), rel=1e-12
    )


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50), st.floats(-300, -0.01))
def test_the_p_value_of_a_mean_is_where_the_interval_leaves_zero(values, log_error):
    error = math.exp(log_error)
    found = paired_mean(np.array(values), 2.0, error=error)
    if error > found.p_value * (1 + 1e-6):
        assert found.low > 0 or found.high < 0
    elif error < found.p_value * (1 - 1e-6):
        assert found.low <= 0 <= found.high


def test_without_rows_nothing_is_known():
    assert paired_mean(np.array([]), 2.0, error=0.05).high == math.inf
    assert paired_mean(np.array([0.5]), 2.0, error=0.05).high == 1.0


def test_equal_weights_are_hoeffdings_own_bound():
    units = np.random.default_rng(1).uniform(-1, 1, 400)
    found = weighted_mean(units, np.full(400, 3.0), 2.0, error=1e-3)
    assert found.high - found.estimate == pytest.approx(2 * math.sqrt(math.log(2 / 1e-3) / 800), rel=1e-12)
    assert found.estimate == pytest.approx(units.mean(), rel=1e-12)
    # One unit that weighs as much as all others leaves little to go by.
    lopsided = weighted_mean(units, np.append(np.ones(399), 399), 2.0, error=1e-3)
    assert (lopsided.low, lopsided.high) == (-1.0, 1.0)


# --- areas


def scores(n: int, seed: int, digits: int = 17) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.3
    common = rng.normal(label * 1.0, 1)
    return (
        label,
        (common + rng.normal(0, 0.3, n)).round(digits),
        (common + rng.normal(0, 0.3, n)).round(digits),
    )


@pytest.mark.parametrize(("n", "digits", "inflated"), [(300, 17, 0.0), (900, 1, 0.0), (4_000, 17, 0.004)])
def test_an_area_is_bounded_by_the_pairs_that_the_models_order_differently(n, digits, inflated):
    label, a, b = scores(n, n, digits)
    error, pairs = 1e-9, int(label.sum())
    of_a = np.sign(a[label][:, None] - a[~label]) / 2
    of_b = np.sign(b[label][:, None] - b[~label]) / 2
    reordered, x = float(((of_a - of_b) ** 2).mean()), math.log(5 / error) / pairs
    share = (math.sqrt(reordered + x / 2) + math.sqrt(x / 2)) ** 2
    by_hand = math.sqrt(2 * share * x) + x / 3
    found = auc_difference(label, a, b, error=error)
    half = max(found.high - found.estimate, found.estimate - found.low)
    assert by_hand * (1 - 1e-12) <= half <= by_hand * (1 + 2 * inflated / reordered + 1e-12)
    assert found.estimate == pytest.approx(roc_auc(label, a) - roc_auc(label, b), abs=1e-12)


@pytest.mark.parametrize("log_error", [-1.0, -10.0, -40.0, -200.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_of_an_area_is_where_the_interval_leaves_zero(log_error, seed):
    label, a, b = scores(3_000, seed, 17 if seed % 2 else 1)
    b = np.where(np.arange(3_000) % (seed + 2), b, -b)
    error = math.exp(log_error)
    found = auc_difference(label, a, b, error=error)
    excludes = found.low > 0 or found.high < 0
    assert excludes == (error > found.p_value)
    touching = auc_difference(label, a, b, error=found.p_value)
    assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-9)


def test_the_order_of_rows_does_not_matter_to_an_area():
    label, a, b = scores(5_000, 5)
    order = np.random.default_rng(0).permutation(5_000)
    first = auc_difference(label, a, b, error=1e-9)
    second = auc_difference(label[order], a[order], b[order], error=1e-9)
    assert (second.low, second.high) == pytest.approx((first.low, first.high), rel=1e-12)


def test_areas_of_one_class_or_of_one_model():
    label, a, _ = scores(50, 6)
    assert auc_difference(label, a, a.copy(), error=1e-9).high == 0
    with pytest.raises(SingleClassError):
        auc_difference(np.ones(50, dtype=bool), a, -a, error=1e-9)


# --- shares of their own


@pytest.mark.parametrize("error", [0.1, 1e-10])
def test_separate_shares_are_each_bounded_at_half_of_the_error(error):
    def f1(q: float) -> float:
        return 2 * q / (1 + q)

    first, second = Share(80, 100), Share(50, 110)
    found = separate_shares(first, second, 90, error=error, scale=f1)
    of_first, of_second = (
        exact_share(each.successes, each.trials, error=error / 2) for each in (first, second)
    )
    assert found.low == f1(of_first.low) - f1(of_second.high)
    assert found.high == f1(of_first.high) - f1(of_second.low)
    # As counts: 2 TP / (2 TP + FP + FN).
    assert found.estimate == pytest.approx(2 * 80 / (100 + 80) - 2 * 50 / (110 + 50))
    assert separate_shares(first, second, 90, error=found.p_value * 1.001, scale=f1).low > 0
    assert separate_shares(first, second, 90, error=found.p_value * 0.999, scale=f1).low < 0
    assert separate_shares(first, first, 90, error=error).p_value == 1


@pytest.mark.parametrize("error", [0.05, 1e-9])
def test_the_standard_error_gives_the_interval_by_normal_tails(error):
    found = paired_shares(120, 90, 3_000, error=error)
    half = -float(special.ndtri(error / 2)) * found.standard_error
    assert half == pytest.approx(max(found.high - found.estimate, found.estimate - found.low), rel=1e-9)
