"""Tests keep their level, one by one and as a family over a whole drift report."""

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.stats.auc import delong_paired
from tidegate.stats.categorical import homogeneity, total_variation, total_variation_null
from tidegate.stats.multiplicity import benjamini_hochberg, holm
from tidegate.stats.paired import mcnemar, paired_mean
from tidegate.stats.power import detectable_difference, rows_needed
from tidegate.stats.two_sample import ks, wasserstein, wasserstein_null

pytestmark = pytest.mark.statistical

COLUMNS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.lognormal(size=n),
    "small integers": lambda rng, n: rng.poisson(3, size=n),
    "two values": lambda rng, n: rng.integers(0, 2, size=n),
}
SHARES = {
    "even": np.ones(4),
    "long tail": 1 / np.arange(1.0, 61),
    "one common": np.array([0.9, 0.05, 0.05]),
    "rare pair": np.array([0.98, 0.02]),
    "many even": np.ones(80),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize(("n", "m"), [(500, 500), (200, 300), (3_000, 6_000)])
def test_ks_keeps_its_level(column, n, m):
    rng = np.random.default_rng(1)
    runs = repetitions(200, 10_000)
    p = np.array([ks(column(rng, n), column(rng, m)).p_value for _ in range(runs)])
    for level in (0.2, 0.05, 0.01):
        assert_at_most(int((p <= level).sum()), runs, level, f"level {level}")


@pytest.mark.parametrize(("n", "m"), [(500, 500), (200, 300)])
def test_exact_ks_p_values_are_uniform_without_ties(n, m):
    rng = np.random.default_rng(2)
    runs = repetitions(1_000, 20_000)
    p = np.array([ks(rng.normal(size=n), rng.normal(size=m)).p_value for _ in range(runs)])
    for level in (0.4, 0.2, 0.05):
        assert_at_least(int((p <= level).sum()), runs, 0.9 * level, f"level {level}")


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize(("n", "m"), [(500, 500), (200, 2_000), (5_000, 500), (1_000, 100_000)])
def test_homogeneity_keeps_its_level_in_the_far_tail(shares, n, m):
    rng = np.random.default_rng(3)
    runs = repetitions(2_000, 100_000)
    shares = shares / shares.sum()
    pairs = zip(rng.multinomial(n, shares, runs), rng.multinomial(m, shares, runs), strict=True)
    p = np.array([homogeneity(a, b).p_value for a, b in pairs])
    for level in (0.05, 0.01, 0.001, 0.0002):
        # The chi-squared law is 2% off at most where nothing is rare.
        assert_at_most(int((p <= level).sum()), runs, 1.02 * level, f"level {level}")


@pytest.mark.parametrize("rows", [(500, 500), (300, 2_000)])
def test_false_alarms_of_a_report_stay_under_the_rate(rows):
    rng = np.random.default_rng(4)
    runs = repetitions(40, 2_000)
    kinds, laws = list(COLUMNS.values()), [w / w.sum() for w in SHARES.values()]
    smallest = []
    for _ in range(runs):
        p = [ks(*(kinds[c % 4](rng, n) for n in rows)).p_value for c in range(40)]
        p += [homogeneity(*(rng.multinomial(n, laws[c % 5]) for n in rows)).p_value for c in range(10)]
        smallest.append(holm(p).min())
    for rate in (0.1, 0.05, 0.01):
        assert_at_most(int((np.array(smallest) <= rate).sum()), runs, rate, f"rate {rate}")


def test_shifts_are_found_in_a_report_of_fifty_columns():
    rng = np.random.default_rng(5)
    runs = repetitions(60, 1_000)
    found = 0
    for _ in range(runs):
        p = [0.5] * 49 + [ks(rng.normal(size=500), rng.normal(0.4, 1, size=500)).p_value]
        found += holm(p)[-1] <= 0.01
    assert_at_least(found, runs, 0.8)


@pytest.mark.parametrize("rows", [(500, 500), (300, 5_000)])
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_null_distance_is_what_chance_gives(column, rows):
    rng = np.random.default_rng(6)
    drawn = ([np.sort(column(rng, n)) for n in rows] for _ in range(repetitions(300, 5_000)))
    distance, null = np.mean([(wasserstein(x, y), wasserstein_null(x, y)) for x, y in drawn], axis=0)
    assert distance == pytest.approx(null, rel=0.12)


@pytest.mark.parametrize("levels", [2, 20, 10_000])
def test_null_total_variation_is_what_chance_gives(levels):
    rng = np.random.default_rng(7)
    law = np.full(levels, 1 / levels)
    pairs = [(rng.multinomial(300, law), rng.multinomial(2_000, law)) for _ in range(repetitions(400, 5_000))]
    found = np.array([(total_variation(a, b), total_variation_null(a, b)) for a, b in pairs]).mean(axis=0)
    assert found[0] == pytest.approx(found[1], rel=0.08)


@pytest.mark.parametrize("discordant", [10, 40, 200])
def test_mid_p_mcnemar_keeps_its_level(discordant):
    rng = np.random.default_rng(8)
    runs = repetitions(4_000, 100_000)
    total = rng.binomial(1_000, discordant / 1_000, runs)
    won = rng.binomial(total, 0.5)
    hits = sum(mcnemar(b, c) <= 0.05 for b, c in zip(won.tolist(), (total - won).tolist(), strict=True))
    assert_at_most(hits, runs, 0.05)


@pytest.mark.parametrize("n", [200, 1_000])
def test_paired_tests_keep_their_level(n):
    rng = np.random.default_rng(9)
    runs = repetitions(1_000, 20_000)
    of_auc = of_mean = 0
    for _ in range(runs):
        labels = rng.random(n) < 0.2
        shared = rng.normal(size=n) + labels
        a, b = shared + rng.normal(size=n), shared + rng.normal(size=n)
        of_auc += delong_paired(labels, a, b, confidence=0.95).p_value <= 0.05
        of_mean += paired_mean(np.exp(a) - np.exp(b), confidence=0.95).p_value <= 0.05
    assert_at_most(of_auc, runs, 0.055)
    assert_at_most(of_mean, runs, 0.05)


def test_holm_bounds_the_family_and_benjamini_hochberg_the_share_of_false_discoveries():
    rng = np.random.default_rng(10)
    runs = repetitions(2_000, 50_000)
    families, shares = 0, []
    for _ in range(runs):
        p = rng.random(20)
        p[:5] /= 1_000
        families += holm(p)[5:].min() <= 0.05
        discovered = benjamini_hochberg(p) <= 0.05
        shares.append(discovered[5:].sum() / max(discovered.sum(), 1))
    assert_at_most(families, runs, 0.05)
    assert np.mean(shares) <= 0.05 * 15 / 20 + 5 * np.std(shares) / np.sqrt(runs)


def test_the_detectable_difference_is_found_with_the_stated_power():
    rng = np.random.default_rng(11)
    runs, n = repetitions(2_000, 50_000), 400
    delta = detectable_difference(1 / np.sqrt(n), confidence=0.95, power=0.8)
    found = sum(paired_mean(rng.normal(delta, 1, n), confidence=0.95).low > 0 for _ in range(runs))
    assert_at_least(found, runs, 0.79)
    assert_at_most(found, runs, 0.81)


def test_the_rows_needed_settle_a_margin_with_the_stated_power():
    rng = np.random.default_rng(12)
    runs = repetitions(2_000, 50_000)
    needed = rows_needed(0.02, 0.1, 100, confidence=0.95, margin=0.1)
    settled = sum(paired_mean(rng.normal(0.02, 1, needed), confidence=0.95).low > -0.1 for _ in range(runs))
    assert_at_least(settled, runs, 0.79)
    assert_at_most(settled, runs, 0.81)
