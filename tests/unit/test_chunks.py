"""A column's natural variation, learnt from chunks of the reference."""

import json
import math
from datetime import timedelta

import numpy as np
import pytest

from tidegate.drift.chunk_baseline import MOST_CHUNKS, from_json
from tidegate.drift.chunks import ChunkTest, against_chunks, chunk_baseline, chunk_codes
from tidegate.errors import DataError
from tidegate.stats.prediction import fit_prediction
from tidegate.tables import Column

DAY = timedelta(days=1)
MIDNIGHT = np.datetime64("2026-01-01", "us")
CODES = np.repeat(np.arange(20), 200)
EXTREMES = {
    "constant": np.full(4_000, 5.0),
    "missing": np.full(4_000, np.nan),
    "huge": np.tile([1e308, -1e308], 2_000),
    "infinite": np.tile([np.inf, -np.inf, 1.0, np.nan], 1_000),
    "tiny": np.tile([0.0, 5e-324, 1e-320, 1e-322], 1_000),
    "outlier": np.append(np.tile([0.0, 1e-320], 2_000)[1:], 1e300),
    "rare": (np.arange(4_000) % 400 == 0).astype(float),
}


def number(values: np.ndarray) -> Column:
    return Column("x", "number", np.asarray(values, dtype=np.float64))


def category(values: np.ndarray, levels: int = 4) -> Column:
    return Column("x", "category", values.astype(np.int32), tuple(f"level {i}" for i in range(levels)))


def normal(seed: int, n: int = 4_000, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, n)


def at(*hours: float) -> np.ndarray:
    return MIDNIGHT + (np.array(hours) * 3.6e9).astype("timedelta64[us]")


def test_chunks_are_equally_long_and_end_with_the_newest_row():
    codes = chunk_codes(at(0, 10, 20, 30, 40, 50, 60), DAY)
    assert codes.tolist() == [-1, -1, 0, 0, 1, 1, 1]


def test_a_chunk_that_lacks_minutes_is_whole():
    assert chunk_codes(at(0.02, 12, 25, 47.98), DAY).tolist() == [0, 0, 1, 1]


def test_rows_without_a_time_and_too_short_references_are_in_no_chunk():
    times = at(1, 24, 48)
    times[1] = np.datetime64("NaT")
    assert chunk_codes(times, DAY).tolist() == [0, -1, 1]
    assert chunk_codes(at(0, 5), DAY).tolist() == [-1, -1]
    assert chunk_codes(at(), DAY).tolist() == []


def test_very_many_chunks_are_the_newest():
    codes = chunk_codes(at(0, 1e5, 1e5 + 1), timedelta(microseconds=1))
    assert codes.tolist() == [-1, -1, MOST_CHUNKS - 1]


def test_a_length_that_is_none_is_refused():
    with pytest.raises(ValueError, match="positive"):
        chunk_codes(at(1), timedelta(0))


def test_a_shift_beyond_natural_variation_is_found_and_sized():
    found = against_chunks(chunk_baseline(number(normal(1)), CODES), number(normal(2, 200, 0.8)))
    assert found.p_value < 1e-4
    assert found.effect == pytest.approx(0.8, abs=0.15)
    assert found.warning == ""
    assert "standard errors of a window from 20 chunks" in found.detail


def test_the_same_variation_is_none():
    found = against_chunks(chunk_baseline(number(normal(1)), CODES), number(normal(3, 200)))
    assert found.p_value > 0.05


def test_natural_variation_is_granted():
    """The shift of the test above, in data whose days differ by as much."""
    days = np.random.default_rng(4).normal(0, 0.8, 20)
    found = against_chunks(
        chunk_baseline(number(normal(1) + days[CODES]), CODES), number(normal(2, 200, 0.8))
    )
    assert found.p_value > 0.05
    assert found.effect < 0.5


def test_categories_are_compared_by_name():
    rng = np.random.default_rng(5)
    baseline = chunk_baseline(category(rng.choice(4, 4_000)), CODES)
    same = Column(
        "x", "category", rng.choice(4, 200).astype(np.int32), tuple(f"level {i}" for i in (3, 2, 1, 0))
    )
    assert against_chunks(baseline, same).p_value > 0.01
    moved = against_chunks(baseline, category(rng.choice(4, 200, p=[0.6, 0.2, 0.1, 0.1])))
    assert moved.p_value < 1e-3
    assert moved.detail.startswith("share of level ")
    assert moved.effect == pytest.approx(0.35, abs=0.1)
    new = against_chunks(baseline, category(np.full(200, 4), 5))
    assert new.effect == pytest.approx(1, abs=0.01)


def test_missing_values_are_a_change_of_their_own():
    baseline = chunk_baseline(number(normal(1)), CODES)
    gaps = normal(2, 200)
    gaps[:60] = np.nan
    found = against_chunks(baseline, number(gaps))
    assert found.detail.startswith("missing share 0.0% → 30.0%")
    assert found.p_value < 1e-4
    assert found.effect == pytest.approx(0.3, abs=0.01)
    assert against_chunks(baseline, number(np.full(200, np.nan))).effect == 1


def test_a_smaller_window_is_held_to_less():
    baseline = chunk_baseline(number(normal(1)), CODES)
    large, small = (against_chunks(baseline, number(normal(2, n, 0.8))) for n in (200, 10))
    assert small.p_value > large.p_value
    assert small.detectable > 3 * large.detectable


