"""The search for segments where a candidate is worse: what is told, and that its numbers are those of a comparison."""

import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from tidegate.config.comparing import Segments
from tidegate.errors import ConfigError
from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.search_paired import by_rows, halves
from tidegate.segments import MOST, SegmentSearch, search, surrogate
from tidegate.stats.multiplicity import holm
from tidegate.tables import Column

ROWS = 12_000
KEYS = np.random.default_rng(77).integers(0, 2**63, ROWS).astype(np.uint64)


def category(name: str, codes: np.ndarray, levels: int) -> Column:
    return Column(name, "category", codes.astype(np.int32), tuple(f"v{i:02d}" for i in range(levels)))


def table(rows: int = ROWS) -> tuple[Predictions, list[Column]]:
    """A model of accuracy 0.9 on features that have nothing to do with it."""
    rng = np.random.default_rng(0)
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


def turned(data: Predictions, where: np.ndarray, share: float = 0.3, seed: int = 9) -> Predictions:
    """The same, with this share of the answers of some rows turned over."""
    picked = where & (np.random.default_rng(seed).random(data.rows) < share)
    prediction = np.where(picked, 1 - data.prediction, data.prediction).astype(np.int8)
    return replace(data, prediction=prediction, score=np.where(picked, 1 - data.score, data.score))


def compared(
    candidate: Predictions,
    production: Predictions,
    columns: list[Column],
    name: str = "accuracy",
    **given: object,
) -> SegmentSearch:
    keys = given.pop("keys", KEYS[: candidate.rows])
    options = given.pop("options", {})
    level = given.pop("level", 0.95)
    metric = METRICS[name]
    return search(
        candidate,
        production,
        columns,
        Segments(**given),
        metric=metric,
        options=options,
        better=metric.better,
        keys=keys,
        level=level,
    )


def held_back(candidate: Predictions, production: Predictions, name: str) -> np.ndarray:
    """Mask of the rows that are not scanned."""
    split = halves(candidate, production, METRICS[name], {}, METRICS[name].better, KEYS[: candidate.rows])
    mask = np.zeros(candidate.rows, dtype=bool)
    mask[split.rows[split.scanned :]] = True
    return mask


@pytest.mark.parametrize("name", ["accuracy", "recall", "specificity", "log_loss", "brier_score"])
def test_a_bad_pair_is_told_and_its_parents_are_not(name):
    production, columns = table()
    candidate = turned(production, (columns[0].values == 2) & (columns[1].values == 3), share=0.5)
    result = compared(candidate, production, columns, name, min_rows=30)
    assert [each.slice for each in result.found] == [{"carrier": "v02", "origin": "v03"}]
    told = result.found[0]
    assert told.confirmed
    assert told.delta < 0
    assert told.delta_scanned < 0
    assert told.q_value <= result.false_discovery_rate
    assert result.metric == name
    assert result.discovered > 1
    assert result.tested_columns == ["carrier", "origin", "distance", "weekday", "day"]


@pytest.mark.parametrize("name", ["accuracy", "log_loss"])
def test_the_numbers_are_those_of_a_comparison_on_the_held_back_rows(name):
    production, columns = table()
    candidate = turned(turned(production, columns[0].values == 2), columns[1].values == 1, 0.1, seed=5)
    result = compared(candidate, production, columns, name)
    assert [each.slice for each in result.found] == [{"carrier": "v02"}, {"origin": "v01"}]
    apart = held_back(candidate, production, name)
    for told, where in zip(result.found, (columns[0].values == 2, columns[1].values == 1), strict=True):
        rows = np.flatnonzero(where & apart)
        answer = METRICS[name].compare(
            candidate.take(rows), production.take(rows), Groups.everything(len(rows)), {}, 0.9
        )[0]
        assert told.rows == len(rows)
        assert told.rows_scanned == (where & ~apart).sum()
        assert told.delta == pytest.approx(answer.delta, rel=1e-10)
        assert told.p_value_held_back < 1e-6
        if name == "accuracy":
            assert told.ci == pytest.approx((answer.interval.low, answer.interval.high), rel=1e-10)
        scanned = np.flatnonzero(where & ~apart)
        values = [
            METRICS[name].estimate(data.take(scanned), Groups.everything(len(scanned)), {}, None)[0].value
            for data in (candidate, production)
        ]
        assert told.delta_scanned == pytest.approx(METRICS[name].sign * (values[0] - values[1]), rel=1e-10)
    adjusted = holm([each.p_value_held_back for each in result.found])
    assert [each.adjusted_p_value for each in result.found] == adjusted.tolist()
    assert result.rows_scanned + result.rows_held_back == ROWS
    assert result.rows_held_back == apart.sum()


