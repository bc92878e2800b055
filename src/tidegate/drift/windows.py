"""Two windows in, a drift decision out. Pure: reads no file and writes none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.config import Drift, PerformanceDropTrigger, Retrain
from tidegate.drift.performance import Performance, realised_drop
from tidegate.drift.policy import Fact, parse_condition
from tidegate.drift.univariate import ColumnTest, Distribution, compare_columns
from tidegate.metrics.data import Predictions
from tidegate.stats.multiplicity import holm
from tidegate.tables import Column
from tidegate.wording import number, plural

Decision = Literal["retrain", "watch", "none"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of production rows.

    Attributes:
        rows: number of rows, at least one.
        features: the columns to watch.
        prediction: the score, or else the prediction.
        label: the label, with its missing values.
        labelled: the rows that have a label, as predictions; None when a metric cannot be computed on them.
    """

    rows: int
    features: dict[str, Column]
    prediction: Column | None = None
    label: Column | None = None
    labelled: Predictions | None = None


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One column's verdict; the fields are those of the JSON document."""

    feature: str
    kind: str
    test: str
    statistic: float
    p_value: float
    adjusted_p_value: float
    effect: float
    drifted: bool
    detail: str
    distribution: Distribution | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the data itself."""

    check: str
    column: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """One condition of the trigger policy; the value None says that the facts at hand do not settle it."""

    condition: str
    value: Fact
    fired: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DriftResult:
    """The decision with everything it rests on."""

    decision: Decision
    reasons: list[str]
    features: list[FeatureDrift]
    prediction_drift: FeatureDrift | None
    label_drift: FeatureDrift | None
    performance: Performance | None
    data_quality: list[Finding]
    triggers: list[Trigger]
    multivariate: None = None


def watch(
    reference: Window,
    current: Window,
    drift: Drift,
    policy: Retrain | None,
    *,
    metric: str | None = None,
    findings: Sequence[Finding] = (),
    new_rows: int | None = None,
) -> DriftResult:
    """Compare two windows and apply the trigger policy.

    The false-alarm rate is that of the whole report. With labels, half of it is spent on the drop of performance and
    half on the columns; without, all of it on the columns. The columns, prediction and label among them, share their
    part by Holm's (1979) correction.

    Args:
        reference: the window that things are compared with.
        current: the window under watch; same features as the reference.
        drift: rates and sizes.
        policy: when to retrain; None never does.
        metric: of realised performance; None when it cannot be computed.
        findings: what reading the windows has already found.
        new_rows: rows that production was not trained on; by default those of the current window.
    """
    performance = _performance(reference, current, drift, policy, metric)
    realised = performance.realised if performance else None
    level = drift.false_alarm_rate / 2 if realised else drift.false_alarm_rate
    tests, places = _test_all(reference, current, drift.min_effect)
    verdicts = _verdicts(tests, level, drift.min_effect)
    features = [v for v, place in zip(verdicts, places, strict=True) if place == "feature"]
    prediction = next((v for v, place in zip(verdicts, places, strict=True) if place == "prediction"), None)
    label = next((v for v, place in zip(verdicts, places, strict=True) if place == "label"), None)
    quality = [*findings, *(Finding("values", t.name, words) for t in tests for words in t.findings)]
    drifted = [f for f in features if f.drifted]
    facts: dict[str, Fact] = {
        "drift": bool(drifted),
        "drift.share": len(drifted) / len(features) if features else 0.0,
        "prediction_drift": prediction.drifted if prediction else None,
        "label_drift": label.drifted if label else None,
        "performance_drop": realised.fired if realised else None,
        "estimated_drop": None,
        "data_quality": bool(quality),
        "new_rows": float(current.rows if new_rows is None else new_rows),
        "new_labels": float(_labels(current)),
    }
    triggers = _triggers(policy, facts, performance)
    noticed = _noticed(features, prediction, label, performance, quality)
    decision, reasons = _decide(policy, triggers, noticed, _labels(current))
    return DriftResult(decision, reasons, features, prediction, label, performance, quality, triggers)


def _performance(
    reference: Window, current: Window, drift: Drift, policy: Retrain | None, metric: str | None
) -> Performance | None:
    if metric is None:
        return None
    if reference.labelled is None or current.labelled is None:
        window = "reference" if reference.labelled is None else "current"
        return Performance(
            metric, None, None, f"the {window} window has no labels, so performance is not known"
        )
    return realised_drop(
        metric,
        reference.labelled,
        current.labelled,
        # One side of this two-sided interval fires: half of the rate.
        confidence=1 - drift.false_alarm_rate,
        min_drop=policy.performance_drop().min_drop if policy else None,
    )


def _labels(window: Window) -> int:
    return window.rows - int(window.label.missing.sum()) if window.label is not None else 0


def _test_all(reference: Window, current: Window, min_effect: float) -> tuple[list[ColumnTest], list[str]]:
    pairs: list[tuple[str, Column | None, Column | None]] = [
        *(("feature", column, current.features[name]) for name, column in reference.features.items()),
        ("prediction", reference.prediction, current.prediction),
        ("label", _known(reference.label), _known(current.label)),
    ]
    found = [
        (place, compare_columns(then, now, min_effect=min_effect))
        for place, then, now in pairs
        if then is not None and now is not None
    ]
    return [test for _, test in found], [place for place, _ in found]


def _known(label: Column | None) -> Column | None:
    """Labels that have arrived: those still missing say nothing about drift."""
    if label is None or label.missing.all():
        return None
    return label.take((~label.missing).nonzero()[0])


def _verdicts(tests: Sequence[ColumnTest], level: float, min_effect: float) -> list[FeatureDrift]:
    adjusted = holm([test.p_value for test in tests])
    return [
        FeatureDrift(
            feature=test.name,
            kind=test.kind,
            test=test.test,
            statistic=test.statistic,
            p_value=test.p_value,
            adjusted_p_value=float(p),
            effect=test.effect,
            drifted=bool(p <= level and test.effect >= min_effect),
            detail=test.detail,
            distribution=test.distribution,
        )
        for test, p in zip(tests, adjusted, strict=True)
    ]


def _triggers(
    policy: Retrain | None, facts: dict[str, Fact], performance: Performance | None
) -> list[Trigger]:
    results = []
    for condition in policy.when if policy else []:
        text = "performance_drop" if isinstance(condition, PerformanceDropTrigger) else condition
        parsed = parse_condition(text)
        value = parsed.evaluate(facts)
        unknown = sorted(name for name in parsed.facts if facts.get(name) is None)
        details = [f"{name} is not known" for name in unknown]
        details += [
            f"{name} is {_shown(facts[name])}" for name in sorted(parsed.facts) if name not in unknown
        ]
        if performance is not None and "performance_drop" in parsed.facts:
            details.append(performance.detail)
        results.append(Trigger(parsed.text, value, value is True, "; ".join(details)))
    return results


def _shown(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "true" if fact else "false"
    return f"{fact:,.0f}" if fact is not None and fact >= 1 else number(fact)


def _noticed(
    features: Sequence[FeatureDrift],
    prediction: FeatureDrift | None,
    label: FeatureDrift | None,
    performance: Performance | None,
    quality: Sequence[Finding],
) -> list[str]:
    """What a person should know, most important first."""
    noticed = []
    if performance and performance.realised and performance.realised.fired:
        noticed.append(performance.detail)
    drifted = sorted((f for f in features if f.drifted), key=lambda f: -f.effect)
    if drifted:
        named = ", ".join(f"{f.feature} (effect {number(f.effect)})" for f in drifted[:5])
        more = f" and {len(drifted) - 5} more" if len(drifted) > 5 else ""
        noticed.append(f"{len(drifted)} of {plural(len(features), 'feature')} drifted: {named}{more}")
    for what, verdict in (("predictions", prediction), ("labels", label)):
        if verdict and verdict.drifted:
            noticed.append(f"the {what} drifted: effect {number(verdict.effect)}, {verdict.detail}")
    noticed += [f"{f.column}: {f.detail}" if f.column else f.detail for f in quality]
    return noticed


def _decide(
    policy: Retrain | None, triggers: Sequence[Trigger], noticed: list[str], labels: int
) -> tuple[Decision, list[str]]:
    fired = [trigger for trigger in triggers if trigger.fired]
    if policy is not None and fired:
        named = [f"the trigger '{trigger.condition}' fired" for trigger in fired]
        if labels < policy.min_labels:
            held = f"{plural(labels, 'label')} in the current window, fewer than min_labels {policy.min_labels:,}"
            return "watch", [*named, held, *noticed]
        if policy.consecutive > 1:
            held = f"1 of {policy.consecutive} windows in a row: no history of earlier windows is at hand"
            return "watch", [*named, held, *noticed]
        return "retrain", [*named, *noticed]
    if noticed:
        without = [] if policy and policy.when else ["no trigger policy (`retrain.when`) is configured"]
        return "watch", [*noticed, *without]
    return "none", ["nothing changed beyond chance and the sizes that count"]
