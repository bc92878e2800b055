"""Candidate against production: paired comparisons in, a decision out. Pure: reads no file and writes none.

To promote, every guardrail must hold. That is an intersection-union test (Berger 1982): each part at the stated
level bounds the whole, so no correction is made. To call a comparison *inferior*, which is worse than its margin, is
a union over all of them, and there Holm's (1979) correction applies. With k candidates the level is divided by k,
because the best of k was chosen.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidegate.config import Compare, Guardrail, Primary
from tidegate.gate import Slice, in_classes
from tidegate.metrics.base import Paired, finite_bounds
from tidegate.metrics.data import Predictions
from tidegate.slices import groupings
from tidegate.stats.intervals import t_p_value
from tidegate.stats.multiplicity import holm
from tidegate.stats.power import detectable_difference, rows_needed
from tidegate.wording import name_measure, name_slice, number, plural

Verdict = Literal["superior", "non_inferior", "inferior", "inconclusive", "skipped"]
Decision = Literal["promote", "hold", "inconclusive"]
Require = Literal["superior", "non_inferior", "not_inferior", "equivalent"]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """One set of rows that production and all candidates answered, in the same order."""

    name: str
    production: Predictions
    candidates: Mapping[str, Predictions]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric, one slice, one candidate against production; the fields are those of the JSON document."""

    candidate: str
    set: str
    metric: str
    column: str | None
    by: str | list[str] | None
    options: dict[str, float | str]
    slice: Slice
    candidate_value: float | None
    production_value: float | None
    delta: float | None
    ci: tuple[float, float] | None
    p_value: float | None
    adjusted_p_value: float | None
    p_better: float | None
    margin: float
    require: Require
    verdict: Verdict
    method: str
    rows: int
    role: Literal["primary", "guardrail"]
    detectable: float | None
    rows_needed: int | None
    satisfied: bool
    detail: str

    @property
    def subject(self) -> str:
        """What was compared, in words."""
        measure = name_measure(self.metric, self.column, self.by, self.options)
        return f"{measure}{name_slice(self.slice)} on the {self.set} set"


