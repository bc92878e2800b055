from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.drift import calendar
from tidegate.drift.dependence import column_design_effect, joint_design_effect
from tidegate.drift.summaries import (
    BUCKETS,
    CategorySummary,
    DateSummary,
    NumericSummary,
    TextSummary,
    bucket,
    summarise,
)
from tidegate.drift.texts import CHARACTERS, OTHER_SIGNS, UNKNOWN_WORDS, WORDS, describe, is_text
from tidegate.tables import Column

RNG = np.random.default_rng(1)


def number(values, **options) -> NumericSummary:
    found = summarise(Column("x", "number", np.asarray(values, dtype=np.float64)), **options)
    assert isinstance(found, NumericSummary)
    return found


def category(codes, levels, **options) -> CategorySummary:
    found = summarise(Column("x", "category", np.asarray(codes, dtype=np.int32), tuple(levels)), **options)
    assert isinstance(found, CategorySummary)
    return found


def texts(lines, name: str = "x") -> Column:
    levels, codes = np.unique(np.array(lines, dtype=object), return_inverse=True)
    return Column(name, "category", codes.astype(np.int32), tuple(levels.tolist()))


def test_numbers_are_counted_by_what_they_are():
    found = number([3.0, np.nan, 1.0, np.inf, -0.0, 0.0, 3.0, -np.inf])
    assert (found.kind, found.rows, found.missing, found.infinite, found.finite) == ("numeric", 8, 1, 2, 5)
    assert found.points.tolist() == [0.0, 1.0, 3.0]
    assert found.upto.tolist() == [2, 3, 5]
    assert (found.minimum, found.maximum) == (0.0, 3.0)
    assert found.mean == pytest.approx(1.4)
    assert found.spread == pytest.approx(np.std([3, 1, 0, 0, 3]))
    assert found.exact


def test_a_column_without_values_has_a_summary():
    found = number([np.nan, np.inf])
    assert (found.finite, found.minimum, found.maximum, found.mean, found.spread) == (0, None, None, 0, 0)
    assert found.reduced() is found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1.7e308, 1.0, 1e-300, 5e-324])
def test_moments_of_any_size(scale):
    found = number([scale, -scale] * 4)
    assert found.mean == 0
    assert found.spread == pytest.approx(scale)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50), st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    first, second = number(values), number(shuffled)
    assert first.points.tolist() == second.points.tolist()
    assert first.upto.tolist() == second.upto.tolist()
    assert (first.mean, first.spread) == (second.mean, second.spread)


@pytest.mark.parametrize("draw", ["normal", "cauchy", "zeros"])
def test_a_reduced_summary_knows_exact_counts_at_its_points(draw):
    values = {
        "normal": RNG.normal(size=50_000),
        "cauchy": RNG.standard_cauchy(50_000),
        "zeros": np.where(RNG.random(50_000) < 0.03, 0.0, RNG.normal(size=50_000)),
    }[draw]
    whole = number(values)
    reduced = whole.reduced()
    assert not reduced.exact
    assert len(reduced.points) <= 400
    assert (reduced.minimum, reduced.maximum, reduced.finite) == (whole.minimum, whole.maximum, 50_000)
    assert (reduced.upto == np.searchsorted(np.sort(values), reduced.points, side="right")).all()
    assert np.diff(reduced.upto).max() < 50_000 / 150 or draw == "zeros"
    assert reduced.reduced(400) is reduced


def test_frequent_values_keep_their_exact_counts():
    values = np.where(RNG.random(20_000) < 0.06, 0.25, RNG.normal(size=20_000))
    reduced = number(values).reduced()
    points, counts = reduced.frequent()
    assert points.tolist() == [0.25]
    assert counts.tolist() == [(values == 0.25).sum()]


def test_few_distinct_values_are_never_reduced():
    few = number(RNG.integers(0, 100, size=10_000))
    assert few.reduced() is few


