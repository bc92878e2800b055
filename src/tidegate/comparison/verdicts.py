"""From paired answers to verdicts: margins, corrections, and what each requirement costs.

To promote, every guardrail must hold. That is an intersection-union test (Berger 1982): each part at the stated
level bounds the whole, so no correction is made. To call a comparison *inferior*, which is worse than its margin, or a
guardrail *superior*, is a union over all of them, and there Holm's (1979) correction applies. What is called superior
may be corrected by serial gatekeeping instead (Westfall & Krishen 2001): the primary first, and the guardrails only
once it differs. Harm waits for nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.comparison.margins import Margins
from tidegate.comparison.results import Comparison, Require, Role, Slice, Verdict
from tidegate.config import Compare, Guardrail, Primary
from tidegate.metrics.base import Paired, finite_bounds
from tidegate.metrics.calibration import Binned, Cox
from tidegate.metrics.gaps import GroupGap
from tidegate.stats.equivalence import Equivalence, equivalence
from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.multiplicity import holm
from tidegate.stats.power import detectable_difference, rows_needed
from tidegate.wording import number, plural


@dataclass(frozen=True, slots=True)
class Question:
    """One comparison before its family is known.

    Attributes:
        margins: what the interval must stay above to show harmlessness, and fall below to show harm.
        corrected: far out, the same answer with the error divided among all questions; else None.
    """

    role: Role
    use: Primary | Guardrail
    require: Require
    margins: Margins
    where: Slice
    candidate: str
    set: str
    answer: Paired
    corrected: Paired | None = None

    @property
    def margin(self) -> float:
        """The largest acceptable loss, as it is published."""
        return self.margins.harmless

    @property
    def too_thin(self) -> bool:
        """Whether it stands on fewer rows than were asked for."""
        return self.use.min_rows is not None and self.answer.rows < self.use.min_rows


def oriented(answer: Paired, use: Primary | Guardrail) -> Paired:
    """Where the metric itself does not know which direction is better, the config says it."""
    if use.better != "lower" or answer.delta is None or answer.interval is None or answer.p_better is None:
        return answer
    return replace(answer, delta=-answer.delta, interval=-answer.interval, p_better=1 - answer.p_better)


def conclude(questions: Sequence[Question], config: Compare, error: float, level: float) -> list[Comparison]:
    """Give each question its verdict; the corrections are over all that have a p-value.

    Args:
        questions: all that are asked, of all candidates.
        config: which correction, and what is suspicious.
        error: of the whole family.
        level: of the two-sided interval of each.
    """
    asked = {i: q.answer.p_value for i, q in enumerate(questions) if not q.too_thin}
    p_values = {i: p for i, p in asked.items() if p is not None}
    different = _holm(p_values) if config.correction == "holm" else _gatekeeping(questions, p_values)
    harmful = _holm({i: _harm(questions[i], p, level) for i, p in p_values.items()})
    levels = _Levels(level, 1 - error / max(len(p_values), 1))
    return [
        _conclude(
            q,
            different.get(i),
            levels,
            config.suspicious_gain,
            harmed=_harmed(q) if q.corrected else bool(harmful.get(i, 1.0) <= error) and _beyond(q.answer, q),
            differs=bool(different.get(i, 1.0) <= error),
        )
        for i, q in enumerate(questions)
    ]


@dataclass(frozen=True, slots=True)
class _Levels:
    """Confidence of the interval shown, and of the first step of Holm's correction."""

    interval: float
    corrected: float


def _holm(p_values: Mapping[int, float]) -> dict[int, float]:
    return dict(zip(p_values, holm(list(p_values.values())).tolist(), strict=True))


def _gatekeeping(questions: Sequence[Question], p_values: Mapping[int, float]) -> dict[int, float]:
    """The candidates share the error; of each the primary comes first, then its guardrails by Holm's correction."""
    adjusted: dict[int, float] = {}
    names = dict.fromkeys(questions[i].candidate for i in p_values)
    for name in names:
        own = [i for i in p_values if questions[i].candidate == name]
        primary = [i for i in own if questions[i].role == "primary"]
        guardrails = [i for i in own if questions[i].role == "guardrail"]
        shared = len(names)
        gate = min(1.0, shared * max((p_values[i] for i in primary), default=1.0))
        for i in primary:
            adjusted[i] = min(1.0, shared * p_values[i])
        corrected = holm([min(1.0, shared * p_values[i]) for i in guardrails])
        adjusted |= {i: max(gate, float(p)) for i, p in zip(guardrails, corrected, strict=True)}
    return adjusted


