import time

import numpy as np
import pytest
from scipy import stats

from tidegate.drift.column_test import ColumnTest, Part, worst
from tidegate.drift.level_test import LevelPair
from tidegate.drift.summaries import Summary, summarise
from tidegate.drift.univariate import compare_summaries
from tidegate.stats.categorical import homogeneity, unseen
from tidegate.stats.detectable import detectable_shift, detectable_tilt, detectable_variation
from tidegate.stats.divergence import jensen_shannon, jensen_shannon_null, psi, psi_null
from tidegate.tables import Column

RNG = np.random.default_rng(2)


def number(values, **options) -> Summary:
    return summarise(Column("x", "number", np.asarray(values, dtype=np.float64)), **options)


def category(codes, levels, **options) -> Summary:
    return summarise(Column("x", "category", np.asarray(codes, dtype=np.int32), tuple(levels)), **options)


def compared(then, now, *, min_effect=0.05, level=0.01, **options) -> ColumnTest:
    return compare_summaries(then, now, min_effect=min_effect, level=level, **options)


DRAWS = {
    "normal": lambda n, shift: RNG.normal(shift, 1, n),
    "lognormal": lambda n, shift: np.exp(RNG.normal(shift, 1, n)),
    "mostly zero": lambda n, shift: np.where(RNG.random(n) < 0.3 + shift, RNG.exponential(size=n), 0.0),
    "many counts": lambda n, shift: RNG.poisson(20_000 + 141 * shift, n),
}


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_profile_on_either_side_says_what_the_tables_say(draw, shift):
    then, now = number(draw(40_000, 0.0)), number(draw(20_000, shift))
    tables = compared(then, now)
    for pair in ((then.reduced(), now), (then, now.reduced()), (then.reduced(), now.reduced())):
        found = compared(*pair)
        assert found.p_value >= tables.p_value * (1 - 1e-9)
        assert found.effect == pytest.approx(tables.effect, rel=0.08, abs=0.004)
        assert found.psi == pytest.approx(tables.psi, rel=0.05, abs=0.002)
        assert found.jensen_shannon == pytest.approx(tables.jensen_shannon, rel=0.05, abs=0.005)
        assert found.detectable == pytest.approx(tables.detectable, rel=0.1)


def test_large_tables_are_compared_at_points_that_lose_next_to_nothing():
    x, y = RNG.normal(size=60_000), RNG.normal(0.05, 1.02, size=50_000)
    found, theirs = compared(number(x), number(y)), stats.ks_2samp(x, y, method="asymp")
    assert found.statistic == pytest.approx(theirs.statistic, rel=0.01)
    assert found.statistic <= theirs.statistic
    distance = stats.wasserstein_distance(x, y) / x.std()
    assert found.effect == pytest.approx(distance, rel=0.05)


def test_units_do_not_matter():
    x, y = RNG.normal(size=2_000), RNG.normal(0.2, 1, size=2_000)
    plain = compared(number(x), number(y))
    for scale in (1e-200, 1e300):
        found = compared(number(x * scale), number(y * scale))
        assert found.effect == pytest.approx(plain.effect, rel=1e-9)
        assert found.p_value == plain.p_value
        assert found.detectable == pytest.approx(plain.detectable)


def test_dependence_makes_everything_less_certain():
    then, now = number(RNG.normal(size=4_000)), number(RNG.normal(0.15, 1, size=4_000))
    rows, clusters = compared(then, now, min_effect=0), compared(then, now, min_effect=0, design_effect=4.0)
    assert (rows.baseline, clusters.baseline) == ("rows", "clusters")
    assert clusters.p_value > rows.p_value
    assert clusters.effect < rows.effect
    assert clusters.detectable == pytest.approx(2 * rows.detectable, rel=0.05)
    nothing = compared(then, now, design_effect=np.inf)
    assert (nothing.p_value, nothing.effect, nothing.detectable) == (1, 0, None)


def test_dependent_levels_have_the_same_law_as_fewer_rows():
    a, b = np.array([300, 200, 100]), np.array([250, 260, 90])
    assert homogeneity(4 * a, 4 * b, design_effect=4).p_value == pytest.approx(homogeneity(a, b).p_value)
    rare = homogeneity(np.array([990, 10]), np.array([960, 40]), design_effect=10)
    assert (rare.df, rare.p_value) == (0, pytest.approx(stats.fisher_exact([[99, 1], [96, 4]]).pvalue))
    assert homogeneity(a, b, design_effect=np.inf).p_value == 1


def test_new_and_vanished_levels_are_counted_and_the_commonest_named():
    names = [f"l{i:02d}" for i in range(60)]
    now = np.concatenate([np.zeros(500), np.repeat(np.arange(30, 60), np.arange(1, 31))])
    found = compared(category(np.arange(30).repeat(20), names), category(now, names))
    assert found.new_levels.count == 30
    assert found.new_levels.names[:2] == ["l59", "l58"]
    assert len(found.new_levels.names) == 20
    assert found.new_levels.share == pytest.approx(465 / 965)
    assert found.vanished_levels.count == 29
    assert "new: l59, l58, l57, l56, l55 and 25 more" in found.detail


