import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from tidegate.drift import embeddings, multivariate
from tidegate.drift.embeddings import embedding_drift
from tidegate.drift.folds import arrange
from tidegate.drift.multivariate import Multivariate, classifier_drift
from tidegate.stats.classifier_test import FOLDS
from tidegate.tables import Column

Window = dict[str, Column]


def numbers(values: np.ndarray) -> Window:
    """Columns x0, x1, … of a matrix."""
    return {
        f"x{i}": Column(f"x{i}", "number", values[:, i].astype(np.float64)) for i in range(values.shape[1])
    }


def category(name: str, codes: np.ndarray, levels: tuple[str, ...]) -> Column:
    return Column(name, "category", codes.astype(np.int32), levels)


def correlated(rng: np.random.Generator, rows: int, columns: int, correlation: float) -> np.ndarray:
    values = rng.normal(size=(rows, columns))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    return values


def compare(
    reference: Mapping[str, Column], current: Mapping[str, Column], **options: object
) -> Multivariate:
    settings: dict[str, object] = {"level": 0.01, "min_effect": 0.05, **options}
    return classifier_drift(reference, current, **settings)  # type: ignore[arg-type]  # options of any test


def publishable(result: Multivariate) -> None:
    json.dumps(asdict(result), allow_nan=False)


def test_a_flipped_correlation_is_found_and_both_columns_are_named() -> None:
    rng = np.random.default_rng(1)
    result = compare(numbers(correlated(rng, 1_000, 6, 0.6)), numbers(correlated(rng, 1_000, 6, -0.6)))
    assert result.drifted
    assert {each.column for each in result.columns} == {"x0", "x1"}
    for each in result.columns:
        assert each.importance > 0.1
        assert abs(each.auc - 0.5) < 0.05
        other = "x1" if each.column == "x0" else "x0"
        assert (
            f"correlation with {other} 0.5" in each.detail or f"correlation with {other} 0.6" in each.detail
        )
        assert "→ -0." in each.detail
    assert "told apart with AUC" in result.detail
    publishable(result)


def test_a_shift_names_its_column_alone() -> None:
    rng = np.random.default_rng(2)
    then, now = rng.normal(size=(2, 2_000, 8))
    now[:, 3] += 0.6
    result = compare(numbers(then), numbers(now))
    assert result.drifted
    assert [each.column for each in result.columns] == ["x3"]
    assert result.columns[0].auc == pytest.approx(0.66, abs=0.03)
    assert result.effect == pytest.approx(2 * (result.auc or 0) - 1)
    assert result.ci is not None
    assert result.ci[0] < (result.auc or 0) < result.ci[1]


def test_windows_that_did_not_change_are_not_told_apart() -> None:
    then, now = np.random.default_rng(3).normal(size=(2, 1_500, 5))
    result = compare(numbers(then), numbers(now))
    assert not result.drifted
    assert result.columns == []
    assert (result.p_value or 0) > 0.01
    assert "an AUC of" in result.detail
    assert 0.52 < (result.detectable or 0) < 0.6


def test_a_change_below_the_size_that_counts_is_no_drift() -> None:
    rng = np.random.default_rng(4)
    then, now = rng.normal(size=(2, 3_000, 2))
    now[:, 0] += 0.4
    found, small = (compare(numbers(then), numbers(now), min_effect=min_effect) for min_effect in (0.05, 0.6))
    assert found.drifted
    assert not small.drifted
    assert small.p_value == found.p_value
    assert "too little to count; most by x0" in small.detail
    assert (small.detectable or 0) > 0.8


def test_order_of_rows_and_columns_makes_no_difference() -> None:
    rng = np.random.default_rng(5)
    then, now = (np.round(correlated(rng, 700, 4, r), 1) for r in (0.5, -0.5))
    levels = rng.integers(-1, 3, 700)
    windows: list[Window] = [numbers(then), numbers(now)]
    for window in windows:
        window["c"] = category("c", levels, ("a", "b", "d"))
    orders = [rng.permutation(700) for _ in windows]
    shuffled = [
        {name: window[name].take(order) for name in reversed(list(window))}
        for window, order in zip(windows, orders, strict=True)
    ]
    assert compare(shuffled[0], shuffled[1]) == compare(windows[0], windows[1])


