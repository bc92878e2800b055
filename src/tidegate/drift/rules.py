"""The trigger policy as plain data: conditions with a severity, and the rules that hold a retrain back."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, Self

from tidegate.drift.policy import Condition, parse_condition
from tidegate.history.drift import REMEMBERED
from tidegate.wording import duration

Severity = Literal["info", "warning", "critical"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition, and how much it matters when it fires."""

    condition: Condition
    severity: Severity = "warning"

    @classmethod
    def of(cls, text: str, severity: Severity = "warning") -> Self:
        """The rule of a condition's text.

        Raises:
            ValueError: it is no condition.
        """
        return cls(parse_condition(text), severity)


@dataclass(frozen=True, slots=True)
class RetrainBudget:
    """At most so many retrains in any stretch of time of that length."""

    retrains: int
    per: timedelta

    def __post_init__(self) -> None:
        if self.retrains < 1:
            raise ValueError("budget.retrains is at least 1; without `retrain.when` nothing is retrained")
        if not timedelta(0) < self.per <= REMEMBERED:
            raise ValueError(
                f"budget.per is more than nothing and at most {duration(REMEMBERED)}, which the history remembers"
            )


@dataclass(frozen=True, slots=True)
class Blackout:
    """Days in UTC on which nothing is retrained.

    Attributes:
        first: of the days; None for no beginning.
        last: likewise, and one of them.
        days: names of weekdays, ``mon`` to ``sun``; with dates too, those weekdays in that time.
    """

    first: date | None = None
    last: date | None = None
    days: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        unknown = [day for day in self.days if day not in _DAYS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no weekday: write {', '.join(_DAYS)}")
        if self.first is None and self.last is None and not self.days:
            raise ValueError("a blackout needs `from`, `to` or `days`")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError(f"the blackout ends on {self.last}, before it begins on {self.first}")
        if self.first is None and self.last is None and set(self.days) == set(_DAYS):
            raise ValueError(
                "a blackout on every day of the week allows no retrain: leave out `retrain.when` instead"
            )

    def covers(self, day: date) -> bool:
        """Whether nothing is retrained on a day."""
        inside = (self.first is None or self.first <= day) and (self.last is None or day <= self.last)
        return inside and (not self.days or _DAYS[day.weekday()] in self.days)


@dataclass(frozen=True, slots=True)
class Policy:
    """When to retrain.

    Attributes:
        consecutive: windows in a row that a condition must fire in.
        cooldown: time between retrains.
        min_labels: labels that the current window must have.
        every: how far apart windows come; by default learnt from the past.
    """

    when: tuple[Rule, ...] = ()
    consecutive: int = 1
    cooldown: timedelta = timedelta(0)
    min_labels: int = 0
    budget: RetrainBudget | None = None
    blackout: tuple[Blackout, ...] = ()
    every: timedelta | None = None
