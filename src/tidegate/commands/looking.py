"""Everything that a drift report asks of two windows, each question at its level."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from tidegate.commands.column_tests import Tested, test_columns, window_length
from tidegate.commands.drift_monitor import evidence, last_monitor
from tidegate.commands.drift_windows import Sample, Side
from tidegate.config import Drift, Model
from tidegate.config.measures import cuts
from tidegate.drift.calibration import CalibrationDrift, calibration_drift
from tidegate.drift.calibration_figures import CalibrationFigures
from tidegate.drift.concept import ConceptDrift, concept_drift
from tidegate.drift.figures import Measure
from tidegate.drift.label_free import Estimated, estimate_from_calibration, estimate_performance
from tidegate.drift.label_free import from_json as stored_calibration
from tidegate.drift.labels import LabelCoverage, label_coverage, reweighted_performance
from tidegate.drift.levels import Question, divided
from tidegate.drift.monitor import Monitor
from tidegate.drift.multivariate import Multivariate, classifier_drift
from tidegate.drift.over_time import OverTime, track
from tidegate.drift.performance import DEFAULT_METRIC, Realised, ReferenceFigures, realised_drop
from tidegate.drift.profile import Profile
from tidegate.drift.quality import Finding, QualityFacts, check, gather, overlap
from tidegate.drift.results import Columns, Seen
from tidegate.drift.tracked import TrackedValue, Trend, tracked_values, trend
from tidegate.drift.tracked_slices import Observed, Plan
from tidegate.drift.windows import one_sided
from tidegate.history.drift import KeptWindow, PastReport, tracked_records
from tidegate.metrics import METRICS
from tidegate.metrics.data import Predictions
from tidegate.tables import Table

_LABELLED = 0.95
"""Share of labels from which on an estimate without them says nothing new."""
_PARTS_OF_QUALITY = 3
"""Questions that share a level: values, rows of both windows, and rows without a label."""
_NEXT_TO_NOTHING = 1e-6
_SEED = 20260101
_MOST_EXPLAINING = 15
"""Features that a change of performance is explained by, those that moved most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When and after what it is looked.

    Attributes:
        level: chance of a false alarm of this report.
        reference: hash of what is compared with, and by which model.
        window: the current one.
        past: earlier reports; None without a history.
        new_rows, age: see :class:`Seen`.
        alone: columns to watch that one of the windows lacks.
        questions: the only ones that an answer is wanted to, each at the level that it has among all; None: all.
    """

    now: datetime
    level: float
    reference: str
    window: KeptWindow
    past: Sequence[PastReport] | None = None
    new_rows: int | None = None
    age: float | None = None
    alone: Sequence[str] = ()
    questions: frozenset[Question] | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen, at which levels, the monitor after this window, and figures for the history."""

    seen: Seen
    levels: Mapping[Question, float]
    monitor: Monitor | None
    warnings: list[str]
    tracked: list[TrackedValue]


def metric_of(model: Model) -> str | None:
    """The metric of performance, when the config names what it needs."""
    if model.task is None or model.columns.label is None:
        return None
    asked = model.retrain.performance_drop().metric if model.retrain else None
    if asked is None and model.compare is not None and not model.compare.primary.definition.options:
        asked = model.compare.primary.metric
    metric = asked or DEFAULT_METRIC.get(model.task)
    if metric is None or metric not in METRICS:
        return None
    parts = METRICS[metric].parts
    has_score = model.columns.score is not None
    has_prediction = model.columns.prediction is not None or (has_score and model.task != "regression")
    if ("score" in parts and not has_score) or ("prediction" in parts and not has_prediction):
        if asked is None and has_prediction and model.task == "binary":
            return "accuracy"
        return None
    return metric


def look(
    reference: Side | Profile, current: Side, features: Sequence[str], model: Model, occasion: Occasion
) -> Looked:
    """Ask everything of two windows that both have rows.

    Args:
        reference: the window that things are compared with, or its profile.
        current: the window under watch.
        features: columns of both.
        model: its configuration.
        occasion: time, level and history.
    """
    return _Looking(reference, current, features, model, occasion).everything()


