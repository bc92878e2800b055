"""Stated coverage, by simulation: each claim is what the interval does at its worst setting here."""

import numpy as np
import pytest
from scipy import special, stats
from simulation import assert_at_least, assert_covers, repetitions

from tidegate.stats.auc import auc_interval, delong, delong_paired, roc_auc
from tidegate.stats.bootstrap import cell_interval, cell_paired, row_bootstrap_paired
from tidegate.stats.intervals import (
    Interval,
    clopper_pearson,
    mover_difference,
    quantile_order_statistics,
    wilson,
)
from tidegate.stats.paired import paired_mean, tango_interval

pytestmark = pytest.mark.statistical
SIZES = [200, 1_000]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", [0.001, 0.02, 0.3, 0.5])
def test_clopper_pearson_never_falls_below_its_coverage(n, p):
    successes = np.arange(n + 1.0)
    found = clopper_pearson(successes, np.full(n + 1, float(n)), confidence=0.95)
    chances = stats.binom.pmf(successes, n, p)
    assert chances[(found.low <= p) & (p <= found.high)].sum() >= 0.95


@pytest.mark.parametrize("n", SIZES)
def test_wilson_covers_on_average(n):
    successes = np.arange(n + 1.0)
    found = wilson(successes, np.full(n + 1, float(n)), confidence=0.95)
    covered = [
        stats.binom.pmf(successes, n, p)[(found.low <= p) & (p <= found.high)].sum()
        for p in np.linspace(0.01, 0.99, 197)
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.004)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("won", "lost"), [(0.005, 0.005), (0.02, 0.02), (0.05, 0.03), (0.1, 0.05), (0.02, 0.002), (0.15, 0.15)]
)
def test_tango_covers_with_few_and_many_discordant_rows(n, won, lost):
    runs = repetitions(4_000, 100_000)
    drawn = np.random.default_rng(1).multinomial(n, [won, lost, 1 - won - lost], size=runs).astype(float)
    found = tango_interval(drawn[:, 0], drawn[:, 1], np.full(runs, float(n)), confidence=0.95)
    intervals = map(Interval, found.low.tolist(), found.high.tolist())
    assert_covers(intervals, won - lost, at_least=0.94, side=0.04)


def normal_scores(rng, n, prevalence, shift_a, shift_b):
    labels = rng.random(n) < prevalence
    shared = rng.normal(size=n)
    a = 0.8 * shared + 0.6 * rng.normal(size=n) + shift_a * labels
    b = 0.8 * shared + 0.6 * rng.normal(size=n) + shift_b * labels
    return labels, a, b


def area(shift, spread=1.0):
    return float(special.ndtr(shift / np.hypot(1, spread)))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("prevalence", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("shift_a", "shift_b"), [(0.75, 0.75), (0.75, 0.6), (1.8, 1.8), (2.4, 2.6)])
def test_paired_delong_covers(n, prevalence, shift_a, shift_b):
    rng = np.random.default_rng(2)
    drawn = (normal_scores(rng, n, prevalence, shift_a, shift_b) for _ in range(repetitions(400, 10_000)))
    results = [
        delong_paired(labels, a, b, confidence=0.95) for labels, a, b in drawn if 1 < labels.sum() < n - 1
    ]
    # Ten positives at areas above 0.95 are the worst case: one side 6%, the promise being 5%.
    assert_covers(results, area(shift_a) - area(shift_b), at_least=0.93, side=0.065)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("prevalence", [0.05, 0.5])
@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1), (1.8, 1), (2.6, 1), (1.8, 0.4), (2.4, 2), (3.2, 2)])
def test_auc_interval_covers_large_areas_and_unequal_spreads(n, prevalence, shift, spread):
    rng = np.random.default_rng(3)
    results = []
    for _ in range(repetitions(400, 10_000)):
        labels = rng.random(n) < prevalence
        if labels.sum() < 2:
            continue
        scores = rng.normal(size=n) * np.where(labels, spread, 1) + shift * labels
        results.append(auc_interval(delong(labels, scores), confidence=0.95))
    assert_covers(results, area(shift, spread), at_least=0.935, side=0.045)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("sharpening", "truth"), [(1.0, 0.0), (1.6, -0.0290)])
def test_paired_mean_covers_differences_of_log_loss(n, sharpening, truth):
    rng = np.random.default_rng(4)
    results = []
    for _ in range(repetitions(2_000, 50_000)):
        logit = rng.normal(size=n) * 1.5 - 1
        turned = np.where(rng.random(n) < special.expit(logit), -1, 1)
        a = logit + 0.4 * rng.normal(size=n)
        b = sharpening * logit + 0.4 * rng.normal(size=n)
        results.append(
            paired_mean(np.logaddexp(0, turned * a) - np.logaddexp(0, turned * b), confidence=0.95)
        )
    # Overconfident probabilities make rare large losses, and the t interval a little short above.
    assert_covers(results, truth, at_least=0.93, side=0.055)