def test_the_same_rows_twice_give_the_same_result() -> None:
    rng = np.random.default_rng(6)
    then, now = numbers(correlated(rng, 400, 3, 0.5)), numbers(correlated(rng, 400, 3, 0.0))
    assert compare(then, now) == compare(then, now)
    assert compare(then, now, seed=1).auc != compare(then, now).auc


def test_a_category_whose_shares_moved() -> None:
    rng = np.random.default_rng(7)
    windows = [numbers(rng.normal(size=(1_500, 2))) for _ in range(2)]
    windows[0]["carrier"] = category("carrier", rng.choice(3, 1_500, p=[0.6, 0.3, 0.1]), ("AA", "B6", "UA"))
    windows[1]["carrier"] = category("carrier", rng.choice(3, 1_500, p=[0.3, 0.3, 0.4]), ("AA", "B6", "UA"))
    result = compare(windows[0], windows[1])
    assert result.drifted
    assert [each.column for each in result.columns] == ["carrier"]


def test_levels_are_the_same_whichever_codes_they_have() -> None:
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 2, (2, 600))
    then = {"c": category("c", codes[0], ("x", "y"))}
    now = {"c": category("c", codes[1] + 1, ("a", "x", "y"))}
    assert not compare(then, now).drifted


def test_values_that_are_missing_more_often_together() -> None:
    rng = np.random.default_rng(9)
    then, now = rng.normal(size=(2, 1_000, 4))
    now[rng.random(1_000) < 0.4, 2] = np.nan
    result = compare(numbers(then), numbers(now))
    assert result.drifted
    assert [each.column for each in result.columns] == ["x2"]


def test_columns_that_say_the_same_are_shuffled_together() -> None:
    rng = np.random.default_rng(10)
    then, now = rng.normal(size=(2, 1_500, 4))
    now[:, 0] += 0.7
    for values in (then, now):
        values[:, 2] = values[:, 0] * 3 + 1
    result = compare(numbers(then), numbers(now))
    assert {each.column for each in result.columns} == {"x0", "x2"}
    assert all("which say much the same" in each.detail for each in result.columns)


def test_times_and_columns_of_one_window_are_left_out_and_said() -> None:
    rng = np.random.default_rng(11)
    when = np.datetime64("2024-01-01", "us") + np.arange(200).astype("timedelta64[h]")
    windows = [numbers(rng.normal(size=(200, 2))) for _ in range(2)]
    windows[0] |= {"t": Column("t", "time", when), "old": windows[0]["x0"], "k": windows[0]["x1"]}
    windows[1] |= {"t": Column("t", "time", when + np.timedelta64(9, "D")), "fresh": windows[1]["x0"]}
    windows[1]["k"] = category("k", np.zeros(200), ("1",))
    for window in windows:
        window["blank"] = Column("blank", "number", np.full(200, np.nan))
    result = compare(windows[0], windows[1])
    assert (result.new, result.vanished) == (["fresh"], ["old"])
    assert [(each.column, each.reason) for each in result.unused] == [
        ("blank", "all values are missing"),
        ("k", "was number, is category"),
        ("t", "times always move on"),
    ]
    assert not result.drifted
    assert "2 columns" in result.method
    publishable(result)


@pytest.mark.parametrize("rows", [(0, 100), (1, 100), (100, 0), (19, 19), (0, 0)])
def test_too_few_rows_are_no_drift_and_said(rows: tuple[int, int]) -> None:
    windows = [numbers(np.random.default_rng(0).normal(size=(n, 2))) for n in rows]
    result = compare(windows[0], windows[1])
    assert (result.auc, result.p_value, result.drifted) == (None, None, False)
    assert "too few to tell the windows apart" in result.detail
    publishable(result)


