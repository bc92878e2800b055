"""How the false-alarm rate of a report is divided among the questions that it asks."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Question = Literal[
    "columns",
    "performance",
    "estimate",
    "multivariate",
    "concept",
    "calibration",
    "segments",
    "quality",
]

_WEIGHTS: Mapping[Question, float] = {"columns": 4, "performance": 4, "estimate": 2}
"""Columns and performance are what policies act on; each other question has a weight of 1."""


def divided(rate: float, asked: Iterable[Question]) -> dict[Question, float]:
    """The level of each question, all together the rate (Bonferroni); a question that is not asked costs nothing.

    Args:
        rate: of the whole report.
        asked: questions that can raise an alarm in this report.
    """
    named = set(asked)
    kept = [question for question in get_args(Question) if question in named]
    total = sum(_WEIGHTS.get(question, 1.0) for question in kept)
    return {question: rate * _WEIGHTS.get(question, 1.0) / total for question in kept}
