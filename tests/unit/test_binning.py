"""Numbers and times as categories."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.metrics.binning import ONE_BIN, bin_numbers, bin_times, quantile_edges
from tidegate.tables import Column

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=60)


def number(values: list[float] | np.ndarray) -> Column:
    return Column("x", "number", np.asarray(values, dtype=np.float64))


def times(*values: str) -> Column:
    return Column("t", "time", np.array(values, dtype="datetime64[us]"))


def named(column: Column) -> list[object]:
    return [None if code < 0 else column.levels[code] for code in column.values.tolist()]


def test_bins_are_closed_below():
    binned = bin_numbers(number([99.9, 100, 999, 1000, np.inf, -np.inf, np.nan]), [100, 1000])
    assert binned.levels == ("< 100", "[100, 1000)", ">= 1000")
    assert named(binned) == ["< 100", "[100, 1000)", "[100, 1000)", ">= 1000", ">= 1000", "< 100", None]


def test_labels_read_back_as_the_edges():
    assert bin_numbers(number([]), [-0.0, 0.1, 0.30000000000000004, 1e20]).levels == (
        "< 0",
        "[0, 0.1)",
        "[0.1, 0.30000000000000004)",
        "[0.30000000000000004, 1e+20)",
        ">= 1e+20",
    )


@pytest.mark.parametrize("edges", [[2, 1], [1, 1], [np.nan], [np.inf]])
def test_edges_must_increase(edges):
    with pytest.raises(ValueError, match="finite numbers, each larger"):
        bin_numbers(number([1.0]), edges)


def test_quartiles_cut_into_equal_bins_with_short_labels():
    values = np.random.default_rng(1).lognormal(7, 2, 1000)
    edges = quantile_edges(values, 4)
    binned = bin_numbers(number(values), edges)
    assert np.bincount(binned.values).tolist() == [250, 250, 250, 250]
    assert all(float(f"{edge:.4g}") == edge for edge in edges)


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([], []),
        ([np.nan], []),
        ([3.0, 3.0, 3.0], []),
        ([0.0] * 9 + [1.0], [1.0]),
        ([0.0] + [1.0] * 9, [1.0]),
        ([0.0] * 6 + [1.0, 2.0, 3.0, 4.0], [1.0, 2.0]),
        ([-np.inf, 1.0, np.inf], [1.0]),
    ],
)
def test_edges_of_repeated_values(values, edges):
    assert quantile_edges(np.array(values), 4) == edges


@given(NUMBERS, st.integers(1, 9))
def test_quantile_bins_hold_any_numbers(values, bins):
    edges = quantile_edges(np.array(values), bins)
    assert quantile_edges(np.array(values[::-1]), bins) == edges
    binned = bin_numbers(number(values), edges)
    counts = np.bincount(binned.values[binned.values >= 0], minlength=len(binned.levels))
    assert len(edges) < max(bins, 1) or not edges
    assert counts.sum() == np.count_nonzero(~np.isnan(values))
    assert len(set(binned.levels)) == len(binned.levels)
    if edges:
        assert (counts > 0).all()
    else:
        assert binned.levels == (ONE_BIN,)


@pytest.mark.parametrize(
    ("period", "labels"),
    [
        ("hour", ["2026-01-31 13h", None, "1969-12-31 00h", "2027-01-01 00h"]),
        ("day", ["2026-01-31", None, "1969-12-31", "2027-01-01"]),
        ("week", ["2026-W05", None, "1970-W01", "2026-W53"]),
        ("month", ["2026-01", None, "1969-12", "2027-01"]),
        ("quarter", ["2026-Q1", None, "1969-Q4", "2027-Q1"]),
        ("year", ["2026", None, "1969", "2027"]),
    ],
)
def test_periods(period, labels):
    binned = bin_times(times("2026-01-31T13:05", "NaT", "1969-12-31", "2027-01-01"), period)
    assert named(binned) == labels
    assert list(binned.levels) == sorted(label for label in labels if label is not None)


@given(st.lists(st.datetimes(min_value=datetime.datetime(1, 1, 8)), max_size=20))
def test_weeks_are_those_of_iso_8601(moments):
    binned = bin_times(Column("t", "time", np.array(moments, dtype="datetime64[us]")), "week")
    expected = [f"{year:04d}-W{week:02d}" for year, week, _ in (each.isocalendar() for each in moments)]
    assert named(binned) == expected