def test_windows_without_a_common_column() -> None:
    result = compare({}, numbers(np.zeros((50, 1))))
    assert result.detail == "the windows have no column in common to be told apart by"
    assert result.new == ["x0"]


def test_windows_without_a_column_that_can_be_used() -> None:
    blank = {"x0": Column("x0", "number", np.full(50, np.nan))}
    result = compare(blank, blank)
    assert "no column that they can be told apart by: x0 (all values are missing)" in result.detail
    publishable(result)


def test_constant_huge_and_infinite_values() -> None:
    rng = np.random.default_rng(12)
    then, now = rng.normal(size=(2, 300, 4))
    for values in (then, now):
        values[:, 0] = 7
        values[:, 1] *= 1e308 / 5
        values[::10, 2] = np.inf
        values[5::10, 2] = -np.inf
    result = compare(numbers(then), numbers(now), level=1.0)
    assert not (result.auc or 1) > 0.65
    publishable(result)


@pytest.mark.parametrize("known", [1, 3])
def test_columns_with_next_to_no_values(known: int) -> None:
    rng = np.random.default_rng(30)
    windows = []
    for _ in range(2):
        values = rng.normal(size=(200, 2))
        values[known:, 0] = np.nan
        codes = np.full(200, -1)
        codes[:known] = 0
        windows.append(numbers(values) | {"c": category("c", codes, ("a",))})
    result = compare(windows[0], windows[1])
    assert result.p_value is not None
    assert not result.drifted


def test_constant_columns_alone() -> None:
    result = compare(numbers(np.zeros((100, 2))), numbers(np.zeros((100, 2))), level=1.0)
    assert (result.auc, result.drifted) == (0.5, False)
    publishable(result)


def test_windows_without_overlap() -> None:
    result = compare(numbers(np.zeros((100, 1))), numbers(np.ones((100, 1))))
    assert result.auc == 1
    assert result.drifted
    assert [each.column for each in result.columns] == ["x0"]
    publishable(result)


def test_a_column_of_a_hundred_thousand_levels() -> None:
    names = tuple(f"id{i:06d}" for i in range(100_000))
    codes = np.random.default_rng(13).permutation(100_000)
    then, now = ({"id": category("id", part, names)} for part in (codes[:50_000], codes[50_000:]))
    result = compare(then, now)
    assert not result.drifted
    assert (result.rows_reference, result.rows_current) == (20_000, 20_000)
    assert "40,000 of 100,000 rows drawn" in result.method


def test_windows_of_very_unequal_size() -> None:
    rng = np.random.default_rng(14)
    result = compare(numbers(correlated(rng, 6_000, 3, 0.6)), numbers(correlated(rng, 300, 3, -0.6)))
    assert result.drifted
    assert {each.column for each in result.columns} == {"x0", "x1"}


def test_wide_windows_are_drawn_from() -> None:
    rng = np.random.default_rng(15)
    then, now = rng.normal(size=(2, 300, 400))
    now[:, 17] += 1.5
    result = compare(numbers(then), numbers(now))
    assert result.drifted
    assert [each.column for each in result.columns] == ["x17"]


def test_rows_of_one_cluster_are_no_evidence_of_their_own() -> None:
    rng = np.random.default_rng(16)
    of_row = np.repeat(np.arange(40), 50)
    level = rng.normal(size=(80, 2))
    windows = [numbers(level[of_row + side * 40] + rng.normal(0, 0.3, (2_000, 2))) for side in (0, 1)]
    names = tuple(f"c{i:03d}" for i in range(80))
    clusters = tuple(category("customer", of_row + side * 40, names) for side in (0, 1))
    naive = compare(windows[0], windows[1])
    aware = compare(windows[0], windows[1], cluster=clusters)
    assert naive.drifted
    assert not aware.drifted
    assert "whole clusters" in aware.method
    assert (aware.detectable or 0) > (naive.detectable or 1)


