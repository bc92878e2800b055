"""Coverage of means of skewed rows and of correlations, and the error of equivalence, by simulation."""

import math

import numpy as np
import pytest
from scipy import special, stats
from simulation import assert_at_least, assert_at_most, assert_covers, repetitions

from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.correlation import correlation_difference, correlation_interval, pearson, spearman
from tidegate.stats.equivalence import equivalence
from tidegate.stats.paired import newcombe_paired_interval, paired_mean
from tidegate.stats.results import Interval
from tidegate.stats.studentised import studentised_bootstrap

pytestmark = pytest.mark.statistical
RUNS = {30: (2_000, 20_000), 200: (2_000, 20_000), 1_000: (1_000, 10_000), 10_000: (300, 3_000)}


def log_loss_difference(rng, n):
    """Of a confident model and a soberer one, where one label in fifty is wrong."""
    logit = 1.5 * rng.normal(size=n)
    label = (rng.random(n) < special.expit(4 * logit)) ^ (rng.random(n) < 0.02)
    turned = np.where(label, -1, 1)
    confident, sober = (slope * logit + 0.4 * rng.normal(size=n) for slope in (6, 3))
    return np.logaddexp(0, turned * confident) - np.logaddexp(0, turned * sober)


def expected_log_loss_difference():
    """The mean over labels is exact, over the rest from two million quantiles."""
    rng = np.random.default_rng(0)
    logit = 1.5 * special.ndtri((np.arange(2_000_000) + 0.5) / 2_000_000)
    positive = 0.02 + 0.96 * special.expit(4 * logit)

    def loss(slope):
        said = slope * logit + 0.4 * rng.normal(size=len(logit))
        return positive * np.logaddexp(0, -said) + (1 - positive) * np.logaddexp(0, said)

    return float((loss(6) - loss(3)).mean())


def rarely_large(share, size):
    return lambda rng, n: rng.normal(size=n) + size * (rng.random(n) < share)


LAWS = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "t of 3": (lambda rng, n: rng.standard_t(3, size=n), 0.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "log-normal 1": (lambda rng, n: rng.lognormal(0, 1, size=n), math.exp(0.5)),
    "log-normal 2": (lambda rng, n: rng.lognormal(0, 2, size=n), math.exp(2)),
    "log loss": (log_loss_difference, expected_log_loss_difference()),
    "5% at 10": (rarely_large(0.05, 10), 0.5),
    "1% at 20": (rarely_large(0.01, 20), 0.2),
}
# Coverage and the largest miss on either side, as measured by 20,000 runs and rounded down and up.
MEANS = {
    ("normal", 30): (0.945, 0.03),
    ("t of 3", 30): (0.945, 0.03),
    ("exponential", 30): (0.95, 0.036),
    ("log-normal 1", 30): (0.935, 0.06),
    ("normal", 200): (0.945, 0.03),
    ("t of 3", 200): (0.945, 0.03),
    ("exponential", 200): (0.945, 0.03),
    ("log-normal 1", 200): (0.945, 0.04),
    ("log loss", 200): (0.945, 0.047),
    ("5% at 10", 200): (0.945, 0.03),
    ("log-normal 1", 1_000): (0.945, 0.034),
    ("log loss", 1_000): (0.945, 0.03),
    ("1% at 20", 1_000): (0.945, 0.03),
    ("log-normal 1", 10_000): (0.945, 0.03),
    ("log loss", 10_000): (0.945, 0.03),
}
# Few rows, or none, carry these means: whatever was not seen is in no interval. The least that ours covers, and the
# most that Student's t does.
OUT_OF_REACH = [
    ("log-normal 2", 200, 0.89, 0.79),
    ("log-normal 2", 10_000, 0.93, 0.915),
    ("log loss", 30, 0.8, 0.73),
    ("1% at 20", 200, 0.88, 0.89),
]


@pytest.mark.parametrize(("law", "n"), MEANS, ids=lambda value: str(value))
def test_mean_of_differences_covers(law, n):
    (draw, truth), (coverage, side) = LAWS[law], MEANS[law, n]
    rng = np.random.default_rng(1)
    results = [paired_mean(draw(rng, n), confidence=0.95) for _ in range(repetitions(*RUNS[n]))]
    assert_covers(results, truth, at_least=coverage, side=side)


