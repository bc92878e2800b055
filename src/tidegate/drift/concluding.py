"""From all that was found out about two windows to verdicts, facts of the trigger policy, and the decision. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tidegate.drift.deciding import decide
from tidegate.drift.label_free import Estimated
from tidegate.drift.levels import Question
from tidegate.drift.performance import Realised, in_words
from tidegate.drift.policy import Fact
from tidegate.drift.quality import Finding, bounded
from tidegate.drift.results import Columns, DriftResult, FeatureDrift, Performance, Seen
from tidegate.drift.rules import Policy
from tidegate.history.drift import KeptWindow, PastReport
from tidegate.stats.multiplicity import holm
from tidegate.wording import first_few, number, plural

T = TypeVar("T")
_SHOWN = 5
_SURVEYED = frozenset({"type", "all_missing", "infinite"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known beside the two windows.

    Attributes:
        now: with its time zone.
        window: the current one; None where it is not told from others.
        past: earlier reports; None where no history is kept.
        last_retrained: when the newest model was trained.
        by_hand: a person asks for a retrain.
    """

    now: datetime
    window: KeptWindow | None = None
    past: Sequence[PastReport] | None = None
    last_retrained: datetime | None = None
    by_hand: bool = False


def conclude(
    seen: Seen,
    policy: Policy,
    levels: Mapping[Question, float],
    circumstances: Circumstances,
    *,
    min_effect: float,
) -> DriftResult:
    """Give everything its verdict, and apply the trigger policy.

    Args:
        seen: what was found out, each question at its level.
        policy: when to retrain.
        levels: of the questions; the columns share theirs by Holm's (1979) correction.
        circumstances: time and history.
        min_effect: size of a change of a column that counts.
    """
    verdicts = column_verdicts(seen.columns, levels.get("columns", 0.0), min_effect)
    features, outcomes = verdicts
    performance = _performance(seen)
    quality = bounded([*seen.quality, *_of_columns(seen.columns, seen.quality)])
    facts = _facts(seen, features, outcomes, quality)
    decided = decide(
        policy,
        facts,
        now=circumstances.now,
        window=circumstances.window,
        past=circumstances.past,
        labels=seen.labels,
        last_retrained=circumstances.last_retrained,
        noticed=_noticed(seen, features, outcomes, performance, quality),
        details=_details(seen, performance),
        bypass=circumstances.by_hand,
    )
    return DriftResult(
        decision=decided.decision,
        reasons=decided.reasons,
        features=features,
        prediction_drift=outcomes.get("prediction"),
        predicted_class_drift=outcomes.get("predicted_class"),
        label_drift=outcomes.get("label"),
        multivariate=seen.multivariate,
        performance=performance,
        labels=seen.label_coverage,
        concept_drift=_result(seen.concept),
        calibration_drift=_result(seen.calibration),
        segments=seen.over_time.tracked if seen.over_time else [],
        segments_left_out=seen.over_time.left_out if seen.over_time else [],
        trends=seen.trends,
        monitor=seen.monitor,
        data_quality=quality,
        triggers=decided.triggers,
        holds=decided.holds,
        possible_from=decided.possible_from,
        by_hand=decided.by_hand,
        policy_says=decided.policy_says,
        levels=dict(levels),
        facts=facts,
        notes=[each for each in (seen.concept, seen.calibration) if isinstance(each, str)],
    )


def column_verdicts(
    columns: Columns, level: float, min_effect: float
) -> tuple[list[FeatureDrift], dict[str, FeatureDrift]]:
    """Which columns drifted: certain after Holm's correction over all of them, and by a size that counts.

    Returns:
        The features, and the outcomes by what they are.
    """
    tests = columns.all()
    adjusted = holm([test.p_value for test in tests]).tolist()
    verdicts = [
        FeatureDrift.of(test, p, drifted=bool(p <= level and test.effect >= min_effect))
        for test, p in zip(tests, adjusted, strict=True)
    ]
    split = len(columns.features)
    return verdicts[:split], dict(zip(columns.outcomes, verdicts[split:], strict=True))


def _result(found: T | str | None) -> T | None:
    return None if isinstance(found, str) else found


def _performance(seen: Seen) -> Performance | None:
    if seen.metric is None:
        return None
    realised, estimated = seen.realised, seen.estimated
    return Performance(
        metric=seen.metric,
        realised=_result(realised),
        estimated=_result(estimated),
        reweighted=seen.reweighted,
        detail=in_words(seen.metric, realised) if isinstance(realised, Realised) else realised or "",
        estimate=estimated.detail if isinstance(estimated, Estimated) else estimated or "",
    )


def _of_columns(columns: Columns, told: Sequence[Finding]) -> list[Finding]:
    """What the tests found about the columns themselves, where the survey of the data has not told it."""
    known = {finding.column for finding in told if finding.check in _SURVEYED}
    return [
        Finding("values", test.name, None, words)
        for test in columns.all()
        if test.name not in known
        for words in test.findings
    ]


