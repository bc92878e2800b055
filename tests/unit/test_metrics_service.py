"""Latency and its kin from columns and as measured of the whole model; columns, rankings and errors of numbers."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from metric_peers import ranking, regression

from tidegate.metrics import METRICS, Estimate, find
from tidegate.metrics.data import Groups, Performance, Predictions
from tidegate.stats.intervals import clopper_pearson, quantile_order_statistics
from tidegate.stats.results import Interval
from tidegate.tables import Column


def estimate(name: str, data: Predictions, confidence: float | None = None, **options: Any) -> Estimate:
    found = find(name)
    assert found is not None
    groups = Groups.everything(data.rows)
    (one,) = found.metric.estimate(
        data, groups, {**found.metric.settled, **found.implied, **options}, confidence
    )
    return one


def measured(**figures: Any) -> Predictions:
    return Predictions("binary", 10, performance=Performance(**figures))


LATENCY = np.random.default_rng(1).lognormal(3, 1, 800)


def test_latency_as_measured_of_the_model_has_the_interval_of_its_samples() -> None:
    found = estimate("latency_p95", measured(latency=LATENCY), 0.9)

    assert found.value == pytest.approx(np.quantile(LATENCY, 0.95), rel=1e-12)
    assert found.rows == 800
    assert found.interval == quantile_order_statistics(np.sort(LATENCY), 0.95, confidence=0.9)


def test_a_percentile_that_alone_is_known() -> None:
    data = measured(percentiles={0.95: 14.2, 0.999: 80.0}, requests=5_000)

    assert estimate("latency_p95", data, 0.9) == Estimate(14.2, 5_000)
    assert estimate("latency_p99.9", data).value == 80
    assert estimate("latency_p50", data).problem == "no latency was measured"


def test_a_column_goes_before_what_was_measured() -> None:
    data = replace(measured(latency=LATENCY, throughput=None), latency=np.full(10, 2.0))

    assert estimate("latency_p50", data).value == 2
    assert estimate("throughput", data).value == 500


@pytest.mark.parametrize(
    "name", ["latency_p50", "latency_p50_ratio", "throughput", "error_rate", "cost_per_row"]
)
def test_what_was_measured_of_the_whole_is_not_known_of_slices(name: str) -> None:
    data = measured(
        latency=LATENCY, production_latency=2 * LATENCY, throughput=3.0, error_rate=0.1, cost_per_row=1.0
    )
    found = find(name)
    assert found is not None
    groups = Groups(np.arange(10, dtype=np.int32) % 2, ({"g": "a"}, {"g": "b"}))
    both = found.metric.estimate(data, groups, {}, 0.9)

    assert estimate(name, data).value is not None
    assert [one.value for one in both] == [None, None]
    assert all("whole" in one.problem for one in both)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("latency_p95", "no latency"),
        ("latency_p95_ratio", "interleaved"),
        ("throughput", "no throughput"),
        ("error_rate", "no error rate"),
        ("cost_per_row", "no cost"),
        ("model_size_mb", "retrain.artifacts"),
    ],
)
@pytest.mark.parametrize("performance", [None, Performance()])
def test_what_was_not_measured_says_so(name: str, problem: str, performance: Performance | None) -> None:
    found = estimate(name, Predictions("binary", 10, performance=performance), 0.9)

    assert (found.value, found.interval, found.rows) == (None, None, 0)
    assert problem in found.problem


def test_relative_latency_is_that_of_pairs() -> None:
    production = LATENCY.copy()
    production[::7] = np.nan
    data = replace(measured(), rows=800, latency=1.2 * LATENCY, production_latency=production)
    found = estimate("latency_p95_ratio", data, 0.95)

    # In one proportion everywhere: the machine's moods cancel, so the ratio is known exactly.
    assert found.value == pytest.approx(1.2, rel=1e-12)
    assert found.rows == np.count_nonzero(~np.isnan(production))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((1.2, 1.2), rel=1e-9)


@pytest.mark.parametrize(
    ("candidate", "production", "problem"),
    [
        ([1.0, np.nan], [np.nan, 1.0], "no row has both"),
        ([1.0, 2.0], [0.0, 0.0], "production's latency is zero"),
    ],
)
def test_relative_latency_that_does_not_exist(
    candidate: list[float], production: list[float], problem: str
) -> None:
    data = measured(latency=np.array(candidate), production_latency=np.array(production))

    assert problem in estimate("latency_p50_ratio", data, 0.9).problem


def test_zeros_of_productions_latency_widen_the_interval_without_a_warning() -> None:
    data = measured(latency=np.array([1.0, 2, 3, 4]), production_latency=np.array([0.0, 0, 0, 4]))
    found = estimate("latency_p95_ratio", data, 0.9)

    assert found.value is not None
    assert found.interval is not None
    assert math.isinf(found.interval.high)


def test_throughput_is_the_reciprocal_of_mean_latency() -> None:
    data = replace(measured(), rows=3, latency=np.array([10.0, 30.0, np.nan]))
    found = estimate("throughput", data, 0.5)

    assert (found.value, found.rows) == (50, 2)
    assert found.interval is not None
    assert found.interval.low < 50 < found.interval.high
    assert "above zero" in estimate("throughput", replace(data, latency=np.zeros(3))).problem


def test_errors_as_measured_have_an_exact_interval() -> None:
    found = estimate("error_rate", measured(error_rate=0.0006, requests=5_000), 0.95)

    assert found == Estimate(0.0006, 5_000, clopper_pearson(3, 5_000, confidence=0.95))
    assert estimate("error_rate", measured(error_rate=0.1), 0.95).interval is None


def test_the_size_of_a_model_is_no_sample() -> None:
    assert estimate("model_size_mb", measured(model_bytes=48_211_033), 0.95) == Estimate(
        48.211033, 10, Interval(48.211033, 48.211033)
    )


def test_mean_and_missing_share_of_a_column() -> None:
    column = Column("x", "number", np.array([1.0, 2.0, np.nan, 6.0]))
    data = Predictions("binary", 4, columns={("x", "number"): column, ("x", "any"): column})

    assert estimate("mean", data, column="x") == Estimate(3.0, 3)
    assert estimate("missing_share", data, column="x") == Estimate(0.25, 4)


def test_shares_count_strictly_and_leave_out_what_is_missing() -> None:
    column = Column("ms", "number", np.array([1.0, 2.0, 2.0, 3.0, np.nan]))
    data = Predictions("binary", 5, columns={("ms", "number"): column})
    above, below = (estimate(name, data, 0.9, column="ms", at=2) for name in ("share_above", "share_below"))
    outside = estimate("out_of_range_share", data, column="ms", range=[2, None])

    assert [(v.value, v.rows) for v in (above, below, outside)] == [(0.25, 4)] * 3
    assert above.interval == clopper_pearson(1, 4, confidence=0.9)


def test_a_value_repeats_where_the_same_slice_has_it_again() -> None:
    values = np.array([0, 0, 1, 1, -1, -1, 2, 0], dtype=np.int32)
    column = Column("c", "category", values, ("p", "q", "r"))
    data = Predictions("binary", 8, columns={("c", "category"): column})
    groups = Groups(np.array([0, 1, 0, 0, 0, 0, 1, 1], dtype=np.int32), ({"s": 0}, {"s": 1}))
    found = METRICS["duplicate_share"].estimate(data, groups, {"column": "c"}, None)

    assert estimate("duplicate_share", data, column="c").value == pytest.approx(5 / 6)
    assert [(one.value, one.rows) for one in found] == [(pytest.approx(2 / 3), 3), (pytest.approx(2 / 3), 3)]


def test_known_values_in_any_spelling() -> None:
    column = Column("c", "category", np.array([0, 1, 2, -1], dtype=np.int32), ("1", "true", "Ünseen"))
    data = Predictions("binary", 4, columns={("c", "category"): column})

    assert estimate("unseen_share", data, column="c", values=[1.0]).value == pytest.approx(1 / 3)


def test_queries_without_relevant_items_are_left_out_and_none_says_so() -> None:
    data = ranking(0, 200)
    assert data.label is not None
    assert data.query is not None
    dull = replace(data, label=np.where(data.query < 5, 0.0, data.label))
    with_some = len({q for q, y in zip(dull.query, dull.label, strict=True) if y > 0})
    found = estimate("map", dull)
    nothing = replace(data, label=np.zeros(data.rows))

    assert found.rows == with_some < len(np.unique(data.query))
    for name in ("map", "mrr", "recall@3", "precision@3", "hit_rate@3"):
        assert estimate(name, nothing, 0.9) == Estimate(None, 0, problem="no query has a relevant item")
        one = find(name)
        assert one is not None
        (pair,) = one.metric.compare(nothing, nothing, Groups.everything(200), dict(one.implied), 0.9)
        assert pair.problem == "no query has a relevant item"
    # As in scikit-learn, a query without a gain has none.
    assert estimate("ndcg", nothing).value == 0


def test_a_slice_ranks_the_items_that_are_in_it() -> None:
    data = ranking(1, 60)
    groups = Groups((np.arange(60) % 3 - 1).astype(np.int32), ({"g": "a"}, {"g": "b"}))
    metric = METRICS["ndcg"]
    found = metric.estimate(data, groups, {}, None)

    for rows, one in zip(groups.members, found, strict=True):
        assert one.value == pytest.approx(estimate("ndcg", data.take(rows)).value, rel=1e-12)


@pytest.mark.parametrize("value", [0.1, 3.0, -1e300, 1e-300])
@pytest.mark.parametrize("rows", [1, 3, 7])
def test_regression_without_spread(value: float, rows: int) -> None:
    # The mean of three tenths is not a tenth: a variance by rounding must not make an R squared of -10^32.
    label = np.full(rows, value)
    data = Predictions("regression", rows, (), label, label * 2)

    assert estimate("r2", data, 0.9).problem == "the label is the same in every row"
    same = replace(data, prediction=label)
    assert estimate("root_mean_squared_error", same).value == 0


@pytest.mark.parametrize("share", [50, 95, 99])
def test_an_interval_of_few_rows_holds_the_interpolated_quantile(share: int) -> None:
    data = replace(measured(), rows=2, latency=np.array([1.0, 2.0]))
    found = estimate(f"latency_p{share}", data, 0.95)

    assert found.interval is not None
    assert found.value is not None
    assert found.interval.low <= found.value <= found.interval.high


def test_the_largest_error_has_no_interval() -> None:
    data = regression(0, 40)
    found = estimate("max_error", data, 0.95)
    (pair,) = METRICS["max_error"].compare(data, data, Groups.everything(40), {}, 0.95)

    assert found.interval is None
    assert pair.candidate == found.value
    assert "quantile" in pair.problem