@pytest.mark.parametrize("kind", ["number", "mixed", "missing"])
def test_clusters_of_any_kind(kind: str) -> None:
    rng = np.random.default_rng(17)
    windows = [numbers(rng.normal(size=(300, 2))) for _ in range(2)]
    numeric = Column("k", "number", np.arange(300) % 30 * 1.0)
    text = category("k", np.arange(300) % 30, tuple(f"{i:02d}" for i in range(30)))
    blank = Column("k", "number", np.full(300, np.nan))
    pairs = {"number": (numeric, numeric), "mixed": (numeric, text), "missing": (blank, blank)}
    result = compare(windows[0], windows[1], cluster=pairs[kind])
    assert result.p_value is not None
    assert not result.drifted


def test_too_few_clusters_are_said() -> None:
    windows = [numbers(np.random.default_rng(s).normal(size=(100, 2))) for s in (0, 1)]
    cluster = Column("k", "number", np.zeros(100))
    result = compare(windows[0], windows[1], cluster=(cluster, cluster))
    assert result.p_value is None
    assert "clusters" in result.detail


def test_rows_drawn_do_not_depend_on_their_order() -> None:
    digest = np.random.default_rng(18).integers(0, 50, 900).astype(np.uint64)
    order = np.concatenate(
        (np.random.default_rng(1).permutation(500), 500 + np.random.default_rng(2).permutation(400))
    )
    first = arrange(digest, None, split=500, at_most=200, seed=3)
    again = arrange(digest[order], None, split=500, at_most=200, seed=3)
    np.testing.assert_array_equal(digest[first.rows], digest[order][again.rows])
    np.testing.assert_array_equal(first.current, again.current)
    np.testing.assert_array_equal(first.fold, again.fold)
    assert first.current.sum() == 200
    assert np.bincount(first.fold[first.current]).tolist() == [40] * FOLDS


def test_equal_rows_are_in_all_folds_and_not_evenly() -> None:
    digest = np.repeat(np.arange(5).astype(np.uint64), 200)
    found = arrange(digest, None, split=500, at_most=500, seed=0)
    table = np.array(
        [np.bincount(digest[found.rows][found.fold == k].astype(int), minlength=5) for k in range(FOLDS)]
    )
    assert table.min() > 0
    # Random draws differ by more than rounding: 40 expected, and a spread of about 5.
    assert table.std() > 2


def test_clusters_are_whole_in_their_folds() -> None:
    rng = np.random.default_rng(19)
    windows = [numbers(rng.normal(size=(400, 1))) for _ in range(2)]
    cluster = Column("k", "number", rng.integers(0, 60, 400) * 1.0)
    found = multivariate._arranged([(windows[0]["x0"], windows[1]["x0"])], (cluster, cluster), 0)
    assert found.cluster is not None
    folds = {(int(c), int(k)) for c, k in zip(found.cluster, found.fold, strict=True)}
    assert len(folds) == 60
    assert np.bincount(found.fold, minlength=FOLDS).min() > 80


def vectors(rng: np.random.Generator, rows: int, dimensions: int = 40) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(8, dimensions))
    return (rng.normal(size=(rows, 8)) @ mixing + rng.normal(size=(rows, dimensions))).astype(np.float32)


def test_vectors_whose_mean_moved() -> None:
    rng = np.random.default_rng(20)
    then, now = vectors(rng, 1_000), vectors(rng, 1_200)
    same = embedding_drift("e", then, now, min_effect=0.05)
    now[:, 5] += 0.8
    moved = embedding_drift("e", then, now, min_effect=0.05)
    assert (same.kind, same.test) == ("embedding", "classifier two-sample test")
    assert same.p_value > 0.01
    assert moved.p_value < 1e-6
    assert moved.effect == pytest.approx(2 * moved.statistic - 1)
    assert moved.effect > 0.1
    assert 0.05 < (moved.detectable or 0) < 0.2
    assert "vectors of 40 numbers" in moved.detail
    json.dumps(asdict(moved), allow_nan=False)


