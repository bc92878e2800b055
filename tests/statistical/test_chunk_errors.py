"""Promises of ``baseline: chunks``, by simulation: seasons and autocorrelation do not alarm, changes do."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import signal, stats
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.drift.chunks import against_chunks, chunk_baseline
from tidegate.stats.prediction import fit_prediction
from tidegate.tables import Column

pytestmark = pytest.mark.statistical
LEVEL = 0.05
ONE_OF_FIFTY = 0.01 / 50


@dataclass(frozen=True)
class World:
    """Data whose windows differ although nothing changes.

    Attributes:
        rows: correlation of one row with the next.
        days: correlation of a day's level with the next day's.
        between: standard deviation of the days' levels, in that of rows.
        week: how far Saturdays and Sundays lie off.
    """

    rows: float = 0.0
    days: float = 0.0
    between: float = 0.0
    week: float = 0.0

    def draw(self, rng: np.random.Generator, chunks: int, n: int) -> np.ndarray:
        """Shape (chunks, n), in the order of time."""
        values = autoregressive(rng, self.rows, chunks * n).reshape(chunks, n)
        level = self.between * autoregressive(rng, self.days, chunks)
        weekend = (np.arange(chunks) + rng.integers(7)) % 7 >= 5
        return values + (level + self.week * weekend)[:, None]


def autoregressive(rng: np.random.Generator, correlation: float, n: int) -> np.ndarray:
    """Standard normal values, each correlated with the one before."""
    noise = rng.normal(size=n) * np.sqrt(1 - correlation**2)
    noise[:1] /= np.sqrt(1 - correlation**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -correlation], noise))


WORLDS = {
    "independent rows": World(),
    "rows correlated 0.5": World(rows=0.5),
    "rows correlated 0.9": World(rows=0.9),
    "levels of days": World(between=0.3),
    "levels of days correlated 0.5": World(days=0.5, between=0.3),
    "levels of days correlated 0.8": World(days=0.8, between=0.3),
    "weekends": World(week=0.5),
    "weekends and correlated rows": World(rows=0.5, week=0.5),
}


def number(values: np.ndarray) -> Column:
    return Column("x", "number", values.ravel())


def category(values: np.ndarray) -> Column:
    codes = np.searchsorted([-1.5, -0.5, 0.2, 1.0], values.ravel()).astype(np.int32)
    return Column("x", "category", codes, tuple(f"level {i}" for i in range(5)))


def gaps(values: np.ndarray) -> Column:
    """A column whose missing values come and go with the world."""
    return Column("x", "number", np.where(values.ravel() > 1.3, np.nan, 1.0 + (values.ravel() > 0)))


def rare(values: np.ndarray) -> Column:
    """Hardly ever anything but 0."""
    return Column("x", "number", np.where(values.ravel() > 2.6, np.exp(values.ravel()), 0.0))


KINDS = {"number": number, "category": category, "gaps": gaps}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("chunks", [10, 20, 50])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_nothing_changed_and_nothing_alarms(world, chunks, make):
    rng, runs, n = np.random.default_rng(chunks), repetitions(15, 3_000), 120
    codes = np.repeat(np.arange(chunks), n)
    p_values = []
    for _ in range(runs):
        values = world.draw(rng, chunks + 1, n)
        p_values.append(against_chunks(chunk_baseline(make(values[:-1]), codes), make(values[-1])).p_value)
    for level in (LEVEL, ONE_OF_FIFTY):
        assert_at_most(int((np.array(p_values) <= level).sum()), runs, level, f"alarms at {level}")


@pytest.mark.parametrize("world", ["independent rows", "rows correlated 0.5", "weekends"])
def test_rare_values_alarm_no_more_often(world):
    """Few events are skewed, which Student's law does not know. Rare long spells cannot be learnt from few chunks."""
    rng, runs, n, chunks = np.random.default_rng(1), repetitions(100, 10_000), 120, 20
    codes, p_values = np.repeat(np.arange(chunks), n), []
    for _ in range(runs):
        values = WORLDS[world].draw(rng, chunks + 1, n)
        p_values.append(against_chunks(chunk_baseline(rare(values[:-1]), codes), rare(values[-1])).p_value)
    for level in (LEVEL, ONE_OF_FIFTY):
        assert_at_most(int((np.array(p_values) <= level).sum()), runs, level, f"alarms at {level}")


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("chunks", [5, 8, 12, 25, 50])
def test_a_single_summary_keeps_small_levels_whatever_the_correlation_of_chunks(chunks, correlation):
    """The interval itself, without the slack that many summaries of one column give."""
    rng, runs = np.random.default_rng(100 + chunks), repetitions(300, 100_000)
    rows, p_values = np.full(chunks, 400), np.empty(runs)
    for run in range(runs):
        level = 0.2 * autoregressive(rng, correlation, chunks + 1)
        values = (level + rng.normal(size=chunks + 1) / 20)[:, None]
        p_values[run] = fit_prediction(values[:-1], rows, np.ones(1)).p_values(values[-1], 400)[0]
    for level in (LEVEL, 0.01, ONE_OF_FIFTY):
        assert_at_most(int((p_values <= level).sum()), runs, level, f"alarms at {level}")


