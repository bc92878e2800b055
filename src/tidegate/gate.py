"""The gate: checks in, verdicts out. Deterministic, and pure: reads no file and writes none."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import Literal, TypeVar, get_args

import numpy as np

from tidegate.behaviour import observe
from tidegate.config import Check, CommandCheck, GateItem, MetricUse, MustPass, Sanity, SchemaCheck, Waiver
from tidegate.discovery import Discovery, search
from tidegate.errors import ConfigError
from tidegate.findings import Finding
from tidegate.metrics import dependent
from tidegate.metrics.base import Estimate, finite_bounds
from tidegate.metrics.binning import Period
from tidegate.metrics.data import Groups, Predictions, canonical
from tidegate.sanity import look
from tidegate.slices import groupings
from tidegate.stats.results import Interval
from tidegate.suggest import did_you_mean
from tidegate.tables import Column, Level
from tidegate.waivers import AppliedWaiver, Covers, WaiverInForce, waiver_sentences
from tidegate.wording import name_measure, name_slice, number, plural, significant

Verdict = Literal["pass", "fail", "inconclusive", "skipped"]
Severity = Literal["block", "warn", "info"]
Slice = Mapping[str, Level | None] | None
Use = TypeVar("Use", bound=MetricUse)
_WORST = 3
MOST_SLICES = 1_000
_FEWEST_SEARCHED = 30
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One metric on one slice against one threshold; the fields are those of the JSON document."""

    metric: str
    column: str | None
    by: str | list[str] | None
    options: dict[str, float | str]
    slice: Slice
    value: float | None
    ci: tuple[float, float] | None
    confidence: float | None
    threshold: dict[str, float]
    severity: Severity
    rows: int
    verdict: Verdict
    detail: str
    worst_of: int | None = None
    waiver: WaiverInForce | None = None

    @property
    def subject(self) -> str:
        """What was judged, in words."""
        of = f" in the worst of {plural(self.worst_of, 'slice')}," if self.worst_of else ""
        where = name_slice(self.slice)
        return name_measure(self.metric, self.column, self.by, self.options) + of + where