def test_vectors_that_grew_longer() -> None:
    rng = np.random.default_rng(21)
    assert embedding_drift("e", vectors(rng, 800), vectors(rng, 800) * 1.3, min_effect=0.05).p_value < 1e-6


def test_vectors_in_any_order_of_rows() -> None:
    rng = np.random.default_rng(22)
    then, now = vectors(rng, 300), vectors(rng, 300)
    then[:50], now[:80] = then[0], then[0]
    first = embedding_drift("e", then, now, min_effect=0.05)
    assert embedding_drift("e", then[::-1], now[rng.permutation(300)], min_effect=0.05) == first


def test_vectors_of_another_length_are_a_finding() -> None:
    rng = np.random.default_rng(23)
    found = embedding_drift("e", vectors(rng, 100, 16), vectors(rng, 100, 24), min_effect=0.05)
    assert found.findings == ("vectors had 16 numbers, have 24",)
    assert (found.p_value, found.effect) == (0, 1)


def test_vectors_that_are_missing_more_often() -> None:
    rng = np.random.default_rng(24)
    then, now = vectors(rng, 500), vectors(rng, 500)
    now[:150] = np.nan
    found = embedding_drift("e", then, now, min_effect=0.05)
    assert found.test == "chi-squared on missing values"
    assert found.p_value < 1e-6
    assert found.missing.current == 0.3
    assert "missing 0.0% → 30.0%" in found.detail


def test_vectors_that_vanished() -> None:
    then = vectors(np.random.default_rng(25), 100)
    found = embedding_drift("e", then, np.full((100, 0), np.nan), min_effect=0.05)
    assert found.findings == ("all vectors are missing in the current window",)
    assert found.p_value < 1e-6


def test_odd_vectors() -> None:
    rng = np.random.default_rng(26)
    then, now = vectors(rng, 200).astype(np.float64), vectors(rng, 200).astype(np.float64)
    for values in (then, now):
        values[:, 0] = 3
        values[:, 1] = np.nan
        values[::7, 2] = np.inf
        values[:, 3] *= 1e300
        values[::5, 4] = np.nan
    found = embedding_drift("e", then, now, min_effect=0.05)
    assert found.p_value > 0.001
    json.dumps(asdict(found), allow_nan=False)
    constant = embedding_drift("e", np.ones((50, 3)), np.ones((60, 3)), min_effect=0.05)
    assert (constant.statistic, constant.effect) == (0.5, 0)


@pytest.mark.parametrize("rows", [(0, 50), (50, 0), (0, 0), (1, 1), (19, 300)])
def test_too_few_vectors(rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(27)
    found = embedding_drift("e", vectors(rng, rows[0]), vectors(rng, rows[1]), min_effect=0.05)
    assert (found.p_value, found.effect) == (1, 0)
    json.dumps(asdict(found), allow_nan=False)


def test_vectors_too_long_for_a_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(28)
    then, now = vectors(rng, 300), vectors(rng, 300)
    now[:, 2:6] += 1.5
    monkeypatch.setattr(embeddings, "_MOST_COVARIANCES", 10)
    assert embedding_drift("e", then, now, min_effect=0.05).p_value < 1e-4


def test_vectors_of_clusters() -> None:
    rng = np.random.default_rng(29)
    centres, of_row = rng.normal(size=(60, 10)), np.repeat(np.arange(30), 20)
    then, now = (centres[of_row + side * 30] + rng.normal(0, 0.2, (600, 10)) for side in (0, 1))
    clusters = tuple(Column("k", "number", of_row + side * 30.0) for side in (0, 1))
    naive = embedding_drift("e", then, now, min_effect=0.05)
    aware = embedding_drift("e", then, now, min_effect=0.05, cluster=(clusters[0], clusters[1]))
    assert naive.p_value < 0.001 < aware.p_value
    assert aware.baseline == "clusters"
