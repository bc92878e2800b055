"""Stated coverage of compared calibration figures, which chance makes too large, by simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special
from simulation import assert_at_least, repetitions

from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.dependent import compare

pytestmark = pytest.mark.statistical

NAMES = ["expected_calibration_error", "brier_reliability", "brier_resolution"]
Said = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What a model says, from the logit of the true chance and noise of its own."""
MODELS: dict[str, Said] = {
    "true": lambda logit, noise: logit,
    "too sure": lambda logit, noise: 1.6 * logit,
    "shifted": lambda logit, noise: logit + 0.3,
    "noisy": lambda logit, noise: logit + 0.5 * noise,
}
PAIRS = [
    ("true", "too sure"),
    ("too sure", "true"),
    ("shifted", "too sure"),
    ("noisy", "true"),
    ("noisy", "shifted"),
]


def drawn(
    rng: np.random.Generator, rows: int, first: str, second: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    logit, noise = rng.normal(-0.5, 1.2, rows), rng.normal(size=rows)
    return special.expit(logit), [special.expit(MODELS[name](logit, noise)) for name in (first, second)]


def predictions(label: np.ndarray, score: np.ndarray, cluster: np.ndarray | None = None) -> Predictions:
    return Predictions(
        "binary", len(label), ("0", "1"), label=label.astype(np.int8), score=score, cluster=cluster
    )


def truths(first: str, second: str) -> dict[str, float]:
    """Of many rows, whose labels are taken as their chances: no noise is left in the bins."""
    chance, scores = drawn(np.random.default_rng(7), 1_000_000, first, second)
    figures = []
    for score in scores:
        index = np.minimum((score * 15).astype(int), 14)
        rows, labels, said = (np.bincount(index, each, 15) for each in (np.ones(len(score)), chance, score))
        gaps, share = (labels - said) / rows, rows / rows.sum()
        level = labels / rows - chance.mean()
        figures.append([share @ np.abs(gaps), share @ gaps**2, share @ level**2])
    return dict(zip(NAMES, np.subtract(*figures).tolist(), strict=True))


@pytest.mark.parametrize("rows", [300, 2_000])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_differences_of_calibration_cover(first: str, second: str, rows: int) -> None:
    rng, runs = np.random.default_rng(rows), repetitions(25, 2_000)
    truth, covered = truths(first, second), dict.fromkeys(NAMES, 0)
    for _ in range(runs):
        chance, scores = drawn(rng, rows, first, second)
        label = rng.random(rows) < chance
        a, b = (predictions(label, score) for score in scores)
        for name in NAMES:
            (found,) = METRICS[name].compare(a, b, Groups.everything(rows), METRICS[name].defaults, 0.95)
            assert found.interval is not None
            # Lower is better of the first two, and a difference counts what is gained.
            gained = truth[name] if name == "brier_resolution" else -truth[name]
            covered[name] += found.interval.low - 1e-9 <= gained <= found.interval.high + 1e-9
    for name, hits in covered.items():
        assert_at_least(hits, runs, 0.94, f"{name} of {rows:,} rows")


def test_differences_of_calibration_of_clusters_cover() -> None:
    rng, runs, groups, size = np.random.default_rng(5), repetitions(30, 1_000), 100, 20
    name, cluster = NAMES[0], np.repeat(np.arange(100), 20).astype(np.int32)
    truth, hits = -truths("true", "too sure")[name], 0
    for _ in range(runs):
        # Rows of a cluster are the same chance drawn again: its labels share what they say of it.
        chance, scores = drawn(rng, groups, "true", "too sure")
        label = np.repeat(rng.random(groups) < chance, size)
        again = rng.random(groups * size) < 0.5
        label = np.where(again, rng.random(groups * size) < np.repeat(chance, size), label)
        a, b = (predictions(label, np.repeat(score, size), cluster) for score in scores)
        (found,) = compare(METRICS[name], a, b, Groups.everything(len(label)), METRICS[name].defaults, 0.95)
        assert found.interval is not None
        hits += found.interval.low <= truth <= found.interval.high
    assert_at_least(hits, runs, 0.93, name)