@pytest.mark.parametrize("name", ["accuracy", "log_loss"])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_order_of_rows_does_not_matter(name, clustered):
    production, columns = table(6_000)
    candidate = turned(turned(production, columns[0].values == 1), columns[2].values > 900, 0.1, seed=4)
    if clustered:
        cluster = np.random.default_rng(6).integers(0, 1_000, 6_000).astype(np.int32)
        candidate = replace(candidate, cluster=cluster)
    order = np.random.default_rng(5).permutation(6_000)
    one = compared(candidate, production, columns, name)
    other = compared(
        candidate.take(order),
        production.take(order),
        [column.take(order) for column in columns],
        name,
        keys=KEYS[:6_000][order],
    )
    assert one.found
    assert one == other


def test_a_cluster_is_in_one_half_whatever_its_keys():
    production, _ = table()
    cluster = np.random.default_rng(1).integers(0, 500, ROWS).astype(np.int32)
    apart = held_back(replace(production, cluster=cluster), production, "accuracy")
    of_cluster = np.bincount(cluster, apart) / np.bincount(cluster)
    assert set(of_cluster) == {0.0, 1.0}
    assert 0.4 < apart.mean() < 0.6


def test_few_clusters_confirm_less_than_as_many_rows():
    production, columns = table()
    where = columns[0].values == 2
    # All harm of the segment comes from a few clusters that are wrong throughout.
    cluster = (np.arange(ROWS) // 100).astype(np.int32)
    candidate = turned(production, where & (cluster % 10 == 3), share=1.0)
    alone, together = (
        compared(replace(candidate, cluster=each), production, columns[:1], "accuracy")
        for each in (None, cluster)
    )
    assert [each.slice for each in alone.found] == [{"carrier": "v02"}]
    assert [each.slice for each in together.found] in ([], [{"carrier": "v02"}])
    for each in together.found:
        assert each.p_value_held_back > 100 * alone.found[0].p_value_held_back


def test_rows_without_weight_are_as_if_absent():
    production, columns = table()
    candidate = turned(production, columns[0].values == 2)
    weight = np.random.default_rng(2).integers(0, 3, ROWS).astype(np.float64)
    present = np.flatnonzero(weight > 0)
    one = compared(replace(candidate, weight=weight), production, columns, min_rows=30)
    assert [each.slice for each in one.found if each.confirmed] == [{"carrier": "v02"}]
    other = compared(
        replace(candidate, weight=weight).take(present),
        production.take(present),
        [column.take(present) for column in columns],
        min_rows=30,
        keys=KEYS[present],
    )
    assert [(each.slice, each.rows) for each in one.found] == [
        (each.slice, each.rows) for each in other.found
    ]
    assert one.rows_scanned + one.rows_held_back == len(present)


def test_equal_weights_change_nothing():
    production, columns = table()
    candidate = turned(production, columns[0].values == 2)
    weighted = replace(candidate, weight=np.full(ROWS, 0.25))
    assert compared(weighted, production, columns) == compared(candidate, production, columns)


def test_rows_that_count_more_decide_more():
    production, columns = table()
    where = columns[0].values == 2
    odd = np.arange(ROWS) % 2 == 1
    candidate = turned(
        turned(production, where & odd, 0.3), where & ~odd & (production.prediction == 1), 0.05
    )
    weight = np.where(odd, 3.0, 1.0)
    found = compared(replace(candidate, weight=weight), production, columns, "log_loss").found[0]
    plain = compared(candidate, production, columns, "log_loss").found[0]
    assert found.slice == plain.slice == {"carrier": "v02"}
    assert found.delta < plain.delta
    rows = np.flatnonzero(where & held_back(candidate, production, "log_loss"))
    values = [METRICS["log_loss"].values(data.take(rows), {}) for data in (candidate, production)]
    assert found.delta == pytest.approx(-np.average(values[0] - values[1], weights=weight[rows]), rel=1e-10)


def test_what_is_better_is_not_told():
    production, columns = table()
    candidate = turned(production, columns[0].values == 2)
    assert compared(production, candidate, columns).found == []


def test_a_loss_of_exactly_the_margin_everywhere_is_acceptable():
    _, columns = table()
    label = np.zeros(ROWS)
    production = Predictions("regression", ROWS, (), label, np.full(ROWS, 1.0))
    candidate = replace(production, prediction=np.full(ROWS, 1.1))
    loss = float((candidate.prediction - production.prediction)[0])
    result = compared(candidate, production, columns, "mean_absolute_error", margin=loss)
    assert (result.discovered, result.found) == (0, [])
    assert compared(candidate, production, columns, "mean_absolute_error", margin=0.99 * loss).found


def test_the_same_answers_find_nothing():
    production, columns = table()
    for name in ("accuracy", "log_loss"):
        result = compared(production, production, columns, name)
        assert (result.discovered, result.found) == (0, [])
        assert result.searched > 100


def test_a_loss_within_the_margin_is_acceptable():
    production, columns = table()
    candidate = turned(production, columns[0].values == 2, share=0.1)
    assert compared(candidate, production, columns).found[0].slice == {"carrier": "v02"}
    assert compared(candidate, production, columns, margin=0.2).found == []
    worse = turned(production, columns[0].values == 2, share=0.5)
    told = compared(worse, production, columns, margin=0.2).found
    assert [(each.slice, each.margin, each.confirmed) for each in told] == [({"carrier": "v02"}, 0.2, True)]
    assert told[0].delta_scanned == pytest.approx(told[0].delta, abs=0.1)


def test_a_candidate_that_is_worse_everywhere_makes_no_endless_list():
    production, columns = table()
    candidate = turned(production, np.ones(ROWS, dtype=bool), share=0.2)
    result = compared(candidate, production, columns)
    assert result.discovered > MOST
    assert 1 <= len(result.found) <= MOST
    assert any(each.confirmed for each in result.found)


def test_the_list_is_worst_first():
    production, columns = table()
    candidate = production
    for level, share in enumerate((0.1, 0.4, 0.2, 0.3)):
        candidate = turned(candidate, columns[1].values == level, share, seed=level)
    result = compared(candidate, production, columns[:2])
    deltas = [each.delta for each in result.found]
    assert len(deltas) > 2
    assert deltas == sorted(deltas)


def test_a_segment_is_tested_only_with_enough_rows_in_either_half():
    production, _ = table()
    small = np.full(ROWS, 1)
    apart = np.flatnonzero(held_back(production, production, "accuracy"))
    small[apart[:400]] = 0
    column = category("small", small, 2)
    candidate = turned(production, small == 0, share=0.9)
    result = compared(candidate, production, [column])
    assert (result.searched, result.found) == (1, [])


def test_recall_looks_at_positives_only():
    production, columns = table()
    candidate = turned(production, (columns[0].values == 2) & (production.label == 0), share=0.8)
    assert compared(candidate, production, columns, "recall").found == []
    assert compared(candidate, production, columns, "specificity").found[0].slice == {"carrier": "v02"}


def test_recall_of_one_class_of_several():
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, ROWS).astype(np.int32)
    columns = [category("carrier", rng.integers(0, 6, ROWS), 6)]
    production = Predictions("multiclass", ROWS, ("a", "b", "c"), label, label.copy())
    wrong = (columns[0].values == 4) & (label == 1) & (rng.random(ROWS) < 0.3)
    candidate = replace(production, prediction=np.where(wrong, 2, label).astype(np.int32))
    assert compared(candidate, production, columns, "recall", options={"class": "c"}).found == []
    found = compared(candidate, production, columns, "recall", options={"class": "b"}).found
    assert [each.slice for each in found] == [{"carrier": "v04"}]