def test_categories_meet_by_their_canonical_text():
    found = category([0, 1, 2, 2, -1], [True, "1", "b"])
    assert found.counts == {"1": 2, "b": 2}
    assert (found.missing, found.rows, found.kind) == (1, 5, "categorical")
    assert category([0, 1], [False, True]).kind == "boolean"


def test_rare_levels_are_kept_by_hash():
    codes = np.concatenate([np.repeat(np.arange(10), 100), np.arange(10, 3_000)])
    whole = category(codes, [f"l{i}" for i in range(3_000)])
    reduced = whole.reduced()
    assert len(reduced.counts) == 1_000
    assert reduced.counts["l3"] == 100
    assert (reduced.other_levels, reduced.other_rows, reduced.cut) == (2_000, 2_000, 1)
    expected = np.zeros(BUCKETS, dtype=int)
    for name in whole.counts.keys() - reduced.counts.keys():
        expected[bucket(name)] += 1
    assert (reduced.buckets == expected).all()
    assert reduced.reduced() is reduced
    again = reduced.reduced(10)
    assert (again.other_levels, again.other_rows) == (2_990, 2_990)


def test_a_level_with_a_long_name_is_not_kept():
    reduced = category([0, 0, 1], ["x" * 1_000, "b"]).reduced()
    assert reduced.counts == {"b": 1}
    assert (reduced.other_levels, reduced.other_rows) == (1, 2)


SENTENCES = [f"the parcel number {i} came {'late' if i % 3 else 'early'} on day {i % 7}" for i in range(400)]


def test_free_text_is_told_by_its_values():
    assert is_text(texts(SENTENCES))
    assert not is_text(texts([f"id-{i}" for i in range(400)]))
    assert not is_text(texts(SENTENCES[:3] * 200))
    assert not is_text(Column("x", "category", np.arange(30, dtype=np.int32), tuple(range(30))))


def test_a_later_window_is_text_when_the_reference_is():
    reference = summarise(texts(SENTENCES))
    assert isinstance(reference, TextSummary)
    assert isinstance(summarise(texts(["N/A"] * 5), like=reference), TextSummary)
    assert isinstance(summarise(texts(SENTENCES), text=False), CategorySummary)
    assert isinstance(summarise(texts(SENTENCES), like=category([0], ["a"])), CategorySummary)


def test_descriptors_say_what_they_say():
    found = describe(texts(["Two words", "", "42!"]), ("two",))
    # Rows are in the order given, of which the levels are not.
    values = {name: each.tolist() for name, each in found.values.items()}
    assert values[CHARACTERS] == [9, 0, 3]
    assert values[WORDS] == [2, 0, 0]
    assert values[OTHER_SIGNS][0] == pytest.approx(1 / 9)
    assert values[OTHER_SIGNS][2] == 1
    assert values[UNKNOWN_WORDS][0] == 0.5
    assert np.isnan(values[UNKNOWN_WORDS][1:]).all()


def test_a_vocabulary_is_made_from_other_rows_than_it_is_measured_on():
    found = describe(texts(SENTENCES))
    told = ~np.isnan(found.values[UNKNOWN_WORDS])
    assert 150 < told.sum() < 250
    assert {"parcel", "late", "early"} <= set(found.vocabulary)
    assert list(found.vocabulary) == sorted(found.vocabulary)
    again = describe(texts(SENTENCES[::-1]))
    assert again.vocabulary == found.vocabulary
    assert sorted(again.values[CHARACTERS]) == sorted(found.values[CHARACTERS])


def test_of_very_many_texts_a_part_is_described(monkeypatch):
    monkeypatch.setattr("tidegate.drift.texts.MOST_TEXTS", 100)
    summary = summarise(texts(SENTENCES))
    assert (summary.rows, summary.descriptors[CHARACTERS].rows) == (400, 100)


