"""What holds of every metric: its value is its peer's, and slices, intervals, row order and comparisons fit it."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from metric_peers import MAKERS, PEERS, Peer, covered, fits, suite

from tidegate.metrics import METRICS, Estimate, Paired
from tidegate.metrics.base import ALL_TASKS, EMPTY_SLICE
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Column

RNG = np.random.default_rng
CASES = [
    pytest.param(task, peer, id=f"{task}-{peer}")
    for task, maker in MAKERS.items()
    for peer in PEERS
    # What is no matter of the task is tested under one.
    if fits(peer, maker(0)) and (task == "regression" or peer.metric.tasks != ALL_TASKS)
]
SATURATED = {
    "recall_at_precision-at=0.05",
    "top_k_accuracy-k=10",
    *(f"{name}@100" for name in ("recall", "precision", "hit_rate")),
}
"""So lenient that any model reaches the same."""
WHOLE = {"model_size_mb"}
"""Known of a model as a whole, and exactly."""
UNBOUNDED = {"max_error"}
"""Without an interval: a sample says nothing about how much larger others are."""
UNPAIRED = {"max_error", "throughput", "model_size_mb"} | {
    f"latency_p{percent}_ratio" for percent in ("50", "95", "99", "99.9")
}
"""Figures of no rows that two models share."""


def estimate(
    peer: Peer, data: Predictions, groups: Groups, confidence: float | None = None
) -> list[Estimate]:
    return peer.metric.estimate(data, groups, peer.settled, confidence)


def whole(peer: Peer, data: Predictions, confidence: float | None = None) -> Estimate:
    (found,) = estimate(peer, data, Groups.everything(data.rows), confidence)
    return found


def cities(rows: int) -> Groups:
    codes = RNG(0).integers(-1, 3, rows).astype(np.int32)
    codes[codes == 1] = 0
    column = Column("city", "category", codes, ("x", "y", "z"))
    return Groups.of_column(column, ["x", "y", "z"])


def same(value: float | None, peer: float, within: float) -> bool:
    if value is None or math.isnan(peer):
        return value is None and math.isnan(peer)
    return abs(value - peer) <= within * max(1.0, abs(peer))


def test_every_metric_has_a_peer() -> None:
    assert covered() == set(METRICS)


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_value_is_the_peers(task: str, peer: Peer) -> None:
    tables = [(title, data) for title, data in suite(task, seeds=2) if fits(peer, data)]
    assert len(tables) > 5
    for title, data in tables:
        found, expected = whole(peer, data), peer.value(data)

        assert same(found.value, expected, peer.within), (title, found, expected)
        assert (found.value is None) == bool(found.problem), title


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_slices_are_what_each_slice_alone_gives(task: str, peer: Peer) -> None:
    data = MAKERS[task](7)
    groups = cities(data.rows)
    found = estimate(peer, data, groups, 0.9)
    if peer.name in WHOLE:
        assert all(one.value is None and "whole" in one.problem for one in found)
        return

    assert [len(rows) > 0 for rows in groups.members] == [True, False, True]
    for rows, one in zip(groups.members, found, strict=True):
        if not len(rows):
            assert one.value is None
            assert one.interval is None
            assert one.rows == 0
            assert one.problem
            continue
        part = data.take(rows)
        alone = whole(peer, part, 0.9)
        assert same(one.value, peer.value(part), peer.within)
        assert (one.rows, one.problem, one.note) == (alone.rows, alone.problem, alone.note)
        assert same_bounds(one, alone)


def bounds(one: Estimate | Paired) -> tuple[float, float] | None:
    return None if one.interval is None else (one.interval.low, one.interval.high)


def same_bounds(one: Estimate, other: Estimate) -> bool:
    a, b = bounds(one), bounds(other)
    return a == b or (a is not None and b is not None and a == pytest.approx(b, rel=1e-12, abs=1e-14))


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_an_interval_holds_its_value_and_widens_with_confidence(task: str, peer: Peer) -> None:
    data = MAKERS[task](3)
    narrow, wide = whole(peer, data, 0.8), whole(peer, data, 0.99)
    many = whole(peer, threefold(data), 0.8)

    assert narrow.value is not None
    if peer.name in UNBOUNDED:
        assert narrow.interval is None
        return
    assert narrow.interval is not None
    assert wide.interval is not None
    if peer.name in WHOLE:
        assert bounds(narrow) == bounds(wide) == (narrow.value, narrow.value)
        return
    order = [wide.interval.low, narrow.interval.low, narrow.value, narrow.interval.high, wide.interval.high]
    assert order == sorted(order)
    assert narrow.interval.low < narrow.interval.high
    assert width(narrow) < width(wide) or math.isinf(width(narrow))
    # Bounds that are rows may stay; with thrice as many, groups that were too thin may count.
    if "min_rows" not in peer.options:
        assert width(many) <= width(narrow)


def threefold(data: Predictions) -> Predictions:
    """Every row three times, as of other queries."""
    again = data.take(np.tile(np.arange(data.rows), 3))
    if data.query is None:
        return again
    offset = np.repeat(np.arange(3), data.rows) * (int(data.query.max()) + 1)
    assert again.query is not None
    return replace(again, query=(again.query + offset).astype(np.int32))


def width(one: Estimate) -> float:
    assert one.interval is not None
    return one.interval.high - one.interval.low


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_the_order_of_rows_does_not_matter(task: str, peer: Peer) -> None:
    for title, data in suite(task, seeds=1):
        if not fits(peer, data):
            continue
        one, other = (whole(peer, table, 0.9) for table in (data, data.take(RNG(0).permutation(data.rows))))

        assert (one.value is None) == (other.value is None), title
        assert (one.rows, one.problem) == (other.rows, other.problem), title
        if one.value is not None:
            assert one.value == pytest.approx(other.value, rel=1e-12, abs=1e-14), title
        assert same_bounds(one, other), (title, one, other)


def worse(data: Predictions) -> Predictions:
    """A model that answers other rows' answers, slowly and unfairly, from columns in disorder."""
    rng = RNG(6)
    mixed = rng.permutation(data.rows)
    changes: dict[str, object] = {}
    for name in ("score", "prediction"):
        values = getattr(data, name)
        if values is not None:
            changes[name] = values[mixed]
    assert data.latency is not None
    assert data.cost is not None
    assert data.error is not None
    broken = np.where(rng.random(data.rows) < 0.3, 1.0, data.error)
    number, category = data.columns["x", "number"], data.columns["c", "category"]
    # Comparisons stand on the rows that both models have a value for: here those of the better one.
    far = rng.choice([-100.0, 0.0, 100.0], data.rows, p=[0.15, 0.7, 0.15])
    known = (rng.random(data.rows) < 0.5) & (category.values >= 0)
    codes = np.where(known, len(category.levels) - 1, category.values).astype(np.int32)
    columns = {
        **data.columns,
        ("x", "number"): replace(number, values=number.values + far),
        ("x", "any"): replace(number, values=np.where(far > 0, np.nan, number.values)),
        ("c", "category"): replace(category, values=codes),
    }
    changes |= {"latency": data.latency * 2, "cost": data.cost * 2, "error": broken, "columns": columns}
    return replace(data, **changes)  # type: ignore[arg-type]  # each of its own kind


