"""Promises of the drift report, by simulation: how often it cries without cause, and what it finds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.drift.results import DriftResult
from tidegate.drift.rules import Policy, Rule
from tidegate.drift.windows import Window, watch
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

pytestmark = pytest.mark.statistical
RATE = 0.05
Draw = Callable[[np.random.Generator, int], np.ndarray]


def with_gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.03, np.nan, rng.normal(size=n))


def mostly_zero(rng: np.random.Generator, n: int, share: float = 0.08) -> np.ndarray:
    return np.where(rng.random(n) < share, rng.exponential(size=n), 0.0)


def flag(rng: np.random.Generator, n: int, share: float = 0.02) -> np.ndarray:
    return (rng.random(n) < share).astype(float)


NUMBERS: list[Draw] = [
    lambda rng, n: rng.normal(size=n),
    lambda rng, n: rng.poisson(4, n).astype(float),
    lambda rng, n: np.exp(1.5 * rng.normal(size=n)),
    with_gaps,
    mostly_zero,
    flag,
]
ZIPF = 1 / np.arange(1, 201)
LEVELS: list[tuple[int, Draw]] = [
    (3, lambda rng, n: rng.choice(3, n, p=[0.7, 0.25, 0.05])),
    (200, lambda rng, n: rng.choice(200, n, p=ZIPF / ZIPF.sum())),
    (20_000, lambda rng, n: rng.choice(20_000, n)),
]


def number(name: str, values: np.ndarray) -> Column:
    return Column(name, "number", np.asarray(values, dtype=np.float64))


def category(name: str, codes: np.ndarray, levels: int) -> Column:
    return Column(name, "category", codes.astype(np.int32), tuple(f"level {i:05d}" for i in range(levels)))


def columns(rng: np.random.Generator, n: int, count: int) -> dict[str, Column]:
    """Numbers with and without ties and gaps, and categories of few and many levels, in turn."""
    made = {}
    for j in range(count):
        kind, name = j % (len(NUMBERS) + len(LEVELS)), f"column {j}"
        if kind < len(NUMBERS):
            made[name] = number(name, NUMBERS[kind](rng, n))
        else:
            levels, draw = LEVELS[kind - len(NUMBERS)]
            made[name] = category(name, draw(rng, n), levels)
    return made


def window(
    rng: np.random.Generator, n: int, count: int, *, labels: bool = False, strength: float = 1.0
) -> Window:
    features = columns(rng, n, count)
    if not labels:
        return Window(n, features)
    label = (rng.random(n) < 0.2).astype(np.int32)
    score = special.expit(rng.normal(size=n) + strength * label - 1.5)
    return Window(
        n,
        features,
        prediction=number("score", score),
        label=category("label", label, 2),
        labelled=Predictions("binary", n, ("0", "1"), label=label, score=score),
    )


def report(reference: Window, current: Window, *, min_effect: float = 0.05) -> DriftResult:
    metric = "roc_auc" if reference.labelled is not None else None
    policy = Policy(when=(Rule.of("performance_drop"), Rule.of("drift")))
    return watch(reference, current, policy, false_alarm_rate=RATE, min_effect=min_effect, metric=metric)


@pytest.mark.parametrize("labels", [False, True], ids=["no labels", "labels"])
@pytest.mark.parametrize("count", [1, 10, 50])
@pytest.mark.parametrize(("n", "reduced"), [(500, 600), (5_000, 300)])
def test_data_that_did_not_change_seldom_alarms(n, reduced, count, labels):
    """At min_effect 0, where significance stands alone; any size on top only lowers the rate."""
    runs = repetitions(max(20, reduced // count), 100 * reduced // count)
    rng, alarms = np.random.default_rng(n + count), 0
    for _ in range(runs):
        windows = [window(rng, n, count, labels=labels) for _ in range(2)]
        alarms += report(*windows, min_effect=0).decision != "none"
    assert_at_most(alarms, runs, RATE, "reports with an alarm")


def found(make: Callable[[np.random.Generator], tuple[Column, Column]], n: int, seed: int) -> tuple[int, int]:
    """In how many reports of ten columns the one that changed is named."""
    rng, runs, hits = np.random.default_rng(seed), repetitions(20, 500), 0
    for _ in range(runs):
        then, now = window(rng, n, 9), window(rng, n, 9)
        moved = make(rng)
        then, now = (
            replace(side, features={**side.features, "moved": column})
            for side, column in zip((then, now), moved, strict=True)
        )
        hits += report(then, now).features[-1].drifted
    return hits, runs


CHANGES = {
    "a shift of 0.2 sd": lambda rng: (
        number("moved", rng.normal(size=5_000)),
        number("moved", rng.normal(0.2, 1, size=5_000)),
    ),
    "a new category": lambda rng: (
        category("moved", rng.choice(4, 5_000), 5),
        category("moved", rng.choice(5, 5_000, p=[0.23, 0.23, 0.23, 0.23, 0.08]), 5),
    ),
    "a burst of missing values": lambda rng: (
        number("moved", with_gaps(rng, 5_000)),
        number("moved", np.where(rng.random(5_000) < 0.12, np.nan, rng.normal(size=5_000))),
    ),
    "a burst of missing values beside a small shift": lambda rng: (
        number("moved", rng.normal(size=200_000)),
        number("moved", np.where(rng.random(200_000) < 0.12, np.nan, rng.normal(0.03, 1, size=200_000))),
    ),
    "a flag that doubled": lambda rng: (
        number("moved", flag(rng, 20_000, 0.01)),
        number("moved", flag(rng, 20_000, 0.02)),
    ),
    "fewer zeros": lambda rng: (
        number("moved", mostly_zero(rng, 20_000, 0.05)),
        number("moved", mostly_zero(rng, 20_000, 0.075)),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_real_changes_are_found(change):
    hits, runs = found(change, 500, 11)
    assert_at_least(hits, runs, 0.9, "found")


def test_a_drop_of_performance_is_found():
    rng, runs, hits = np.random.default_rng(12), repetitions(40, 1_000), 0
    for _ in range(runs):
        then, now = (
            window(rng, 5_000, 1, labels=True),
            window(rng, 5_000, 1, labels=True, strength=0.5),
        )
        result = report(then, now)
        hits += result.decision == "retrain" and result.triggers[0].fired
    assert_at_least(hits, runs, 0.95, "retrain")


def test_no_number_of_rows_makes_a_hundredth_of_a_standard_deviation_drift():
    rng = np.random.default_rng(13)
    for _ in range(repetitions(3, 50)):
        then = Window(200_000, {"x": number("x", rng.normal(size=200_000))})
        now = Window(200_000, {"x": number("x", rng.normal(0.01, 1, size=200_000))})
        result = report(then, now)
        assert not result.features[0].drifted
        assert result.features[0].effect < 0.03
        assert result.decision == "none"