@pytest.mark.parametrize("level", [0.99, 0.998])
def test_mean_of_differences_covers_at_levels_of_a_family(level):
    rng, (draw, truth) = np.random.default_rng(2), LAWS["exponential"]
    results = [paired_mean(draw(rng, 200), confidence=level) for _ in range(repetitions(*RUNS[200]))]
    assert_covers(results, truth, at_least=1 - (1 - level) * 1.2, side=(1 - level) * 0.9)


@pytest.mark.parametrize(("law", "n", "coverage", "students"), OUT_OF_REACH, ids=lambda value: str(value))
def test_what_no_interval_of_the_rows_reaches_is_known(law, n, coverage, students):
    """The stated shortfall, and that it is never larger than that of Student's t."""
    rng, (draw, truth) = np.random.default_rng(3), LAWS[law]
    quantile = float(special.stdtrit(n - 1, 0.975))
    results = [paired_mean(draw(rng, n), confidence=0.95) for _ in range(repetitions(*RUNS[n]))]
    hits = sum(each.low <= truth <= each.high for each in results)
    by_t = sum(abs(each.estimate - truth) <= quantile * each.standard_error for each in results)
    assert hits >= by_t
    assert_at_least(hits, len(results), coverage, law)
    assert_at_most(by_t, len(results), students, "Student's t")


@pytest.mark.parametrize(("law", "n"), [("t of 3", 30), ("exponential", 30), ("log loss", 200)])
def test_the_studentised_bootstrap_covers_no_better(law, n):
    rng, (draw, truth) = np.random.default_rng(4), LAWS[law]
    drawn = [draw(rng, n) for _ in range(repetitions(300, 4_000))]
    ours, theirs = (
        sum(found.low <= truth <= found.high for found in results)
        for results in (
            [paired_mean(rows, confidence=0.95) for rows in drawn],
            [studentised_bootstrap(rows, confidence=0.95, n_resamples=499) for rows in drawn],
        )
    )
    assert ours >= theirs - 3 * math.sqrt(len(drawn) * 0.01)


@pytest.mark.parametrize(("won", "lost"), [(0.02, 0.02), (0.1, 0.05), (0.15, 0.15)])
@pytest.mark.parametrize("both", [0.5, 0.65])
def test_newcombe_covers(won, lost, both):
    rng = np.random.default_rng(5)
    shares = [both, won, lost, 1 - both - won - lost]
    drawn = rng.multinomial(200, shares, size=repetitions(2_000, 20_000)).tolist()
    intervals = [newcombe_paired_interval(*counts, confidence=0.95) for counts in drawn]
    assert_covers(intervals, won - lost, at_least=0.94, side=0.04)


@pytest.mark.parametrize("n", [30, 200])
def test_equivalence_is_claimed_seldom_at_the_margin(n):
    """Two one-sided tests at 2.5% each, the truth being the margin itself."""
    rng, hits, runs = np.random.default_rng(6), 0, repetitions(4_000, 40_000)
    for _ in range(runs):
        found = paired_mean(rng.normal(0.5, 1, n), confidence=0.95)
        bounds = Interval(found.low, found.high)
        hits += equivalence(found.estimate, bounds, 0.5, confidence=0.95).holds
    assert_at_most(hits, runs, 0.026)


def models(rng, n, law, noise):
    """Labels, and two predictions of them that share half of their error."""
    if law == "normal":
        label, errors = rng.normal(size=n), rng.normal(size=(3, n))
    elif law == "t of 5":
        label, errors = rng.standard_t(5, size=n), rng.standard_t(5, size=(3, n))
    else:
        label = rng.lognormal(0, 0.7, size=n)
        errors = rng.normal(size=(3, n)) * np.sqrt(label)
    share = math.sqrt(0.5)
    return label, *(
        label + scale * share * (errors[0] + own) for scale, own in zip(noise, errors[1:], strict=True)
    )