@dataclass(frozen=True, slots=True)
class CandidateDecision:
    """What is concluded about one candidate."""

    candidate: str
    decision: Decision
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Rank:
    """A candidate's place by the primary metric, and its lead over the next."""

    candidate: str
    value: float | None
    delta_to_next: float | None
    ci_to_next: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The decision of a comparison with everything it rests on."""

    decision: Decision
    reasons: list[str]
    comparisons: list[Comparison]
    candidates: list[CandidateDecision]
    ranking: list[Rank]


@dataclass(frozen=True, slots=True)
class _Question:
    """One comparison before its family is known."""

    role: Literal["primary", "guardrail"]
    use: Primary | Guardrail
    require: Require
    margin: float
    where: Slice
    candidate: str
    set: str
    answer: Paired


def compare(sets: Sequence[EvaluationSet], config: Compare) -> ComparisonResult:
    """Compare every candidate with production on every set.

    The primary comparison is made on the first set. On each further set the primary metric is a guardrail with the
    primary's margin, so that what improves the newest rows does not harm the golden ones.
    """
    names = list(sets[0].candidates)
    level = 1 - (1 - config.confidence) / len(names)
    questions = [
        question
        for name in names
        for position, each in enumerate(sets)
        for question in _ask(each, name, config, level, first=position == 0)
    ]
    comparisons = _answer(questions, 1 - config.confidence, level)
    decisions = [_decide(name, [c for c in comparisons if c.candidate == name]) for name in names]
    ranking = _rank(sets[0], config.primary, level, comparisons)
    best = _best(decisions, ranking)
    prefix = f"{best.candidate}: " if len(names) > 1 else ""
    return ComparisonResult(
        best.decision, [prefix + reason for reason in best.reasons], comparisons, decisions, ranking
    )


def _ask(
    each: EvaluationSet, name: str, config: Compare, level: float, *, first: bool
) -> Iterable[_Question]:
    candidate, production = each.candidates[name], each.production
    primary = config.primary
    uses: list[tuple[Literal["primary", "guardrail"], Primary | Guardrail, Require]] = [
        ("primary", primary, primary.require) if first else ("guardrail", primary, "non_inferior")
    ]
    uses += [("guardrail", guardrail, guardrail.require) for guardrail in config.guardrails]
    per_class = [(role, each, require) for role, use, require in uses for each in in_classes(use, production)]
    for role, use, require in per_class:
        for groups in groupings(production, use.slices):
            answers = use.definition.compare(candidate, production, groups, use.options, level)
            for where, answer in zip(groups.slices, answers, strict=True):
                # What must be better has no loss to allow.
                margin = 0.0 if require == "superior" else use.margin or 0.0
                oriented = _orient(answer, use)
                yield _Question(role, use, require, margin, where, name, each.name, oriented)


def _orient(answer: Paired, use: Primary | Guardrail) -> Paired:
    """Where the metric itself does not know which direction is better, the config says it."""
    if use.better != "lower" or answer.delta is None or answer.interval is None or answer.p_better is None:
        return answer
    return replace(answer, delta=-answer.delta, interval=-answer.interval, p_better=1 - answer.p_better)


def _answer(questions: Sequence[_Question], alpha: float, level: float) -> list[Comparison]:
    """Give each question its verdict; the correction is over all that have a p-value."""
    p_values = {i: q.answer.p_value for i, q in enumerate(questions) if not _too_thin(q)}
    asked = {i: p for i, p in p_values.items() if p is not None}
    different = dict(zip(asked, holm(list(asked.values())), strict=True))
    harmful = dict(zip(asked, holm([_harm(questions[i], p) for i, p in asked.items()]), strict=True))
    return [
        _conclude(q, different.get(i), level, harmed=bool(harmful.get(i, 1.0) <= alpha))
        for i, q in enumerate(questions)
    ]


def _harm(question: _Question, p_value: float) -> float:
    """Two-sided p-value of a loss no larger than the margin; at least that of no loss, which may be exact."""
    error, excess = question.answer.standard_error, (question.answer.delta or 0.0) + question.margin
    if excess >= 0:
        return 1.0
    return max(p_value, t_p_value(excess / error, math.inf) if error else 0.0)


def _too_thin(question: _Question) -> bool:
    return question.use.min_rows is not None and question.answer.rows < question.use.min_rows


def _conclude(question: _Question, adjusted: float | None, level: float, *, harmed: bool) -> Comparison:
    q, answer = question, question.answer
    verdict = _verdict(q, harmed=harmed)
    wanted: dict[Require, set[Verdict]] = {
        "superior": {"superior"},
        "non_inferior": {"superior", "non_inferior", "skipped"},
        "not_inferior": {"superior", "non_inferior", "inconclusive", "skipped"},
        "equivalent": {"superior", "non_inferior", "skipped"},
    }
    error = answer.standard_error
    needed = None
    if verdict == "inconclusive" and error and answer.delta is not None:
        bound = 0.0 if q.require == "superior" else -q.margin
        needed = rows_needed(answer.delta - bound, error, answer.rows, confidence=level)
    result = Comparison(
        candidate=q.candidate,
        set=q.set,
        metric=q.use.metric,
        column=q.use.column,
        by=q.use.protected,
        options=q.use.settings,
        slice=q.where,
        candidate_value=answer.candidate,
        production_value=answer.production,
        delta=answer.delta,
        ci=finite_bounds(answer.interval),
        p_value=answer.p_value,
        adjusted_p_value=None if adjusted is None else float(adjusted),
        p_better=answer.p_better,
        margin=q.margin,
        require=q.require,
        verdict=verdict,
        method=answer.method,
        rows=answer.rows,
        role=q.role,
        detectable=detectable_difference(error, confidence=level) if error is not None else None,
        rows_needed=needed,
        # What cannot be compared has not been shown to be harmless, whatever is asked.
        satisfied=verdict in wanted[q.require] and (answer.delta is not None or verdict == "skipped"),
        detail="",
    )
    return replace(result, detail=_detail(result, q))


def _verdict(question: _Question, *, harmed: bool) -> Verdict:
    answer, margin = question.answer, question.margin
    if _too_thin(question):
        return "skipped"
    if answer.delta is None or answer.interval is None:
        return "inconclusive"
    if answer.interval.low > 0:
        return "superior"
    if answer.interval.low >= -margin:
        return "non_inferior"
    return "inferior" if harmed else "inconclusive"


def _detail(result: Comparison, question: _Question) -> str:
    """What the numbers do not say by themselves; empty where they do."""
    if result.verdict == "skipped":
        return f"{plural(result.rows, 'row')}, fewer than min_rows {question.use.min_rows}"
    if result.delta is None:
        return f"cannot be compared: {question.answer.problem}"
    if result.ci is None:
        return f"{plural(result.rows, 'row')} are too few for an interval"
    if result.verdict == "inferior":
        return f"worse by more than the {number(result.margin)} allowed"
    if result.satisfied and result.verdict != "inconclusive":
        return ""
    if result.require == "superior" and result.ci[1] <= 0:
        return "not better than production"
    bound = "0" if result.require == "superior" else f"-{number(result.margin)}"
    shown = f"; differences from {number(result.detectable)} can be shown here" if result.detectable else ""
    more = f"; about {plural(result.rows_needed, 'row')} would settle it" if result.rows_needed else ""
    return f"the interval does not clear {bound}{shown}{more}"


def _sentence(c: Comparison) -> str:
    """One comparison as a reason."""
    detail = f": {c.detail}" if c.detail else ""
    if c.delta is None or c.ci is None:
        return f"{c.subject}{detail}"
    if c.delta == 0 and c.ci == (0.0, 0.0):
        return f"{c.subject} is the same{detail}"
    low, high = c.ci if c.delta >= 0 else (-c.ci[1], -c.ci[0])
    direction = "better" if c.delta >= 0 else "worse"
    return f"{c.subject} is {direction} by {number(abs(c.delta))} [{number(low)}, {number(high)}]{detail}"


def _decide(name: str, comparisons: Sequence[Comparison]) -> CandidateDecision:
    blocking = [c for c in comparisons if c.verdict == "inferior" or _plainly_not_better(c)]
    if blocking:
        return CandidateDecision(name, "hold", [_sentence(c) for c in blocking])
    open_ones = [c for c in comparisons if not c.satisfied]
    if open_ones:
        return CandidateDecision(name, "inconclusive", [_sentence(c) for c in open_ones])
    if not any(c.role == "primary" and c.verdict != "skipped" for c in comparisons):
        return CandidateDecision(
            name, "inconclusive", ["the primary metric was skipped: it stands on too few rows"]
        )
    primary = next(c for c in comparisons if c.role == "primary")
    guardrails = [c for c in comparisons if c.role == "guardrail"]
    skipped = sum(c.verdict == "skipped" for c in guardrails)
    held = f"; {plural(len(guardrails) - skipped, 'guardrail')} kept" if guardrails else ""
    held += f", {skipped} skipped under min_rows" if skipped else ""
    return CandidateDecision(name, "promote", [f"{_sentence(primary)}{held}"])


def _plainly_not_better(c: Comparison) -> bool:
    """The primary's interval lies wholly on the wrong side: more rows would not change that."""
    if c.role != "primary" or c.ci is None or c.satisfied or c.verdict == "skipped":
        return False
    return c.ci[1] <= 0 if c.require == "superior" else c.ci[1] < -c.margin


