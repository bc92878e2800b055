"""The rules that hold a retrain back: cooldown, budget, blackout and labels, and from when they no longer do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from tidegate.drift.rhythm import marks
from tidegate.drift.rules import Blackout, Policy
from tidegate.history.drift import KeptWindow, PastReport
from tidegate.wording import duration, plural

RuleName = Literal["consecutive", "cooldown", "budget", "blackout", "min_labels"]

_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
_FAR = 3_660
"""Days that are looked ahead for one without a blackout."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A rule that holds; `until` is the time in UTC from which it no longer does, where time alone decides."""

    rule: RuleName
    until: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Act:
    """A retrain decision: when it was first and last made about its window."""

    window: KeptWindow | None
    first: datetime
    last: datetime


def acts_of(past: Iterable[PastReport]) -> list[Act]:
    """The retrain decisions, each window's once, ascending by the time of their last repetition."""
    acts: dict[int, Act] = {}
    places: dict[object, int] = {}
    acted = (report for report in sorted(past, key=lambda each: each.at) if report.kept.acted)
    for number, report in enumerate(acted):
        window = report.kept.windows.current
        known_by = [] if window is None else marks(window)
        place = next((places[mark] for mark in known_by if mark in places), number)
        # Taken out and put back, an act moves to the end.
        same = acts.pop(place, None)
        acts[place] = Act(window, same.first if same else report.at, report.at)
        places.update(dict.fromkeys(known_by, place))
    return list(acts.values())


def rules_that_hold(
    policy: Policy,
    now: datetime,
    acts: Sequence[Act] | None,
    labels: int | None,
    last_retrained: datetime | None,
) -> list[Hold]:
    """The rules that hold now, the one about repetition apart.

    Args:
        policy: the rules.
        now: with its time zone.
        acts: retrain decisions, ascending; None where no history is kept.
        labels: of the current window; None where not known.
        last_retrained: when the newest model was trained.
    """
    return [
        *_cooldown(policy, now, acts, last_retrained),
        *_budget(policy, now, acts),
        *_blackout(policy, now),
        *_labels(policy, labels),
    ]


def next_possible(
    policy: Policy,
    now: datetime,
    acts: Sequence[Act] | None,
    last_retrained: datetime | None,
    *,
    critical: bool,
) -> tuple[str, str | None]:
    """From when time no longer stands in the way of a retrain, in words and in UTC; nothing where it does not now."""
    ends = [now, _budget_ends(policy, now, acts)]
    if not critical:
        ends.append(_cooldown_ends(policy, acts, last_retrained))
    earliest = max(each for each in ends if each is not None)
    free = _free_from(earliest, policy.blackout)
    if free is None or free >= _NEVER:
        return "no retrain is possible as far as the calendar was looked at", None
    if free <= now:
        return "", None
    return f"the next retrain is possible from {_shown(free)}", _up(free).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cooldown(
    policy: Policy, now: datetime, acts: Sequence[Act] | None, last_retrained: datetime | None
) -> Iterator[Hold]:
    ends = _cooldown_ends(policy, acts, last_retrained)
    if ends is None or ends <= now:
        return
    last = ends - policy.cooldown if ends < _NEVER else now
    what = "the newest model was trained" if last_retrained == last else "the last retrain was decided"
    detail = f"{what} on {_shown(last)}, and `retrain.cooldown` is {duration(policy.cooldown)}: until {_shown(ends)}"
    yield Hold("cooldown", _stamp(ends), detail)


def _cooldown_ends(
    policy: Policy, acts: Sequence[Act] | None, last_retrained: datetime | None
) -> datetime | None:
    times = [act.last for act in acts or ()] + ([last_retrained] if last_retrained else [])
    return _after(max(times), policy.cooldown) if times and policy.cooldown else None


def _budget(policy: Policy, now: datetime, acts: Sequence[Act] | None) -> Iterator[Hold]:
    budget = policy.budget
    if budget is None:
        return
    limit = f"{plural(budget.retrains, 'retrain')} in {duration(budget.per)}"
    if acts is None:
        detail = f"`retrain.budget` allows {limit}, which cannot be counted without a history: keep one (`history: on`)"
        yield Hold("budget", None, detail)
        return
    ends = _budget_ends(policy, now, acts)
    if ends is not None:
        used = sum(act.last > _before(now, budget.per) for act in acts)
        detail = f"{used:,} of {limit} are used (`retrain.budget`): until {_shown(ends)}"
        yield Hold("budget", _stamp(ends), detail)


def _budget_ends(policy: Policy, now: datetime, acts: Sequence[Act] | None) -> datetime | None:
    """When enough retrains are longer ago than the budget's time; None when they are now."""
    if policy.budget is None:
        return None
    recent = [act.last for act in acts or () if act.last > _before(now, policy.budget.per)]
    if len(recent) < policy.budget.retrains:
        return None
    return _after(recent[-policy.budget.retrains], policy.budget.per)


def _blackout(policy: Policy, now: datetime) -> Iterator[Hold]:
    today = now.astimezone(UTC).date()
    found = next((each for each in policy.blackout if each.covers(today)), None)
    if found is None:
        return
    free = _free_from(now, policy.blackout)
    why = f" ({found.reason})" if found.reason else ""
    until = "without an end" if free is None else f"until {_shown(free)}"
    yield Hold("blackout", None if free is None else _stamp(free), f"no retrain today, {today}{why}: {until}")


def _labels(policy: Policy, labels: int | None) -> Iterator[Hold]:
    if policy.min_labels and labels is None:
        yield Hold(
            "min_labels",
            None,
            f"it is not known how many labels there are; min_labels is {policy.min_labels:,}",
        )
    elif labels is not None and labels < policy.min_labels:
        detail = (
            f"{plural(labels, 'label')} in the current window, fewer than min_labels {policy.min_labels:,}"
        )
        yield Hold("min_labels", None, detail)


def _free_from(moment: datetime, blackouts: Sequence[Blackout]) -> datetime | None:
    """The first moment from then on that is in no blackout; None when there is none within ten years."""
    day = moment.astimezone(UTC).date()
    for _ in range(_FAR):
        if not any(each.covers(day) for each in blackouts):
            return max(moment, datetime.combine(day, time(), UTC))
        if day >= _NEVER.date():
            return None
        day += timedelta(days=1)
    return None


def _after(moment: datetime, length: timedelta) -> datetime:
    try:
        return min(moment.astimezone(UTC) + length, _NEVER)
    except OverflowError:
        return _NEVER


def _before(moment: datetime, length: timedelta) -> datetime:
    return moment.astimezone(UTC) - length


def _up(moment: datetime) -> datetime:
    """The next whole minute, so that what is said to be possible then is."""
    moment = moment.astimezone(UTC)
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)


def _stamp(moment: datetime) -> str:
    return _up(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(moment: datetime) -> str:
    return f"{_up(moment):%Y-%m-%d %H:%M} UTC"
