"""A part of `benchmarks/comparison_errors.py`: what it claims of Tidegate, and whether its other rules are right."""

import sys
from pathlib import Path

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions
from sklearn import metrics as sk

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from comparison_errors import MEASURES, METHODS, Cell, draw, percentile, placements, resampled, single

pytestmark = pytest.mark.statistical
# The bootstrap that some metrics need in each of twenty slices costs the most.
RUNS = {"log_loss": (60, 2_000), "root_mean_squared_error": (120, 2_000)}
OURS, POINT, UNPAIRED, BOOTSTRAP = METHODS


def runs_of(metric):
    return repetitions(*RUNS.get(metric, (40, 2_000)))


@pytest.mark.parametrize("metric", MEASURES)
def test_no_more_than_one_in_twenty_wrong_models_is_promoted(metric):
    runs = runs_of(metric)
    for kind, question in (("equal", "equal, superior"), ("margin", "margin, non_inferior")):
        hits = Cell(metric, 200, kind).count(runs)
        assert_at_most(hits[question, OURS], runs, 0.05, f"{metric}, {kind}")
        assert_at_least(hits[question, POINT], runs, 0.35, "point thresholds toss a coin")
        assert_at_least(hits[f"{kind}, covered", OURS], runs, 0.94, f"{metric}, covered")


@pytest.mark.parametrize("metric", ["log_loss", "root_mean_squared_error"])
def test_a_bad_slice_among_twenty_is_seldom_promoted(metric):
    runs = runs_of(metric)
    hits = Cell(metric, 1_000, "bad slice").count(runs)
    assert_at_most(hits["bad slice", OURS], runs, 0.05, metric)


def test_a_better_model_is_promoted_and_an_equal_one_is_harmless():
    runs = runs_of("log_loss")
    assert_at_least(
        Cell("log_loss", 10_000, "better").count(runs)["better, superior", OURS], runs, 0.95, "better"
    )
    hits = Cell("log_loss", 1_000, "equal").count(runs)
    assert_at_least(hits["equal, non_inferior", OURS], runs, 0.9, "harmless")


@pytest.mark.parametrize("metric", MEASURES)
def test_the_truth_is_what_many_rows_show(metric):
    measure, rng = MEASURES[metric], np.random.default_rng(1)
    for noise in measure.noise[1:3]:
        sample = draw(rng, metric, 200_000, noise, only_first_slice=False)
        value, variance = single(measure, sample.label, sample.candidate)
        assert abs(value - measure.truth(noise)) < 4.5 * variance**0.5


def test_areas_of_weighted_and_plain_rows_are_scikit_learns():
    rng = np.random.default_rng(2)
    sample = draw(rng, "roc_auc", 300, 1.0, only_first_slice=False)
    weights = rng.integers(0, 4, (5, 300)).astype(float)
    area, _ = placements(sample.label, sample.candidate)
    assert area == pytest.approx(sk.roc_auc_score(sample.label, sample.candidate))
    theirs = [sk.roc_auc_score(sample.label, sample.candidate, sample_weight=w) for w in weights]
    assert resampled(MEASURES["roc_auc"], sample.label, sample.candidate, weights) == pytest.approx(theirs)


@pytest.mark.parametrize("metric", MEASURES)
def test_the_percentile_bootstrap_has_the_width_of_the_paired_error(metric):
    rng, measure = np.random.default_rng(3), MEASURES[metric]
    sample = draw(rng, metric, 900, measure.noise[1], only_first_slice=False)
    low, high = percentile(measure, sample, rng)
    both = np.random.default_rng(4).integers(0, 900, (300, 900))
    drawn = [
        single(measure, sample.label[rows], sample.candidate[rows])[0]
        - single(measure, sample.label[rows], sample.production[rows])[0]
        for rows in both
    ]
    assert (high - low) / 3.92 == pytest.approx(np.std(drawn), rel=0.2)
