"""The replay, its hindsight and its prices, in worlds that are written down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tidegate.backtest import (
    POINTS_ALONE,
    Asked,
    Contrast,
    Every,
    OneTooMany,
    Onset,
    Policed,
    Prices,
    Run,
    Served,
    Serving,
    Signals,
    Span,
    Strategy,
    Thresholds,
    Timeline,
    Value,
    around,
    costed,
    days_until,
    estimated_onset,
    false_alarms,
    given_onset,
    judged,
    laid_out,
    may_be_best,
    recommend,
    replay,
)
from tidegate.backtest.blocks import LEAST, block_length, mean_interval
from tidegate.drift.performance import Realised
from tidegate.drift.rules import Policy, RetrainBudget, Rule
from tidegate.errors import DataError

DAY = timedelta(days=1)
MONDAY = datetime(2024, 1, 1)


def spans(count: int, length: timedelta = 7 * DAY) -> list[Span]:
    return [Span(MONDAY + i * length, MONDAY + (i + 1) * length, 100) for i in range(count)]


@dataclass
class Told:
    """A world in which model k is the one trained after window k, and what is asked is written down."""

    timeline: Timeline
    facts: Mapping[int, Mapping[str, Any]]
    most: int | None = None
    none_at: frozenset[int] = frozenset()
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)

    first = "first"

    def train(self, window: int, serving: str) -> str | None:
        if self.most is not None and len(self.trained) >= self.most:
            raise OneTooMany("no more")
        if window in self.none_at:
            return None
        self.trained.append(window)
        return f"after {window}"

    def value(self, model: str, window: int) -> Value:
        return Value(0.5 if model == "first" else 0.7, (0.4, 0.8), 100)

    def contrast(self, new: str, old: str, window: int) -> Contrast:
        return Contrast(0.1, (0.05, 0.15)) if old == "first" else Contrast(0.0, (-0.1, 0.1))

    def signals(
        self, serving: Serving, window: int, asked: Asked, level: float, monitor: Mapping[str, Any] | None
    ) -> Signals | None:
        self.asked.append((serving.model, serving.since, window))
        facts = self.facts.get(window)
        return None if facts is None else Signals(facts, labels=50)


def policed(*when: str, **rules: Any) -> Policed:
    policy = Policy(when=tuple(map(Rule.of, when)), **rules)
    facts = frozenset().union(*(rule.condition.facts for rule in policy.when))
    return Policed(policy, Asked(facts, 0.01))


def run(world: Told, strategy: Strategy) -> Run:
    return replay("p", "given", {}, strategy, world)


def world(count: int = 10, first: int = 3, drops: tuple[int, ...] = (), **more: Any) -> Told:
    facts = {i: {"performance_drop": i in drops} for i in range(count)}
    return Told(Timeline(spans(count), first), facts, **more)


def test_a_decision_after_a_window_serves_from_the_next_on():
    found = run(world(drops=(5,)), policed("performance_drop"))
    assert found.path == (5,)
    assert [each.model for each in found.windows] == ["first"] * 3 + ["after 5"] * 4
    assert [each.window for each in found.windows] == list(range(3, 10))
    assert found.windows[-1].decision is None
    assert found.retrains[0].replaced == "first"


def test_each_window_is_asked_about_once_under_the_model_that_serves_it():
    told = world(drops=(4, 7))
    run(told, policed("performance_drop"))
    assert told.asked == [
        ("first", 2, 3),
        ("first", 2, 4),
        ("after 4", 4, 5),
        ("after 4", 4, 6),
        ("after 4", 4, 7),
        ("after 7", 7, 8),
    ]


def test_after_the_last_window_nothing_is_decided():
    assert run(world(drops=(9,)), policed("performance_drop")).path == ()


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({}, (4, 5, 6, 8)),
        ({"consecutive": 2}, (5, 6)),
        ({"consecutive": 3}, (6,)),
        ({"cooldown": 8 * DAY}, (4, 6, 8)),
        ({"budget": RetrainBudget(2, timedelta(days=365))}, (4, 5)),
        ({"min_labels": 51}, ()),
        ({"min_labels": 50}, (4, 5, 6, 8)),
    ],
)
def test_the_rules_of_a_policy_hold_in_a_replay(rules, path):
    assert run(world(drops=(4, 5, 6, 8)), policed("performance_drop", **rules)).path == path


def test_a_held_alarm_is_an_alarm_and_no_retraining():
    found = run(world(drops=(4, 5)), policed("performance_drop", consecutive=2))
    assert [each.window for each in found.windows if each.alarm] == [4, 5]
    assert found.path == (5,)


def test_what_cannot_be_compared_yet_decides_nothing():
    told = world(drops=(4,))
    told.facts = {8: {"performance_drop": True}}
    found = run(told, policed("performance_drop"))
    assert found.path == (8,)
    assert "no labelled window" in found.windows[0].why


@pytest.mark.parametrize(("every", "path"), [(0, ()), (1, (3, 4, 5, 6, 7, 8)), (2, (4, 6, 8)), (4, (6,))])
def test_schedules(every, path):
    told = world()
    assert run(told, Every(every)).path == path
    assert told.asked == []


def test_a_training_too_many_stops_a_run_and_no_version_is_no_retraining():
    assert run(world(most=2), Every(1)).stopped == 5
    found = run(world(none_at=frozenset({4})), Every(2))
    assert found.path == (6, 8)
    assert found.stopped is None
    assert "no newer model" in found.windows[1].why


def test_labels_are_known_when_those_of_the_last_row_must_be():
    late = Timeline(spans(10), 3, 10 * DAY)
    assert [late.known(i) for i in (0, 1, 2, 9)] == [-1, -1, 0, 7]
    assert [Timeline(spans(10), 3).known(i) for i in (0, 9)] == [0, 9]
    assert Timeline(spans(3), 1, 7 * DAY).known(1) == 0


@pytest.mark.parametrize(("count", "delay", "first"), [(4, 0, 2), (12, 0, 3), (40, 0, 10), (12, 28, 6)])
def test_the_first_model_is_trained_when_two_windows_have_their_labels(count, delay, first):
    timeline = laid_out(spans(count), label_delay=delay * DAY)
    assert timeline.first == first
    assert timeline.known(timeline.first - 1) >= 1


@pytest.mark.parametrize(
    ("count", "more", "message"),
    [
        (0, {}, "the history has 0 windows"),
        (1, {}, "the history has 1 window"),
        (3, {}, "at least 2 more are needed"),
        (30, {"first": 1}, "cannot be trained on 1 window: it needs 2"),
        (30, {"first": 3, "label_delay": 21 * DAY}, "whose labels take 21 days"),
        (30, {"first": 29}, "29 of them go into the first model"),
        (2_001, {}, "at most 2,000 are replayed"),
    ],
)
def test_histories_that_cannot_be_replayed(count, more, message):
    with pytest.raises(DataError, match=message):
        laid_out(spans(count), **more)


def test_windows_do_not_overlap():
    first, second = spans(2)
    with pytest.raises(DataError, match="windows overlap: one ends at 2024-01-15"):
        laid_out([second, first])


def realised(fired: bool) -> Realised:
    return Realised(0.8, 0.7, 0.1, (0.05, 0.15), 0.95, 0.02, 100, 100, fired)


def test_the_onset_is_the_first_window_that_is_worse():
    timeline = Timeline(spans(10), 3)
    drops = {5: realised(False), 7: realised(True), 8: realised(True)}
    found = estimated_onset(timeline, drops.get)
    assert (found.window, found.at, found.given) == (7, "2024-02-19T00:00:00", False)
    assert estimated_onset(timeline, lambda window: None).window is None


def test_an_onset_that_is_given_and_the_days_from_it():
    timeline = Timeline(spans(10), 3)
    onset = given_onset(timeline, datetime(2024, 2, 1))
    assert onset.window == 4
    assert days_until(timeline, onset, [2, 4, 6]) == 4
    assert days_until(timeline, onset, [3]) is None
    for outside in (datetime(2024, 1, 3), datetime(2025, 1, 1)):
        assert given_onset(timeline, outside).window is None


def test_what_counts_as_an_alarm_for_nothing():
    onset = Onset(5, "2024-02-05T00:00:00", True, "")
    none = Onset(None, None, False, "")
    # The first retraining helps, though it comes before the onset; the second, of a model that is as good, does not.
    acting = run(world(drops=(3, 6)), policed("performance_drop"))
    assert [each.outcome for each in acting.retrains] == ["better", "not told"]
    assert false_alarms(acting, onset) == false_alarms(acting, none) == 1
    held = run(world(drops=(3, 6)), policed("performance_drop", min_labels=99))
    assert false_alarms(held, onset) == 1
    assert false_alarms(held, none) == 2


@pytest.mark.parametrize(
    ("delta", "ci", "outcome"),
    [
        (0.1, (0.01, 0.2), "better"),
        (0.1, (-0.01, 0.2), "not told"),
        (-0.1, (-0.2, -0.01), "worse"),
        (0.1, None, "not judged"),
        (None, None, "not judged"),
        (0.0, (0.0, 0.0), "not told"),
    ],
)
def test_outcomes(delta, ci, outcome):
    assert Contrast(delta, ci).outcome == outcome


def run_of(
    name: str, values: list[float | None], retrained: tuple[int, ...] = (), kind: Any = "given"
) -> Run:
    windows = [
        Served(i, name, Value(value, None, 10), "none", [], i in retrained, "")
        for i, value in enumerate(values)
    ]
    told = run(world(count=len(values) + 1, first=0), Every(1)).retrains
    return Run(name, kind, {"retrain": {"when": [name]}}, windows, [told[i] for i in retrained])


def test_the_formula_of_costs():
    runs = [run_of("a", [0.8, 0.7, None]), run_of("b", [0.75, 0.9, 0.8], (1,))]
    found = costed(runs, Prices(40, 1000), higher_is_better=True)
    assert found.compared == [0, 1]
    np.testing.assert_allclose(found.costs, [[0, 20_000, 0], [5_000, 40, 0]])
    assert [each.cost for each in found.runs[1].windows] == pytest.approx([5_000, 40, 0])
    assert [each.loss for each in found.runs[0].windows] == [0, pytest.approx(20), None]
    saved, _ = found.saving(1, 0)
    assert saved == pytest.approx(14_960)
    errors = costed(runs, Prices(40, 1000), higher_is_better=False)
    np.testing.assert_allclose(errors.costs, [[5_000, 0, 0], [0, 20_040, 0]])


def test_differences_do_not_depend_on_what_else_is_compared():
    a, b, c = (
        run_of("a", [0.8, 0.7, 0.6] * 3),
        run_of("b", [0.75, 0.9, 0.8] * 3),
        run_of("c", [0.99, 0.99, 0.98] * 3),
    )
    with_c = costed([a, b, c], POINTS_ALONE, higher_is_better=True)
    without = costed([a, b], POINTS_ALONE, higher_is_better=True)
    assert with_c.saving(1, 0)[0] == pytest.approx(without.saving(1, 0)[0])


def test_the_closed_form_is_the_variance_of_the_circular_block_bootstrap():
    values = np.random.default_rng(1).normal(size=20).cumsum()
    length = block_length(20)
    assert length == 5
    rng = np.random.default_rng(2)
    starts = rng.integers(0, 20, size=(40_000, 4))
    drawn = values[(starts[:, :, None] + np.arange(length)) % 20].mean(axis=(1, 2))
    interval = mean_interval(values, 0.95)
    half = (interval.high - interval.low) / 2
    from scipy import stats

    expected = stats.t.ppf(0.975, 3) * drawn.std() * math.sqrt(4 / 3)
    assert half == pytest.approx(expected, rel=0.02)


def test_of_few_windows_nothing_is_claimed():
    assert math.isinf(mean_interval(np.ones(LEAST - 1), 0.95).high)
    assert mean_interval(np.zeros(3), 0.95).high == 0
    assert math.isfinite(mean_interval(np.arange(LEAST, dtype=float), 0.95).high)


def noisy(level: float, seed: int, count: int = 30) -> list[float | None]:
    return (level + 0.001 * np.random.default_rng(seed).normal(size=count)).tolist()


def test_the_cheapest_is_recommended_and_what_cannot_be_told_from_it():
    runs = [
        run_of("mine", noisy(0.70, 1), kind="configured"),
        run_of("near", noisy(0.80, 2), (3,)),
        run_of("nearer", noisy(0.80, 3), (4,)),
        run_of("never", noisy(0.60, 4), kind="baseline"),
    ]
    costs = costed(runs, Prices(1, 1), higher_is_better=True)
    assert may_be_best(costs) == [False, True, True, False]
    found = recommend(costs, Prices(1, 1), snippet=lambda settings: str(settings))
    assert {found.policy, *found.not_told_apart} == {"near", "nearer"}
    assert "against 'mine' it saves" in found.sentence
    assert "against 'never' it saves" in found.sentence
    assert "is not shown" not in found.sentence
    assert found.snippet == str(found.settings)


def test_without_prices_the_fewest_retrainings_win_among_those_that_may_lose_the_least():
    runs = [
        run_of("often", noisy(0.80, 1), (1, 3, 5)),
        run_of("seldom", noisy(0.80, 2), (3,)),
        run_of("never", noisy(0.60, 4), kind="baseline"),
    ]
    costs = costed(runs, POINTS_ALONE, higher_is_better=True)
    found = recommend(costs, None, snippet=str)
    assert (found.policy, found.not_told_apart) == ("seldom", ["often"])
    assert judged(costs, Timeline(spans(31), 0), Onset(None, None, False, ""), None)[0].cost is None


def test_the_configured_policy_goes_before_others_that_cost_the_same():
    same = noisy(0.8, 1)
    runs = [
        run_of("mine", same, kind="configured"),
        run_of("other", same),
        run_of("never", same, kind="baseline"),
    ]
    costs = costed(runs, Prices(1, 1), higher_is_better=True)
    found = recommend(costs, Prices(1, 1), snippet=str)
    assert (found.policy, found.not_told_apart) == ("mine", [])
    assert "2 more of the policies did the same on this history" in found.sentence
    told = judged(costs, Timeline(spans(31), 0), Onset(None, None, False, ""), Prices(1, 1))
    assert [each.same_as for each in told] == [None, "mine", "mine"]
    assert told[0].ci == (0, 0)


def test_an_interval_of_costs_does_not_reach_below_nothing():
    costs = costed(
        [run_of("a", [0.8] * 29 + [0.1]), run_of("b", [0.8] * 30)], Prices(1, 1), higher_is_better=True
    )
    told = judged(costs, Timeline(spans(31), 0), Onset(None, None, False, ""), Prices(1, 1))
    assert told[0].ci is not None
    assert told[0].ci[0] == 0
    assert told[0].cost == pytest.approx(70)


def test_thresholds_around_those_at_hand():
    assert [each.consecutive for each in around(Thresholds(1))] == [2, 3]
    grid = list(around(Thresholds(2, 0.02, 0.01)))
    assert len(grid) == len(set(grid)) == 26
    assert {each.min_drop for each in grid} == {0.01, 0.02, 0.04}
    assert {each.false_alarm_rate for each in grid} == {0.001, 0.01, 0.05}
    assert max(each.false_alarm_rate or 0 for each in around(Thresholds(1, None, 0.1))) == 0.2
    assert grid[0].differences(Thresholds(2, 0.02, 0.01)) == "consecutive 1"
    assert len(list(around(Thresholds(7, 0.02, 0.01)))) == 35


def test_what_a_policy_asks_of_each_window():
    asked = Asked(frozenset({"drift.share", "estimated_drop", "age", "new_rows"}), 0.01)
    assert asked.questions == {"columns", "estimate"}
    assert Asked(frozenset({"age"}), 0.01).questions == frozenset()
