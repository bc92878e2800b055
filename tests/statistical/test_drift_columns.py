"""Promises of the tests of single columns, by simulation: levels kept far into the tail, shifts found as stated."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from simulation import FALSE_FAILURE, assert_at_least, assert_at_most, repetitions

from tidegate.drift.column_test import ColumnTest
from tidegate.drift.summaries import Summary, summarise
from tidegate.drift.univariate import compare_summaries
from tidegate.stats.categorical import homogeneity, unseen
from tidegate.tables import Column

pytestmark = pytest.mark.statistical
Draw = Callable[[np.random.Generator, int], np.ndarray]
TAIL = 0.01


def number(values: np.ndarray, **options: np.ndarray) -> Summary:
    return summarise(Column("x", "number", np.asarray(values, dtype=np.float64)), **options)


def category(codes: np.ndarray, levels: int, **options: np.ndarray) -> Summary:
    names = tuple(f"level {i:06d}" for i in range(levels))
    return summarise(Column("x", "category", codes.astype(np.int32), names), **options)


def compared(then: Summary, now: Summary, level: float = 0.001) -> ColumnTest:
    return compare_summaries(then, now, min_effect=0, level=level)


def assert_conservative(p_values: list[float], what: str) -> None:
    """Uniform or larger, in the body (one-sided Kolmogorov-Smirnov) and in the tail."""
    assert stats.ks_1samp(p_values, stats.uniform.cdf, alternative="greater").pvalue > FALSE_FAILURE, what
    for rate in (0.1, TAIL):
        assert_at_most(int((np.array(p_values) <= rate).sum()), len(p_values), rate, f"{what} at {rate}")


NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: np.exp(1.5 * rng.normal(size=n)),
    "counts": lambda rng, n: rng.poisson(4, n),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.1, rng.exponential(size=n), 0.0),
    "near the share that is kept": lambda rng, n: np.where(rng.random(n) < 0.02, 1.0, rng.normal(size=n)),
    "gaps": lambda rng, n: np.where(rng.random(n) < 0.03, np.nan, rng.normal(size=n)),
}


@pytest.mark.parametrize("profile", ["table", "profile", "two profiles"])
@pytest.mark.parametrize("draw", NUMBERS.values(), ids=NUMBERS)
def test_numbers_that_did_not_change_keep_the_level(draw, profile):
    rng, p_values = np.random.default_rng(1), []
    for _ in range(repetitions(25, 5_000)):
        then, now = number(draw(rng, 3_000)), number(draw(rng, 1_500))
        then = then if profile == "table" else then.reduced()
        p_values.append(compared(then, now.reduced() if profile == "two profiles" else now).p_value)
    assert_conservative(p_values, "p-values")


def test_a_million_rows_have_uniform_p_values():
    rng, p_values = np.random.default_rng(2), []
    for _ in range(repetitions(6, 1_000)):
        p_values.append(compared(*(number(rng.normal(size=1_000_000)) for _ in range(2))).p_value)
    assert_conservative(p_values, "p-values")
    assert stats.ks_1samp(p_values, stats.uniform.cdf).pvalue > FALSE_FAILURE


@pytest.mark.parametrize(("n", "m"), [(500, 500), (20_000, 500), (100_000, 100_000), (1_000_000, 1_000_000)])
@pytest.mark.parametrize("levels", [2, 20, 1_000, 100_000])
@pytest.mark.parametrize("law", ["equal", "Zipf"])
def test_levels_keep_the_level_at_a_fiftieth_of_a_hundredth(levels, n, m, law):
    """Counts are drawn rather than rows; 0.0002 is what fifty columns at 1% leave to each."""
    rng, rate = np.random.default_rng(levels + n), 0.0002
    shares = np.ones(levels) if law == "equal" else 1 / np.arange(1, levels + 1)
    runs = repetitions(max(3, 300 // max(1, levels // 100)), max(1_000, 100_000 // max(1, levels // 20)))
    p_values = np.array(
        [
            homogeneity(*(rng.multinomial(k, shares / shares.sum()) for k in (n, m))).p_value
            for _ in range(runs)
        ]
    )
    for each in (0.1, TAIL, rate):
        assert_at_most(int((p_values <= each).sum()), runs, each, f"rejections at {each}")


@pytest.mark.parametrize("law", ["equal", "Zipf"])
@pytest.mark.parametrize(("n", "m"), [(60_000, 60_000), (60_000, 6_000)])
def test_levels_beyond_those_that_a_profile_keeps_are_no_change(n, m, law):
    """Levels kept for their luck in the reference fall back in the next window; groups by hash do not."""
    rng, levels = np.random.default_rng(4), 4_000
    shares = np.ones(levels) if law == "equal" else 1 / np.arange(1, levels + 1)
    shares /= shares.sum()
    p_values = []
    for _ in range(repetitions(25, 2_000)):
        then, now = (category(rng.choice(levels, k, p=shares), levels) for k in (n, m))
        p_values.append(compared(then.reduced(), now).p_value)
    assert_conservative(p_values, "p-values")


@pytest.mark.parametrize(("n", "m"), [(2_000, 2_000), (20_000, 500), (500, 20_000)])
def test_levels_never_seen_are_as_many_as_rare_ones_foretell(n, m):
    rng = np.random.default_rng(5)
    shares = 1 / np.arange(1, 5_001)
    runs = repetitions(80, 10_000)
    found = [unseen(*(rng.multinomial(k, shares / shares.sum()) for k in (n, m))) for _ in range(runs)]
    hits = sum(each.p_value <= 0.05 for each in found)
    assert_at_most(hits, runs, 0.05, "rows of new levels")
    rows, expected = (np.array([getattr(each, name) for each in found]) for name in ("rows", "expected"))
    gap = rows - expected
    assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(runs) + 1e-9


def customers(
    rng: np.random.Generator, n: int, per: int, *, alike: float, kind: str
) -> tuple[Column, np.ndarray]:
    """Rows of customers, each of whom has a taste of its own."""
    cluster = rng.integers(max(n // per, 1), size=n)
    taste = rng.normal(size=cluster.max() + 1)[cluster]
    values = np.sqrt(alike) * taste + np.sqrt(1 - alike) * rng.normal(size=n)
    if kind == "number":
        return Column("x", "number", values), cluster
    cuts = stats.norm.ppf([0.5, 0.8, 0.95])
    return Column(
        "x", "category", np.searchsorted(cuts, values).astype(np.int32), ("a", "b", "c", "d")
    ), cluster


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize(("per", "alike"), [(10, 0.3), (50, 0.2), (50, 0.9)])
def test_weeks_of_the_same_customers_habits_seldom_alarm(per, alike, kind):
    rng, runs = np.random.default_rng(6), repetitions(60, 10_000)
    hits, naive = 0, 0
    for _ in range(runs):
        windows = [customers(rng, 3_000, per, alike=alike, kind=kind) for _ in range(2)]
        result = compared(*(summarise(column, cluster=cluster) for column, cluster in windows))
        assert result.baseline == "clusters"
        hits += result.p_value <= TAIL
        naive += compared(*(summarise(column) for column, _ in windows)).p_value <= TAIL
    assert_at_most(hits, runs, TAIL, "weeks that alarm")
    # Taking rows as independent would cry wolf.
    assert naive > 5 * TAIL * runs


def test_clusters_do_not_hide_a_shift():
    rng, runs, hits = np.random.default_rng(7), repetitions(20, 1_000), 0
    for _ in range(runs):
        (then, first), (now, second) = (
            customers(rng, 10_000, 10, alike=0.3, kind="number") for _ in range(2)
        )
        moved = Column("x", "number", now.values + 0.2)
        result = compared(summarise(then, cluster=first), summarise(moved, cluster=second))
        hits += result.p_value <= TAIL
    assert_at_least(hits, runs, 0.95, "found")


SHIFTS: dict[str, Callable[[np.random.Generator, int, float], np.ndarray]] = {
    "normal": lambda rng, n, shift: rng.normal(shift, 1, n),
    "uniform": lambda rng, n, shift: np.sqrt(12) * (rng.random(n) - 0.5) + shift,
    "exponential": lambda rng, n, shift: rng.exponential(size=n) + shift,
    "Laplace": lambda rng, n, shift: rng.laplace(size=n) / np.sqrt(2) + shift,
    "counts": lambda rng, n, shift: rng.poisson(4 + 2 * shift, n),
    "flag": lambda rng, n, shift: rng.random(n) < 0.2 + 0.4 * shift,
}


@pytest.mark.parametrize(("n", "level"), [(500, 0.01), (5_000, 0.0002)])
@pytest.mark.parametrize("draw", SHIFTS.values(), ids=SHIFTS)
def test_the_detectable_shift_is_found_with_80_percent_power_within_a_tenth(draw, n, level):
    rng, runs = np.random.default_rng(8), repetitions(30, 2_000)
    stated = [compared(*(number(draw(rng, n, 0)) for _ in range(2)), level).detectable for _ in range(5)]
    hits = {}
    for factor in (0.9, 1.1):
        shift = factor * float(np.mean(stated))
        hits[factor] = sum(
            compared(number(draw(rng, n, 0)), number(draw(rng, n, shift)), level).p_value <= level
            for _ in range(runs)
        )
    assert_at_least(hits[1.1], runs, 0.8, "found a tenth above")
    assert_at_most(hits[0.9], runs, 0.8, "found a tenth below")


@pytest.mark.parametrize(
    "shares", [[0.3, 0.7], [0.25, 0.25, 0.2, 0.2, 0.1], [0.9, 0.05, 0.03, 0.02]], ids=len
)
def test_the_detectable_change_of_levels_is_found_whatever_it_moves(shares):
    rng, runs, n, level = np.random.default_rng(9), repetitions(200, 3_000), 3_000, 0.001
    shares = np.array(shares)
    counts = [category(rng.choice(len(shares), n, p=shares), len(shares)) for _ in range(2)]
    stated = compared(*counts, level).detectable
    assert stated is not None
    for first in (1, len(shares) - 1):
        # From the first levels to the others, each in proportion.
        group = np.arange(len(shares)) < first
        if shares[group].sum() < stated:
            continue
        moved = np.where(group, -shares / shares[group].sum(), shares / shares[~group].sum()) * stated
        hits = 0
        for _ in range(runs):
            then, now = (rng.multinomial(n, each) for each in (shares, shares + moved))
            hits += homogeneity(then, now).p_value <= level
        assert_at_least(hits, runs, 0.78, "found")


def test_a_profile_of_a_million_rows_loses_little_power():
    """A shift that the whole table shows about half of the time."""
    rng, runs = np.random.default_rng(10), repetitions(6, 400)
    whole, profile = 0, 0
    for _ in range(runs):
        then, now = number(rng.normal(size=1_000_000)), number(rng.normal(0.0035, 1, size=1_000_000))
        tables, reduced = compared(then, now), compared(then.reduced(), now)
        whole += tables.p_value <= 0.05
        profile += reduced.p_value <= 0.05
        assert reduced.statistic <= tables.statistic * (1 + 1e-9)
    assert whole * 0.2 <= profile <= whole
    assert whole - profile <= max(3, 0.08 * runs)


WORDS = np.array([f"w{''.join(chr(97 + i // 26**k % 26) for k in range(3))}" for i in range(4_000)])


def sentences(rng: np.random.Generator, n: int, *, length: float = 8, first: int = 0) -> Column:
    counts = 3 + rng.poisson(length, n)
    ranks = np.minimum(rng.zipf(1.3, size=int(counts.sum())) + first, len(WORDS)) - 1
    ends = np.cumsum(counts)
    lines = [" ".join(WORDS[ranks[end - count : end]]) for end, count in zip(ends, counts, strict=True)]
    levels, codes = np.unique(lines, return_inverse=True)
    return Column("x", "category", codes.astype(np.int32), tuple(levels.tolist()))


def test_texts_of_the_same_kind_keep_the_level_and_others_are_told_by_their_words():
    rng, p_values = np.random.default_rng(11), []
    for _ in range(repetitions(30, 3_000)):
        then = summarise(sentences(rng, 600))
        p_values.append(compared(then, summarise(sentences(rng, 600), like=then)).p_value)
    assert_conservative(p_values, "texts")
    for change, named in (({"length": 11}, "length"), ({"first": 2_500}, "unknown")):
        then = summarise(sentences(rng, 600))
        found = compared(then, summarise(sentences(rng, 600, **change), like=then))
        assert found.p_value < 1e-3
        assert named in found.test or "words" in found.test


def visits(rng: np.random.Generator, start: str, days: int) -> Column:
    """Visits by day: some days are busier than others, and hours differ."""
    counts = rng.poisson(40 * rng.gamma(8, 1 / 8, days))
    day = np.repeat(np.arange(days), counts)
    seconds = np.clip(rng.normal(13, 4, len(day)), 0, 23.99) * 3_600
    times = np.datetime64(start, "us") + ((day * 86_400 + seconds) * 1e6).astype("timedelta64[us]")
    return Column("x", "time", times)


def test_times_that_move_on_are_no_drift():
    rng, p_values = np.random.default_rng(12), []
    for _ in range(repetitions(40, 3_000)):
        then, now = visits(rng, "2024-01-01", 60), visits(rng, "2024-03-06", 38)
        p_values.append(compared(summarise(then), summarise(now)).p_value)
    for rate in (0.1, TAIL):
        assert_at_most(int((np.array(p_values) <= rate).sum()), len(p_values), rate, f"dates at {rate}")
