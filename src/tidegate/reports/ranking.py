"""Worst first: the order in which a reader needs to see results, the same in every rendering."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

Row = Mapping[str, Any]

_CHECK_ORDER = {"fail": 0, "inconclusive": 1, "pass": 2, "skipped": 3}
_EXPECTATIONS = ("invariance", "directional", "must_pass", "schema")
_COMPARISON_ORDER = {"inferior": 0, "inconclusive": 1, "non_inferior": 2, "superior": 3, "skipped": 4}


def is_expectation(check: Row) -> bool:
    """Tell whether a check counts violations of something expected, where others measure."""
    return check.get("metric") in _EXPECTATIONS


def clearance(check: Row) -> float | None:
    """Return how far a check's value is on the good side of its threshold (negative: on the bad side)."""
    bound, value = threshold(check), check.get("value")
    if bound is None or value is None:
        return None
    return float(value - bound[1]) if bound[0] == "min" else float(bound[1] - value)


def cleared_interval(check: Row) -> tuple[float, float] | None:
    """Return a check's interval as distances to its threshold, positive on the good side."""
    bound, ci = threshold(check), check.get("ci")
    if bound is None or ci is None:
        return None
    ends = sorted(end - bound[1] if bound[0] == "min" else bound[1] - end for end in ci)
    return ends[0], ends[1]


def threshold(check: Row) -> tuple[str, float] | None:
    """Return the side (`min` or `max`) and the value of a check's threshold."""
    for side, value in (check.get("threshold") or {}).items():
        if side in ("min", "max") and value is not None:
            return side, value
    return None


def checks(document: Row) -> list[Row]:
    """Return the checks of an `evaluate-gate` document: those that block first, failures by size, closest passes.

    What is waived comes after what blocks, and before what passes.
    """

    def key(check: Row) -> tuple[bool, bool, int, bool, float]:
        bound, distance = threshold(check), clearance(check)
        if is_expectation(check) and check.get("verdict") == "pass":
            distance = inf  # none violated of none allowed is no narrow escape
        scale = (abs(bound[1]) if bound else 0.0) or 1.0
        order = _CHECK_ORDER.get(str(check.get("verdict")), 0)
        aside = check.get("severity") in ("warn", "info")
        lenient = bool(check.get("waiver")) or order > _CHECK_ORDER["inconclusive"]
        return aside, lenient, order, distance is not None, (distance or 0.0) / scale

    return sorted(document.get("checks") or [], key=key)


def comparisons(document: Row) -> list[Row]:
    """Return the comparisons of a `compare-to-prod` document: unmet first, the primary before guardrails."""

    def key(comparison: Row) -> tuple[bool, bool, int, float]:
        verdict = _COMPARISON_ORDER.get(str(comparison.get("verdict")), 0)
        delta = comparison.get("delta")
        return (
            bool(comparison.get("satisfied")),
            comparison.get("role") != "primary",
            verdict,
            delta if delta is not None else 0.0,
        )

    return sorted(document.get("comparisons") or [], key=key)


def features(document: Row) -> list[Row]:
    """Return what a `drift-report` document tested: prediction and label, then features, worst first.

    Prediction and label carry `of`, which says what they are.
    """

    def key(feature: Row) -> tuple[bool, float]:
        return not feature.get("drifted"), -(feature.get("effect") or 0.0)

    outcomes = [
        {**document[f"{name}_drift"], "of": name}
        for name in ("prediction", "label")
        if document.get(f"{name}_drift")
    ]
    return [*outcomes, *sorted(document.get("features") or [], key=key)]


def most_changed(distribution: Row) -> tuple[str, float, float] | None:
    """Return the label whose share changed most, with its share in the reference and in current."""
    rows: Sequence[tuple[str, float, float]] = list(
        zip(distribution["labels"], distribution["reference"], distribution["current"], strict=False)
    )
    return max(rows, key=lambda row: abs(row[2] - row[1]), default=None)