def _facts(
    seen: Seen,
    features: Sequence[FeatureDrift],
    outcomes: Mapping[str, FeatureDrift],
    quality: Sequence[Finding],
) -> dict[str, Fact]:
    drifted = sum(feature.drifted for feature in features)
    predicted = [outcomes[name].drifted for name in ("prediction", "predicted_class") if name in outcomes]
    concept, calibration = _result(seen.concept), _result(seen.calibration)
    realised, estimated = _result(seen.realised), _result(seen.estimated)
    return {
        "drift": drifted > 0 if features else None,
        "drift.share": drifted / len(features) if features else None,
        "prediction_drift": any(predicted) if predicted else None,
        "label_drift": outcomes["label"].drifted if "label" in outcomes else None,
        "performance_drop": realised.fired if realised else None,
        "estimated_drop": estimated.fired if estimated else None,
        "multivariate_drift": seen.multivariate.drifted if seen.multivariate else None,
        "concept_drift": concept.present if concept else None,
        "calibration_drift": calibration.drifted if calibration else None,
        "segment_drop": _segment_drop(seen),
        "monitor": seen.monitor.alarm if seen.monitor else None,
        "data_quality": any(finding.severity != "info" for finding in quality),
        "new_rows": float(seen.rows if seen.new_rows is None else seen.new_rows),
        "new_labels": None if seen.labels is None else float(seen.labels),
        "age": seen.age,
    }


def _segment_drop(seen: Seen) -> bool | None:
    kinds = ("segment", "fairness")
    tracked = [each for each in seen.over_time.tracked if each.kind in kinds] if seen.over_time else []
    return any(each.changed and each.worse for each in tracked) if tracked else None


def _details(seen: Seen, performance: Performance | None) -> dict[str, str]:
    """What is said of a fact beside its value."""
    said = {
        "performance_drop": performance.detail if performance else "",
        "estimated_drop": performance.estimate if performance else "",
        "concept_drift": seen.concept if isinstance(seen.concept, str) else "",
        "calibration_drift": seen.calibration if isinstance(seen.calibration, str) else "",
        "multivariate_drift": seen.multivariate.detail if seen.multivariate else "",
        "monitor": seen.monitor.sentence if seen.monitor else "",
    }
    return {name: words for name, words in said.items() if words}


def _noticed(
    seen: Seen,
    features: Sequence[FeatureDrift],
    outcomes: Mapping[str, FeatureDrift],
    performance: Performance | None,
    quality: Sequence[Finding],
) -> list[str]:
    """What a person should know, most important first."""
    noticed = []
    realised, estimated = _result(seen.realised), _result(seen.estimated)
    if realised and realised.fired and performance:
        noticed.append(performance.detail)
    if estimated and estimated.fired:
        noticed.append(estimated.detail)
    if estimated and estimated.agreement and estimated.agreement.disagrees:
        noticed.append(estimated.agreement.detail)
    concept, calibration = _result(seen.concept), _result(seen.calibration)
    if concept and concept.present:
        noticed.append(concept.detail)
    if calibration and calibration.drifted:
        noticed.append(calibration.detail)
    noticed += _worse_segments(seen)
    if seen.monitor and seen.monitor.alarm:
        noticed.append(seen.monitor.sentence)
    drifted = sorted((f for f in features if f.drifted), key=lambda f: -f.effect)
    if drifted:
        named = first_few([f"{f.feature} (effect {number(f.effect)})" for f in drifted])
        noticed.append(f"{len(drifted):,} of {plural(len(features), 'feature')} drifted: {named}")
    if seen.multivariate and seen.multivariate.drifted:
        noticed.append(f"the features changed together: {seen.multivariate.detail}")
    for name, verdict in outcomes.items():
        if verdict.drifted:
            what = {"prediction": "predictions", "predicted_class": "predicted classes", "label": "labels"}
            noticed.append(f"the {what[name]} drifted: effect {number(verdict.effect)}, {verdict.detail}")
    if seen.label_coverage and seen.label_coverage.biased:
        noticed.append(seen.label_coverage.detail)
    noticed += [
        f"{finding.column}: {finding.detail}" if finding.column else finding.detail
        for finding in quality
        if finding.severity != "info"
    ]
    return noticed


def _worse_segments(seen: Seen) -> list[str]:
    tracked = seen.over_time.tracked if seen.over_time else []
    # All rows of the metric that decides are told as performance.
    worse = [each for each in tracked if each.changed and each.worse and each.kind != "overall"]
    told = [each.detail for each in worse[:_SHOWN]]
    if len(worse) > _SHOWN:
        told.append(f"{len(worse) - _SHOWN:,} more segments, gaps or figures of the service got worse")
    return told + [each.detail for each in seen.trends if each.worse][:_SHOWN]