class _Looking:
    def __init__(
        self,
        reference: Side | Profile,
        current: Side,
        features: Sequence[str],
        model: Model,
        occasion: Occasion,
    ) -> None:
        self.reference = reference
        self.current = current
        self.features = features
        self.model = model
        self.occasion = occasion
        self.metric = metric_of(model)
        self.plan = plan_of(model, self.metric)
        levels = divided(occasion.level, self._asked()) if occasion.level > 0 else {}
        self.levels = {question: level for question, level in levels.items() if self._wants(question)}
        self.warnings: list[str] = []

    @property
    def drift(self) -> Drift:
        return self.model.drift

    def everything(self) -> Looked:
        keep = bool({"multivariate", "concept", "estimate"} & self.levels.keys())
        keep = keep or (self._partly_labelled and self._wants("performance"))
        tested = self._tested(keep=keep)
        realised = self._realised()
        coverage = self._coverage(tested)
        estimated = self._estimated(tested)
        monitor = self._monitor(tested, realised, estimated)
        over_time = self._over_time()
        tracked = tracked_values(over_time.tracked, confidence=self._of_segments()) if over_time else []
        seen = Seen(
            columns=tested.columns,
            metric=self.metric,
            realised=realised,
            reweighted=self._reweighted(coverage, tested),
            estimated=estimated,
            label_coverage=coverage,
            multivariate=self._multivariate(tested),
            concept=self._concept(tested),
            calibration=self._calibration(),
            over_time=over_time,
            trends=self._trends(tracked),
            monitor=monitor.report() if monitor else None,
            quality=[*self._quality(), *tested.findings, *self._problems()] if self._wants("quality") else [],
            rows=self.current.rows,
            labels=None if self.current.label is None else int(self.current.known.sum()),
            new_rows=self.occasion.new_rows,
            age=self.occasion.age,
        )
        self._tell_what_profiles_lack()
        return Looked(seen, self.levels, monitor, self.warnings, tracked)

    def _wants(self, question: Question) -> bool:
        return self.occasion.questions is None or question in self.occasion.questions

    def _level(self, question: Question) -> float:
        """At least next to nothing: a report that may not alarm is asked all the same."""
        return max(self.levels.get(question, 0.0), _NEXT_TO_NOTHING)

    def _tested(self, *, keep: bool) -> Tested:
        if not keep and not self._wants("columns"):
            return Tested(Columns(features=[]), None, None)
        return test_columns(
            self.reference,
            self.current,
            self.features,
            self.drift,
            level=self._level("columns"),
            keep=keep,
        )

    def _asked(self) -> set[Question]:
        """What can be asked of these windows."""
        asked: set[Question] = {"columns", "quality"}
        both = self.current.labelled is not None and self._has_labels
        if self.metric is not None and both:
            asked.add("performance")
        if self._can_estimate:
            asked.add("estimate")
        if isinstance(self.reference, Side):
            if self.drift.multivariate:
                asked.add("multivariate")
            if both and self.features and self.model.task in ("binary", "multiclass", "regression"):
                asked.add("concept")
        if both and self.model.columns.score is not None and self.model.task in ("binary", "multiclass"):
            asked.add("calibration")
        if self.current.predictions is not None and (self.plan.metrics or self.plan.kpi or self._serves):
            asked.add("segments")
        return asked

    @property
    def _has_labels(self) -> bool:
        if isinstance(self.reference, Profile):
            return self.reference.performance is not None
        return self.reference.labelled is not None

    @property
    def _serves(self) -> bool:
        return bool(self.current.parts & {"latency", "error", "cost"})

    @property
    def _partly_labelled(self) -> bool:
        known = self.current.known
        return bool(known.any() and not known.all())

    @property
    def _surely_labelled(self) -> bool:
        return float(self.current.known.mean()) >= _LABELLED

    @property
    def _can_estimate(self) -> bool:
        if self.drift.estimate == "none" or self.metric is None or self.current.predictions is None:
            return False
        if self.model.task not in ("binary", "multiclass", "regression"):
            return False
        if self._surely_labelled:
            return False
        if isinstance(self.reference, Profile):
            return self.reference.label_free is not None
        return self.reference.labelled is not None

    def _min_drop(self) -> float | None:
        return self.model.retrain.performance_drop().min_drop if self.model.retrain else None

    def _figures(self) -> Predictions | ReferenceFigures | None:
        if isinstance(self.reference, Side):
            return self.reference.labelled
        kept = self.reference.performance
        return None if kept is None else ReferenceFigures.from_json(kept)

    def _realised(self) -> Realised | str | None:
        if self.metric is None or not self._wants("performance"):
            return None
        then, now = self._figures(), self.current.labelled
        if then is None or now is None:
            window = "reference" if then is None else "current"
            return f"the {window} window has no labels, so performance is not known"
        found = realised_drop(
            self.metric,
            then,
            now,
            confidence=one_sided(self._level("performance")),
            min_drop=self._min_drop(),
        )
        return found.realised or found.detail

    def _columns_of(self, sample: Sample) -> dict[str, Any]:
        """Features and the score, by which rows with and without a label are told apart."""
        columns = dict(sample.features)
        score = self.current.prediction
        if score is not None:
            columns[score.name] = score.take(sample.rows)
        return columns

    def _coverage(self, tested: Tested) -> LabelCoverage | None:
        side = self.current
        if side.label is None or not side.known.any() or not self._wants("performance"):
            return None
        sample = tested.current or Sample(side.sampled, {})
        times = side.times.take(sample.rows) if side.times is not None else None
        return label_coverage(
            side.known[sample.rows],
            self._columns_of(sample) if self._partly_labelled else {},
            times=times,
            label_delay=self.drift.label_delay,
            level=self._level("quality") / _PARTS_OF_QUALITY,
            min_effect=self.drift.min_effect,
        )

    def _reweighted(self, coverage: LabelCoverage | None, tested: Tested) -> Any:
        if coverage is None or not coverage.biased or self.metric is None or tested.current is None:
            return None
        then, now, side = self._figures(), self.current.labelled, self.current
        if then is None or now is None or side.rows > len(side.sampled):
            return None
        inside = side.labelled_rows
        found = reweighted_performance(
            self.metric,
            then,
            now,
            inside,
            self._columns_of(tested.current),
            confidence=one_sided(self._level("performance")),
            min_drop=self._min_drop(),
        )
        return None if isinstance(found, str) else found

    def _estimated(self, tested: Tested) -> Estimated | str | None:
        if "estimate" not in self.levels or self.metric is None or self.drift.estimate == "none":
            return None
        # One side of the drop's interval fires, and both of the one that arrived labels are held against.
        confidence = one_sided(self._level("estimate") / 3)
        threshold = self.model.columns.threshold
        now = self.current.partly_labelled
        if now is None:
            return "the answers of the current window cannot be read"
        if isinstance(self.reference, Profile):
            stored = stored_calibration(
                json.dumps(self.reference.label_free), shown="the calibration of the profile"
            )
            return estimate_from_calibration(
                self.metric,
                stored,
                now,
                confidence=confidence,
                min_drop=self._min_drop(),
                threshold=threshold,
            )
        then, rows_then, rows_now = self.reference.labelled, None, None
        if then is None:
            return "the reference window has no labels to learn from"
        if tested.reference is not None and tested.current is not None:
            rows_then = tested.reference.take(self.reference.labelled_rows)
            rows_now = tested.current.take(self.current.answered)
            then = then.take(_inside(self.reference.labelled_rows, rows_then))
            now = now.take(_inside(self.current.answered, rows_now))
        return estimate_performance(
            self.metric,
            then,
            now,
            reference_features=rows_then.features if rows_then and self.features else None,
            current_features=rows_now.features if rows_now and self.features else None,
            method=self.drift.estimate,
            confidence=confidence,
            min_drop=self._min_drop(),
            threshold=threshold,
            seed=_SEED,
        )

    def _multivariate(self, tested: Tested) -> Multivariate | None:
        if "multivariate" not in self.levels or tested.reference is None or tested.current is None:
            return None
        cluster = None
        if isinstance(self.reference, Side) and self.reference.cluster and self.current.cluster:
            cluster = (
                self.reference.cluster.take(tested.reference.rows),
                self.current.cluster.take(tested.current.rows),
            )
        return classifier_drift(
            tested.reference.features,
            tested.current.features,
            cluster=cluster,
            level=self._level("multivariate"),
            min_effect=self.drift.min_effect,
            seed=_SEED,
        )

    def _concept(self, tested: Tested) -> ConceptDrift | str | None:
        reference = self.reference
        if "concept" not in self.levels or not isinstance(reference, Side):
            return None
        then, now = reference.labelled, self.current.labelled
        if then is None or now is None or tested.reference is None or tested.current is None:
            return None
        rows_then = tested.reference.take(reference.labelled_rows)
        rows_now = tested.current.take(self.current.labelled_rows)
        # What has not moved explains no change, and each feature makes the fit of the weights dearer.
        moved = sorted(tested.columns.features, key=lambda test: (test.p_value, -test.effect, test.name))
        names = [test.name for test in moved if test.name in rows_then.features][:_MOST_EXPLAINING]
        return concept_drift(
            self.metric,
            then.take(_inside(reference.labelled_rows, rows_then)),
            now.take(_inside(self.current.labelled_rows, rows_now)),
            {name: rows_then.features[name] for name in names},
            {name: rows_now.features[name] for name in names},
            confidence=1 - self._level("concept"),
            min_drop=self._min_drop(),
            seed=_SEED,
        )

    def _calibration(self) -> CalibrationDrift | str | None:
        now = self.current.labelled
        if "calibration" not in self.levels or now is None:
            return None
        then: Predictions | CalibrationFigures | None
        if isinstance(self.reference, Side):
            then = self.reference.labelled
        else:
            kept = self.reference.calibration
            then = None if kept is None else CalibrationFigures.from_json(kept)
        if then is None:
            return "the profile holds no calibration"
        return calibration_drift(then, now, confidence=1 - self._level("calibration"))

    def _over_time(self) -> OverTime | None:
        now = observed(self.current)
        if "segments" not in self.levels or now is None:
            return None
        then: Observed | list[TrackedValue] | None
        if isinstance(self.reference, Side):
            then = observed(self.reference)
        else:
            kept = (self.reference.over_time or {}).get("values") or []
            then = [TrackedValue.from_json(each) for each in kept]
        if then is None:
            return None
        return track(then, now, self.plan, confidence=self._of_segments())

    def _of_segments(self) -> float:
        """Confidence of tracked figures, which share their level with the trends where there are any."""
        return 1 - self._level("segments") / (2 if self.occasion.past else 1)

    def _trends(self, tracked: Sequence[TrackedValue]) -> list[Trend]:
        """How figures moved from report to report, this window among them once."""
        before = [
            report
            for report in self.occasion.past or ()
            if report.kept.windows.current is None
            or report.kept.windows.current.sha256 != self.occasion.window.sha256
        ]
        if not tracked or not before:
            return []
        times = self.current.times
        apart = window_length(times) / 2 if times is not None else timedelta(0)
        end = self.occasion.window.end or self.occasion.now.isoformat()
        level = self._level("segments") / 2
        found = trend(tracked_records(before), tracked, end, level=level, apart=apart)
        return [each for each in found if each.points > 1]

    def _tell_what_profiles_lack(self) -> None:
        if not isinstance(self.reference, Profile):
            return
        lacking = []
        if self.drift.multivariate:
            lacking.append("`multivariate: true`")
        if self._has_labels and self.current.labelled is not None:
            lacking.append("concept drift")
        if self.drift.estimate in ("pape", "dle") or (
            self.model.task == "regression" and self.metric is not None and not self._surely_labelled
        ):
            lacking.append("an estimate of performance without labels by PAPE or DLE")
        if lacking:
            self.warnings.append(
                f"{' and '.join(lacking)}: it takes the rows of the reference, which a profile does not have"
            )

    def _monitor(
        self, tested: Tested, realised: Realised | str | None, estimated: Estimated | str | None
    ) -> Monitor | None:
        if self.drift.monitor is None:
            return None
        monitor, told = last_monitor(self.occasion.past or (), self.drift.monitor.run_length)
        if told:
            self.warnings.append(told)
        return monitor.update(
            evidence(
                tested.columns,
                (self.reference.rows, self.current.rows),
                realised=realised,
                estimated=estimated,
                window=self.occasion.window,
                reference=self.occasion.reference,
                times=self.current.times,
                now=self.occasion.now,
                min_effect=self.drift.min_effect,
            )
        )

    def _quality(self) -> list[Finding]:
        level = self._level("quality") / _PARTS_OF_QUALITY
        now = survey(self.current.table, self._surveyed, self.model, self.occasion.now, against=self.facts)
        found = check(
            self.facts,
            now,
            now=self.occasion.now,
            max_age=self.drift.max_age,
            min_rows=self.drift.min_rows,
            level=level,
            design_effect=self._dependence(),
        )
        table = self.reference.table if isinstance(self.reference, Side) else None
        shared = [*self.features]
        if self.model.columns.timestamp in self.current.table.schema:
            shared.append(str(self.model.columns.timestamp))
        return found + overlap(
            table, self.current.table, id=self.model.columns.id, columns=shared, level=level
        )

    def _dependence(self) -> float:
        """Rows that stand for an independent one, at most: those of a cluster, and of a window where chunks vary."""
        if self.drift.baseline == "chunks":
            return float(self.current.rows)
        sizes = [
            np.unique(side.clusters, return_counts=True)[1].astype(np.float64)
            for side in (self.reference, self.current)
            if isinstance(side, Side) and side.clusters is not None
        ]
        return max((float((each**2).sum() / each.sum()) for each in sizes), default=1.0)

    @cached_property
    def facts(self) -> QualityFacts:
        """Those of the reference."""
        if isinstance(self.reference, Profile):
            return QualityFacts.from_json(self.reference.quality)
        return survey(self.reference.table, self._surveyed, self.model, self.occasion.now)

    @property
    def _surveyed(self) -> list[str]:
        return [*self.features, *self.occasion.alone]

    def _problems(self) -> list[Finding]:
        own = self.reference.problems if isinstance(self.reference, Side) else []
        return [*own, *self.current.problems]


