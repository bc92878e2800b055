"""What a drift report holds; the fields are those of its JSON document."""

from dataclasses import dataclass, field
from typing import Any

from tidegate.drift.calibration import CalibrationDrift
from tidegate.drift.column_test import Baseline, ColumnTest, Distribution, LevelList, Shares
from tidegate.drift.concept import ConceptDrift
from tidegate.drift.deciding import Decision, Trigger
from tidegate.drift.holding import Hold
from tidegate.drift.label_free import Estimated
from tidegate.drift.labels import LabelCoverage, ReweightedPerformance
from tidegate.drift.levels import Question
from tidegate.drift.monitor import MonitorReport
from tidegate.drift.multivariate import Multivariate
from tidegate.drift.over_time import OverTime
from tidegate.drift.performance import Realised
from tidegate.drift.quality import Finding
from tidegate.drift.tracked import Tracked, Trend


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One column's verdict; what :class:`ColumnTest` says of it, and what follows."""

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
    psi: float | None
    jensen_shannon: float | None
    detectable: float | None
    missing: Shares
    new_levels: LevelList | None
    vanished_levels: LevelList | None
    baseline: Baseline

    @classmethod
    def of(cls, test: ColumnTest, adjusted: float, *, drifted: bool) -> "FeatureDrift":
        """A test with its verdict."""
        return cls(
            feature=test.name,
            kind=test.kind,
            test=test.test,
            statistic=test.statistic,
            p_value=test.p_value,
            adjusted_p_value=adjusted,
            effect=test.effect,
            drifted=drifted,
            detail=test.detail,
            distribution=test.distribution,
            psi=test.psi,
            jensen_shannon=test.jensen_shannon,
            detectable=test.detectable,
            missing=test.missing,
            new_levels=test.new_levels,
            vanished_levels=test.vanished_levels,
            baseline=test.baseline,
        )


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance as far as it is known.

    Attributes:
        realised: on rows with a label; None where there are too few.
        estimated: without labels; None where it is not known, for the reason in `estimate`.
        reweighted: realised, as if all rows had their label; only where rows with a label are unlike those without.
        detail: about `realised`.
    """

    metric: str
    realised: Realised | None
    estimated: Estimated | None
    reweighted: ReweightedPerformance | None
    detail: str
    estimate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Tests of columns by what these are; None where a window has no such column."""

    features: list[ColumnTest]
    prediction: ColumnTest | None = None
    predicted_class: ColumnTest | None = None
    label: ColumnTest | None = None

    @property
    def outcomes(self) -> dict[str, ColumnTest]:
        """Those that are no features, by what they are."""
        named = {"prediction": self.prediction, "predicted_class": self.predicted_class, "label": self.label}
        return {name: test for name, test in named.items() if test is not None}

    def all(self) -> list[ColumnTest]:
        """Every test, the features first."""
        return [*self.features, *self.outcomes.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was found out about two windows.

    A string in place of a result says why there is none; None that it was not asked for.

    Attributes:
        metric: of performance; None when there is none to know.
        quality: findings about the data itself, those of column tests not among them.
        rows: of the current window.
        labels: rows of the current window that have one; None without labels in the config.
        new_rows: rows that production was not trained on.
        age: seconds since the production model was trained; None where not known.
        embeddings: columns whose vectors could not be compared, and why.
    """

    columns: Columns
    metric: str | None = None
    realised: Realised | str | None = None
    reweighted: ReweightedPerformance | None = None
    estimated: Estimated | str | None = None
    label_coverage: LabelCoverage | None = None
    multivariate: Multivariate | None = None
    concept: ConceptDrift | str | None = None
    calibration: CalibrationDrift | str | None = None
    over_time: OverTime | None = None
    trends: list[Trend] = field(default_factory=list)
    monitor: MonitorReport | None = None
    quality: list[Finding] = field(default_factory=list)
    rows: int = 0
    labels: int | None = None
    new_rows: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class DriftResult:
    """The decision with everything it rests on.

    Attributes:
        levels: chance of a false alarm that each question has.
        notes: why something that was asked for is not there.
    """

    decision: Decision
    reasons: list[str]
    features: list[FeatureDrift]
    prediction_drift: FeatureDrift | None
    predicted_class_drift: FeatureDrift | None
    label_drift: FeatureDrift | None
    multivariate: Multivariate | None
    performance: Performance | None
    labels: LabelCoverage | None
    concept_drift: ConceptDrift | None
    calibration_drift: CalibrationDrift | None
    segments: list[Tracked]
    segments_left_out: list[str]
    trends: list[Trend]
    monitor: MonitorReport | None
    data_quality: list[Finding]
    triggers: list[Trigger]
    holds: list[Hold]
    possible_from: str | None
    by_hand: bool
    policy_says: Decision
    levels: dict[Question, float]
    facts: dict[str, Any]
    notes: list[str]