def _rank(
    first: EvaluationSet, primary: Primary, level: float, comparisons: Sequence[Comparison]
) -> list[Rank]:
    values = {c.candidate: c for c in comparisons if c.role == "primary"}
    order = sorted(values, key=lambda name: (-_known(values[name].delta), name))
    ranks = []
    for name, following in zip(order, [*order[1:], None], strict=True):
        lead = None
        if following is not None:
            groups = groupings(first.production, [])[0]
            lead = _orient(
                primary.definition.compare(
                    first.candidates[name],
                    first.candidates[following],
                    groups,
                    primary.options,
                    level,
                )[0],
                primary,
            )
        ranks.append(
            Rank(
                name,
                values[name].candidate_value,
                lead.delta if lead else None,
                finite_bounds(lead.interval) if lead else None,
            )
        )
    return ranks


def _known(delta: float | None) -> float:
    """What cannot be compared comes last."""
    return -math.inf if delta is None else delta


def _best(decisions: Sequence[CandidateDecision], ranking: Sequence[Rank]) -> CandidateDecision:
    """The candidate that may go on, best first; without one, the best of those that came closest."""
    place = {rank.candidate: i for i, rank in enumerate(ranking)}
    preference: dict[Decision, int] = {"promote": 0, "inconclusive": 1, "hold": 2}
    return min(decisions, key=lambda d: (preference[d.decision], place.get(d.candidate, 0)))
