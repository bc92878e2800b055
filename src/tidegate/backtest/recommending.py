"""From costs to a recommendation in plain words."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.backtest.costing import Costed, Prices, may_be_best
from tidegate.backtest.judging import days_until, false_alarms
from tidegate.backtest.results import Judged, Onset, Recommendation, Run
from tidegate.backtest.timeline import Timeline
from tidegate.stats.results import Interval
from tidegate.wording import first_few, number, plural


def judged(costs: Costed, timeline: Timeline, onset: Onset, prices: Prices | None) -> list[Judged]:
    """Every run with what it achieved, in the order of the runs."""
    first_on: dict[tuple[int, ...], str] = {}
    found = []
    for i, run in enumerate(costs.runs):
        values = [each.value.value for each in run.windows if each.window in costs.compared]
        known = [value for value in values if value is not None]
        found.append(
            Judged(
                name=run.name,
                kind=run.kind,
                settings=run.settings,
                retrains=run.retrains,
                windows=run.windows,
                alarms=sum(each.alarm for each in run.windows),
                false_alarms=false_alarms(run, onset),
                days_to_alarm=days_until(
                    timeline, onset, [each.window for each in run.windows if each.alarm]
                ),
                days_to_retrain=days_until(timeline, onset, run.path),
                mean_metric=math.fsum(known) / len(known) if known else None,
                points_lost=math.fsum(costs.losses[i]),
                cost=None if prices is None else costs.total(i),
                ci=None if prices is None else _finite(costs.interval(i)),
                same_as=first_on.get(run.path),
            )
        )
        first_on.setdefault(run.path, run.name)
    return found


def recommend(
    costs: Costed, prices: Prices | None, *, snippet: Callable[[Mapping[str, Any]], str]
) -> Recommendation:
    """The policy to take, the ones that may be as good, and how sure that is.

    With prices it is the cheapest. Without, it is the one with the fewest retrainings of those that may lose the least.

    Args:
        costs: of whole runs, the configured policy first.
        prices: None where none are configured; `costs` are points then.
        snippet: writes settings as YAML.
    """
    may = may_be_best(costs)
    order = range(len(costs.runs))
    if prices is not None:
        best = min(order, key=lambda i: (_rounded(costs.total(i)), len(costs.runs[i].path), i))
    else:
        possible = [i for i in order if may[i]] or list(order)
        best = min(possible, key=lambda i: (len(costs.runs[i].path), _rounded(costs.total(i)), i))
    run = costs.runs[best]
    others = [costs.runs[i].name for i in order if may[i] and i != best]
    sentences = [
        _achieved(costs, best, prices),
        *_against(costs, best, prices),
        _sure(costs, run, others),
    ]
    return Recommendation(
        policy=run.name,
        settings=run.settings,
        sentence=". ".join(sentences),
        snippet=snippet(run.settings),
        not_told_apart=others,
    )


def _achieved(costs: Costed, best: int, prices: Prices | None) -> str:
    run = costs.runs[best]
    windows = plural(len(costs.compared), "window")
    lost = f"{plural(len(run.path), 'retraining')} and {number(math.fsum(costs.losses[best]))} points of the metric"
    if prices is None:
        return f"{run.name} takes {lost} lost over {windows}, the fewest retrainings of those that may lose the least"
    bounds = _finite(costs.interval(best))
    within = f" [{number(bounds[0])}, {number(bounds[1])}]" if bounds else ""
    return f"{run.name} costs the least, {number(costs.total(best))}{within} over {windows}: {lost} lost"


def _against(costs: Costed, best: int, prices: Prices | None) -> list[str]:
    """What it saves against the configured policy and against never retraining."""
    told = []
    unit = "" if prices is not None else " points"
    for i, run in enumerate(costs.runs):
        if run.kind not in ("configured", "baseline") or run.path == costs.runs[best].path:
            continue
        if run.kind == "baseline" and run.path:
            continue
        amount, interval = costs.saving(best, i)
        bounds = _finite(interval)
        within = f" [{number(bounds[0])}, {number(bounds[1])}]" if bounds else ""
        what = "saves" if amount >= 0 else "loses"
        if amount < 0 and bounds:
            within = f" [{number(-bounds[1])}, {number(-bounds[0])}]"
        told.append(f"against {run.name} it {what} {number(abs(amount))}{unit}{within}")
    return told


def _sure(costs: Costed, run: Run, others: Sequence[str]) -> str:
    if not others:
        return "every other policy is worse beyond chance"
    same = [each.name for each in costs.runs if each.path == run.path and each.name != run.name]
    apart = [name for name in others if name not in same]
    parts = []
    if same:
        parts.append(f"the same is done by {first_few(same, separator='; ')}")
    if apart:
        parts.append(f"these windows cannot tell it from {first_few(apart, separator='; ')}")
    configured = next((each for each in costs.runs if each.kind == "configured"), None)
    if configured is not None and configured.name in others:
        parts.append("they are no reason to change the configured policy")
    return "; ".join(parts)


def _finite(interval: Interval) -> tuple[float, float] | None:
    bounded = math.isfinite(interval.low) and math.isfinite(interval.high)
    return (interval.low, interval.high) if bounded else None


def _rounded(cost: float) -> float:
    """Costs that differ in the last bits are equal, and settled by what comes next."""
    return float(f"{cost:.9g}")