def times(start: str, days: int, per_day: int = 24) -> np.ndarray:
    step = np.timedelta64(86_400 // per_day, "s")
    return np.datetime64(start, "us") + np.arange(days * per_day) * step


def test_dates_are_kept_by_weekday_and_hour_of_whole_weeks():
    found = summarise(Column("x", "time", times("2024-01-01", 31)))
    assert isinstance(found, DateSummary)
    assert (found.kind, found.first, found.last) == ("date", "2024-01-01T00:00:00", "2024-01-31T23:00:00")
    assert found.weekday.rows == 28 * 24
    assert set(found.weekday.counts.values()) == {4 * 24}
    assert set(found.hour.counts.values()) == {28}
    assert found.weekday.clusters == 4
    assert found.age is None


def test_weekdays_and_hours_are_right_also_before_1970():
    stamps = [datetime(1969, 12, 8, 21, 59) + timedelta(hours=i) for i in range(28 * 24)]
    parts = calendar.parts(np.array(stamps, dtype="datetime64[us]"))
    assert parts.weekday.tolist() == [each.weekday() for each in stamps]
    assert parts.hour.tolist() == [each.hour for each in stamps]


def test_short_windows_and_bare_days_have_no_calendar():
    short = summarise(Column("x", "time", times("2024-01-01", 10)))
    assert (short.weekday, short.hour) == (None, None)
    days = summarise(Column("x", "time", times("2024-01-01", 60, per_day=1)))
    assert days.hour is None
    assert days.weekday is not None
    empty = summarise(Column("x", "time", np.array(["NaT"], dtype="datetime64[us]")))
    assert (empty.missing, empty.first, empty.weekday) == (1, None, None)


def test_the_age_of_a_date_is_in_days_before_its_row():
    now = times("2024-01-01", 30)
    born = now - (np.arange(len(now)) % 5) * np.timedelta64(1, "D")
    found = summarise(Column("x", "time", born), timestamp=now)
    assert found.age.points.tolist() == [0, 1, 2, 3, 4]
    assert summarise(Column("x", "time", now), timestamp=now).age is None


def test_design_effect_of_copied_rows_is_their_number():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=4_000), 8)
    cluster = np.repeat(np.arange(4_000), 8)
    for column in (
        Column("x", "number", values),
        Column("x", "category", (values > 0).astype(np.int32) + (values > 1), ("a", "b", "c")),
    ):
        assert column_design_effect(column, cluster) == pytest.approx(8, rel=0.1)
        assert column_design_effect(column, np.arange(len(values))) == pytest.approx(1, abs=0.05)


def test_design_effect_of_odd_columns():
    one = Column("x", "number", np.arange(5.0))
    assert column_design_effect(one, np.zeros(5, dtype=int)) == np.inf
    assert column_design_effect(Column("x", "number", np.full(6, 2.0)), np.arange(6) // 2) == 1
    assert column_design_effect(Column("x", "number", np.full(6, np.nan)), np.arange(6) // 2) == 1
    assert column_design_effect(Column("x", "number", np.empty(0)), np.empty(0, dtype=int)) == 1
    assert column_design_effect(one, np.array([10**12, 5, 5, 0, -3])) >= 1
    with pytest.raises(ValueError, match="cluster"):
        column_design_effect(one, np.zeros(4, dtype=int))


def test_missing_values_that_come_in_clusters_count():
    rng = np.random.default_rng(4)
    cluster = np.arange(5_000) // 10
    gone = rng.random(500)[cluster] < 0.2
    values = np.where(gone, np.nan, rng.normal(size=5_000))
    assert column_design_effect(Column("x", "number", values), cluster) > 6


def test_windows_share_their_design_effects_by_their_variances():
    assert joint_design_effect(100, 100, 1, 3) == pytest.approx(2)
    assert joint_design_effect(1e9, 100, 5, 3) == pytest.approx(3)
    assert joint_design_effect(10, 10, np.inf, np.inf) == np.inf


def test_a_summary_knows_its_clusters():
    found = number(np.arange(100.0), cluster=np.arange(100) // 5)
    assert found.clusters == 20
    assert found.design_effect > 3
