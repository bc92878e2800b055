"""Counts of repetitions, and claims about rates that allow for the simulation's own error."""

import os
from collections.abc import Iterable

import numpy as np
from scipy import stats

from tidegate.stats.results import Interval, PairedResult

# A true claim fails this often, per assertion: rare enough for a few hundred assertions a run.
FALSE_FAILURE = 1e-5


def repetitions(reduced: int, full: int) -> int:
    return full if os.environ.get("TIDEGATE_SIMULATIONS") == "full" else reduced


def assert_at_least(hits: int, runs: int, rate: float, what: str = "") -> None:
    chance = stats.binom.cdf(hits, runs, rate)
    assert chance > FALSE_FAILURE, f"{what}: {hits}/{runs} = {hits / runs:.4f}, claimed at least {rate}"


def assert_at_most(hits: int, runs: int, rate: float, what: str = "") -> None:
    chance = stats.binom.sf(hits - 1, runs, rate)
    assert chance > FALSE_FAILURE, f"{what}: {hits}/{runs} = {hits / runs:.4f}, claimed at most {rate}"


def assert_covers(
    intervals: Iterable[Interval | PairedResult], truth: float, *, at_least: float, side: float
) -> None:
    """The intervals cover the truth often enough, and miss it on either side seldom enough."""
    bounds = np.array([(each.low, each.high) for each in intervals])
    runs = len(bounds)
    above, below = int((bounds[:, 0] > truth).sum()), int((bounds[:, 1] < truth).sum())
    assert_at_least(runs - above - below, runs, at_least, "coverage")
    assert_at_most(above, runs, side, "interval wholly above the truth")
    assert_at_most(below, runs, side, "interval wholly below the truth")