def _harm(question: Question, p_value: float, level: float) -> float:
    """Two-sided p-value of a loss no larger than the margin; at least that of no loss, which may be exact."""
    answer = question.answer
    error, excess = answer.standard_error, (answer.delta or 0.0) + question.margins.harmful
    if excess >= 0 or answer.interval is None:
        return 1.0
    if not error:
        return p_value
    statistic = excess / error
    upper = answer.interval.high - (answer.delta or 0.0)
    # An interval wider than the normal one knows of small samples or few clusters, and so must the test.
    widened = upper / (t_quantile(level, math.inf) * error)
    return max(p_value, t_p_value(statistic / max(widened, 1.0), math.inf))


def _harmed(question: Question) -> bool:
    """Whether harm is shown by bounds that hold for all questions at once."""
    return question.corrected is not None and not question.too_thin and _beyond(question.corrected, question)


def _beyond(answer: Paired, question: Question) -> bool:
    """Whether the whole interval lies beyond the margin."""
    return answer.interval is not None and answer.interval.high < -question.margins.harmful


_SATISFYING: Mapping[Require, frozenset[Verdict]] = {
    "superior": frozenset({"superior"}),
    "non_inferior": frozenset({"superior", "non_inferior", "skipped"}),
    "not_inferior": frozenset({"superior", "non_inferior", "inconclusive", "skipped"}),
    "equivalent": frozenset({"superior", "non_inferior", "skipped"}),
}


def _conclude(
    q: Question,
    adjusted: float | None,
    levels: _Levels,
    suspicious_gain: float,
    *,
    harmed: bool,
    differs: bool,
) -> Comparison:
    answer, error = q.answer, _error(q, levels.interval)
    verdict = _verdict(q, harmed=harmed, differs=differs)
    alike = _equivalence(q, levels.interval) if q.require == "equivalent" else None
    needed = None
    open_still = verdict == "inconclusive" or (alike is not None and not alike.holds)
    if open_still and verdict != "skipped" and error and answer.delta is not None:
        needed = rows_needed(answer.delta - _bound(q), error, answer.rows, confidence=levels.interval)
        # A formula that thinks these rows enough knows less than the interval does.
        needed = needed if needed is not None and needed > answer.rows else None
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
        adjusted_p_value=adjusted,
        p_better=answer.p_better,
        margin=q.margin,
        relative_margin=q.use.relative_margin,
        require=q.require,
        verdict=verdict,
        method=answer.method,
        rows=answer.rows,
        clusters=answer.clusters,
        role=q.role,
        detectable=detectable_difference(error, confidence=levels.interval) if error is not None else None,
        rows_needed=needed,
        equivalence=alike,
        suspicious=_suspicious(q, suspicious_gain),
        # What cannot be compared has not been shown to be harmless, whatever is asked.
        satisfied=verdict in _SATISFYING[q.require]
        and (answer.delta is not None or verdict == "skipped")
        and (alike is None or alike.holds or verdict == "skipped"),
        cost="",
        detail="",
    )
    return replace(result, cost=_cost(result, q, levels), detail=_detail(result, q))


def _verdict(question: Question, *, harmed: bool, differs: bool) -> Verdict:
    answer, margin = question.answer, question.margin
    if question.too_thin:
        return "skipped"
    if answer.delta is None or answer.interval is None:
        return "inconclusive"
    if answer.interval.low > 0 and (differs or question.role == "primary"):
        return "superior"
    if answer.interval.low >= -margin:
        return "non_inferior"
    return "inferior" if harmed else "inconclusive"


def _error(q: Question, level: float) -> float | None:
    """Standard error of the difference, by its interval where that is wider than a normal one would be."""
    answer, error = q.answer, q.answer.standard_error
    if error is None or answer.interval is None or answer.delta is None:
        return error
    sides = (answer.delta - answer.interval.low, answer.interval.high - answer.delta)
    return max(error, max(sides) / t_quantile(level, math.inf))


def _bound(q: Question) -> float:
    """What the interval must clear to satisfy the requirement; for equivalence the nearer of both."""
    delta = q.answer.delta or 0.0
    if q.require == "superior":
        return 0.0
    return math.copysign(q.margin, delta) if q.require == "equivalent" and delta else -q.margin