def test_numbers_are_searched_by_their_error():
    rng = np.random.default_rng(4)
    label, hard = rng.normal(size=ROWS), rng.normal(size=ROWS)
    columns = [
        category("carrier", rng.integers(0, 6, ROWS), 6),
        Column("age", "number", rng.normal(size=ROWS)),
    ]
    production = Predictions("regression", ROWS, (), label, label + hard)
    worse = np.where(columns[0].values == 5, 1.3, 1.0)
    candidate = Predictions("regression", ROWS, (), label, label + hard * worse)
    found = compared(candidate, production, columns, "mean_absolute_error").found
    assert [each.slice for each in found] == [{"carrier": "v05"}]
    assert found[0].delta == pytest.approx(-0.3 * np.sqrt(2 / np.pi), abs=0.05)


@pytest.mark.filterwarnings("ignore:overflow encountered in square")
def test_errors_beyond_all_numbers_stay_numbers():
    production, columns = table()
    label = production.label.astype(np.float64)
    fair = Predictions("regression", ROWS, (), label, label)
    wild = replace(fair, prediction=np.where(columns[0].values == 2, 1.7e308, label))
    result = compared(wild, fair, columns, "mean_squared_error")
    assert result.found[0].slice == {"carrier": "v02"}
    json.dumps(asdict(result), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("accuracy", "binary", "accuracy"),
        ("recall", "binary", "recall"),
        ("log_loss", "multiclass", "log_loss"),
        ("roc_auc", "binary", "log_loss"),
        ("average_precision", "binary", "log_loss"),
        ("f1", "binary", "accuracy"),
        ("precision", "binary", "accuracy"),
        ("matthews_corrcoef", "multiclass", "accuracy"),
        ("root_mean_squared_error", "regression", "mean_absolute_error"),
        ("r2", "regression", "mean_absolute_error"),
        ("mean_squared_error", "regression", "mean_squared_error"),
        ("ndcg", "ranking", None),
    ],
)
def test_another_metric_stands_in_where_rows_have_no_value(name, task, expected):
    found = surrogate(METRICS[name], task, {"k": 3})
    if expected is None:
        assert found is None
        return
    assert found is not None
    metric, options = found
    assert metric.name == expected
    assert by_rows(metric)
    assert options == ({"k": 3} if expected == name else {})


