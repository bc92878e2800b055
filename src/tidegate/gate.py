"""The gate: checks in, verdicts out. Deterministic, and pure: reads no file and writes none."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.config import Check
from tidegate.metrics.base import Estimate, finite_bounds
from tidegate.metrics.data import Predictions
from tidegate.slices import groupings
from tidegate.tables import Level
from tidegate.wording import name_measure, name_slice, number, plural

Verdict = Literal["pass", "fail", "inconclusive", "skipped"]
Slice = Mapping[str, Level | None] | None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One metric on one slice against one threshold; the fields are those of the JSON document."""

    metric: str
    column: str | None
    by: str | None
    options: dict[str, float]
    slice: Slice
    value: float | None
    ci: tuple[float, float] | None
    confidence: float | None
    threshold: dict[str, float]
    severity: Literal["block", "warn", "info"]
    rows: int
    verdict: Verdict
    detail: str

    @property
    def subject(self) -> str:
        """What was judged, in words."""
        return name_measure(self.metric, self.column, self.by, self.options) + name_slice(self.slice)


@dataclass(frozen=True, slots=True)
class GateResult:
    """The decision of the gate with everything it rests on."""

    decision: Literal["pass", "fail", "inconclusive"]
    reasons: list[str]
    warnings: list[str]
    checks: list[CheckResult]


def judge(data: Predictions, checks: Sequence[Check]) -> GateResult:
    """Judge a predictions table.

    A metric that cannot be computed fails, unless its slice is under `min_rows`, which is `skipped`. A table on which
    nothing could be judged is `inconclusive`, never a pass.
    """
    results = [result for check in checks for result in _judge_check(data, check)]
    return _decide(results)


def _judge_check(data: Predictions, check: Check) -> Iterable[CheckResult]:
    for groups in groupings(data, check.slices):
        estimates = check.definition.estimate(data, groups, check.options, check.confidence)
        for where, estimate in zip(groups.slices, estimates, strict=True):
            yield _judge_estimate(check, where, estimate)


def _judge_estimate(check: Check, where: Slice, estimate: Estimate) -> CheckResult:
    verdict, detail = _verdict(check, estimate)
    return CheckResult(
        metric=check.metric,
        column=check.column,
        by=check.by,
        options=check.settings,
        slice=where,
        value=estimate.value,
        ci=finite_bounds(estimate.interval),
        confidence=check.confidence,
        threshold={"min": check.min} if check.min is not None else {"max": check.max or 0.0},
        severity=check.severity,
        rows=estimate.rows,
        verdict=verdict,
        detail=detail,
    )


def _verdict(check: Check, estimate: Estimate) -> tuple[Verdict, str]:
    # An explicit min_rows says that thin slices are expected; without one, a slice that has no rows is a mistake.
    if check.min_rows is not None and estimate.rows < check.min_rows:
        return "skipped", f"{plural(estimate.rows, 'row')}, fewer than min_rows {check.min_rows}"
    if estimate.value is None:
        return "fail", f"cannot be computed: {estimate.problem}"
    low, high = estimate.value, estimate.value
    if check.confidence is not None:
        if estimate.interval is None:
            return "inconclusive", "no interval can be computed, so the bound cannot clear the threshold"
        low, high = estimate.interval.low, estimate.interval.high
    sign, threshold = (1, check.min) if check.min is not None else (-1, check.max)
    limit = sign * (threshold or 0.0)
    worst, best = min(sign * low, sign * high), max(sign * low, sign * high)
    side, name = ("below", "minimum") if sign > 0 else ("above", "maximum")
    if worst >= limit:
        return "pass", ""
    if best < limit:
        what = "the whole interval is" if check.confidence is not None else "is"
        return "fail", f"{what} {side} the {name}"
    return "inconclusive", f"the interval does not clear the {name}; more rows would settle it"


def _sentence(result: CheckResult) -> str:
    """One check as a reason."""
    if result.value is None:
        return f"{result.subject}: {result.detail}"
    asked = number(next(iter(result.threshold.values())))
    if result.ci is None:
        return f"{result.subject}: {number(result.value)} {result.detail} {asked}"
    low, high = result.ci
    return (
        f"{result.subject}: {number(result.value)} [{number(low)}, {number(high)}], {result.detail} ({asked})"
    )


def _decide(results: list[CheckResult]) -> GateResult:
    """The checks that block decide; of the others the ones that warn are told."""
    blocking = [r for r in results if r.severity == "block"]
    warnings = [
        _sentence(r) for r in results if r.severity == "warn" and r.verdict in ("fail", "inconclusive")
    ]
    counts = Counter(r.verdict for r in blocking)
    judged = len(blocking) - counts["skipped"]
    reasons = [_sentence(r) for r in blocking if r.verdict == "fail"]
    reasons += [_sentence(r) for r in blocking if r.verdict == "inconclusive"]
    if counts["fail"]:
        return GateResult("fail", reasons, warnings, results)
    if counts["inconclusive"]:
        return GateResult("inconclusive", reasons, warnings, results)
    if not blocking:
        return GateResult("pass", ["no check blocks: all only warn or inform"], warnings, results)
    if not judged:
        nothing = "no check could be judged: every slice is under its min_rows"
        return GateResult("inconclusive", [nothing], warnings, results)
    skipped = f"; {plural(counts['skipped'], 'check')} skipped under min_rows" if counts["skipped"] else ""
    every = "all " if judged > 1 else ""
    return GateResult("pass", [f"{every}{plural(judged, 'check')} passed{skipped}"], warnings, results)