def test_many_new_rare_levels_are_a_change_and_identifiers_are_none():
    names = [f"{i:06d}" for i in range(20_000)]
    known = RNG.integers(0, 300, size=20_000)
    # Each new level by itself is too rare to be tested.
    new = np.where(np.arange(20_000) < 1_200, 1_000 + np.arange(20_000) % 400, known)
    found = compared(category(known, names), category(new, names))
    assert found.p_value < 1e-6
    assert found.effect > 0.04
    ids = compared(category(np.arange(9_000), names), category(np.arange(9_000, 18_000), names))
    assert (ids.p_value, ids.effect) == (1, 0)
    sessions = compared(
        category(np.arange(9_000).repeat(2), names), category(np.arange(9_000, 18_000).repeat(2), names)
    )
    assert sessions.p_value > 0.4


def test_a_bound_on_rows_of_new_levels_holds_against_the_exact_law():
    # Ten levels of one row each: the new ones among b's five are all of b's.
    assert unseen(np.repeat([1, 0], 5), np.repeat([0, 1], 5)).p_value == 1
    a, b = np.array([500, 490, 0, 0]), np.array([480, 490, 12, 18])
    found = unseen(a, b)
    assert (found.rows, found.expected) == (30, pytest.approx(0, abs=0.02))
    exact = stats.hypergeom.pmf(12, a.sum() + b.sum(), b.sum(), 12) * stats.hypergeom.pmf(
        18, a.sum() + b.sum(), b.sum(), 18
    )
    assert exact * 0.5 <= found.p_value < 100 * exact
    assert unseen(np.array([5]), np.array([7])).p_value == 1


def test_against_a_profile_with_many_levels_new_ones_cannot_be_told():
    names = [f"{i:05d}" for i in range(3_000)]
    codes = RNG.integers(0, 3_000, size=30_000)
    profile = category(codes, names).reduced()
    found = compared(profile, category(RNG.integers(0, 3_000, size=30_000), names))
    assert found.new_levels is None
    assert found.vanished_levels is not None
    assert found.p_value > 1e-4
    moved = np.where(RNG.random(30_000) < 0.2, 7, codes)
    assert compared(profile, category(moved, names)).p_value < 1e-9


def test_a_level_called_missing_is_not_the_missing_values():
    pair = LevelPair.of(category([0, 0, -1], ["(missing)"]), category([0, -1, -1], ["(missing)"]), 1.0)
    assert (pair.a.tolist(), pair.b.tolist()) == ([2, 1], [1, 2])


def test_booleans_are_named_and_other_values_in_them_are_a_finding():
    flags = category([0, 1] * 50, [False, True])
    assert compared(flags, category([0, 1] * 50, [False, True])).kind == "boolean"
    assert compared(flags, category([0, 1] * 50, ["0", "true"])).findings == ()
    assert compared(flags, category([0, 1, 2] * 50, ["0", "1", "maybe"])).findings == (
        "was boolean, is category",
    )


def test_kinds_that_cannot_be_compared_are_a_finding_and_no_crash():
    day = np.datetime64("2024-01-01", "us")
    kinds = [
        number(RNG.normal(size=3_000)).reduced(),
        category([0, 1] * 50, ["a", "b"]),
        summarise(Column("x", "time", day + np.arange(100))),
        summarise(Column("x", "category", np.arange(30), tuple(f"a b c {i}" for i in range(30)))),
    ]
    for then in kinds:
        for now in kinds:
            found = compared(then, now)
            assert bool(found.findings) == (then is not now)
            assert found.p_value == 1 or then.kind == now.kind


def test_an_empty_window_is_a_finding():
    for pair in ((number([]), number([1.0])), (number([1.0]), number([]))):
        found = compared(*pair)
        assert (found.p_value, found.effect, found.test) == (1, 0, "none")
        assert "has no rows" in found.findings[0]


def test_shares_of_missing_values_are_told():
    found = compared(number([1.0, np.nan, 2.0, np.inf]), number([1.0, 2.0, 3.0, 4.0]))
    assert (found.missing.reference, found.missing.current) == (0.5, 0)
    assert "missing 50.0% → 0.0%" in found.detail


def dates(start: str, days: int, hours) -> Summary:
    rng = np.random.default_rng(days)
    day = np.repeat(np.arange(days), 30)
    micros = (day * 86_400 + hours(rng, len(day)) * 3_600) * 1e6
    values = np.datetime64(start, "us") + micros.astype("timedelta64[us]")
    return summarise(Column("x", "time", values))


def test_dates_are_tested_by_what_comes_again():
    then = dates("2024-01-01", 70, lambda rng, n: rng.integers(8, 18, n))
    assert compared(then, dates("2024-04-01", 35, lambda rng, n: rng.integers(8, 18, n))).p_value > 0.01
    later = compared(then, dates("2024-04-01", 35, lambda rng, n: rng.integers(11, 21, n)))
    assert (later.kind, later.test) == ("date", "two-sample chi-squared of hour")
    assert later.p_value < 1e-6
    short = compared(then, dates("2024-04-01", 3, lambda rng, n: rng.integers(8, 18, n)))
    assert (short.p_value, short.test) == (1, "none")
    assert "too few weeks" in short.detail