def _equivalence(q: Question, level: float) -> Equivalence | None:
    answer = q.answer
    if answer.delta is None or answer.interval is None:
        return None
    return equivalence(answer.delta, answer.interval, q.margin, confidence=level)


def _suspicious(q: Question, gain: float) -> bool:
    """Whether more of production's error is gone than is likely, on all rows, and not by chance."""
    answer, definition = q.answer, q.use.definition
    if q.where is not None or answer.delta is None or answer.interval is None or answer.production is None:
        return False
    # Only of what a model knows of the label: it may well be calibrated, made fair or made faster.
    if "label" not in definition.parts or isinstance(definition, Binned | Cox | GroupGap):
        return False
    if definition.perfect is None:
        return False
    error = abs(definition.perfect - answer.production)
    return bool(error > 0 and answer.delta > gain * error and answer.interval.low > gain / 2 * error)


def _cost(c: Comparison, q: Question, levels: _Levels) -> str:
    """What the requirement costs here: the harm that goes unseen, or the harmless model that is turned away."""
    error = _error(q, levels.interval)
    if c.verdict == "skipped" or not error or not math.isfinite(error):
        return ""
    rows = f"with {plural(c.rows, 'row')} {'this slice' if c.slice else 'this set'}"
    if c.require == "not_inferior":
        return f"{rows} cannot show a loss under {number(q.margins.harmful + _visible(q, error, levels))}"
    # An equal model stands a good chance of being shown harmless only within this.
    reach = detectable_difference(error, confidence=levels.interval)
    if c.require in ("non_inferior", "equivalent") and reach > c.margin:
        return (
            f"{rows} can show harmlessness within {number(reach)}, not within the {number(c.margin)} allowed"
        )
    return ""


def _visible(q: Question, error: float, levels: _Levels) -> float:
    """The smallest loss beyond the margin that would be called one, with 80% power."""
    if q.corrected is None:
        return detectable_difference(error, confidence=levels.corrected)
    answer = q.corrected
    if answer.interval is None or answer.delta is None:
        return math.inf
    # What the bound asks for, and from there as far as 80% of estimates reach.
    reach = detectable_difference(error, confidence=levels.interval)
    return answer.interval.high - answer.delta + reach - t_quantile(levels.interval, math.inf) * error


def _detail(result: Comparison, question: Question) -> str:
    """What the numbers do not say by themselves; empty where they do."""
    if result.verdict == "skipped":
        return f"{plural(result.rows, 'row')}, fewer than min_rows {question.use.min_rows}"
    if result.delta is None:
        return f"cannot be compared: {question.answer.problem}"
    if result.ci is None:
        few = plural(result.rows, "row") if result.clusters is None else plural(result.clusters, "cluster")
        return question.answer.problem or f"no interval stands on {few}"
    if result.verdict == "inferior":
        return f"worse by more than the {number(result.margin)} allowed"
    if result.satisfied and result.verdict != "inconclusive":
        return ""
    if result.require == "superior" and result.ci[1] <= 0:
        return "not better than production"
    shown = f"; differences from {number(result.detectable)} can be shown here" if result.detectable else ""
    more = f"; about {plural(result.rows_needed, 'row')} would settle it" if result.rows_needed else ""
    if result.require == "equivalent":
        return f"the interval does not stay within {number(result.margin)} of no difference{shown}{more}"
    bound = "0" if result.require == "superior" else f"-{number(result.margin)}"
    return f"the interval does not clear {bound}{shown}{more}"


def sentence(c: Comparison) -> str:
    """One comparison as a reason."""
    detail = f": {c.detail}" if c.detail else ""
    if c.delta is None or c.ci is None:
        return f"{c.subject}{detail}"
    if c.delta == 0 and c.ci == (0.0, 0.0):
        return f"{c.subject} is the same{detail}"
    return f"{c.subject} {moved(c)}{detail}"


def moved(c: Comparison) -> str:
    """``is better by 0.02 [0.01, 0.03]``, of a comparison that has an interval."""
    delta, (low, high) = c.delta or 0.0, c.ci or (math.nan, math.nan)
    if delta < 0:
        low, high = -high, -low
    if delta == 0:
        return f"differs by 0 [{number(low)}, {number(high)}]"
    direction = "better" if delta > 0 else "worse"
    return f"is {direction} by {number(abs(delta))} [{number(low)}, {number(high)}]"
