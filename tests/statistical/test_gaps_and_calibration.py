"""Stated coverage of gaps between groups, of calibration measures and of operating points, by simulation."""

import numpy as np
import pytest
from scipy import special, stats
from simulation import assert_at_least, assert_at_most, assert_covers, repetitions

from tidegate.stats.bootstrap import row_interval
from tidegate.stats.calibration import (
    calibration_error_interval,
    reliability_interval,
    reliability_table,
    resolution_interval,
)
from tidegate.stats.contrasts import largest_difference, means, shares, smallest_ratio
from tidegate.stats.cox import calibration_intercept, calibration_slope
from tidegate.stats.intervals import mean_t
from tidegate.stats.operating_points import (
    precision_at_recall,
    recall_at_false_positive_rate,
    recall_at_precision,
)

pytestmark = pytest.mark.statistical

MIXED = [30, 2_000, 200, 60, 1_000, 30, 500, 2_000]
SIZES = {"30": [30] * 8, "200": [200] * 8, "2000": [2_000] * 8, "mixed": MIXED}


def patterns(k, base, apart):
    """Groups that are all equal, one of them apart, and half of them apart."""
    yield "equal", np.full(k, base)
    yield "one apart", np.array([apart] + [base] * (k - 1))
    yield "half apart", np.array([apart] * (k // 2) + [base] * (k - k // 2))


def assert_gaps_cover(gaps, truth, at_least, side, what):
    """Rounding of a bound that equals the truth is not a miss."""
    bounds = np.array([(gap.interval.low, gap.interval.high) for gap in gaps])
    above, below = (bounds[:, 0] > truth + 1e-12).sum(), (bounds[:, 1] < truth - 1e-12).sum()
    assert_at_least(len(bounds) - above - below, len(bounds), at_least, what)
    assert_at_most(max(above, below), len(bounds), side, what)


@pytest.mark.parametrize("contrast", [largest_difference, smallest_ratio])
@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("base", "apart"), [(0.02, 0.04), (0.02, 0.2), (0.5, 0.6)])
def test_gaps_of_shares_cover(contrast, k, sizes, base, apart):
    rng, n, runs = np.random.default_rng(1), np.array(sizes[:k]), repetitions(150, 5_000)
    for name, share in patterns(k, base, apart):
        drawn = rng.binomial(n, share, size=(runs, k))
        if contrast is smallest_ratio:
            # Without any success there is no ratio, and no claim about one.
            drawn = drawn[drawn.any(axis=1)]
        truth = np.ptp(share) if contrast is largest_difference else share.min() / share.max()
        gaps = [contrast(shares(x, n), confidence=0.95) for x in drawn]
        assert_gaps_cover(gaps, truth, at_least=0.95, side=0.05, what=name)


@pytest.mark.parametrize("k", [2, 8])
def test_the_worst_of_two_families_covers(k):
    """True and false positive rates, the gap being in the one, in the other, in both and in none."""
    rng, n, runs = np.random.default_rng(2), np.array(MIXED[:k]), repetitions(150, 5_000)
    for first in (0.7, 0.8):
        for second in (0.1, 0.2):
            hits, alarms = np.full(k, 0.7), np.full(k, 0.1)
            hits[0], alarms[-1] = first, second
            pairs = zip(rng.binomial(n, hits, (runs, k)), rng.binomial(n, alarms, (runs, k)), strict=True)
            gaps = [largest_difference(shares(x, n), shares(y, n), confidence=0.95) for x, y in pairs]
            truth = max(np.ptp(hits), np.ptp(alarms))
            assert_gaps_cover(gaps, truth, at_least=0.95, side=0.05, what=f"{first}, {second}")


LAWS = {
    "normal": (lambda rng, size: 1 + rng.normal(size=size), 0.945, 0.945),
    "absolute error": (lambda rng, size: np.abs(rng.normal(0, np.sqrt(np.pi / 2), size)), 0.935, 0.925),
    "exponential": (lambda rng, size: rng.exponential(size=size), 0.935, 0.905),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("contrast", [largest_difference, smallest_ratio])
@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("sizes", ["30", "200", "mixed"])
def test_gaps_of_means_cover(law, contrast, k, sizes):
    """Skewed rows cost Student's t more in a small group beside large ones, whose own noise hides nothing."""
    draw, of_equal_sizes, of_mixed_sizes = law
    rng, n, runs = np.random.default_rng(3), np.array(SIZES[sizes][:k]), repetitions(150, 3_000)
    for name, scale in patterns(k, 1.0, 1.5):
        gaps = []
        for _ in range(runs):
            groups = [each * draw(rng, rows) for each, rows in zip(scale, n, strict=True)]
            moments = [group.mean() for group in groups], [group.var(ddof=1) for group in groups]
            if contrast is smallest_ratio and min(moments[0]) < 0:
                continue
            gaps.append(contrast(means(*map(np.array, moments), n), confidence=0.95))
        truth = np.ptp(scale) if contrast is largest_difference else scale.min() / scale.max()
        at_least = of_mixed_sizes if sizes == "mixed" else of_equal_sizes
        assert_gaps_cover(gaps, truth, at_least=at_least, side=1 - at_least, what=name)


SCORES = {
    "even": lambda rng, n: rng.beta(2, 2, n),
    "decided": lambda rng, n: rng.beta(0.5, 0.5, n),
    "rare": lambda rng, n: rng.beta(0.5, 10, n),
}
ERRORS = {
    "none": lambda p: p,
    "slight": lambda p: special.expit(0.9 * special.logit(p)),
    "too sure": lambda p: special.expit(0.6 * special.logit(p)),
    "shifted": lambda p: special.expit(special.logit(p) + 0.3),
    "one bin": lambda p: np.where((p > 0.4) & (p <= 0.5), p + 0.2, p),
}


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("binning", ["uniform", "quantile"])
@pytest.mark.parametrize("n", [200, 2_000])
def test_calibration_error_covers(scores, error, binning, n):
    rng, bins = np.random.default_rng(4), 10

    def draw(size):
        return np.clip(scores(rng, size), 1e-12, 1 - 1e-12)

    many = draw(400_000)
    edges = np.linspace(0, 1, bins + 1) if binning == "uniform" else np.quantile(many, np.arange(11) / 10)
    index = np.searchsorted(edges[1:-1], many)
    gaps = np.bincount(index, weights=error(many) - many, minlength=bins)
    truth, intervals = float(np.abs(gaps).sum()) / len(many), []
    for _ in range(repetitions(60, 2_000)):
        score = draw(n)
        table = reliability_table(rng.random(n) < error(score), score, bins=bins, binning=binning)
        intervals.append(calibration_error_interval(table, confidence=0.95))
    # The truth is itself an average over rows, so it is known to three digits only.
    slack = 0.0 if truth == 0 else 2e-4
    covered = sum(each.low <= truth + slack and truth - slack <= each.high for each in intervals)
    assert_at_least(covered, len(intervals), 0.945)


@pytest.mark.parametrize(
    ("n", "score", "share"),
    [
        (100, 0.001, 0.0165),
        (1_000, 0.0001, 0.002),
        (10_000, 0.0001, 0.0003),
        (100, 0.001, 0.001),
        (100, 0.01, 0.03),
        (100, 0.05, 0.005),
        (100, 0.999, 0.0165),
        (1_000, 0.001, 0.003),
        (1_000, 0.01, 0.015),
        (10_000, 0.0001, 0.0001),
        (10_000, 0.001, 0.0002),
        (10_000, 0.001, 0.002),
    ],
)
def test_calibration_of_rare_events_covers(n, score, share):
    """Without simulation: of equal scores all that varies is the number of events."""
    events = np.arange(n + 1)
    chance = stats.binom.pmf(events, n, share)
    likely = chance > 1e-7
    truths = {calibration_error_interval: abs(score - share), reliability_interval: (score - share) ** 2}
    misses = dict.fromkeys(truths, np.zeros(2))
    for k, p in zip(events[likely], chance[likely], strict=True):
        table = reliability_table(np.arange(n) < k, np.full(n, score))
        for limits, truth in truths.items():
            found = limits(table, confidence=0.95)
            # Rounding of a bound that equals the truth is not a miss.
            missed = [found.low > truth + 1e-12, found.high < truth - 1e-12]
            misses[limits] = misses[limits] + p * np.array(missed)
    for limits, (above, below) in misses.items():
        assert max(above, below) + chance[~likely].sum() <= 0.025, limits.__name__


MEASURES = (calibration_error_interval, reliability_interval, resolution_interval)


def truths(score, share, bins, binning):
    """Each measure of a population of equally likely scores, true shares given."""
    edges = (
        np.linspace(0, 1, bins + 1)
        if binning == "uniform"
        else np.quantile(score, np.arange(bins + 1) / bins)
    )
    index = np.searchsorted(edges[1:-1], score)
    rows = np.maximum(np.bincount(index, minlength=bins), 1)
    gap = np.bincount(index, weights=share - score, minlength=bins) / rows
    apart = np.bincount(index, weights=share, minlength=bins) / rows - share.mean()
    weight = rows / len(score)
    return weight @ np.abs(gap), weight @ gap**2, weight @ apart**2


@pytest.mark.parametrize(
    ("centre", "spread", "n"),
    [
        (0.5, 1.5, 1_000),
        (0.2, 1, 1_000),
        (0.006, 1, 100),
        (0.006, 1, 1_000),
        (6e-4, 1, 1_000),
        (6e-5, 1, 10_000),
    ],
)
@pytest.mark.parametrize("odds", [1, 3, 15])
@pytest.mark.parametrize("binning", ["uniform", "quantile"])
def test_calibration_measures_cover(centre, spread, n, odds, binning):
    """Scores of a logit-normal law, from ordinary ones to one in 10,000; the true odds are a multiple of theirs."""
    rng, runs = np.random.default_rng(7), repetitions(40, 2_000)

    def law(normal):
        score = special.expit(special.logit(centre) + spread * normal)
        return score, special.expit(special.logit(score) + np.log(odds))

    population = law(special.ndtri((np.arange(400_000) + 0.5) / 400_000))
    bounds = np.empty((runs, len(MEASURES), 2))
    for run in bounds:
        score, share = law(rng.normal(size=n))
        table = reliability_table(rng.random(n) < share, score, binning=binning)
        for found, limits in zip(run, MEASURES, strict=True):
            interval = limits(table, confidence=0.95)
            found[:] = interval.low, interval.high
    for limits, found, truth in zip(
        MEASURES, bounds.swapaxes(0, 1), truths(*population, 15, binning), strict=True
    ):
        # The population is a grid of scores, which is exact to three digits.
        above, below = (
            int((found[:, 0] > truth * 1.001 + 1e-12).sum()),
            int((found[:, 1] < truth * 0.999).sum()),
        )
        assert_at_least(runs - above - below, runs, 0.95, limits.__name__)
        assert_at_most(max(above, below), runs, 0.03, limits.__name__)


@pytest.mark.parametrize("n", [200, 1_000])
@pytest.mark.parametrize("centre", [0, -3])
@pytest.mark.parametrize(("intercept", "slope"), [(0, 1), (0.3, 0.6), (0, 1.5), (0.3, 1)])
def test_calibration_slope_and_intercept_cover(n, centre, intercept, slope):
    rng, slopes, intercepts = np.random.default_rng(5), [], []
    for _ in range(repetitions(300, 10_000)):
        logit = rng.normal(centre, 1.5, n)
        label = rng.random(n) < special.expit(intercept + slope * logit)
        for measure, found in ((calibration_slope, slopes), (calibration_intercept, intercepts)):
            result = measure(label, special.expit(logit))
            found.append(mean_t(result.value, float(result.influence.var(ddof=1)), n, confidence=0.95))
    assert_covers(slopes, slope, at_least=0.93, side=0.045)
    if slope == 1:
        assert_covers(intercepts, intercept, at_least=0.935, side=0.04)


def best(statistic, prevalence, shift, at):
    """The statistic of the population: normal scores, those of positives shifted."""
    threshold = np.linspace(-6, 9, 200_001)
    recall, alarms = special.ndtr(shift - threshold), special.ndtr(-threshold)
    precision = prevalence * recall / (prevalence * recall + (1 - prevalence) * alarms)
    if statistic is precision_at_recall:
        return float(precision[recall >= at].max())
    return float(recall[(precision >= at) if statistic is recall_at_precision else (alarms <= at)].max())


@pytest.mark.parametrize(
    ("statistic", "at"),
    [(precision_at_recall, 0.8), (recall_at_precision, 0.5), (recall_at_false_positive_rate, 0.05)],
)
@pytest.mark.parametrize("n", [300, 2_000])
@pytest.mark.parametrize("prevalence", [0.05, 0.3])
def test_bootstrap_covers_operating_points(statistic, at, n, prevalence):
    rng, intervals = np.random.default_rng(6), []
    for _ in range(repetitions(80, 2_000)):
        label = rng.random(n) < prevalence
        score = rng.normal(size=n) + 1.5 * label
        intervals.append(row_interval(statistic(label, score, at), n, confidence=0.95, n_resamples=399))
    assert_covers(intervals, best(statistic, prevalence, 1.5, at), at_least=0.925, side=0.05)