def test_dates_that_grow_old_drift():
    now = np.datetime64("2024-01-01", "us") + np.arange(2_000) * np.timedelta64(1, "h")
    then, late = (
        summarise(
            Column("x", "time", now - (RNG.random(2_000) * days * 86_400e6).astype("timedelta64[us]")),
            timestamp=now,
        )
        for days in (5, 8)
    )
    found = compared(then, late)
    assert found.test == "Kolmogorov-Smirnov of age in days"
    assert found.p_value < 1e-6


def lines(count: int, words: list[str], seed: int) -> Column:
    rng = np.random.default_rng(seed)
    made = sorted({" ".join(rng.choice(words, size=rng.integers(3, 12))) for _ in range(count)})
    return Column("x", "category", np.arange(len(made), dtype=np.int32), tuple(made))


def test_text_drifts_by_its_worst_descriptor():
    old = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu") for b in ("ra", "se", "ti", "vo")]
    new = [word[::-1] for word in old]
    then = summarise(lines(600, old, 1))
    still = compared(then, summarise(lines(600, old, 2), like=then))
    assert (still.kind, still.p_value > 0.01) == ("text", True)
    moved = compared(then, summarise(lines(600, new, 3), like=then))
    assert moved.p_value < 1e-9
    assert moved.test.endswith("share of words unknown to the reference")
    # A summary that was made by itself has words of its own, and says nothing of the reference's.
    alone = compared(then, summarise(lines(600, new, 3)))
    assert alone.p_value > 0.01


def test_the_larger_of_certain_changes_is_the_news():
    parts = [Part("a", 1, 1e-30, 0.06), Part("b", 1, 1e-12, 0.5), Part("c", 1, 0.2, 0.9)]
    assert worst(parts, 0.05).test == "b"
    assert worst(parts, 0.05).p_value == pytest.approx(3e-12)
    assert worst([], 0.05).p_value == 1


def test_divergences_agree_with_their_definitions():
    a, b = np.array([50, 30, 20]), np.array([20, 30, 50])
    from scipy.spatial.distance import jensenshannon

    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, base=2))
    p, q = (a + 0.5) / 101.5, (b + 0.5) / 101.5
    assert psi(a, b) == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert jensen_shannon(np.array([5, 0]), np.array([0, 9])) == 1
    assert psi(a, a) == jensen_shannon(a, a) == 0
    for measure in (psi, jensen_shannon):
        with pytest.raises(ValueError, match="at least one row"):
            measure(np.array([0, 0]), a[:2])


def test_the_sizes_that_chance_gives_divergences():
    rng, k, n, m = np.random.default_rng(5), 10, 2_000, 500
    draws = [[rng.multinomial(size, np.full(k, 1 / k)) for size in (n, m)] for _ in range(600)]
    assert np.mean([psi(*each) for each in draws]) == pytest.approx(psi_null(k, n, m), rel=0.08)
    squares = np.mean([jensen_shannon(*each) ** 2 for each in draws])
    assert np.sqrt(squares) == pytest.approx(jensen_shannon_null(k, n, m), rel=0.08)
    assert psi_null(10, 500, 500) == pytest.approx(0.036)
    assert jensen_shannon_null(10, 500, 500) == pytest.approx(0.0806, abs=1e-3)


def test_detectable_levels_agree_with_a_peers_sample_size():
    from statsmodels.stats.power import GofChisquarePower

    shift = detectable_tilt(np.array([0.0, 1.0]), np.array([0.8, 0.2]), 400, level=0.001)
    peer = GofChisquarePower().solve_power(nobs=400, alpha=0.001, power=0.8, n_bins=2)
    assert shift == pytest.approx(peer, rel=1e-4)
    assert detectable_variation(np.array([0.5, 0.5]), 400, level=0.001) == pytest.approx(peer / 2, rel=1e-4)
    assert detectable_variation(np.array([1.0]), 400, level=0.01) is None
    assert detectable_variation(np.array([0.5, 0.5]), 2, level=0.01) is None


def test_too_few_rows_detect_nothing():
    flat = np.linspace(0, 1, 11)
    assert detectable_shift(flat, 0.3, 0.5, level=0.01) is None
    assert compared(number([1.0, 2.0]), number([1.0, 3.0])).detectable is None


def test_a_change_below_the_size_that_counts_is_not_said_to_be_detectable():
    then, now = (number(RNG.normal(size=100_000)) for _ in range(2))
    assert compared(then, now, min_effect=0).detectable < 0.03
    assert 0.05 < compared(then, now, min_effect=0.05).detectable < 0.06


@pytest.mark.slow
def test_fifty_columns_of_a_million_rows_cost_little_more_than_their_sorting():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 1_000_000))
    start = time.process_time()
    for values in (x, y):
        np.sort(values)
    sorting = time.process_time() - start
    start = time.process_time()
    compared(number(x), number(y))
    assert time.process_time() - start < 3 * sorting + 0.1
