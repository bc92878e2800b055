"""Bounds of a fully adaptive test set: they hold, where the usual intervals need not, and are not useless."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.metrics import METRICS
from tidegate.metrics.base import Paired
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.far_out import compare
from tidegate.stats import planning
from tidegate.stats.distribution_free import paired_mean, paired_shares
from tidegate.stats.intervals import mean_t

pytestmark = pytest.mark.statistical

FULLY_ADAPTIVE = 0.05 * 2**-32
BOUNDED = ("accuracy", "recall", "f1", "precision", "roc_auc", "brier_score")
POPULATION = 4_000


def population(task_seed: int) -> tuple[Predictions, Predictions]:
    """Two models on rows that a sample is drawn from with replacement, so that the truth is known."""
    rng = np.random.default_rng(task_seed)
    label = rng.random(POPULATION) < 0.3
    common = label * 1.2 + rng.normal(0, 1, POPULATION)

    def model(noise: float) -> Predictions:
        score = special.expit(common - 0.6 + rng.normal(0, noise, POPULATION))
        return Predictions(
            task="binary",
            rows=POPULATION,
            classes=("0", "1"),
            label=label.astype(np.int8),
            prediction=(score >= 0.5).astype(np.int8),
            score=score,
        )

    return model(0.2), model(0.8)


def judged(name: str, a: Predictions, b: Predictions, error: float) -> Paired:
    metric = METRICS[name]
    return compare(metric, a, b, Groups.everything(a.rows), metric.settled, 1 - error)[0]


@pytest.mark.parametrize("rows", [60, 400])
@pytest.mark.parametrize("name", BOUNDED)
def test_coverage_is_at_least_what_is_claimed(name, rows):
    a, b = population(1)
    truth = judged(name, a, b, 0.5).delta
    runs, rng = repetitions(300, 5_000), np.random.default_rng(rows)
    found = []
    for _ in range(runs):
        sample = rng.integers(0, POPULATION, rows)
        found.append(judged(name, a.take(sample), b.take(sample), 0.2))
    above = sum(each.interval.low > truth for each in found)
    below = sum(each.interval.high < truth for each in found)
    assert_at_least(runs - above - below, runs, 0.8, name)
    assert_at_most(above, runs, 0.1, f"{name}, above the truth")
    assert_at_most(below, runs, 0.1, f"{name}, below the truth")


@pytest.mark.parametrize("name", BOUNDED)
def test_p_values_of_models_that_are_equally_good_are_no_smaller_than_they_should_be(name):
    # Which of both is called the candidate is tossed for each row: the true difference is zero.
    a, b = population(2)
    runs, rng, rows = repetitions(300, 5_000), np.random.default_rng(3), 300
    small = 0
    for _ in range(runs):
        sample, swap = rng.integers(0, POPULATION, rows), rng.random(rows) < 0.5
        one, other = a.take(sample), b.take(sample)
        small += judged(name, swapped(one, other, swap), swapped(other, one, swap), 0.1).p_value <= 0.2
    assert_at_most(small, runs, 0.2, name)


def swapped(one: Predictions, other: Predictions, where: np.ndarray) -> Predictions:
    return replace(
        one,
        prediction=np.where(where, other.prediction, one.prediction),
        score=np.where(where, other.score, one.score),
    )


@pytest.mark.parametrize("error", [1e-4, 1e-7, FULLY_ADAPTIVE])
def test_students_t_misses_far_out_where_these_bounds_hold(error):
    # A gain of one on two rows in a hundred, counted out over all samples.
    rows, share = 1_000, 0.02
    seen = np.arange(rows + 1)
    mass = stats.binom.logpmf(seen, rows, share)

    def log_miss(high: np.ndarray) -> float:
        missed = high < share
        return float(special.logsumexp(mass[missed])) if missed.any() else -math.inf

    variance = seen / rows * (1 - seen / rows) * rows / (rows - 1)
    usual = mean_t(seen / rows, variance, np.full(rows + 1, float(rows)), confidence=1 - error)
    bounded = np.array(
        [paired_mean(np.repeat([1.0, 0.0], [k, rows - k]), 2.0, error=error).high for k in seen[:200]]
    )
    assert log_miss(usual.high) > math.log(10 * error)
    assert log_miss(np.append(bounded, np.ones(rows + 1 - 200))) <= math.log(error / 2)


def test_rows_of_a_cluster_count_as_one():
    rng, runs, clusters, size = np.random.default_rng(4), repetitions(300, 3_000), 40, 25
    rows, error = clusters * size, 0.2
    cluster = np.repeat(np.arange(clusters, dtype=np.int32), size)
    label = np.zeros(rows, dtype=np.int8)
    missed = {"clusters": 0, "rows": 0}
    for _ in range(runs):
        # In each cluster one of both models is right everywhere: which one is a toss, so that the truth is zero.
        wins = np.repeat(rng.random(clusters) < 0.5, size).astype(np.int8)
        a, b = (
            Predictions("binary", rows, ("0", "1"), label, said, cluster=cluster) for said in (wins, 1 - wins)
        )
        found = judged("accuracy", a, b, error)
        missed["clusters"] += not found.interval.low <= 0 <= found.interval.high
        alone = judged("accuracy", replace(a, cluster=None), replace(b, cluster=None), error)
        missed["rows"] += not alone.interval.low <= 0 <= alone.interval.high
    assert_at_most(missed["clusters"], runs, error, "by clusters")
    assert missed["rows"] > runs / 2


@pytest.mark.parametrize(
    ("name", "wider"), [("accuracy", 1.4), ("recall", 1.6), ("brier_score", 2.5), ("f1", 6), ("roc_auc", 9)]
)
def test_intervals_are_not_useless(name, wider):
    # Against the usual standard error, had it normal tails: what validity costs at n = 20,000.
    a, b = population(5)
    sample = np.random.default_rng(6).integers(0, POPULATION, 20_000)
    a, b = a.take(sample), b.take(sample)
    metric = METRICS[name]
    usual = metric.compare(a, b, Groups.everything(a.rows), metric.settled, 0.95)[0]
    z = -float(special.ndtri(FULLY_ADAPTIVE / 2))
    half = (lambda interval: (interval.high - interval.low) / 2)(judged(name, a, b, FULLY_ADAPTIVE).interval)
    assert 1 <= half / (z * usual.standard_error) < wider


@pytest.mark.parametrize(
    ("rows", "disagreement", "horizon", "adaptivity"),
    [(5_000, 0.1, 1, "none"), (5_000, 0.1, 32, "none"), (5_000, 0.1, 32, "full"), (20_000, 0.05, 32, "full")],
)
def test_the_planned_power_is_that_of_the_exact_bounds(rows, disagreement, horizon, adaptivity):
    one_sided = planning.log_error(0.975, horizon, adaptivity)
    lead = planning.power_difference(rows, disagreement, one_sided)
    error, share, power = 2 * math.exp(one_sided), (1 + lead / disagreement) / 2, 0.0
    around, spread = rows * disagreement, 6 * math.sqrt(rows * disagreement)
    for discordant in range(int(around - spread), int(around + spread)):
        won = np.arange(discordant // 2 + 1, discordant + 1)
        # McNemar's exact test at nine tenths of the error, which is when the interval excludes zero (below).
        found = won[2 * stats.binom.cdf(discordant - won, discordant, 0.5) <= 0.9 * error]
        chance = stats.binom.sf(found[0] - 1, discordant, share) if len(found) else 0.0
        power += stats.binom.pmf(discordant, rows, disagreement) * chance
    least = int(found[0])
    assert paired_shares(least, discordant - least, rows, error=error).low > 0
    assert paired_shares(least - 1, discordant - least + 1, rows, error=error).low <= 0
    assert power == pytest.approx(0.8, abs=0.03)


def test_a_mean_of_small_differences_pays_for_their_variance_alone():
    small = np.random.default_rng(7).normal(0, 0.02, 50_000).clip(-1, 1)
    normal = -float(special.ndtri(FULLY_ADAPTIVE / 2)) * float(small.std(ddof=1)) / math.sqrt(len(small))
    found = paired_mean(small, 2.0, error=FULLY_ADAPTIVE)
    assert normal < found.high - found.estimate < 3 * normal
    by_range = 2 * math.sqrt(math.log(2 / FULLY_ADAPTIVE) / 100_000)
    assert found.high - found.estimate < by_range / 10