def plan_of(model: Model, metric: str | None) -> Plan:
    """What is tracked: metrics on all rows and slices, and outcomes."""
    names = model.drift.metrics or ([metric] if metric is not None else [])
    return Plan(
        metrics=[Measure(name) for name in names],
        slices=[cuts(spec) for spec in model.drift.slices],
        kpi=list(model.columns.kpi),
    )


def observed(side: Side) -> Observed | None:
    """A window as it is tracked."""
    rows = side.predictions
    return None if rows is None else Observed(rows, side.labelled, side.times)


def survey(
    table: Table,
    features: Sequence[str],
    model: Model,
    now: datetime,
    *,
    against: QualityFacts | None = None,
) -> QualityFacts:
    """Facts about the data of a window: features, answers and label."""
    names = model.columns
    scores = names.score.values() if isinstance(names.score, dict) else [names.score]
    # Labels that have not come yet are no fault of the data.
    roles = [names.prediction, *scores, names.latency, names.cost, *names.kpi]
    watched = dict.fromkeys([*features, *(name for name in roles if name is not None)])
    return gather(
        table,
        [name for name in watched if name in table.schema or (against and name in against.columns)],
        now=now.astimezone(UTC),
        timestamp=names.timestamp,
        id=names.id,
        against=against,
    )


def kept_values(values: Sequence[TrackedValue]) -> list[dict[str, Any]]:
    """Tracked values as plain JSON."""
    return [asdict(each) for each in values]


def _inside(mask: Any, sample: Sample) -> Any:
    """Where the rows of a sample stand among those of a mask."""
    return mask.cumsum()[sample.rows] - 1
