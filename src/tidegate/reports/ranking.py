"""Worst first: the order in which a reader needs to see results, the same in every rendering."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

Row = Mapping[str, Any]

_STANDINGS = ("fail", "inconclusive", "waived", "warn", "pass", "info", "skipped")
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


def standing(check: Row) -> str:
    """Return what a check means for the decision.

    `fail` and `inconclusive` block; `waived`, `warn` and `info` are what fails or is inconclusive and does not;
    then there are `pass` and `skipped`.
    """
    verdict, severity = str(check.get("verdict")), check.get("severity")
    if verdict in ("pass", "skipped"):
        return verdict
    if check.get("waiver"):
        return "waived"
    if severity in ("warn", "info"):
        return str(severity)
    return "inconclusive" if verdict == "inconclusive" else "fail"


def checks(document: Row) -> list[Row]:
    """Return the checks of an `evaluate-gate` document by their standing, each failure by size, closest passes."""

    def key(check: Row) -> tuple[int, bool, bool, float]:
        bound, distance = threshold(check), clearance(check)
        if is_expectation(check) and check.get("verdict") == "pass":
            distance = inf  # none violated of none allowed is no narrow escape
        scale = (abs(bound[1]) if bound else 0.0) or 1.0
        place, unclear = _STANDINGS.index(standing(check)), check.get("verdict") == "inconclusive"
        return place, unclear, distance is not None, (distance or 0.0) / scale

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
        {**document[f"{name}_drift"], "of": name.replace("_", " ")}
        for name in ("prediction", "predicted_class", "label")
        if document.get(f"{name}_drift")
    ]
    return [*outcomes, *sorted(document.get("features") or [], key=key)]


def most_changed(distribution: Row) -> tuple[str, float, float] | None:
    """Return the label whose share changed most, with its share in the reference and in current."""
    rows: Sequence[tuple[str, float, float]] = list(
        zip(distribution["labels"], distribution["reference"], distribution["current"], strict=False)
    )
    return max(rows, key=lambda row: abs(row[2] - row[1]), default=None)
