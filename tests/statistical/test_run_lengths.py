"""Promises over a sequence of reports, by simulation: the alarm budget, the monitor's run length and its delay."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats
from simulation import FALSE_FAILURE, assert_at_most, repetitions

from tidegate.drift.alarms import Spent, alarm_level
from tidegate.drift.evidence import Distance, Shift, WindowEvidence
from tidegate.drift.monitor import RISK, Monitor
from tidegate.stats.categorical import homogeneity
from tidegate.stats.sequential import (
    BETS,
    chi_squared_given_reference,
    e_values,
    expected_delay,
    ks_given_reference,
    shift_given_reference,
    shiryaev_roberts,
)

pytestmark = pytest.mark.statistical
START = datetime(2024, 1, 1, tzinfo=UTC)
NEVER = 10**6
RUN_LENGTH = 60


def irregular(rng: np.random.Generator, hours: int) -> np.ndarray:
    """Mostly minutes to days apart, sometimes months."""
    return np.cumsum(np.exp(rng.normal(1, 2.5, hours)).clip(0.02, 2_000))


SCHEDULES = {
    "daily for three years": (np.arange(1_095) * 24.0, timedelta(days=365)),
    "hourly for forty days": (np.arange(960) * 1.0, timedelta(days=10)),
    "irregular for years": (irregular(np.random.default_rng(1), 700), timedelta(days=90)),
}


def levels(hours: np.ndarray, false_per: timedelta) -> np.ndarray:
    past: list[Spent] = []
    for i, hour in enumerate(hours.tolist()):
        at = START + timedelta(hours=hour)
        level = alarm_level(at, str(i), past, false_alarm_rate=0.01, false_per=false_per).level
        past.append(Spent(at, str(i), level))
    return np.array([each.level for each in past])


def assert_mean_at_most(values: np.ndarray, most: float) -> None:
    """Reports that share a reference alarm together: the error is that between references."""
    error = values.std(ddof=1) / math.sqrt(len(values))
    assert values.mean() <= most - stats.norm.ppf(FALSE_FAILURE) * error


@pytest.mark.parametrize("shared", [True, False], ids=["one reference", "a new reference each time"])
@pytest.mark.parametrize(("hours", "false_per"), SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_gives_at_most_one_false_alarm_in_a_period(hours, false_per, shared):
    allowed = levels(hours, false_per)
    periods = (hours[-1] - hours[0]) / (false_per / timedelta(hours=1))
    bounds = stats.norm.isf(allowed / 2)
    rng, runs = np.random.default_rng(2), repetitions(1_000, 10_000)
    alarms = np.zeros(runs)
    for run in range(runs):
        reference = rng.normal() if shared else rng.normal(size=len(hours))
        z = (rng.normal(size=len(hours)) - reference) / math.sqrt(2)
        alarms[run] = (np.abs(z) >= bounds).sum()
    # The first report's level is for the time before it.
    assert_mean_at_most(alarms / (periods + 0.01), 1.0)
    assert allowed.sum() > 0.3 * min(periods, 1), "the budget is there to be used"


def run_lengths(p_values: np.ndarray, threshold: float) -> np.ndarray:
    """Steps until the detector of each row exceeds the threshold, or NEVER; p-values of shape (runs, steps)."""
    runs, steps = p_values.shape
    evidence, found = np.zeros((runs, len(BETS))), np.full(runs, NEVER)
    for step in range(steps):
        evidence = np.minimum(
            shiryaev_roberts(evidence, e_values(p_values[:, step]), np.ones(runs)), 100 * threshold
        )
        found[(found == NEVER) & (evidence.sum(axis=1) >= threshold)] = step + 1
    return found


def test_the_detector_runs_at_least_as_long_as_its_threshold():
    runs, steps, threshold = repetitions(2_000, 50_000), 400, 40.0
    found = run_lengths(np.random.default_rng(3).random((runs, steps)), threshold)
    lengths = np.minimum(found, steps)
    error = lengths.std(ddof=1) / math.sqrt(runs)
    assert lengths.mean() >= threshold + stats.norm.ppf(FALSE_FAILURE) * error
    assert lengths.mean() < 5 * threshold, "not by never alarming"
    for within in (5, 10, 20, 40):
        assert_at_most(int((found <= within).sum()), runs, within / threshold, f"alarms within {within}")


def test_the_recursion_has_the_run_length_of_the_literature():
    """Shiryaev-Roberts for a known normal shift: threshold / zeta by renewal theory (Pollak, 1987; Woodroofe, 1982)."""
    k, threshold = np.arange(1, 2_000), 60.0
    zeta = 2 * math.exp(-2 * float((stats.norm.cdf(-np.sqrt(k) / 2) / k).sum()))
    rng, runs = np.random.default_rng(4), repetitions(3_000, 50_000)
    evidence, lengths = np.zeros((runs, 1)), np.zeros(runs)
    for _ in range(1_500):
        running = evidence[:, 0] < threshold
        if not running.any():
            break
        lengths += running
        e = np.exp(rng.normal(size=(runs, 1)) - 0.5)
        evidence = np.where(running[:, None], shiryaev_roberts(evidence, e, np.ones(runs)), evidence)
    error = lengths.std(ddof=1) / math.sqrt(runs)
    assert lengths.mean() == pytest.approx(threshold / zeta, abs=4.5 * error + 0.03 * threshold)


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("streams", [1, 20])
def test_the_delay_is_about_what_is_told(shift, streams):
    runs, threshold = repetitions(500, 10_000), 1_000.0
    rng = np.random.default_rng(5)
    p_values = stats.norm.sf(rng.normal(shift, 1, (runs, 400)))
    found = run_lengths(p_values, threshold * streams)
    assert (found < NEVER).mean() > 0.99
    assert found[found < NEVER].mean() == pytest.approx(
        expected_delay(shift, threshold, streams), rel=0.25, abs=1.0
    )


SMALL = {"a reference as large as a window": 1, "a reference ten times as large": 10}
LEVELS = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
ROWS = 200


@pytest.mark.parametrize("times", SMALL.values(), ids=SMALL)
def test_p_values_given_a_reference_are_valid_for_nearly_all_references(times):
    risk, rng = 0.1, np.random.default_rng(6)
    references, windows = repetitions(60, 1_000), 40
    bad = {"shift": 0, "ks": 0, "chi-squared": 0}
    for _ in range(references):
        then, counts = np.sort(rng.random(times * ROWS)), rng.multinomial(times * ROWS, LEVELS)
        small = dict.fromkeys(bad, 0)
        for _ in range(windows):
            now = rng.random(ROWS)
            observed = rng.multinomial(ROWS, LEVELS)
            p = {
                "shift": shift_given_reference(
                    now.mean() - then.mean(),
                    math.sqrt(1 / 12 / len(then)),
                    math.sqrt(1 / 12 / ROWS),
                    risk=risk,
                    two_sided=True,
                ),
                "ks": ks_given_reference(distance(then, now), len(then), ROWS, risk=risk),
                "chi-squared": chi_squared_given_reference(
                    homogeneity(counts, observed).statistic, 4, len(then), ROWS, risk=risk
                ),
            }
            for kind, value in p.items():
                small[kind] += value <= 0.2
        for kind, hits in small.items():
            bad[kind] += stats.binom.sf(hits - 1, windows, 0.2) < 1e-3
    for kind, hits in bad.items():
        assert_at_most(hits, references, risk + 1e-3, kind)


def distance(then: np.ndarray, now: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance; `then` ascending."""
    both = np.concatenate((then, now))
    below = np.searchsorted(then, both, side="right") / len(then)
    return float(np.abs(below - np.searchsorted(np.sort(now), both, side="right") / len(now)).max())


