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

_WHOLE = 1_000


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
                ci=None if prices is None else _finite(costs.interval(i), least=0.0),
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
    paths = {run.path}
    others = []
    for i in order:
        if may[i] and costs.runs[i].path not in paths:
            paths.add(costs.runs[i].path)
            others.append(costs.runs[i].name)
    sentences = [
        _achieved(costs, best, prices),
        *_against(costs, best, prices),
        *_sure(costs, run, others),
    ]
    return Recommendation(
        policy=run.name,
        settings=run.settings,
        sentence="; ".join(sentences),
        snippet=snippet(run.settings),
        not_told_apart=others,
    )


def _achieved(costs: Costed, best: int, prices: Prices | None) -> str:
    run = costs.runs[best]
    lost = (
        f"{plural(len(run.path), 'retraining')} and {number(math.fsum(costs.losses[best]))} points of the metric lost"
        f" over {plural(len(costs.compared), 'window')}"
    )
    if prices is None:
        return f"{run.name!r} takes {lost}: the fewest retrainings of those that may lose the least"
    within = _bounds(costs.interval(best), least=0.0)
    return f"{run.name!r} costs the least, {_amount(costs.total(best))}{within}: {lost}"


def _against(costs: Costed, best: int, prices: Prices | None) -> list[str]:
    """What it saves against the configured policy and against never retraining."""
    told = []
    unit = "" if prices is not None else " points"
    for i, run in enumerate(costs.runs):
        never = run.kind == "baseline" and not run.path
        if not (never or run.kind == "configured") or run.path == costs.runs[best].path:
            continue
        amount, interval = costs.saving(best, i)
        what, shown = ("saves", interval) if amount >= 0 else ("loses", -interval)
        told.append(f"against {run.name!r} it {what} {_amount(abs(amount))}{unit}{_bounds(shown)}")
    return told


def _sure(costs: Costed, run: Run, others: Sequence[str]) -> list[str]:
    """What else does the same, what may do as well, and whether that it beats the configured policy is shown."""
    same = sum(each.path == run.path for each in costs.runs) - 1
    told = []
    if same:
        told.append(f"{same:,} more of the policies did the same on this history")
    if not others:
        return [*told, "every other policy is worse beyond chance"]
    told.append(f"these windows cannot tell it from {_quoted(others)}")
    if any(each.kind == "configured" and each.name in others for each in costs.runs):
        told.append("that it is better than the configured policy is not shown")
    return told


def _quoted(names: Sequence[str]) -> str:
    return first_few([repr(name) for name in names])


def _bounds(interval: Interval, *, least: float = -math.inf) -> str:
    bounds = _finite(interval, least=least)
    return "" if bounds is None else f" [{_amount(bounds[0])}, {_amount(bounds[1])}]"


def _finite(interval: Interval, *, least: float = -math.inf) -> tuple[float, float] | None:
    """The bounds, of which none lies below the least that is possible; None without them."""
    bounded = math.isfinite(interval.low) and math.isfinite(interval.high)
    return (max(interval.low, least), interval.high) if bounded else None


def _amount(value: float) -> str:
    """Of a currency: from a thousand on in whole units."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else number(value)


def _rounded(cost: float) -> float:
    """Costs that differ in the last bits are equal, and settled by what comes next."""
    return float(f"{cost:.9g}")
