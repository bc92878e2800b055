"""The trigger policy: conditions such as ``drift and new_rows >= 100000``, read by a small safe parser.

A fact that is not known (no labels yet, an estimate that was not made) is neither true nor false: Kleene's (1952)
three-valued logic carries it through ``and``, ``or`` and ``not``, and a condition that stays unknown does not fire.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.suggest import did_you_mean

YES_NO = frozenset(
    {"drift", "prediction_drift", "label_drift", "performance_drop", "estimated_drop", "data_quality"}
)
NUMBERS = frozenset({"drift.share", "new_rows", "new_labels"})
Fact = bool | float | None

_MAX_LENGTH = 300
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been checked and can be evaluated."""

    text: str
    tree: ast.expr

    @property
    def facts(self) -> set[str]:
        """Names of the facts that it stands on."""
        whole = {_dotted(node) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        parts = {node.value for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        return whole | {
            node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node not in parts
        }

    def evaluate(self, facts: Mapping[str, Fact]) -> bool | None:
        """True, False, or None when the facts at hand do not settle it."""
        return _truth(self.tree, facts)


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: it is no condition, or names an unknown fact; the message says which are known.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a condition has at most {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{text!r} is no condition: combine facts with and, or, not and comparisons, as in"
            " 'drift and new_rows >= 100000'"
        ) from None
    _check_truth(tree, text)
    return Condition(text.strip(), tree)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _check_truth(node: ast.expr, text: str) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_truth(value, text)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_truth(operand, text)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            _check_number(left, text)
            _check_number(right, text)
        case ast.Name() | ast.Attribute():
            name = _dotted(node)
            if name in NUMBERS:
                raise ValueError(f"{name} is a number: compare it with one, as in '{name} > 100'")
            if name not in YES_NO:
                raise ValueError(
                    f"unknown fact {name or text!r} in {text!r}.{did_you_mean(name, YES_NO | NUMBERS)}"
                )
        case _:
            raise ValueError(
                f"{ast.unparse(node)!r} in {text!r} is not supported: use facts, and, or, not, comparisons"
            )


def _check_number(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return
    name = _dotted(node)
    if name not in NUMBERS:
        raise ValueError(f"{ast.unparse(node)!r} in {text!r} is no number.{did_you_mean(name, NUMBERS)}")


def _truth(node: ast.expr, facts: Mapping[str, Fact]) -> bool | None:
    match node:
        case ast.BoolOp(op=op, values=values):
            settled = isinstance(op, ast.Or)
            answers = [_truth(value, facts) for value in values]
            if settled in answers:
                return settled
            return None if None in answers else not settled
        case ast.UnaryOp(operand=operand):
            answer = _truth(operand, facts)
            return None if answer is None else not answer
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = _number(left, facts), _number(right, facts)
            return None if a is None or b is None else _COMPARE[type(op)](a, b)
        case _:
            fact = facts.get(_dotted(node))
            return None if fact is None else bool(fact)


def _number(node: ast.expr, facts: Mapping[str, Fact]) -> Fact:
    return (
        node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        else facts.get(_dotted(node))
    )