def run(rng: np.random.Generator, times: int, limit: int, *, shift: float = 0.0, exact: bool = False) -> int:
    """Windows until the monitor alarms that shares one reference with all windows, or NEVER.

    Args:
        rng: to draw from.
        times: rows of the reference, in windows.
        limit: windows to look at.
        shift: of all streams from the first window on, in standard errors of a window.
        exact: pretend that the reference has no error, as if p-values were independent.
    """
    then, counts = np.sort(rng.normal(size=times * ROWS)), rng.multinomial(times * ROWS, LEVELS)
    monitor, error = Monitor.start(RUN_LENGTH), 1 / math.sqrt(ROWS)
    for i in range(limit):
        now, observed = rng.normal(shift * error, 1, ROWS), rng.multinomial(ROWS, LEVELS)
        rows = len(then) * (10**9 if exact else 1)
        streams = [
            Shift("performance", now.mean() - then.mean(), 1 / math.sqrt(rows), error),
            Distance("x", distance(then, now), rows, ROWS),
            Distance("level", homogeneity(counts, observed).statistic, rows, ROWS, df=4),
        ]
        at = START + timedelta(days=i + 1)
        monitor = monitor.update(WindowEvidence(str(i), "then", at, at - timedelta(days=1), streams))
        if monitor.value >= monitor.threshold:
            return i + 1
    return NEVER


@pytest.mark.parametrize("times", SMALL.values(), ids=SMALL)
def test_windows_that_share_a_reference_seldom_alarm_without_change(times):
    """Within t windows with a chance of at most t / run length, beside the few references that are far out."""
    rng, runs, limit = np.random.default_rng(7), repetitions(60, 2_000), 30
    found = np.array([run(rng, times, limit) for _ in range(runs)])
    for within in (5, 15, 30):
        most = within * (1 - RISK) / RUN_LENGTH + RISK
        assert_at_most(int((found <= within).sum()), runs, most, f"within {within}")


def test_without_granting_the_reference_its_error_they_would():
    """What the bound is for: the same windows, taken as if the reference were known exactly."""
    rng, runs = np.random.default_rng(8), repetitions(40, 500)
    found = np.array([run(rng, 1, 30, exact=True) for _ in range(runs)])
    assert (found <= 15).mean() > 15 * (1 - RISK) / RUN_LENGTH + RISK


def test_a_slow_shift_that_no_window_shows_is_found():
    rng, runs = np.random.default_rng(9), repetitions(30, 500)
    found = np.array([run(rng, 10, 40, shift=1.8) for _ in range(runs)])
    assert (found <= 40).mean() > 0.9