def test_a_metric_that_is_no_mean_over_rows_is_refused():
    production, columns = table(500)
    with pytest.raises(ConfigError, match=r"'roc_auc'.*no mean over rows.*accuracy"):
        compared(production, production, columns, "roc_auc")


@pytest.mark.parametrize("name", ["error_rate", "accuracy", "log_loss"])
def test_what_no_column_holds_by_row_is_refused(name):
    production, columns = table(500)
    unread = replace(production, prediction=None, score=None)
    with pytest.raises(ConfigError, match=f"'{name}' by row: name it under `columns:`"):
        compared(unread, production, columns, name)


@pytest.mark.slow
def test_a_million_rows_take_seconds():
    rng = np.random.default_rng(7)
    rows = 1_000_000
    label, columns = rng.integers(0, 2, rows).astype(np.int8), []
    for i in range(10):
        columns += [
            category(f"c{i}", rng.integers(0, 4 + i, rows), 14),
            Column(f"n{i}", "number", rng.normal(size=rows)),
        ]
    production = Predictions("binary", rows, ("0", "1"), label, label, np.where(label, 0.8, 0.2))
    candidate = turned(production, columns[0].values == 1, 0.02)
    keys = np.arange(rows, dtype=np.uint64)
    for name in ("accuracy", "log_loss"):
        started = time.process_time()
        result = compared(candidate, production, columns, name, keys=keys)
        assert time.process_time() - started < 20
        assert [each.slice for each in result.found if each.confirmed] == [{"c0": "v01"}]
        assert result.searched > 5_000


