"""Concept drift told from covariate shift: what changed beyond what other features explain, and where.

The change of a metric is taken apart: the reference under the features of the current window (importance weights,
corrected by a regression; Robins, Rotnitzky & Zhao, 1994) stands between the two. What lies before it is explained by
covariates, what lies beyond is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.drift.concept_parts import Part, Relation, outcomes, relation, take_apart
from tidegate.drift.concept_rows import Windows, side_by_side
from tidegate.drift.concept_segments import SegmentScan, scan_segments
from tidegate.drift.figures import Measure, unreadable
from tidegate.drift.performance import DEFAULT_METRIC, size_that_counts
from tidegate.errors import DataError
from tidegate.metrics.data import Predictions
from tidegate.segments import surrogate
from tidegate.tables import Column
from tidegate.wording import number, plural

MIN_EFFECT = {"binary": 0.02, "multiclass": 0.02, "regression": 0.05}
"""By how much labels must have moved on average over rows: in probability, or in spreads of the residuals."""
_SEED = 19940601
_LEAST_EFFECTIVE = 50
_MUCH_UNCOVERED = 0.2
_QUESTIONS = 3
_TOLD = 3


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """The verdict on the relation of labels to features.

    Attributes:
        present: it changed, by a size that counts; None where the windows do not allow to say.
        p_value: over remaining change, relation and segments (Bonferroni).
        ci: of the remaining change of the metric, positive is worse.
        metric: whose change is taken apart; `stands_for` is the one asked for where that cannot be.
        total, explained, remaining: explained and remaining add up to total.
        effective_rows: rows of equal weight that the weighted reference is worth.
        uncovered_share: share of the current window where the reference has next to no rows.
        auc: how well the windows are told apart by their features; 0.5 not at all.
        rows_reference, rows_current: looked at.
    """

    present: bool | None
    p_value: float
    ci: tuple[float, float] | None
    metric: str
    stands_for: str | None
    total: Part
    explained: Part
    remaining: Part
    min_drop: float
    relation: Relation
    segments: SegmentScan
    confidence: float
    effective_rows: float
    uncovered_share: float
    auc: float
    rows_reference: int
    rows_current: int
    method: str
    detail: str


def concept_drift(
    metric: str | None,
    reference: Predictions,
    current: Predictions,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    *,
    confidence: float,
    min_drop: float | None = None,
    min_effect: float | None = None,
    options: Mapping[str, Any] | None = None,
    min_rows: int = 50,
    seed: int = _SEED,
) -> ConceptDrift | str:
    """Take the change between two windows of labelled rows apart; a sentence where it cannot be.

    At most 50,000 rows of each window are looked at. With probability `confidence` no concept drift is claimed when
    only the features changed, as far as weights and regression come near the truth; where the reference has too few
    rows like the current ones nothing is claimed.

    Args:
        metric: whose change is taken apart; by default the one of the task. One without a linear form, such as a
            quantile, is replaced by one that is a mean over rows.
        reference: labelled rows.
        current: labelled rows.
        reference_features: of the same rows, by name.
        current_features: of the same rows, by name.
        confidence: of the intervals; one minus it is the level of the verdict.
        min_drop: size of the remaining change that counts; by default as for performance.
        min_effect: size of the change of labels that counts, see :data:`MIN_EFFECT`.
        options: of the metric.
        min_rows: fewest rows of a segment in either half of either window.
        seed: of the folds of the weights.

    Raises:
        ConfigError: there is no such metric, or it lacks an option.
    """
    if reference.task not in MIN_EFFECT or current.task != reference.task:
        return f"concept drift of a {current.task} model is not looked for"
    try:
        windows = side_by_side(reference, current, reference_features, current_features, seed=seed)
    except DataError:
        return "the windows share no feature that their rows could be told apart by"
    if isinstance(windows, str):
        return windows
    measure, stands_for = _measure(metric, windows.reference.data, options or {})
    parts = take_apart(measure, windows, confidence)
    said = outcomes(windows)
    if isinstance(parts, str) or isinstance(said, str):
        return parts if isinstance(parts, str) else str(said)
    expected = windows.expected(said.reference)
    size = MIN_EFFECT[reference.task] if min_effect is None else min_effect
    related = relation(windows, said, expected, confidence, size)
    ends = [0, -1]
    segments = scan_segments(
        windows,
        (said.reference[:, ends] - expected[0][:, ends], said.current[:, ends] - expected[1][:, ends]),
        said.names,
        level=(1 - confidence) / _QUESTIONS,
        min_rows=min_rows,
    )
    result = ConceptDrift(
        present=None,
        p_value=_combined(parts.remaining, related, segments),
        ci=parts.remaining.ci,
        metric=measure.name,
        stands_for=stands_for,
        total=parts.total,
        explained=parts.explained,
        remaining=parts.remaining,
        min_drop=size_that_counts(measure, parts.reference) if min_drop is None else min_drop,
        relation=related,
        segments=segments,
        confidence=confidence,
        effective_rows=windows.importance.effective_rows,
        uncovered_share=windows.importance.uncovered_share,
        auc=windows.importance.auc,
        rows_reference=windows.reference.data.rows,
        rows_current=windows.current.data.rows,
        method=f"doubly robust: {windows.importance.method}; ridge regression on the same terms",
        detail="",
    )
    result = replace(result, present=_present(result))
    return replace(result, detail=_in_words(result, windows))


def _measure(metric: str | None, data: Predictions, options: Mapping[str, Any]) -> tuple[Measure, str | None]:
    """The metric to take apart, and the one that it stands for where that has no linear form on these rows."""
    asked = Measure(metric or DEFAULT_METRIC[data.task], options)
    if not unreadable(asked, data) and asked.how.linearise(data, asked.settled) is not None:
        return asked, None
    found = surrogate(asked.how, data.task, asked.settled)
    instead = Measure(found[0].name, found[1]) if found else Measure(DEFAULT_METRIC[data.task])
    if unreadable(instead, data):
        instead = Measure("accuracy" if data.prediction is not None else "log_loss")
    return instead, asked.name


def _combined(remaining: Part, related: Relation, segments: SegmentScan) -> float:
    best = min((each.adjusted_p_value for each in segments.found), default=1.0)
    return min(_QUESTIONS * min(remaining.p_value, related.p_value, best), 1.0)


def _present(result: ConceptDrift) -> bool | None:
    """Whether one of the three questions has an answer that is certain and large."""
    if result.effective_rows < _LEAST_EFFECTIVE or result.uncovered_share > _MUCH_UNCOVERED:
        return None
    if result.remaining.ci is None and result.relation.df == 0:
        return None
    level = (1 - result.confidence) / _QUESTIONS
    size = result.relation.min_effect
    return (
        (result.remaining.p_value <= level and abs(result.remaining.drop) >= result.min_drop)
        or (result.relation.p_value <= level and result.relation.effect >= size)
        or any(each.confirmed and abs(each.change) >= size for each in result.segments.found)
    )


def _why(result: ConceptDrift) -> str:
    """Why there is no verdict."""
    if result.effective_rows < _LEAST_EFFECTIVE or result.uncovered_share > _MUCH_UNCOVERED:
        return (
            f"{result.uncovered_share:.0%} of the current window lies where the reference has next to no rows, which"
            f" are worth {result.effective_rows:,.0f} after weighting"
        )
    return "the rows are all alike, or of a single cluster"


def _in_words(result: ConceptDrift, windows: Windows) -> str:
    worse = result.total.drop >= 0
    sign = 1 if worse else -1

    def bounded(part: Part) -> str:
        moved = number(sign * part.drop + 0.0)
        if part.ci is None:
            return moved
        low, high = sorted(sign * end for end in part.ci)
        return f"{moved} [{number(low)}, {number(high)}]"

    parts = [
        f"{result.metric} got {'worse' if worse else 'better'} by {number(abs(result.total.drop))}:"
        f" {bounded(result.explained)} because features moved, {bounded(result.remaining)} beyond that"
    ]
    if result.present is None:
        parts.append(f"whether labels still follow features as they did cannot be told: {_why(result)}")
    elif result.present:
        parts.append(f"labels no longer follow features as they did (p = {number(result.p_value)})")
        parts += [each.detail for each in result.segments.found if each.confirmed][:_TOLD]
    else:
        parts.append("no sign that labels follow features otherwise than they did")
    if result.stands_for:
        parts.append(f"{result.metric} stands for {result.stands_for}, which cannot be taken apart")
    for name, rows in (("reference", windows.reference), ("current", windows.current)):
        if rows.data.rows < rows.taken_from:
            parts.append(
                f"{rows.data.rows:,} of {plural(rows.taken_from, 'row')} of the {name} window were looked at"
            )
    return "; ".join(parts)
