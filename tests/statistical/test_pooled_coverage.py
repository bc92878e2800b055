"""Coverage of intervals from pools of rows, far fewer than the table of any user has, by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from simulation import assert_at_least, repetitions

from tidegate.metrics import dependent, find, pools
from tidegate.metrics.data import Groups, Predictions

pytestmark = pytest.mark.statistical
NAMES = ("expected_calibration_error", "latency_p95")
LARGE = 1_000_000


def models(rng: np.random.Generator, rows: int, *, likeness: float) -> tuple[Predictions, Predictions]:
    """Their truth does not depend on how alike the five rows of a cluster are."""
    cluster = np.arange(rows, dtype=np.int32) // 5

    def latent() -> np.ndarray:
        shared = rng.normal(size=rows)[cluster]
        return np.sqrt(likeness) * shared + np.sqrt(1 - likeness) * rng.normal(size=rows)

    true, mood = latent(), latent()
    label = (rng.random(rows) < 1 / (1 + np.exp(-1.2 * true - 0.4 * mood))).astype(np.int32)
    took = np.exp(3 + 0.4 * mood)

    def model(scale: float, factor: float) -> Predictions:
        score = 1 / (1 + np.exp(-scale * true - 0.3 * rng.normal(size=rows)))
        latency = factor * took * np.exp(0.2 * rng.normal(size=rows))
        data = Predictions("binary", rows, ("0", "1"), label, score=score, latency=latency)
        return replace(data, cluster=cluster if likeness else None)

    return model(2.0, 1.05), model(0.4, 1.0)


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    found = {}
    a, b = models(np.random.default_rng(0), LARGE, likeness=0.0)
    for name in NAMES:
        known = find(name)
        assert known is not None
        values = [
            known.metric.estimate(data, Groups.everything(LARGE), known.metric.settled, None)[0].value
            for data in (a, b)
        ]
        found[name] = known.metric.sign * (values[0] - values[1])
    return found


@pytest.mark.parametrize("likeness", [0.0, 0.4])
def test_pools_of_ten_units_cover(
    likeness: float, truth: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "POOLS", 200)
    rng = np.random.default_rng(1)
    rows, runs = (10_000 if likeness else 2_000), repetitions(120, 2_000)
    hits = dict.fromkeys(NAMES, 0)
    for _ in range(runs):
        a, b = models(rng, rows, likeness=likeness)
        for name in NAMES:
            known = find(name)
            assert known is not None
            (found,) = dependent.compare(
                known.metric, a, b, Groups.everything(rows), known.metric.settled, 0.95
            )
            assert found.interval is not None
            hits[name] += found.interval.low <= truth[name] <= found.interval.high
    for name in NAMES:
        # Noise makes any calibration error larger, of the better model more so, with pools or without.
        assert_at_least(hits[name], runs, 0.93, name)