def test_few_chunks_cannot_vouch_and_fewer_say_nothing():
    few = against_chunks(chunk_baseline(number(normal(1)), CODES // 4), number(normal(2, 800, 0.3)))
    assert few.chunks == 5
    assert "cannot" in few.warning
    two = against_chunks(chunk_baseline(number(normal(1)), CODES // 10), number(normal(2, 800, 50)))
    assert two.p_value == 1
    assert "2 whole chunks" in two.warning


def test_chunks_that_resemble_their_neighbours_are_said_to():
    walk = np.cumsum(np.random.default_rng(6).normal(0, 1, 20))
    found = against_chunks(chunk_baseline(number(normal(1) + walk[CODES]), CODES), number(normal(2, 200)))
    assert "resemble each other" in found.warning


def test_empty_chunks_and_rows_in_none_are_left_out():
    values = np.append(normal(1), [1e9] * 5)
    codes = np.append(CODES * 3, [-1] * 5)
    first = against_chunks(chunk_baseline(number(values), codes), number(normal(2, 200)))
    assert first == against_chunks(chunk_baseline(number(normal(1)), CODES), number(normal(2, 200)))
    assert chunk_baseline(number(values), np.full(len(values), -1)).chunks == 0
    assert chunk_baseline(number(np.zeros(0)), np.zeros(0, dtype=np.int64)).chunks == 0


def test_row_order_does_not_matter():
    values, order = normal(1), np.random.default_rng(7).permutation(4_000)
    first = chunk_baseline(number(values), CODES).to_json()
    second = chunk_baseline(number(values[order]), CODES[order]).to_json()
    assert json.dumps(first)[:200] == json.dumps(second)[:200]
    assert first["values"]["centre"] == pytest.approx(second["values"]["centre"], rel=1e-10, abs=1e-12)


def test_times_and_changed_types_are_not_tested_and_say_so():
    times = Column("x", "time", MIDNIGHT + np.arange(4_000).astype("timedelta64[us]"))
    assert "always move on" in against_chunks(chunk_baseline(times, CODES), times).warning
    changed = against_chunks(chunk_baseline(number(normal(1)), CODES), category(np.zeros(50)))
    assert changed.p_value == 1
    assert "was number, is category" in changed.warning


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("now", [*EXTREMES.values(), np.zeros(0), np.array([np.inf]), np.array([1.0])])
@pytest.mark.parametrize("then", EXTREMES.values(), ids=EXTREMES)
def test_extreme_values_give_finite_answers(then, now):
    baseline = from_json(
        json.loads(json.dumps(chunk_baseline(number(then), CODES).to_json(), allow_nan=False))
    )
    found = against_chunks(baseline, number(now))
    assert 0 <= found.p_value <= 1
    assert math.isfinite(found.effect)
    assert math.isfinite(found.statistic)
    assert found.detectable is None or math.isfinite(found.detectable)


def test_a_hundred_thousand_levels():
    codes = np.arange(100_000).astype(np.int32)
    column = Column("x", "category", codes, tuple(f"id {i}" for i in range(100_000)))
    baseline = chunk_baseline(column, codes // 10_000)
    later = Column("x", "category", codes, tuple(f"later id {i}" for i in range(100_000)))
    assert against_chunks(baseline, later).p_value > 0.5
    assert len(json.dumps(baseline.to_json())) < 2_000


def same(first: ChunkTest, second: ChunkTest) -> bool:
    return math.isclose(first.p_value, second.p_value, rel_tol=1e-8) and first.detail == second.detail


@pytest.mark.parametrize(
    "column", [number(normal(1)), category(np.arange(4_000) % 4)], ids=["number", "category"]
)
def test_a_profile_gives_the_same_answers(column):
    baseline = chunk_baseline(column, CODES)
    plain = baseline.to_json()
    again = from_json(json.loads(json.dumps(plain, allow_nan=False)))
    assert again.to_json() == plain
    current = number(normal(2, 150, 0.4)) if column.kind == "number" else category(np.arange(150) % 3)
    assert same(against_chunks(baseline, current), against_chunks(again, current))


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "other"},
        {"chunks": -1},
        {"kind": "blob"},
        {"shares": [0.5]},
        {"shares": [2.0] * 10},
        {"mean": math.nan},
        {"missing": None},
        {"natural": -1},
        {"ruler": {}},
        {"ruler.cuts": [1.0] * 9},
        {"ruler.cuts": []},
        {"ruler.width": 0.0},
        {"ruler.unit": 0.0},
        {"values.df": [0.5] * 11},
        {"values.per_row": [0.0] * 11},
        {"values.centre": [1.0] * 10},
        {"values.rows": 0},
    ],
    ids=str,
)
def test_a_damaged_profile_is_one_clear_error(damage):
    plain = chunk_baseline(number(normal(1)), CODES).to_json()
    for key, value in damage.items():
        *outer, name = key.split(".")
        (plain[outer[0]] if outer else plain)[name] = value
    with pytest.raises(DataError, match="chunks of the reference profile are damaged"):
        from_json(plain)


@pytest.mark.parametrize("junk", [None, [], "x", 3, {"schema": "tidegate/chunks/1"}])
def test_what_is_no_profile_is_one_clear_error(junk):
    with pytest.raises(DataError, match="damaged"):
        from_json(junk)


def test_chunks_of_equal_size_give_the_textbook_prediction_interval():
    values = np.random.default_rng(8).normal(0, 10, (30, 1))
    law = fit_prediction(values, np.full(30, 1_000), np.ones(1))
    repeats = 30 / (law.df + 1)
    spread = values.var(ddof=1) * 29 / (30 - repeats)
    assert law.centre == pytest.approx(values.mean(axis=0))
    assert law.error(1_000) ** 2 == pytest.approx(spread * (1 + repeats / 30))
