"""The trigger policy's language: conditions such as ``drift and age > 30d``, read by a small safe parser.

A fact that is not known (no labels yet, an estimate that was not made) is neither true nor false: Kleene's (1952)
three-valued logic carries it through ``and``, ``or`` and ``not``, and a condition that stays unknown does not fire.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from tidegate.drift.expression import (
    COMPARE,
    NUMBERS,
    YES_NO,
    Compared,
    Fact,
    Joined,
    Named,
    Node,
    Not,
    names_in,
    shown,
    truth,
)
from tidegate.suggest import did_you_mean

__all__ = ["NUMBERS", "YES_NO", "Condition", "Fact", "parse_condition", "shown"]

_FACTS = YES_NO | frozenset(NUMBERS)
_MAX_LENGTH = 300
_MAX_DEPTH = 20
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_TIME = r"(\d+(?:\.\d+)?)\s*([smhdwy])"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<time>{_TIME}(?![\w.])|'\s*{_TIME}\s*'|"\s*{_TIME}\s*")
    | (?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<word>[A-Za-z_][\w.]*)
    | (?P<sign><=|>=|==|!=|<|>|[()])
    | (?P<end>\Z)
    )""",
    re.ASCII | re.VERBOSE,
)
_INSTEAD = {
    "=": "==",
    "&": "and",
    "&&": "and",
    "AND": "and",
    "|": "or",
    "||": "or",
    "OR": "or",
    "!": "not",
    "NOT": "not",
    "≥": ">=",
    "≤": "<=",
}
_GRAMMAR = (
    ". Combine facts with and, or, not and comparisons, as in 'drift and new_rows >= 100000' or 'age > 30d'"
)
_LIKE = {"count": "10000", "share": "0.2", "time": "30d"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been checked and can be evaluated."""

    text: str
    tree: Node

    @property
    def facts(self) -> set[str]:
        """Names of the facts that it stands on."""
        return set(names_in(self.tree))

    def evaluate(self, facts: Mapping[str, Fact]) -> bool | None:
        """True, False, or None when the facts at hand do not settle it; a number that is not finite is not known."""
        return truth(self.tree, facts)


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Facts are joined by ``and``, ``or``, ``not`` and parentheses. Numbers are compared with numbers of the same unit:
    counts and shares with plain numbers, ``age`` with a length of time such as ``30d``, ``'2w'`` or ``12h``.

    Raises:
        ValueError: it is no condition, or names an unknown fact; the message says which are known.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a condition has at most {_MAX_LENGTH} characters")
    # One condition over several lines is the same one.
    text = " ".join(text.split())
    return Condition(text, _Reader(text).whole())


class _Reader:
    """Reads a condition from left to right; each level of the grammar is a method."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._scanned())
        self._at = 0

    def whole(self) -> Node:
        tree = self._either(0)
        if self._next != ("end", ""):
            self._fail(f"'and' or 'or' is missing before {self._next[1]!r}", self._next[1])
        return tree

    @property
    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def _scanned(self) -> Iterator[tuple[str, str]]:
        place = 0
        while True:
            found = _TOKEN.match(self._text, place)
            if found is None:
                odd = re.match(r"\s*([^\w\s.'\"()]+|\S+)", self._text[place:])
                word = odd[1] if odd else ""
                self._fail(f"{word!r} is not understood", word)
            kind = next(name for name, value in found.groupdict().items() if value is not None)
            yield kind, found[kind]
            if kind == "end":
                return
            place = found.end()

    def _take(self, *accepted: str) -> bool:
        kind, text = self._next
        if kind in ("word", "sign") and text in accepted:
            self._at += 1
            return True
        return False

    def _either(self, depth: int) -> Node:
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Joined("or", tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._single(depth)]
        while self._take("and"):
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))

    def _single(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise ValueError(f"a condition nests at most {_MAX_DEPTH} parentheses and 'not'")
        if self._take("not"):
            return Not(self._single(depth + 1))
        if self._take("("):
            inner = self._either(depth + 1)
            if not self._take(")"):
                self._fail("a ')' is missing", self._next[1])
            return inner
        left = self._operand()
        kind, sign = self._next
        if kind == "sign" and sign in COMPARE:
            self._at += 1
            node = Compared(sign, left, self._operand())
            if self._next[1] in COMPARE:
                self._fail("compare two at a time and join them with 'and'")
            self._check(node)
            return node
        return self._yes_or_no(left)

    def _operand(self) -> Named:
        kind, text = self._next
        if kind == "word" and text not in ("and", "or", "not"):
            if text not in _FACTS:
                instead = _INSTEAD.get(text)
                said = f" Write {instead!r}." if instead else did_you_mean(text, _FACTS)
                raise ValueError(f"unknown fact {text!r} in {self._text!r}.{said}")
            self._at += 1
            return Named(text, unit=NUMBERS.get(text))
        if kind not in ("time", "number"):
            self._fail(f"a fact is missing before {text!r}" if text else "it ends too early", text)
        self._at += 1
        if kind == "time":
            named = Named(None, float(text.strip("'\" smhdwy")) * _SECONDS[text.strip("'\" ")[-1]], "time")
        else:
            named = Named(None, float(text))
        if not math.isfinite(named.value):
            self._fail(f"{text!r} is too large")
        return named

    def _yes_or_no(self, node: Named) -> Named:
        if node.name is None:
            self._fail(
                "a number alone is neither true nor false: compare a fact with it (a time is written as 30d)"
            )
        if node.name in NUMBERS:
            example = f"{node.name} > {_LIKE[NUMBERS[node.name]]}"
            self._fail(f"{node.name} is a number: compare it with one, as in {example!r}")
        return node

    def _check(self, node: Compared) -> None:
        """Refuse a comparison that makes no sense, or always has the same answer."""
        sides = (node.left, node.right)
        for side in sides:
            if side.name in YES_NO:
                self._fail(f"{side.name} is no number: write '{side.name}' or 'not {side.name}'")
        named = [side for side in sides if side.name is not None]
        if not named:
            self._fail("it compares two numbers: name a fact on one side")
        unit = named[0].unit
        plain = unit != "time" and any(side.name is None and side.unit is None for side in sides)
        if not plain and node.left.unit != node.right.unit:
            self._fail(f"{named[0].name} is compared with another unit: write it as {_LIKE[unit or 'count']}")
        if unit == "share" and any(side.name is None and not 0 <= side.value <= 1 for side in sides):
            self._fail(f"{named[0].name} lies between 0 and 1: write 0.2 for 20%")

    def _fail(self, why: str, odd: str | None = None) -> NoReturn:
        """Refuse the condition, with a hint about its grammar when an odd word stands in the way."""
        hint = ""
        if odd is not None:
            hint = f". Write {_INSTEAD[odd]!r}" if odd in _INSTEAD else _GRAMMAR
        raise ValueError(f"{self._text!r} is no condition: {why}{hint}")
