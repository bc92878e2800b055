"""Large tables resampled in pools: the same figures, and nearly the same intervals, from far fewer draws."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tidegate.metrics import dependent, find, pools
from tidegate.metrics.base import Estimate, Paired
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.pools import Pools
from tidegate.metrics.quantiles import weighted_quantile
from tidegate.stats import bootstrap

RNG = np.random.default_rng
COMPARED = (
    "expected_calibration_error",
    "brier_reliability",
    "brier_resolution",
    "latency_p50",
    "latency_p95",
)
ESTIMATED = ("brier_uncertainty", "latency_p95_ratio")
CLUSTERED = pytest.mark.parametrize("clustered", [False, True], ids=["rows", "clusters"])


def models(rows: int, *, clustered: bool, seed: int = 0) -> tuple[Predictions, Predictions]:
    """Two models of the same rows, of which four come together where they are clustered."""
    rng = RNG(seed)
    cluster = np.arange(rows, dtype=np.int32) // 4
    shared = rng.normal(size=rows)[cluster] if clustered else rng.normal(size=rows)
    true = 1.2 * shared + rng.normal(size=rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-true))).astype(np.int32)
    latency = np.exp(3 + 0.3 * shared + 0.3 * rng.normal(size=rows))

    def model(scale: float, noise: float, factor: float) -> Predictions:
        score = 1 / (1 + np.exp(-(scale * true + noise * rng.normal(size=rows))))
        took = factor * latency * np.exp(0.1 * rng.normal(size=rows))
        said = (score > 0.5).astype(np.int32)
        data = Predictions("binary", rows, ("0", "1"), label, said, score, latency=took)
        return replace(data, production_latency=latency, cluster=cluster if clustered else None)

    return model(1, 0.3, 1.05), model(0.7, 0.5, 1)


def compared(name: str, a: Predictions, b: Predictions) -> Paired:
    found = find(name)
    assert found is not None
    settled = {**found.metric.settled, **found.implied}
    return dependent.compare(found.metric, a, b, Groups.everything(a.rows), settled, 0.95)[0]


def estimated(name: str, data: Predictions) -> Estimate:
    found = find(name)
    assert found is not None
    settled = {**found.metric.settled, **found.implied}
    return dependent.estimate(found.metric, data, Groups.everything(data.rows), settled, 0.95)[0]


@CLUSTERED
@pytest.mark.parametrize("name", COMPARED)
def test_differences_are_the_same_and_as_sure(
    name: str, clustered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = models(6_000, clustered=clustered)
    by_unit = compared(name, a, b)
    monkeypatch.setattr(pools, "POOLS", 500)
    pooled = compared(name, a, b)

    assert pooled.delta == pytest.approx(by_unit.delta, rel=1e-9)
    assert pooled.rows == by_unit.rows == 6_000
    assert pooled.clusters == by_unit.clusters
    assert by_unit.standard_error is not None
    # Both have the error of their draws, and 500 pools one of their own.
    assert pooled.standard_error == pytest.approx(by_unit.standard_error, rel=0.2)
    assert pooled.standard_error != by_unit.standard_error


@CLUSTERED
@pytest.mark.parametrize("name", ESTIMATED)
def test_estimates_are_the_same_and_as_sure(
    name: str, clustered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = models(6_000, clustered=clustered)
    by_unit = estimated(name, a)
    monkeypatch.setattr(pools, "POOLS", 500)
    pooled = estimated(name, a)

    assert pooled.value == pytest.approx(by_unit.value, rel=1e-12)
    assert by_unit.interval is not None
    assert pooled.interval is not None
    width = by_unit.interval.high - by_unit.interval.low
    assert pooled.interval.high - pooled.interval.low == pytest.approx(width, rel=0.25)


@CLUSTERED
@pytest.mark.parametrize("name", ["expected_calibration_error", "latency_p95"])
def test_the_order_of_rows_does_not_matter(
    name: str, clustered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "POOLS", 300)
    a, b = models(3_000, clustered=clustered)
    order = RNG(1).permutation(3_000)
    one, other = compared(name, a, b), compared(name, a.take(order), b.take(order))
    assert one.interval is not None
    assert other.interval is not None
    assert (one.interval.low, one.interval.high) == pytest.approx(
        (other.interval.low, other.interval.high), rel=1e-11
    )


@CLUSTERED
@pytest.mark.parametrize("name", ["expected_calibration_error", "latency_p95"])
def test_a_table_of_any_size_costs_no_more_draws_than_pools(
    name: str, clustered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    real: Callable[..., np.ndarray] = bootstrap._row_weights

    def watched(k: int, n: int, rng: np.random.Generator) -> np.ndarray:
        drawn.append(k * n)
        return real(k, n, rng)

    monkeypatch.setattr(bootstrap, "_row_weights", watched)
    compared(name, *models(120_000, clustered=clustered))
    assert 400 * 20_000 <= sum(drawn) <= 999 * 20_000


def test_few_units_are_pools_by_themselves() -> None:
    units = RNG(0).permutation(np.repeat(np.arange(50), 3))
    found = Pools.of_units(units, np.ones(150))
    assert found.count == 50
    assert (found.codes == units).all()


def test_units_stay_whole_in_pools_of_equal_size() -> None:
    units = np.repeat(np.arange(60_000), 2)
    found = Pools.of_units(units, np.ones(120_000))
    assert (found.codes[::2] == found.codes[1::2]).all()
    assert (found.sizes == 1).all()
    assert found.count == 20_000


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_quantile_of_pools_is_that_of_their_rows(share: float, weighted: bool) -> None:
    rng = RNG(3)
    values = rng.normal(size=3_000).round(2)
    weight = rng.integers(1, 4, 3_000).astype(float) if weighted else np.ones(3_000)
    of = Pools(rng.integers(0, 12, 3_000), 12, weight)
    times = rng.poisson(1, (20, 12))
    times[0], times[1] = 0, np.eye(12)[4]
    found = weighted_quantile(values, share, of)(times.astype(float))

    assert np.isnan(found[0])
    for drawn, value in zip(times[1:], found[1:], strict=True):
        rows = np.repeat(values, (drawn[of.codes] * weight).astype(int))
        assert value == pytest.approx(float(np.quantile(rows, share)), abs=1e-12)


def test_no_pool_at_all_has_no_quantile() -> None:
    assert np.isnan(weighted_quantile(np.zeros(0), 0.5)(np.ones((2, 0)))).all()
