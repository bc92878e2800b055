"""The search for the worst slices: what is tried, what is listed, and that its numbers are those of a check."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from tidegate.discovery import Discovery, adjust, search
from tidegate.errors import ConfigError
from tidegate.metrics import METRICS, conditions
from tidegate.metrics.conditions import Conditions, measure_all
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.search import Searchable
from tidegate.metrics.search_auc import AucScan
from tidegate.stats.auc import delong
from tidegate.stats.multiplicity import holm
from tidegate.tables import Column

BINARY = sorted(
    name
    for name, metric in METRICS.items()
    if metric.searchable and metric.better != "neither" and "binary" in metric.tasks and not metric.options
    if metric.parts <= {"label", "prediction", "score"}
)


def category(name: str, codes: np.ndarray, levels: int) -> Column:
    return Column(name, "category", codes.astype(np.int32), tuple(f"v{i:02d}" for i in range(levels)))


def table(rows: int, seed: int = 0) -> tuple[Predictions, list[Column]]:
    """A model of accuracy 0.9 on features that have nothing to do with it."""
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.4).astype(np.int8)
    prediction = np.where(rng.random(rows) < 0.9, label, 1 - label).astype(np.int8)
    score = np.clip(0.5 * rng.beta(2, 3, rows) + 0.4 * prediction, 0.01, 0.99)
    day = np.datetime64("2026-01-01", "us") + rng.integers(0, 300, rows).astype("timedelta64[D]")
    columns = [
        category("carrier", rng.integers(-1, 6, rows), 6),
        category("origin", rng.integers(0, 4, rows), 4),
        Column("distance", "number", rng.lognormal(6, 1, rows)),
        Column("weekday", "number", rng.integers(1, 8, rows).astype(np.float64)),
        Column("day", "time", day.astype("datetime64[us]")),
    ]
    return Predictions("binary", rows, ("0", "1"), label, prediction, score), columns


def planted(data: Predictions, where: np.ndarray, share: float = 0.3) -> Predictions:
    """The same, with this share of the answers of a slice turned over."""
    turned = where & (np.random.default_rng(9).random(data.rows) < share)
    prediction = np.where(turned, 1 - data.prediction, data.prediction).astype(np.int8)
    return replace(data, prediction=prediction, score=np.where(turned, 1 - data.score, data.score))


def found(data: Predictions, columns: list[Column], name: str = "accuracy", **options: object) -> Discovery:
    settings = {"min_rows": 30, "confidence": 0.95, **options}
    return search(data, columns, METRICS[name], {}, **settings)


@pytest.mark.parametrize("name", BINARY)
def test_a_planted_pair_is_told_by_every_metric_and_its_parents_are_not(name):
    data, columns = table(12_000)
    data = planted(data, (columns[0].values == 2) & (columns[1].values == 3), share=0.5)
    result = found(data, columns, name)
    claimed = [each for each in result.slices if each.claimed]
    assert [each.slice for each in claimed] == [{"carrier": "v02", "origin": "v03"}]
    assert claimed[0].difference < 0
    assert claimed[0].adjusted_p_value <= 0.05
    assert result.found >= 1
    assert not any(each.claimed for each in result.slices[1:])


@pytest.mark.parametrize("name", BINARY)
def test_the_numbers_are_those_of_a_check(name):
    data, columns = table(4_000)
    data = planted(data, columns[0].values == 2)
    metric = METRICS[name]
    first = found(data, columns, name).slices[0]
    assert first.slice == {"carrier": "v02"}
    groups = Groups.of_column(columns[0], ["v02"])
    check = metric.estimate(data, groups, {}, None)[0]
    rest = metric.estimate(
        data.take(np.flatnonzero(columns[0].values != 2)),
        Groups.everything(int((columns[0].values != 2).sum())),
        {},
        None,
    )[0]
    assert (first.value, first.rows) == (check.value, check.rows)
    assert first.difference == pytest.approx(metric.sign * (check.value - rest.value), rel=1e-12)
    assert first.share == pytest.approx((columns[0].values == 2).mean())


@pytest.mark.parametrize("name", ["accuracy", "recall", "f1", "log_loss", "roc_auc"])
def test_the_order_of_rows_does_not_matter(name):
    data, columns = table(3_000)
    data = planted(data, (columns[0].values == 1) & (columns[3].values > 4))
    order = np.random.default_rng(5).permutation(data.rows)
    one = found(data, columns, name)
    other = found(data.take(order), [column.take(order) for column in columns], name)
    assert [each.slice for each in one.slices] == [each.slice for each in other.slices]
    assert replace(one, slices=[]) == replace(other, slices=[], overall=one.overall)
    for a, b in zip(one.slices, other.slices, strict=True):
        assert (b.rows, b.claimed, b.share) == (a.rows, a.claimed, a.share)
        for field in ("value", "difference", "p_value", "adjusted_p_value"):
            assert getattr(b, field) == pytest.approx(getattr(a, field), rel=1e-9)


def test_a_bad_value_is_told_once_whatever_else_it_is_combined_with():
    data, columns = table(8_000)
    data = planted(data, columns[0].values == 2, share=0.4)
    result = found(data, columns, most=20)
    assert [each.slice for each in result.slices if each.claimed] == [{"carrier": "v02"}]
    assert not any(set(each.slice.items()) > {("carrier", "v02")} for each in result.slices)


def test_two_bad_slices_are_both_told_worst_first():
    data, columns = table(10_000)
    data = planted(data, columns[0].values == 2, share=0.15)
    data = planted(data, columns[1].values == 1, share=0.5)
    claimed = [each.slice for each in found(data, columns).slices if each.claimed]
    assert claimed[:2] == [{"origin": "v01"}, {"carrier": "v02"}]


def test_a_column_in_other_words_is_no_second_story():
    data, columns = table(5_000)
    again = Column("airline", "category", columns[0].values, tuple("ABCDEF"))
    data = planted(data, columns[0].values == 2, share=0.4)
    claimed = [each.slice for each in found(data, [*columns, again]).slices if each.claimed]
    assert claimed == [{"carrier": "v02"}]


def test_missing_values_are_a_slice():
    data, columns = table(5_000)
    data = planted(data, columns[0].values == -1, share=0.4)
    assert found(data, columns).slices[0].slice == {"carrier": None}


def test_slices_of_numbers_and_times_are_named_by_their_bins():
    data, columns = table(12_000)
    edge = np.quantile(columns[2].values, 0.75)
    late = columns[4].values >= np.datetime64("2026-10-01")
    result = found(planted(data, (columns[2].values > edge) | late, share=0.4), columns)
    claimed = [each.slice for each in result.slices if each.claimed]
    assert {"day": "2026-10"} in claimed
    assert any(str(each.get("distance", "")).startswith(">= ") for each in claimed)
    weekdays = found(planted(data, columns[3].values == 6, share=0.4), columns).slices[0]
    assert weekdays.slice == {"weekday": 6}


def test_nothing_is_claimed_of_a_model_that_is_always_right():
    data, columns = table(2_000)
    result = found(replace(data, prediction=data.label), columns)
    assert result.slices == []
    assert result.searched > 100


def test_each_slice_tested_has_enough_rows_and_is_counted():
    data, columns = table(700)
    carrier, origin = columns[:2]
    positives = data.label == 1
    wanted = 0
    for levels in ([(code, None) for code in range(-1, 6)], [(None, code) for code in range(4)]):
        wanted += sum(int((positives & _rows(carrier, a) & _rows(origin, b)).sum()) >= 12 for a, b in levels)
    wanted += sum(
        int((positives & _rows(carrier, a) & _rows(origin, b)).sum()) >= 12
        for a in range(-1, 6)
        for b in range(4)
    )
    result = found(data, [carrier, origin], "recall", min_rows=12)
    assert result.searched == wanted
    assert all(each.rows >= 12 for each in found(data, columns, "recall", min_rows=12, most=50).slices)


def _rows(column: Column, code: int | None) -> np.ndarray:
    return np.ones(len(column.values), dtype=bool) if code is None else column.values == code


def test_columns_without_slices_are_left_out_by_name():
    rows = 200
    columns = [
        Column("constant", "number", np.ones(rows)),
        Column("nothing", "number", np.full(rows, np.nan)),
        Column("never", "time", np.full(rows, "NaT", "datetime64[us]")),
        category("id", np.arange(rows), rows),
        Column("half", "number", np.where(np.arange(rows) % 2, np.nan, 1.0)),
    ]
    result = found(table(rows)[0], columns)
    assert result.left_out == ["constant", "nothing", "never", "id"]
    assert result.tested_columns == ["half"]
    assert result.searched == 2


def test_of_many_values_the_most_frequent_are_tried():
    codes = np.repeat(np.arange(40), np.arange(1, 41))
    tried = Conditions.of(category("city", np.random.default_rng(1).permutation(codes), 40))
    assert tried is not None
    assert tried.levels == tuple(f"v{i:02d}" for i in range(10, 40))
    assert int(tried.holds(len(tried.levels)).sum()) == codes[codes < 10].size


def test_of_many_columns_the_most_telling_are_crossed():
    data, columns = table(1_500)
    rng = np.random.default_rng(2)
    many = [category(f"c{i:02d}", rng.integers(0, 3, data.rows), 3) for i in range(33)]
    result = found(planted(data, columns[1].values == 1), [*many, columns[1]])
    assert len(result.tested_columns) == 34
    assert len(result.crossed_columns) == 30
    assert "origin" in result.crossed_columns
    assert result.searched == 33 * 3 + 4 + 29 * 28 // 2 * 9 + 29 * 12
    assert result.corrected_for == 33 * 3 + 4 + 33 * 32 // 2 * 9 + 33 * 12


def test_of_few_columns_the_correction_is_for_the_slices_tested():
    data, columns = table(800)
    assert found(data, columns).corrected_for is None
    assert (
        found(replace(data, label=data.label[:0], prediction=data.prediction[:0], rows=0), []).corrected_for
        is None
    )


@pytest.mark.parametrize("name", ["accuracy", "recall", "f1", "roc_auc"])
@pytest.mark.parametrize("min_rows", [1, 8, 25])
def test_pairs_of_columns_that_are_not_crossed_are_counted_at_least_in_full(name, min_rows, monkeypatch):
    data, columns = table(1_200)
    metric = METRICS[name]
    assert isinstance(metric, Searchable)
    tried = [each for each in map(Conditions.of, columns) if each is not None]
    every = measure_all(metric.scan(data, {}), tried, min_rows)
    monkeypatch.setattr(conditions, "MOST_CROSSED", 3)
    some = measure_all(metric.scan(data, {}), tried, min_rows)
    singles = len(some.uncrossed) - len(some.pairs)
    assert every.candidates == len(every.uncrossed)
    assert len(some.pairs) < len(every.pairs)
    levels = [len(each.levels) for each in tried]
    combined = sum(levels) + sum(a * b for a, b in combinations(levels, 2))
    assert len(every.uncrossed) <= some.candidates <= combined
    assert (_children(every)[:singles] <= (_children(some) + some.uncrossed)[:singles]).all()


def _children(tested: conditions.Tested) -> np.ndarray:
    return np.bincount(tested.parents[tested.pairs].ravel(), minlength=len(tested.parents))


def test_tests_that_were_not_made_count_as_p_values_of_one():
    p_values = np.random.default_rng(6).random(50) ** 6
    assert (adjust(p_values, 50) == holm(p_values)).all()
    assert (adjust(p_values, 90) == holm(np.append(p_values, np.ones(40)))[:50]).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("average_precision", "cannot search by 'average_precision': use one of accuracy, "),
        ("latency_p95", "cannot search by 'latency_p95'"),
        ("mean", "which may rise or fall"),
    ],
)
def test_what_cannot_be_searched_is_refused(name, said):
    data, columns = table(100)
    with pytest.raises(ConfigError, match=said):
        found(data, columns, name)


def test_the_area_of_several_classes_is_refused():
    data, columns = table(100)
    with pytest.raises(ConfigError, match="two classes only"):
        found(
            replace(data, task="multiclass", score=np.stack([1 - data.score, data.score], axis=1)),
            columns,
            "roc_auc",
        )


def test_several_classes():
    rng = np.random.default_rng(3)
    _, columns = table(6_000)
    label = rng.integers(0, 4, 6_000).astype(np.int32)
    bad = columns[1].values == 2
    right = rng.random(6_000) < np.where(bad, 0.5, 0.8)
    guess = np.where(right, label, rng.integers(0, 4, 6_000)).astype(np.int32)
    data = Predictions("multiclass", 6_000, tuple("abcd"), label, guess)
    for name in ("accuracy", "f1_macro", "cohen_kappa"):
        assert found(data, columns, name).slices[0].slice == {"origin": "v02"}


def test_numbers_that_are_worse_when_higher():
    rng = np.random.default_rng(4)
    _, columns = table(3_000)
    label = rng.normal(size=3_000)
    guess = label + rng.standard_t(4, 3_000) * np.where(columns[0].values == 3, 3, 1)
    data = Predictions("regression", 3_000, (), label, guess)
    root = replace(METRICS["root_mean_squared_error"], of_one_mean=True)
    for metric in (METRICS["mean_absolute_error"], root):
        first = search(data, columns, metric, {}, min_rows=20, confidence=0.95).slices[0]
        assert (first.slice, first.claimed) == ({"carrier": "v03"}, True)
        assert first.difference < 0
    endless = replace(data, prediction=np.where(np.arange(3_000) == 5, np.inf, guess))
    assert found(endless, columns, "mean_absolute_error").searched == 0


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("rows", [0, 1, 2, 40])
def test_degenerate_tables(name, rows):
    data, columns = table(rows)
    zeros = np.zeros(rows, dtype=np.int8)
    for each in (
        data,
        replace(data, label=zeros),
        replace(data, label=zeros + 1, prediction=zeros),
        replace(data, prediction=data.label),
        replace(data, prediction=(1 - data.label).astype(np.int8)),
        replace(data, score=np.full(rows, 0.5)),
    ):
        result = found(each, columns, name, min_rows=0)
        assert result.min_rows == 1
        for one in result.slices:
            assert np.isfinite([one.value, one.difference]).all()
            assert 0 <= one.p_value <= one.adjusted_p_value <= 1


def test_hostile_names_are_names():
    data, columns = table(1_000)
    hostile = Column('x"; --\n<b>`|\u202e', "category", columns[1].values, ("", "::set-output::", "|", "\n"))
    data = planted(data, columns[1].values == 1, share=0.5)
    assert found(data, [hostile]).slices[0].slice == {hostile.name: "::set-output::"}


def test_all_areas_at_once_are_those_of_each_slice():
    data, columns = table(900)
    score = np.round(data.score, 1)
    codes = columns[0].values.astype(np.int64) + 1
    label = data.label == 1
    label[codes == 4] = True
    scan = AucScan(label, score)
    evidence = scan.measure(codes, 7)
    overall = delong(label, score).auc
    for group in range(7):
        rows = codes == group
        if group == 4:
            assert np.isnan(evidence.badness[group])
            continue
        expected = delong(label[rows], score[rows])
        assert overall - evidence.badness[group] == pytest.approx(expected.auc, rel=1e-12)
        assert evidence.error[group] >= np.sqrt(expected.variance) * (1 - 1e-12)
    assert (evidence.p_value[evidence.badness < 0] == 1).all()


@pytest.mark.parametrize("name", BINARY)
def test_evidence_stands_on_the_rows_of_a_check(name):
    data, columns = table(2_000)
    metric = METRICS[name]
    assert isinstance(metric, Searchable)
    evidence = metric.scan(data, {}).measure(columns[1].values.astype(np.int64), 4)
    checks = metric.estimate(data, Groups.of_column(columns[1]), {}, None)
    overall = metric.estimate(data, Groups.everything(data.rows), {}, None)[0].value
    assert evidence.support.tolist() == [check.rows for check in checks]
    expected = [metric.sign * (overall - check.value) for check in checks]
    assert evidence.badness == pytest.approx(expected, abs=1e-12)
    assert (evidence.error > 0).all()