HOSTILE = "<script>alert(1)</script>|\u202e::set-output name=x::\x00"


@pytest.mark.parametrize(
    ("columns", "tested", "left_out"),
    [
        ([], [], []),
        ([category("constant", np.zeros(ROWS), 1)], [], ["constant"]),
        ([category("missing", np.full(ROWS, -1), 3)], [], ["missing"]),
        ([Column("nan", "number", np.full(ROWS, np.nan))], [], ["nan"]),
        ([Column("id", "category", np.arange(ROWS, dtype=np.int32), tuple(range(ROWS)))], [], ["id"]),
    ],
)
def test_columns_that_make_no_segment_find_nothing(columns, tested, left_out):
    production, _ = table()
    candidate = turned(production, np.ones(ROWS, dtype=bool))
    result = compared(candidate, production, columns)
    assert (result.tested_columns, result.left_out, result.searched, result.found) == (
        tested,
        left_out,
        0,
        [],
    )


def test_thousands_of_values_hostile_names_and_missing_ones_are_searched_like_others():
    production, _ = table()
    rng = np.random.default_rng(8)
    codes = np.where(rng.random(ROWS) < 0.1, 0, rng.integers(1, 4_000, ROWS))
    sparse = Column(
        HOSTILE, "category", codes.astype(np.int32), (HOSTILE, *(f"x{i:04d}" for i in range(1, 4_000)))
    )
    gaps = Column("gaps", "number", np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS)))
    candidate = turned(turned(production, codes == 0), np.isnan(gaps.values), seed=2)
    result = compared(candidate, production, [sparse, gaps])
    assert {json.dumps(each.slice) for each in result.found if each.confirmed} == {
        json.dumps({HOSTILE: HOSTILE}),
        json.dumps({"gaps": None}),
    }
    json.dumps(asdict(result), allow_nan=False)


def test_all_rows_in_one_half_leave_nothing_to_test():
    production, columns = table()
    candidate = turned(production, columns[0].values == 2)
    result = compared(candidate, production, columns, keys=np.zeros(ROWS, dtype=np.uint64))
    assert {result.rows_scanned, result.rows_held_back} == {0, ROWS}
    assert (result.searched, result.found) == (0, [])


def test_few_rows_are_not_searched():
    production, columns = table(20)
    result = compared(production, production, columns, min_rows=15)
    assert (result.searched, result.found) == (0, [])


def test_no_rows_at_all_are_not_searched():
    production, columns = table(20)
    none = np.zeros(0, dtype=np.int64)
    empty = production.take(none)
    result = compared(empty, empty, [column.take(none) for column in columns])
    assert (result.rows_scanned, result.rows_held_back, result.found) == (0, 0, [])


def test_a_column_without_a_value_for_a_row_leaves_the_row_out():
    production, columns = table()
    rng = np.random.default_rng(5)
    revenue = np.where(rng.random(ROWS) < 0.3, np.nan, rng.normal(100, 5, ROWS))
    less = np.where(columns[0].values == 2, revenue - 3, revenue)
    models = [
        replace(production, columns={("revenue", "number"): Column("revenue", "number", values)})
        for values in (less, revenue)
    ]
    result = search(
        *models,
        columns,
        Segments(),
        metric=METRICS["mean"],
        options={"column": "revenue"},
        better="higher",
        keys=KEYS,
        level=0.95,
    )
    assert [each.slice for each in result.found] == [{"carrier": "v02"}]
    assert result.found[0].delta == pytest.approx(-3, rel=1e-9)
    assert result.rows_scanned + result.rows_held_back == int((~np.isnan(revenue)).sum())
