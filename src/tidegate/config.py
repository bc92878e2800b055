"""The configuration, ``.github/tidegate.yml``, as typed models; :mod:`tidegate.loading` reads the file into them."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from tidegate.drift.policy import parse_condition
from tidegate.metrics import METRICS, Metric
from tidegate.suggest import did_you_mean

Task = Literal["binary", "multiclass", "regression"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> timedelta:
    """Read ``90m``, ``7d`` or ``0`` as a length of time.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if text == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no length of time: write a number and one of s, m, h, d, w, such as 7d"
        )
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}.{did_you_mean(name, METRICS)}")
    return name


def _path_and_branch_safe(name: str) -> str:
    if (
        not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        or ".." in name
        or name.endswith((".", ".lock"))
    ):
        raise ValueError(
            f"model name {name!r} becomes part of branch and folder names:"
            " use letters, digits, '-', '_' and '.', at most 64"
        )
    return name


def _placeholders(*required: str) -> AfterValidator:
    def check(command: str) -> str:
        for name in required:
            if f"{{{name}}}" not in command:
                raise ValueError(f"the command must contain {{{name}}}, which Tidegate replaces by a path")
        return command

    return AfterValidator(check)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["7d", "12h", "90m", 0]}),
]
MetricName = Annotated[
    str, AfterValidator(_known_metric), WithJsonSchema({"type": "string", "enum": sorted(METRICS)})
]
ModelName = Annotated[str, AfterValidator(_path_and_branch_safe)]
Confidence = Annotated[float, Field(gt=0.5, lt=1)]
Scalar = str | int | float | bool
SliceSpec = (
    str
    | Annotated[list[str], Field(min_length=2, max_length=4)]
    | Annotated[dict[str, Scalar | list[Scalar]], Field(min_length=1, max_length=1)]
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Columns(_Section):
    """Which column of a predictions table plays which part."""

    id: str | None = None
    label: str | None = None
    positive: Scalar | None = Field(
        default=None, description="binary: the label value that counts as positive"
    )
    score: str | dict[str | int | bool, str] | None = Field(
        default=None, description="binary: probability of the positive class; multiclass: {class: column}"
    )
    prediction: str | None = None
    threshold: float = 0.5
    timestamp: str | None = None
    latency: str | None = None
    kpi: list[str] = []
    cluster: str | None = None

    def named(self) -> set[str]:
        """Names of all columns that have a part, and so are no features."""
        scores = self.score.values() if isinstance(self.score, dict) else [self.score]
        single = [self.id, self.label, self.prediction, self.timestamp, self.latency, self.cluster]
        return {name for name in [*single, *scores, *self.kpi] if name is not None}


class MetricUse(_Section):
    """A metric with its options, on all rows or on slices."""

    metric: MetricName
    column: str | None = Field(
        default=None, description="the column that `mean` and `missing_share` are taken of"
    )
    by: str | None = Field(default=None, description="the protected column of a fairness metric")
    k: int | None = Field(default=None, ge=1, description="how many classes `top_k_accuracy` may name")
    at: float | None = Field(default=None, description="what `share_above` and `share_below` compare with")
    quantile: float | None = Field(default=None, gt=0, lt=1, description="the quantile of `pinball_loss`")
    slices: list[SliceSpec] = []
    min_rows: int | None = Field(
        default=None, ge=0, description="slices whose metric stands on fewer rows are skipped (default 1)"
    )

    @property
    def definition(self) -> Metric:
        """The metric that the name stands for."""
        return METRICS[self.metric]

    @property
    def options(self) -> dict[str, str | float]:
        """The options that the metric takes, as given."""
        return {name: getattr(self, name) for name in self.definition.options}

    @property
    def settings(self) -> dict[str, float]:
        """The options that are numbers."""
        return {name: value for name, value in self.options.items() if not isinstance(value, str)}

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        for option in ("column", "by", "k", "at", "quantile"):
            needed = option in self.definition.options
            if needed != (getattr(self, option) is not None):
                raise ValueError(f"metric {self.metric!r} {'needs' if needed else 'takes no'} `{option}:`")
        return self


class Check(MetricUse):
    """One requirement of `evaluate-gate`: a metric, a threshold, optionally slices."""

    min: float | None = None
    max: float | None = None
    confidence: Confidence | None = Field(
        default=None,
        description="the interval at this level must clear the threshold, not the point estimate",
    )
    severity: Literal["block", "warn", "info"] = Field(
        default="block", description="block decides; warn is told as a warning; info stands in the report"
    )
    allow_cap: bool = Field(
        default=False, description="allows a `max` where higher is better, a `min` where lower is"
    )

    @model_validator(mode="after")
    def _one_threshold_on_the_right_side(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError("give exactly one of `min:` and `max:`")
        side = "max" if self.min is None else "min"
        wrong = {"higher": "max", "lower": "min"}.get(self.definition.better)
        if side == wrong and not self.allow_cap:
            raise ValueError(
                f"`{side}:` on {self.metric!r}, where {self.definition.better} is better, would fail good models;"
                f" write `{'min' if side == 'max' else 'max'}:`, or `allow_cap: true` if it is meant"
            )
        return self


class _Compared(MetricUse):
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="which direction is better, for a metric such as `mean` that cannot know"
    )

    @model_validator(mode="after")
    def _direction_is_known(self) -> Self:
        if (self.definition.better == "neither") != (self.better is not None):
            raise ValueError(
                f"metric {self.metric!r} needs `better: higher` or `better: lower` in a comparison"
                if self.better is None
                else f"metric {self.metric!r} knows that {self.definition.better} is better; remove `better:`"
            )
        return self


class Primary(_Compared):
    """The comparison that a candidate is promoted for."""

    require: Literal["superior", "non_inferior"] = "superior"
    margin: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _whole_table(self) -> Self:
        if self.require == "non_inferior" and self.margin is None:
            raise ValueError("`require: non_inferior` needs a `margin:`, the largest loss that is acceptable")
        if self.slices:
            raise ValueError("the primary comparison is over all rows; list slices under `guardrails:`")
        return self


class Guardrail(_Compared):
    """A comparison that must not go wrong."""

    require: Literal["non_inferior", "not_inferior"] = "non_inferior"
    margin: float = Field(default=0.0, ge=0)


class Compare(_Section):
    """How a candidate is compared with production."""

    confidence: Confidence = 0.95
    sets: list[Literal["golden", "recent"]] = Field(default=["golden"], min_length=1)
    primary: Primary
    guardrails: list[Guardrail] = []
    on_inconclusive: Literal["hold", "promote"] = "hold"
    max_unmatched_share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="share of rows without a partner beyond which the comparison is refused",
    )

    @model_validator(mode="after")
    def _further_sets_have_a_margin(self) -> Self:
        if len(set(self.sets)) < len(self.sets):
            raise ValueError("`sets:` names a set twice")
        if len(self.sets) > 1 and self.primary.margin is None:
            raise ValueError(
                f"the primary metric must not get worse on the {self.sets[1]} set:"
                " give `primary.margin:`, the largest loss there that is acceptable"
            )
        return self