def test_the_usual_band_would_alarm():
    """Mean ± 3 standard deviations of ten chunks, which a normal law leaves in one case of 370."""
    rng, runs = np.random.default_rng(2), repetitions(2_000, 20_000)
    values = rng.normal(size=(runs, 11))
    past = values[:, :-1]
    outside = np.abs(values[:, -1] - past.mean(axis=1)) > 3 * past.std(axis=1, ddof=1)
    assert outside.mean() > 2 * 2 * stats.norm.sf(3)


@pytest.mark.parametrize("window", [40, 120, 400])
def test_chunks_of_unequal_size_and_windows_of_another(window):
    rng, runs, chunks = np.random.default_rng(3), repetitions(80, 5_000), 20
    alarms = 0
    for _ in range(runs):
        sizes = rng.integers(30, 210, chunks)
        level = 0.3 * rng.normal(size=chunks + 1)
        codes = np.repeat(np.arange(chunks), sizes)
        baseline = chunk_baseline(number(rng.normal(size=len(codes)) + level[codes]), codes)
        alarms += against_chunks(baseline, number(rng.normal(level[-1], 1, window))).p_value <= LEVEL
    assert_at_most(alarms, runs, LEVEL, "alarms")


SEEN = {
    "independent rows, 10 chunks": (World(), 10, LEVEL, 0.9),
    "independent rows, 20 chunks, one of 50 columns": (World(), 20, ONE_OF_FIFTY, 0.8),
    "levels of days, 20 chunks": (World(between=0.1), 20, LEVEL, 0.8),
    "weekends of 0.2, 50 chunks": (World(week=0.2), 50, LEVEL, 0.9),
    "rows correlated 0.5, 20 chunks": (World(rows=0.5), 20, LEVEL, 0.85),
}


@pytest.mark.parametrize(("world", "chunks", "level", "power"), SEEN.values(), ids=SEEN)
def test_a_shift_of_half_a_standard_deviation_is_found(world, chunks, level, power):
    rng, runs, n = np.random.default_rng(4), repetitions(40, 1_000), 400
    codes, hits = np.repeat(np.arange(chunks), n), 0
    for _ in range(runs):
        values = world.draw(rng, chunks + 1, n)
        hits += (
            against_chunks(chunk_baseline(number(values[:-1]), codes), number(values[-1] + 0.5)).p_value
            <= level
        )
    assert_at_least(hits, runs, power, "found")


@pytest.mark.parametrize(("chunks", "between"), [(12, 0.0), (30, 0.0), (30, 0.2)])
def test_the_detectable_shift_is_found_about_as_often_as_it_says(chunks, between):
    rng, runs, n = np.random.default_rng(5), repetitions(120, 5_000), 200
    codes, hits = np.repeat(np.arange(chunks), n), 0
    for _ in range(runs):
        values = World(between=between).draw(rng, chunks + 1, n)
        baseline = chunk_baseline(number(values[:-1]), codes)
        told = against_chunks(baseline, number(values[-1]), level=LEVEL).detectable
        scale = values[:-1].std()
        hits += against_chunks(baseline, number(values[-1] + told * scale), level=LEVEL).p_value <= LEVEL
    assert_at_least(hits, runs, 0.75, "found")
