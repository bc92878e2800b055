"""What a condition is made of: facts and numbers, compared and joined, in three-valued logic."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidegate.wording import duration, number

Fact = bool | float | None
Unit = Literal["count", "share", "time"]

YES_NO = frozenset(
    {
        "drift",
        "multivariate_drift",
        "prediction_drift",
        "label_drift",
        "concept_drift",
        "calibration_drift",
        "performance_drop",
        "estimated_drop",
        "segment_drop",
        "monitor",
        "data_quality",
    }
)
NUMBERS: Mapping[str, Unit] = {
    "drift.share": "share",
    "new_rows": "count",
    "new_labels": "count",
    "age": "time",
}
"""Facts that are compared. ``age`` is a fact in seconds: the time since production's model was trained."""


COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Named:
    """A fact, or a number with the unit that it was written in; one without a unit fits counts and shares."""

    name: str | None
    value: float = math.nan
    unit: Unit | None = None

    def amount(self, facts: Mapping[str, Fact]) -> float | None:
        """The number, None when it is not known or not finite."""
        fact = self.value if self.name is None else facts.get(self.name)
        return None if fact is None or not math.isfinite(fact) else float(fact)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two numbers and the sign between them."""

    sign: str
    left: Named
    right: Named


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts of which one (``or``) or all (``and``) must hold."""

    word: str
    parts: tuple["Node", ...]


Node = Named | Compared | Not | Joined


def names_in(node: Node) -> Iterator[str]:
    """The facts that it stands on."""
    match node:
        case Named(name=name):
            if name is not None:
                yield name
        case Compared(left=left, right=right):
            yield from names_in(left)
            yield from names_in(right)
        case Not(part=part):
            yield from names_in(part)
        case Joined(parts=parts):
            for part in parts:
                yield from names_in(part)


def truth(node: Node, facts: Mapping[str, Fact]) -> bool | None:
    """True, False, or None when the facts at hand do not settle it (Kleene, 1952)."""
    match node:
        case Named():
            known = node.amount(facts)
            return None if known is None else bool(known)
        case Compared(sign=sign, left=left, right=right):
            a, b = left.amount(facts), right.amount(facts)
            return None if a is None or b is None else COMPARE[sign](a, b)
        case Not(part=part):
            answer = truth(part, facts)
            return None if answer is None else not answer
        case Joined(word=word, parts=parts):
            settled = word == "or"
            answers = [truth(part, facts) for part in parts]
            if settled in answers:
                return settled
            return None if None in answers else not settled


def shown(name: str, fact: Fact) -> str:
    """A fact in words, in its own unit: ``true``, ``5,000``, ``31 days``."""
    if fact is None or not math.isfinite(fact):
        return "not known"
    if name not in NUMBERS:
        return "true" if fact else "false"
    if NUMBERS[name] == "time":
        # No length of time is longer than what the type holds.
        return duration(timedelta(seconds=min(max(float(fact), 0.0), timedelta.max.total_seconds() / 2)))
    return f"{fact:,.0f}" if NUMBERS[name] == "count" else number(float(fact))
