"""What drift is watched for, and when and how a model is trained again."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tidegate.config.measures import MetricName, SliceSpec, cuts
from tidegate.config.sections import Day, Duration, Section, Words, parse_duration, placeholders
from tidegate.drift.policy import parse_condition


class Alarms(Section):
    """How often reports may be wrong over a whole schedule of them."""

    false_per: Duration = Field(
        description="on average at most one false alarm in this time, however often it is looked",
        json_schema_extra={"examples": ["1y", "90d"]},
    )

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.false_per <= timedelta(0):
            raise ValueError("`false_per:` must be longer than nothing, such as 1y")
        return self


class Monitor(Section):
    """A monitor over all windows, for change that is too slow for one report."""

    run_length: int = Field(
        ge=10, le=100_000, description="windows without change until it is wrong, on average at least"
    )


class Drift(Section):
    """What `drift-report` watches, and how often it may be wrong."""

    features: list[str] | None = Field(default=None, min_length=1)
    texts: list[str] = Field(
        default_factory=list,
        description="columns of free text, watched by their length, words and characters",
    )
    reference: str | None = Field(
        default=None,
        description="table, source or profile (.json) that stands for normal, unless one is given",
    )
    current: str | None = Field(
        default=None, description="table or source of the window under watch, likewise"
    )
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=0.5, description="of the whole report")
    min_effect: float = Field(
        default=0.05, ge=0, description="size of a change below which it does not count"
    )
    alarms: Alarms | None = None
    monitor: Monitor | None = None
    baseline: Literal["rows", "chunks"] = Field(
        default="rows",
        description="what varies by chance: rows, or whole chunks of time, which knows seasons and dependent rows",
    )
    chunk: Duration | None = Field(
        default=None, description="length of a chunk; by default that of the current window"
    )
    multivariate: bool = Field(
        default=False, description="whether a classifier looks for changes that no column shows by itself"
    )
    estimate: Literal["auto", "cbpe", "pape", "dle", "none"] = Field(
        default="auto", description="how performance is estimated from rows without labels"
    )
    slices: list[SliceSpec] = Field(
        default_factory=list, description="segments whose performance is compared and tracked over time"
    )
    metrics: list[MetricName] = Field(
        default_factory=list,
        description="metrics of the segments; by default the metric of `performance_drop`",
    )
    label_delay: Duration | None = Field(
        default=None, description="how long labels take: younger rows are left out of realised performance"
    )
    max_age: Duration | None = Field(
        default=None, description="of the newest row, beyond which data are stale"
    )
    min_rows: int = Field(default=1, ge=1, description="fewer rows in the current window are a finding")
    expected_every: Duration | None = Field(
        default=None, description="how often reports are due; by default as the history shows"
    )

    @model_validator(mode="after")
    def _chunks_have_a_length(self) -> Self:
        if self.chunk is not None and self.baseline != "chunks":
            raise ValueError("`chunk:` needs `baseline: chunks`")
        return self

    @model_validator(mode="after")
    def _slices_are_those_of_every_window(self) -> Self:
        for cut in (cut for spec in self.slices for cut in cuts(spec)):
            if cut.quantiles is not None or cut.period is not None:
                raise ValueError(
                    f"`drift.slices` cuts {cut.column!r} at other places in each window, so that there is nothing to"
                    " compare: use `edges:`, or values"
                )
        return self


class PerformanceDrop(Section):
    """`performance_drop` with a metric and a size of its own."""

    metric: MetricName | None = None
    min_drop: float | None = Field(default=None, ge=0)


Severity = Literal["info", "warning", "critical"]
_SEVERITY = (
    "info: is only told; warning: acts by all rules; critical: acts despite `cooldown` and `consecutive`"
)


class PerformanceDropTrigger(Section):
    """The mapping form of the `performance_drop` trigger."""

    performance_drop: PerformanceDrop
    severity: Severity = Field(default="warning", description=_SEVERITY)


class Trigger(Section):
    """A condition with a severity."""

    if_: str = Field(alias="if")
    severity: Severity = Field(default="warning", description=_SEVERITY)


class Budget(Section):
    """How many retrains there may be in a length of time."""

    retrains: int = Field(ge=1)
    per: Duration

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.per <= timedelta(0):
            raise ValueError("`per:` must be longer than nothing, such as 30d")
        return self


class Period(Section):
    """Days from the first to the last, both of them included (UTC), on which nothing is retrained."""

    from_: Day = Field(alias="from")
    to: Day
    reason: Words

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError(f"`to: {self.to}` lies before `from: {self.from_}`")
        return self


class Weekdays(Section):
    """Days of the week (UTC) on which nothing is retrained."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1, max_length=6)
    reason: Words


class Costs(Section):
    """What retraining and a worse model cost, in any one currency."""

    retrain: float = Field(ge=0, description="of one retraining")
    point_of_metric: float = Field(
        gt=0, description="of one hundredth of the metric lost, over the whole length of a window"
    )


class Holdout(Section):
    """The newest rows, kept out of training."""

    last: str | int = Field(description="a share (20%), a length of time (30d) or a number of rows")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        text = str(self.last)
        if text.endswith("%"):
            if not re.fullmatch(r"\d+(\.\d+)?%", text) or not 0 < float(text[:-1]) < 100:
                raise ValueError(f"{text!r} is no share between 0% and 100%")
        elif not text.isdigit():
            parse_duration(text)
        return self


class Retrain(Section):
    """When and how a model is trained again."""

    when: list[str | PerformanceDropTrigger | Trigger] = Field(default_factory=list)
    cooldown: Duration = Field(default=timedelta(0), description="time between two retrains, at least")
    consecutive: int = Field(default=1, ge=1, description="windows in a row that a condition must hold in")
    min_labels: int = Field(default=0, ge=0, description="labels in the current window, at least")
    budget: Budget | None = None
    blackout: list[Period | Weekdays] = Field(default_factory=list)
    costs: Costs | None = None
    data: str | None = Field(
        default=None, description="source or file for {data}; default: reference + current"
    )
    holdout: Holdout | None = None
    train: Annotated[str, placeholders("data", "model_dir")] | None = None
    train_timeout: Duration = timedelta(hours=5)  # less than a job may take, so that the report is written
    artifacts: list[str] = Field(default=[], description="where the trained model lies in the repository")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        for condition in self.when:
            if isinstance(condition, str):
                parse_condition(condition)
            elif isinstance(condition, Trigger):
                parse_condition(condition.if_)
        for path in self.artifacts:
            parts = path.replace("\\", "/").split("/")
            if path.startswith(("/", "\\")) or ".." in parts or ":" in path or parts[0] in ("", ".", ".git"):
                raise ValueError(
                    f"artifact path {path!r} must lie inside the repository, such as models/my-model/"
                )
        return self

    def performance_drop(self) -> PerformanceDrop:
        """The size of drop that counts, from the mapping form or the defaults."""
        for condition in self.when:
            if isinstance(condition, PerformanceDropTrigger):
                return condition.performance_drop
        return PerformanceDrop()
