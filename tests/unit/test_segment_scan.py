"""The statistics of the search for segments, each against brute force or a peer."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tidegate.stats.segment_scan import (
    Gains,
    GroupMeans,
    cluster_keys,
    cluster_means,
    guarded_tail,
    in_first_half,
    lower_tail,
    row_means,
    shared_discovery_rate,
    sign_tail,
)


def groups(rows: int = 400, count: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, count, rows), rng.normal(-0.1, 1, rows)


def test_means_of_rows_are_those_of_each_group():
    codes, values = groups()
    means = row_means(codes, 8, values)
    for g in range(7):
        here = values[codes == g]
        assert means.mean[g] == pytest.approx(here.mean(), rel=1e-12)
        assert means.error[g] == pytest.approx(stats.sem(here), rel=1e-10)
        assert means.units[g] == len(here)
    assert np.isnan(means.mean[7])
    assert np.isnan(means.error[7])
    assert means.units[7] == 0


def test_a_group_of_one_row_has_no_error():
    means = row_means(np.array([0, 1, 1]), 2, np.array([1.0, 2.0, 4.0]))
    assert np.isnan(means.error[0])
    assert means.error[1] == pytest.approx(1.0)
    assert lower_tail(means)[0] == 1


def test_equal_weights_change_nothing():
    codes, values = groups()
    plain, weighted = row_means(codes, 7, values), row_means(codes, 7, values, np.full(len(values), 2.5))
    for name in ("mean", "error", "units"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(plain, name), rtol=1e-10)


def test_the_weighted_error_is_the_robust_one():
    codes, values = groups()
    weights = np.random.default_rng(1).lognormal(0, 0.7, len(values))
    means = row_means(codes, 7, values, weights)
    for g in range(7):
        d, w = values[codes == g], weights[codes == g]
        mean, units = np.average(d, weights=w), w.sum() ** 2 / (w**2).sum()
        robust = (w**2 * (d - mean) ** 2).sum() / w.sum() ** 2 * units / (units - 1)
        assert means.mean[g] == pytest.approx(mean, rel=1e-12)
        assert means.units[g] == pytest.approx(units, rel=1e-12)
        assert means.error[g] == pytest.approx(np.sqrt(robust), rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_clusters_is_that_of_leaving_each_out(weighted):
    codes, values = groups()
    rng = np.random.default_rng(2)
    clusters = np.sort(rng.integers(0, 30, len(values))).astype(np.int32)
    weights = rng.lognormal(0, 0.5, len(values)) if weighted else None
    means = cluster_means(codes, 7, clusters, values, weights)
    for g in range(7):
        here = codes == g
        d, c = values[here], clusters[here]
        w = np.ones(len(d)) if weights is None else weights[here]
        mean = np.average(d, weights=w)
        each = np.unique(c)
        moved = [np.average(d[c != k], weights=w[c != k]) - mean for k in each]
        sums = np.array([w[c == k].sum() for k in each])
        assert means.mean[g] == pytest.approx(mean, rel=1e-11)
        assert means.error[g] == pytest.approx(
            np.sqrt((len(each) - 1) / len(each) * np.square(moved).sum()), rel=1e-10
        )
        assert means.units[g] == pytest.approx(sums.sum() ** 2 / (sums**2).sum(), rel=1e-12)


def test_clusters_of_one_row_are_independent_rows():
    codes, values = groups()
    plain = row_means(codes, 7, values)
    found = cluster_means(codes, 7, np.arange(len(values)), values)
    for name in ("mean", "error", "units"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-9)


def test_one_cluster_tells_nothing():
    means = cluster_means(np.zeros(50, dtype=np.int64), 1, np.zeros(50, dtype=np.int64), np.full(50, -3.0))
    assert means.mean[0] == -3
    assert np.isnan(means.error[0])
    assert lower_tail(means)[0] == 1


def test_more_groups_than_16_bits_hold_are_sorted_all_the_same():
    codes = np.array([70_000, 3, 70_000, 3])
    found = cluster_means(codes, 70_001, np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 3.0, 6.0]))
    assert found.mean[[3, 70_000]].tolist() == [4, 2]


@pytest.mark.parametrize("shift", [0.0, -0.05, 0.3])
def test_the_tail_is_students(shift):
    codes, values = groups()
    values = values + shift
    p_values = lower_tail(row_means(codes, 7, values))
    for g in range(7):
        peer = stats.ttest_1samp(values[codes == g], 0.0, alternative="less").pvalue
        assert p_values[g] == pytest.approx(peer, rel=1e-9)


def test_differences_without_any_spread_are_certain():
    means = row_means(np.repeat([0, 1], 10), 2, np.repeat([-0.5, 0.0], 10))
    assert lower_tail(means).tolist() == [0, 1]


def test_what_lies_beyond_is_what_brute_force_finds():
    rng = np.random.default_rng(3)
    values, weights = np.round(rng.normal(size=300), 1), rng.random(300)
    for given in (None, weights):
        w = np.ones(300) if given is None else given
        for largest in (-9.0, -0.3, 0.0, float(values.max())):
            above = values > largest
            expected = [(w[above] * values[above] ** k).sum() / w.sum() for k in range(3)]
            np.testing.assert_allclose(
                Gains.of(values, given).beyond(np.array([largest]))[:, 0], expected, rtol=1e-10, atol=1e-15
            )


def test_the_guard_asks_nothing_of_a_segment_that_met_the_largest_gain():
    codes, values = groups()
    means = row_means(codes, 7, values)
    guarded = guarded_tail(means, np.full(7, values.max()), Gains.of(values))
    np.testing.assert_array_equal(guarded, lower_tail(means))


def test_gains_that_were_too_rare_to_be_met_are_not_taken_for_absent():
    rng = np.random.default_rng(4)
    table = np.where(rng.random(20_000) < 0.005, 10.0, -0.0503) + 0.02 * rng.normal(size=20_000)
    segment = table[table < 1][:200]
    means = row_means(np.zeros(200, dtype=np.int64), 1, segment)
    share = (table > 1).mean()
    guarded = guarded_tail(means, np.array([segment.max()]), Gains.of(table))[0]
    assert lower_tail(means)[0] < 1e-50
    assert 0.2 < guarded <= (1 - share) ** 200 * 1.01


def test_gains_that_would_have_been_met_are_taken_for_absent():
    """The errors of this segment are of another size than those of the table, which says nothing about it."""
    rng = np.random.default_rng(5)
    table = rng.normal(0, 10, 20_000)
    segment = rng.normal(-0.1, 0.3, 300)
    means = row_means(np.zeros(300, dtype=np.int64), 1, segment)
    guarded = guarded_tail(means, np.array([segment.max()]), Gains.of(table))[0]
    assert guarded == pytest.approx(lower_tail(means)[0], rel=1e-6)
    assert guarded < 1e-4


def test_the_sign_test_is_the_binomial_one():
    lost, won = np.array([0, 3, 12, 40, 5]), np.array([0, 7, 4, 21, 0])
    exact, mid = sign_tail(lost, won, mid=False), sign_tail(lost, won, mid=True)
    assert exact[0] == 1
    for g in range(1, 5):
        n = int(lost[g] + won[g])
        peer = stats.binomtest(int(lost[g]), n, alternative="greater").pvalue
        assert exact[g] == pytest.approx(peer, rel=1e-12)
        assert mid[g] == pytest.approx(peer - stats.binom.pmf(lost[g], n, 0.5) / 2, rel=1e-12)


def test_one_family_is_benjamini_and_hochbergs():
    p_values = np.random.default_rng(6).random(40) ** 3
    found = shared_discovery_rate(p_values, np.zeros(40, dtype=np.int64), np.array([40, 0]))
    np.testing.assert_allclose(found, multipletests(p_values, method="fdr_bh")[1], rtol=1e-12)


def test_tests_that_have_no_p_value_count_as_ones():
    p_values = np.random.default_rng(7).random(20) ** 3
    found = shared_discovery_rate(p_values, np.zeros(20, dtype=np.int64), np.array([50]))
    peer = multipletests(np.concatenate((p_values, np.ones(30))), method="fdr_bh")[1]
    np.testing.assert_allclose(found, peer[:20], rtol=1e-12)


def test_two_families_share_the_discoveries():
    family = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    p_values = np.array([0.02, 0.9, 0.001, 0.8, 0.7, 0.9, 0.6, 0.5])
    found = shared_discovery_rate(p_values, family, np.array([2, 6]))
    # Weights 2 and 2/3: the first of two is divided by two, the first of six multiplied by one and a half.
    peer = multipletests(np.minimum(p_values * np.where(family, 1.5, 0.5), 1), method="fdr_bh")[1]
    np.testing.assert_allclose(found, peer, rtol=1e-12)
    assert found[0] == pytest.approx(0.04)


def test_no_tests_find_nothing():
    assert len(shared_discovery_rate(np.zeros(0), np.zeros(0, dtype=np.int64), np.array([0, 0]))) == 0


@pytest.mark.parametrize("keys", [np.arange(20_000), np.random.default_rng(8).integers(0, 2**63, 20_000)])
def test_halves_are_halves_whatever_the_keys(keys):
    first = in_first_half(keys.astype(np.uint64))
    assert 9_700 < first.sum() < 10_300
    order = np.random.default_rng(9).permutation(20_000)
    np.testing.assert_array_equal(in_first_half(keys[order].astype(np.uint64)), first[order])


def test_a_cluster_has_its_smallest_key():
    keys = np.array([5, 9, 2, 7], dtype=np.uint64)
    assert cluster_keys(keys, np.array([0, 3, 0, 3])).tolist() == [2, 7, 2, 7]


def test_taking_groups_keeps_their_order():
    means = GroupMeans(np.arange(3.0), np.arange(3.0) + 10, np.arange(3.0) + 20)
    assert means.take(np.array([2, 0])).mean.tolist() == [2, 0]