def f1(hits, false_alarms, misses):
    return 2 * hits / (2 * hits + false_alarms + misses)


def f1_a(cells):
    """Cells run over label, prediction of a, prediction of b."""
    t = cells.reshape(*cells.shape[:-1], 2, 2, 2).sum(axis=-1)
    return f1(t[..., 1, 1], t[..., 0, 1], t[..., 1, 0])


def f1_b(cells):
    t = cells.reshape(*cells.shape[:-1], 2, 2, 2).sum(axis=-2)
    return f1(t[..., 1, 1], t[..., 0, 1], t[..., 1, 0])


def joint(prevalence, both_right, both_alarm, positives_split, negatives_split):
    """Cell probabilities; a split is (only b predicts positive, only a does)."""
    positive = [1 - both_right - sum(positives_split), *positives_split, both_right]
    negative = [1 - both_alarm - sum(negatives_split), *negatives_split, both_alarm]
    return np.concatenate((np.multiply(1 - prevalence, negative), np.multiply(prevalence, positive)))


JOINTS = {
    "typical": joint(0.3, 0.6, 0.1, (0.05, 0.05), (0.03, 0.03)),
    "few differ": joint(0.3, 0.7, 0.1, (0.01, 0.01), (0.005, 0.005)),
    "a finds more": joint(0.2, 0.5, 0.05, (0.02, 0.18), (0.02, 0.02)),
    "a finds less": joint(0.2, 0.5, 0.05, (0.18, 0.02), (0.02, 0.02)),
    "rare class": joint(0.08, 0.5, 0.03, (0.075, 0.075), (0.01, 0.01)),
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("law", JOINTS.values(), ids=JOINTS)
def test_bootstrap_of_cells_covers_differences_of_f1(n, law):
    rng = np.random.default_rng(5)
    with np.errstate(invalid="ignore"):
        results = [
            cell_paired(rng.multinomial(n, law), f1_a, f1_b, confidence=0.95, n_resamples=999, rng=rng)
            for _ in range(repetitions(400, 5_000))
        ]
    assert_covers(results, float(f1_a(law) - f1_b(law)), at_least=0.935, side=0.045)


@pytest.mark.parametrize("n", SIZES)
def test_bca_covers_a_single_f1(n):
    rng, law = np.random.default_rng(6), JOINTS["typical"]
    results = [
        cell_interval(rng.multinomial(n, law), f1_a, confidence=0.95, n_resamples=999, rng=rng)
        for _ in range(repetitions(400, 5_000))
    ]
    assert_covers(results, float(f1_a(law)), at_least=0.935, side=0.04)


@pytest.mark.parametrize("n", SIZES)
def test_bootstrap_of_rows_covers_a_difference_of_ratios(n):
    """A ratio of weighted sums, whose truth is known: mean cost per unit of two systems."""
    rng = np.random.default_rng(7)
    results = []
    for _ in range(repetitions(150, 2_000)):
        units = rng.exponential(size=n)
        cost_a, cost_b = units * rng.gamma(2, 1, size=n), units * rng.gamma(2, 1.1, size=n)
        per_unit = (cost_a - cost_b, units)
        results.append(
            row_bootstrap_paired(
                lambda w, pair=per_unit: (w @ pair[0]) / (w @ pair[1]),
                n,
                confidence=0.95,
                n_resamples=299,
                rng=rng,
            )
        )
    assert_covers(results, -0.2, at_least=0.93, side=0.045)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_order_statistics_cover_the_quantile(n, q):
    rng = np.random.default_rng(8)
    values = np.sort(rng.lognormal(size=(repetitions(2_000, 50_000), n)), axis=1)
    found = [quantile_order_statistics(row, q, confidence=0.95) for row in values]
    assert_covers(found, float(stats.lognorm(1).ppf(q)), at_least=0.95, side=0.025)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.05, 0.02)])
def test_mover_covers_a_difference_of_independent_shares(p, q):
    rng, n, m = np.random.default_rng(9), 200, 1_000
    hits = 0
    runs = repetitions(1_000, 20_000)
    for x, y in zip(rng.binomial(n, p, runs).tolist(), rng.binomial(m, q, runs).tolist(), strict=True):
        a, b = wilson(x, n, confidence=0.95), wilson(y, m, confidence=0.95)
        found = mover_difference(x / n, a, y / m, b)
        hits += found.low <= p - q <= found.high
    assert_at_least(hits, runs, 0.945)


def test_areas_of_the_simulation_are_what_roc_auc_measures():
    rng = np.random.default_rng(10)
    labels, a, _ = normal_scores(rng, 200_000, 0.5, 1.8, 1.8)
    assert roc_auc(labels, a) == pytest.approx(area(1.8), abs=0.004)