def large_sample(correlation, law, noise):
    drawn = [models(np.random.default_rng(seed), 500_000, law, noise) for seed in range(3)]
    return np.mean([[correlation(y, a).value, correlation(y, b).value] for y, a, b in drawn], axis=0)


CORRELATIONS = [
    # law, noise of both models, rows, coverage and largest miss of Pearson's difference, of Spearman's
    ("normal", (1, 1), 30, (0.95, 0.03), (0.95, 0.03)),
    ("normal", (1, 0.6), 200, (0.94, 0.042), (0.945, 0.036)),
    ("normal", (0.15, 0.1), 200, (0.945, 0.036), (0.95, 0.03)),
    ("t of 5", (1, 0.6), 200, (0.94, 0.045), (0.94, 0.045)),
    ("skewed", (1, 0.6), 30, (0.925, 0.055), (0.95, 0.04)),
    ("skewed", (1, 0.6), 200, (0.94, 0.04), (0.94, 0.042)),
]


@pytest.mark.parametrize(("law", "noise", "n", "of_pearson", "of_spearman"), CORRELATIONS, ids=str)
def test_differences_of_correlations_with_one_label_cover(law, noise, n, of_pearson, of_spearman):
    rng = np.random.default_rng(7)
    drawn = [models(rng, n, law, noise) for _ in range(repetitions(400, 6_000))]
    for correlation, (coverage, side) in ((pearson, of_pearson), (spearman, of_spearman)):
        first, second = large_sample(correlation, law, noise)
        results = [
            correlation_difference(correlation(y, a), correlation(y, b), n, confidence=0.95)
            for y, a, b in drawn
        ]
        assert_covers(results, first - second, at_least=coverage, side=side)


@pytest.mark.parametrize(
    ("law", "n", "of_pearson", "of_spearman"),
    [
        ("normal", 30, 0.94, 0.95),
        ("normal", 200, 0.945, 0.945),
        ("t of 5", 200, 0.935, 0.945),
        # The variance of Pearson's correlation is a matter of fourth moments, which few rows carry.
        ("skewed", 200, 0.925, 0.945),
    ],
)
def test_intervals_of_one_correlation_cover(law, n, of_pearson, of_spearman):
    rng = np.random.default_rng(8)
    drawn = [models(rng, n, law, (1, 1))[:2] for _ in range(repetitions(800, 10_000))]
    for correlation, coverage in ((pearson, of_pearson), (spearman, of_spearman)):
        truth, _ = large_sample(correlation, law, (1, 1))
        results = [correlation_interval(correlation(y, a), n, confidence=0.95) for y, a in drawn]
        assert_covers(results, truth, at_least=coverage, side=1 - coverage)


def test_comparisons_that_assume_normal_rows_do_not_cover():
    """Why Steiger's and Zou's formulas are not used: on skewed labels their variance is far too small."""
    rng, n = np.random.default_rng(9), 200
    hits, runs = 0, repetitions(800, 10_000)
    truth, _ = large_sample(pearson, "skewed", (1, 1))
    for _ in range(runs):
        label, prediction, _ = models(rng, n, "skewed", (1, 1))
        bounds = stats.pearsonr(label, prediction).confidence_interval(0.95)
        hits += bounds.low <= truth <= bounds.high
    assert_at_most(hits, runs, 0.88)


@pytest.mark.parametrize("n", [200, 1_000])
@pytest.mark.parametrize("skewed", [False, True])
def test_differences_of_median_errors_cover(n, skewed):
    """Median absolute errors are compared by a bootstrap of rows."""
    rng, metric = np.random.default_rng(10), METRICS["median_absolute_error"]
    results = []
    for _ in range(repetitions(150, 2_000) if n == 200 else repetitions(60, 600)):
        errors = rng.lognormal(size=(3, n)) - 1 if skewed else rng.normal(size=(3, n))
        candidate, production = (
            Predictions("regression", n, label=np.zeros(n), prediction=errors[0] + own) for own in errors[1:]
        )
        (found,) = metric.compare(candidate, production, Groups.everything(n), {}, 0.95)
        results.append(found.interval)
    assert_covers(results, 0.0, at_least=0.94, side=0.04)