@dataclass(frozen=True, slots=True)
class WorstSlice:
    """A slice that is among the worst by one check; the fields are those of the JSON document."""

    metric: str
    column: str | None
    by: str | list[str] | None
    options: dict[str, float | str]
    slice: Slice
    value: float | None
    ci: tuple[float, float] | None
    rows: int
    verdict: Verdict
    threshold: dict[str, float]
    severity: Severity


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """Something that was found without being asked for, with what it means here."""

    finding: str
    severity: Severity
    column: str | None
    value: float | None
    detail: str
    waiver: WaiverInForce | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a gate is told besides the predictions.

    Attributes:
        today: the day on which waivers are in force or have expired.
        own: by position in the gate, what was computed outside: by the user's command, or of the table's schema.
        must_pass: by position in the gate, the ids of the rows that must pass.
        identifier: name of the id column.
        features: columns that are searched for the worst slices.
        findings: what was found of the table.
    """

    today: date
    own: Mapping[int, Estimate] = field(default_factory=dict)
    must_pass: Mapping[int, Sequence[str | int]] = field(default_factory=dict)
    identifier: str | None = None
    features: Sequence[Column] = ()
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class GateResult:
    """The decision of the gate with everything it rests on."""

    decision: Literal["pass", "fail", "inconclusive"]
    reasons: list[str]
    warnings: list[str]
    checks: list[CheckResult]
    worst_slices: list[WorstSlice] = field(default_factory=list)
    discovered: list[Discovery] = field(default_factory=list)
    findings: list[ReportedFinding] = field(default_factory=list)
    waivers: list[AppliedWaiver] = field(default_factory=list)


# A figure beyond the range of floats is told as such; numpy need not say it as well.
@np.errstate(over="ignore")
def judge(
    data: Predictions,
    items: Sequence[GateItem],
    known: Known,
    *,
    sanity: Sanity | None = None,
    waived: Sequence[Waiver] = (),
) -> GateResult:
    """Judge a predictions table.

    A metric that cannot be computed fails, unless its slice is under `min_rows`, which is `skipped`. A table on which
    nothing could be judged is `inconclusive`, never a pass. A waiver excuses what it covers until it expires.
    """
    judged = [list(_judge_item(data, item, i, known)) for i, item in enumerate(items)]
    results = [
        result
        for item, each in zip(items, judged, strict=True)
        for result in (_worst_of_each_class(each) if isinstance(item, Check) and item.worst_slice else each)
    ]
    findings = _findings(data, known, sanity or Sanity())
    results, findings, applied = _excuse(results, findings, waived, known.today)
    worst = [slice_ for item, each in zip(items, judged, strict=True) for slice_ in _worst_slices(item, each)]
    found = [
        _discover(data, each, known)
        for item in items
        if isinstance(item, Check) and item.discover
        for each in in_classes(item, data)
    ]
    result = GateResult(
        "pass",
        [],
        list(_idle(items)),
        results,
        worst_slices=worst,
        discovered=found,
        findings=findings,
        waivers=applied,
    )
    return _decide(result)


def _idle(items: Sequence[GateItem]) -> Iterable[str]:
    """Thresholds that no model can miss."""
    for item in items:
        extent = item.definition.extent if isinstance(item, Check) else None
        if not isinstance(item, Check) or extent is None:
            continue
        measure = name_measure(item.metric, item.column, item.protected, item.settings)
        low, high = (f"{end:g}" for end in extent)
        side, asked = next(iter(item.threshold.items()))
        if (side == "min" and asked < extent[0]) or (side == "max" and asked > extent[1]):
            share = "; 5% is written 0.05" if extent == (0.0, 1.0) and asked > 1 else ""
            yield f"{measure} lies between {low} and {high}, so `{side}: {asked:g}` asks for nothing{share}"


def in_classes(use: Use, data: Predictions) -> list[Use]:
    """A metric of one class, where there are several and none is named, once for each of them."""
    if "class" not in use.definition.accepted or use.class_ is not None or data.task != "multiclass":
        return [use]
    return [use.model_copy(update={"class_": name}) for name in data.classes]


def _judge_item(data: Predictions, item: GateItem, position: int, known: Known) -> Iterable[CheckResult]:
    if isinstance(item, Check):
        for check in in_classes(item, data):
            yield from _judge_check(data, check)
    elif isinstance(item, CommandCheck):
        yield _result(
            item.metric,
            item.severity,
            item.threshold,
            known.own[position],
            confidence=item.confidence,
            min_rows=item.min_rows,
        )
    elif isinstance(item, SchemaCheck):
        yield _result("schema", item.severity, {"max": 0.0}, known.own[position])
    elif isinstance(item, MustPass):
        wanted = known.must_pass.get(position, item.must_pass.ids)
        yield _result("must_pass", item.severity, {"max": 0.0}, observe(item, data, known.identifier, wanted))
    else:
        name = type(item).__name__.lower()
        yield _result(name, item.severity, {"max": item.max_share}, observe(item, data, known.identifier))


def _judge_check(data: Predictions, check: Check) -> Sequence[CheckResult]:
    cut = groupings(data, check.slices)
    count = sum(groups.count for groups in cut)
    if count > MOST_SLICES:
        raise ConfigError(
            f"`slices:` of {check.metric!r} make {count:,} slices, and at most {MOST_SLICES:,} are judged: cut numbers"
            " with `edges:` or `quantiles:` and times with `period:`, or name the values that matter"
        )
    confidence = _for_all_of(data, check, cut) if check.worst_slice else check.confidence
    return [
        _of_metric(check, where, estimate)
        if estimate.value is not None or estimate.rows
        else _of_metric(check, where, replace(estimate, problem=estimate.problem + _not_there(data, where)))
        for groups in cut
        for where, estimate in zip(
            groups.slices,
            dependent.estimate(check.definition, data, groups, check.options, confidence),
            strict=True,
        )
    ]


def _for_all_of(data: Predictions, check: Check, cut: Sequence[Groups]) -> float | None:
    """The confidence of each slice at which all that have rows enough hold together (Bonferroni 1936)."""
    if check.confidence is None:
        return None
    points = (
        estimate
        for groups in cut
        for estimate in dependent.estimate(check.definition, data, groups, check.options, None)
    )
    enough = sum(estimate.rows >= (check.min_rows or 1) for estimate in points)
    return 1 - (1 - check.confidence) / max(enough, 1)


def _not_there(data: Predictions, where: Slice) -> str:
    """What the column of a slice holds instead of the value that was listed."""
    for name, value in (where or {}).items():
        column = data.columns.get((name, "category"))
        if column is None or canonical(value) in map(canonical, column.levels):
            continue
        if value in get_args(Period):
            return f"; to cut times, write {{{name}: {{period: {value}}}}}"
        numbers = all(isinstance(level, int | float) for level in column.levels)
        bins = f"; to cut numbers, write {{{name}: {{edges: [...]}}}} or {{quantiles: 4}}" if numbers else ""
        return f": {name} never is {value!r}.{did_you_mean(value, map(str, column.levels))}{bins}"
    return ""


def _worst_of_each_class(results: Sequence[CheckResult]) -> list[CheckResult]:
    return [
        _worst(list(each)) for _, each in groupby(results, key=lambda result: result.options.get("class"))
    ]


def _worst(results: Sequence[CheckResult]) -> CheckResult:
    """The one that decides what the worst slice is: by verdict, then what cannot be computed, then by value."""
    considered = [result for result in results if result.verdict != "skipped"]
    worst = min(considered or results, key=_badness)
    return replace(worst, worst_of=len(considered) or None)


def _badness(result: CheckResult) -> tuple[int, bool, float]:
    order = {"fail": 0, "inconclusive": 1}.get(result.verdict, 2)
    if result.value is None:
        return order, False, 0.0
    return order, True, result.value if "min" in result.threshold else -result.value


def _of_metric(check: Check, where: Slice, estimate: Estimate) -> CheckResult:
    result = _result(
        check.metric,
        check.severity,
        check.threshold,
        estimate,
        confidence=check.confidence,
        min_rows=check.min_rows,
        where=where,
    )
    return replace(result, column=check.column, by=check.protected, options=check.settings)


def _result(
    metric: str,
    severity: Severity,
    threshold: dict[str, float],
    estimate: Estimate,
    *,
    confidence: float | None = None,
    min_rows: int | None = None,
    where: Slice = None,
) -> CheckResult:
    estimate = _as_published(estimate)
    verdict, detail = _verdict(threshold, confidence, min_rows, estimate)
    return CheckResult(
        metric=metric,
        column=None,
        by=None,
        options={},
        slice=where,
        value=estimate.value,
        ci=finite_bounds(estimate.interval),
        confidence=confidence,
        threshold=threshold,
        severity=severity,
        rows=estimate.rows,
        verdict=verdict,
        detail=detail,
    )


def _as_published(estimate: Estimate) -> Estimate:
    """The estimate in the digits that are published: what lies beyond them, the order of rows can change."""
    if estimate.value is None:
        return estimate
    if not math.isfinite(estimate.value):
        return Estimate(None, estimate.rows, problem="its value is beyond the range of numbers")
    interval = estimate.interval
    if interval is not None:
        interval = Interval(significant(interval.low), significant(interval.high))
    return replace(estimate, value=significant(estimate.value), interval=interval)


def _verdict(
    threshold: Mapping[str, float], confidence: float | None, min_rows: int | None, estimate: Estimate
) -> tuple[Verdict, str]:
    # An explicit min_rows says that thin slices are expected; without one, a slice that has no rows is a mistake.
    if min_rows is not None and estimate.rows_known and estimate.rows < min_rows:
        return "skipped", f"{plural(estimate.rows, 'row')}, fewer than min_rows {min_rows}"
    if estimate.value is None:
        return "fail", f"cannot be computed: {estimate.problem}"
    note = f"; {estimate.note}" if estimate.note else ""
    low, high = estimate.value, estimate.value
    if confidence is not None:
        if estimate.interval is None:
            return "inconclusive", "no interval can be computed, so the bound cannot clear the threshold"
        low, high = estimate.interval.low, estimate.interval.high
    (side, asked), sign = next(iter(threshold.items())), 1 if "min" in threshold else -1
    limit = sign * asked
    worst, best = min(sign * low, sign * high), max(sign * low, sign * high)
    beyond, name = ("below", "minimum") if side == "min" else ("above", "maximum")
    if worst >= limit:
        return "pass", estimate.note
    if best < limit:
        what = "the whole interval is" if confidence is not None else "is"
        return "fail", f"{what} {beyond} the {name} {number(asked)}{note}"
    return (
        "inconclusive",
        f"the interval does not clear the {name} {number(asked)}; more rows would settle it{note}",
    )


def _worst_slices(item: GateItem, results: Sequence[CheckResult]) -> list[WorstSlice]:
    """The worst few slices of a check, whether they pass or not."""
    if not isinstance(item, Check) or not item.slices:
        return []
    known = [result for result in results if result.value is not None and result.verdict != "skipped"]
    sign = 1 if "min" in item.threshold else -1
    known.sort(key=lambda result: sign * (result.value or 0.0))
    return [
        WorstSlice(
            r.metric,
            r.column,
            r.by,
            r.options,
            r.slice,
            r.value,
            r.ci,
            r.rows,
            r.verdict,
            r.threshold,
            r.severity,
        )
        for r in known[:_WORST]
    ]


def _discover(data: Predictions, check: Check, known: Known) -> Discovery:
    found = search(
        data,
        known.features,
        check.definition,
        check.options,
        min_rows=check.min_rows or _FEWEST_SEARCHED,
        confidence=check.confidence or _CONFIDENCE,
    )
    return replace(found, metric=check.metric, column=check.column, options=check.settings)


def _findings(data: Predictions, known: Known, sanity: Sanity) -> list[ReportedFinding]:
    reported = []
    for found in (*look(data), *known.findings):
        severity = getattr(sanity, found.finding)
        if severity != "off":
            reported.append(ReportedFinding(found.finding, severity, found.column, found.value, found.detail))
    return reported


def _excuse(
    results: list[CheckResult], findings: list[ReportedFinding], waived: Sequence[Waiver], today: date
) -> tuple[list[CheckResult], list[ReportedFinding], list[AppliedWaiver]]:
    """Give what fails the waiver that covers it."""
    covers = Covers(waived, today)
    results = [
        replace(r, waiver=covers.check(r.metric, r.column, r.by, r.options, r.slice))
        if r.verdict in ("fail", "inconclusive") and r.severity == "block"
        else r
        for r in results
    ]
    findings = [
        replace(f, waiver=covers.check(f.finding, f.column, None, {}, None)) if f.severity == "block" else f
        for f in findings
    ]
    return results, findings, covers.applied()


def _sentence(result: CheckResult) -> str:
    """One check as a reason."""
    if result.value is None:
        return f"{result.subject}: {result.detail}"
    if result.ci is None:
        return f"{result.subject}: {number(result.value)} {result.detail}"
    low, high = result.ci
    return f"{result.subject}: {number(result.value)} [{number(low)}, {number(high)}], {result.detail}"


def _finding_sentence(finding: ReportedFinding) -> str:
    return f"{finding.finding.replace('_', ' ')}: {finding.detail}"


def _decide(result: GateResult) -> GateResult:
    """The checks and findings that block decide; of the others the ones that warn are told."""
    blocking = [r for r in result.checks if r.severity == "block"]
    broken = [r for r in blocking if r.verdict in ("fail", "inconclusive")]
    counts = Counter(r.verdict for r in blocking)
    excused = [_sentence(r) for r in broken if r.waiver]
    excused += [_finding_sentence(f) for f in result.findings if f.waiver]
    warnings = [
        *waiver_sentences(result.waivers, excused),
        *(
            _sentence(r)
            for r in result.checks
            if r.severity == "warn" and r.verdict in ("fail", "inconclusive")
        ),
        *(_finding_sentence(f) for f in result.findings if f.severity == "warn"),
        *(sentence for found in result.discovered for sentence in _discovery_sentences(found)),
        *result.warnings,
    ]
    failing = [r for r in broken if r.verdict == "fail" and r.waiver is None]
    open_ones = [r for r in broken if r.verdict == "inconclusive" and r.waiver is None]
    stopping = [f for f in result.findings if f.severity == "block" and f.waiver is None]
    reasons = [_sentence(r) for r in failing]
    reasons += [_finding_sentence(f) for f in stopping] + [_sentence(r) for r in open_ones]
    judged = len(blocking) - counts["skipped"]
    decision: Literal["pass", "fail", "inconclusive"] = "pass"
    if failing or stopping:
        decision = "fail"
    elif open_ones:
        decision = "inconclusive"
    elif not result.checks:
        decision, reasons = "inconclusive", ["no check could be judged: no slice of any has rows"]
    elif not blocking:
        reasons = ["no check blocks: all only warn or inform"]
    elif not judged:
        decision, reasons = "inconclusive", ["no check could be judged: every slice is under its min_rows"]
    else:
        reasons = [_passed(judged, len(broken), counts["skipped"])]
    return replace(result, decision=decision, reasons=reasons, warnings=warnings)


def _passed(judged: int, excused: int, skipped: int) -> str:
    passed = judged - excused
    every = "all " if judged > 1 and not excused else ""
    waived = f"; {plural(excused, 'failing check')} waived" if excused else ""
    thin = f"; {plural(skipped, 'check')} skipped under min_rows" if skipped else ""
    return f"{every}{plural(passed, 'check')} passed{waived}{thin}"


def _discovery_sentences(found: Discovery) -> Iterable[str]:
    claimed = [each for each in found.slices if each.claimed]
    if claimed:
        first = claimed[0]
        measure = name_measure(found.metric, found.column, None, found.options)
        yield (
            f"{measure}{name_slice(first.slice)}: {number(first.value)} against {number(found.overall)} overall, a"
            f" slice that no check lists (adjusted p {number(first.adjusted_p_value)} over"
            f" {plural(found.corrected_for or found.searched, 'slice')})"
        )