class Drift(_Section):
    """What `drift-report` watches, and how often it may be wrong."""

    features: list[str] | None = Field(default=None, min_length=1)
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=0.5)
    min_effect: float = Field(default=0.05, ge=0)


class PerformanceDrop(_Section):
    """`performance_drop` with a metric and a size of its own."""

    metric: MetricName | None = None
    min_drop: float | None = Field(default=None, ge=0)


class PerformanceDropTrigger(_Section):
    """The mapping form of the `performance_drop` trigger."""

    performance_drop: PerformanceDrop


class Holdout(_Section):
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


class Retrain(_Section):
    """When and how a model is trained again."""

    when: list[str | PerformanceDropTrigger] = []
    cooldown: Duration = timedelta(0)
    consecutive: int = Field(default=1, ge=1)
    min_labels: int = Field(default=0, ge=0)
    data: str | None = Field(
        default=None, description="source or file for {data}; default: reference + current"
    )
    holdout: Holdout | None = None
    train: Annotated[str, _placeholders("data", "model_dir")] | None = None
    train_timeout: Duration = timedelta(hours=5)  # less than a job may take, so that the report is written
    artifacts: list[str] = Field(default=[], description="where the trained model lies in the repository")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        for condition in self.when:
            if isinstance(condition, str):
                parse_condition(condition)
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


def _refuse_unfit(metric: str, task: str) -> None:
    if task not in METRICS[metric].tasks:
        fitting = [name for name, each in METRICS.items() if task in each.tasks]
        raise ValueError(f"metric {metric!r} does not fit task {task!r}.{did_you_mean(metric, fitting)}")


class Model(_Section):
    """One model and everything that is decided about it."""

    task: Task | None = None
    columns: Columns = Columns()
    golden: str | None = None
    recent: str | None = None
    predict: Annotated[str, _placeholders("model_dir", "data", "predictions")] | None = None
    predict_timeout: Duration = timedelta(hours=1)
    pass_env: list[str] = Field(
        default=[], description="secrets by name that train and predict commands may see"
    )
    gate: list[Check] = []
    compare: Compare | None = None
    drift: Drift = Drift()
    retrain: Retrain | None = None

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> Self:
        if self.task is None:
            return self
        uses: list[MetricUse] = list(self.gate)
        if self.compare is not None:
            uses += [self.compare.primary, *self.compare.guardrails]
        for use in uses:
            _refuse_unfit(use.metric, self.task)
        dropped = self.retrain.performance_drop().metric if self.retrain is not None else None
        if dropped is not None:
            _refuse_unfit(dropped, self.task)
            if METRICS[dropped].options:
                raise ValueError(f"`performance_drop` takes no metric with options such as {dropped!r}")
        if isinstance(self.columns.score, dict) and self.task != "multiclass":
            raise ValueError(f"`score:` by class is for multiclass; for {self.task!r} name one column")
        return self


class Source(_Section):
    """A table with a name."""

    path: str


class Config(_Section):
    """The whole file."""

    version: Literal[1]
    sources: dict[str, Source] = {}
    models: dict[ModelName, Model] = Field(min_length=1)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file, for editors."""
    schema = Config.model_json_schema()
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate configuration",
    }