def unfair(data: Predictions) -> Predictions:
    """A model that serves one group badly."""
    rng, chosen = RNG(5), data.columns["g", "category"].values == 0
    label, said, score = data.label, data.prediction, data.score
    assert label is not None
    assert said is not None
    if data.task == "regression":
        return replace(data, prediction=np.where(chosen, label + rng.normal(6, 12, data.rows), said))
    blind = rng.random(data.rows) < 0.9
    said = np.where(chosen, blind, said).astype(np.int32)
    if data.task == "binary":
        score = np.where(chosen, 1 - (1 - score) / 4, score)
    return replace(data, prediction=said, score=score)


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_a_comparison_points_towards_the_better_model(task: str, peer: Peer) -> None:
    fairness = "by" in peer.options
    good, metric = MAKERS[task](5, 8_000 if fairness else 1_500), peer.metric
    bad = unfair(good) if fairness else worse(good)
    everything = Groups.everything(good.rows)
    (forth,) = metric.compare(good, bad, everything, peer.settled, 0.95)
    (back,) = metric.compare(bad, good, everything, peer.settled, 0.95)
    if peer.name in UNPAIRED:
        assert forth.interval is None
        assert forth.delta is None
        assert forth.problem
        return

    assert same(forth.candidate, peer.value(good), peer.within)
    assert same(forth.production, peer.value(bad), peer.within)
    assert forth.candidate is not None
    assert forth.production is not None
    assert forth.delta == pytest.approx(metric.sign * (forth.candidate - forth.production), abs=1e-12)
    assert forth.delta == pytest.approx(-(back.delta or 0), rel=1e-12, abs=1e-15)
    assert forth.interval is not None
    assert back.interval is not None
    # The draws of a bootstrap differ when the models change places.
    spread = 0.1 * (forth.interval.high - forth.interval.low)
    assert back.interval.low == pytest.approx(-forth.interval.high, abs=spread)
    assert back.interval.high == pytest.approx(-forth.interval.low, abs=spread)
    assert forth.interval.low <= forth.delta <= forth.interval.high
    assert forth.method
    if str(peer) in SATURATED:
        assert forth.candidate == forth.production
    elif metric.better != "neither":
        assert forth.delta > 0
        # Many small groups leave a gap uncertain.
        assert forth.interval.low > 0 or len(peer.options.get("by", ())) > 1


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_a_model_equals_itself(task: str, peer: Peer) -> None:
    if peer.name in UNPAIRED:
        return
    data = MAKERS[task](5)
    for rows in (data.rows, 60):
        part = data.take(np.arange(rows))
        again = part.take(np.arange(rows))
        (found,) = peer.metric.compare(part, again, Groups.everything(rows), peer.settled, 0.95)

        if found.candidate is None:
            assert found.problem
            continue
        assert found.delta == 0
        assert found.interval is not None
        assert (found.interval.low, found.interval.high) == (0, 0)


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_degenerate_tables_are_judged_or_explained(task: str, peer: Peer) -> None:
    for title, data in tables(task):
        if not fits(peer, data):
            continue
        groups = Groups.everything(data.rows)
        found, (pair,) = (
            whole(peer, data, 0.95),
            peer.metric.compare(data, worse(data), groups, peer.settled, 0.95),
        )

        assert (found.value is None) == bool(found.problem), title
        assert found.value is None or math.isfinite(found.value), title
        if found.interval is not None:
            assert found.value is not None
            assert found.interval.low <= found.value <= found.interval.high, (title, found)
        assert (pair.delta is None) == bool(pair.problem), title
        if pair.interval is not None:
            assert pair.delta is not None
            assert pair.interval.low <= pair.delta <= pair.interval.high, (title, pair)


def tables(task: str) -> Iterator[tuple[str, Predictions]]:
    yield from suite(task, seeds=0)
    yield "no rows", MAKERS[task](0).take(np.arange(0))


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_no_rows_say_so(task: str, peer: Peer) -> None:
    data = MAKERS[task](0).take(np.arange(0))
    if peer.name in WHOLE:
        return
    found = whole(peer, data, 0.95)
    (pair,) = peer.metric.compare(data, data, Groups.everything(0), peer.settled, 0.95)

    assert (found.value, found.interval, found.rows) == (None, None, 0)
    assert found.problem == EMPTY_SLICE or "rows" in found.problem or "row " in found.problem
    assert (pair.delta, pair.interval, pair.rows) == (None, None, 0)
    assert pair.problem
