"""The configuration, ``.github/tidegate.yml``, as typed models; :mod:`tidegate.loading` reads the file into them."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tidegate.config.comparing import Compare, Guardrail, Primary, Reuse, Segments
from tidegate.config.gate import (
    BEHAVIOURS,
    Check,
    CommandCheck,
    Directional,
    GateItem,
    Invariance,
    MustPass,
    Sanity,
    SchemaCheck,
    Waiver,
)
from tidegate.config.measures import Bins, MetricUse, SlicePart, SliceSpec
from tidegate.config.retraining import Drift, Holdout, PerformanceDropTrigger, Retrain
from tidegate.config.sections import Duration, ModelName, Scalar, Section, parse_duration, placeholders
from tidegate.metrics import METRICS, find
from tidegate.suggest import did_you_mean

__all__ = [
    "Bins",
    "Check",
    "Columns",
    "CommandCheck",
    "Compare",
    "Config",
    "Directional",
    "Drift",
    "GateItem",
    "Guardrail",
    "Holdout",
    "Invariance",
    "MetricUse",
    "Model",
    "MustPass",
    "PerformanceDropTrigger",
    "Primary",
    "Retrain",
    "Reuse",
    "Sanity",
    "SchemaCheck",
    "Segments",
    "SlicePart",
    "SliceSpec",
    "Source",
    "Waiver",
    "json_schema",
    "parse_duration",
]

Task = Literal["binary", "multiclass", "regression", "ranking"]


class Columns(Section):
    """Which column of a predictions table plays which part."""

    id: str | None = None
    label: str | None = None
    positive: Scalar | None = Field(
        default=None, description="binary: the label value that counts as positive"
    )
    score: str | dict[str | int | bool, str] | None = Field(
        default=None,
        description="binary: probability of the positive class; multiclass: {class: column}; ranking: any number",
    )
    prediction: str | None = None
    threshold: float = Field(default=0.5, ge=0, le=1)
    query: str | None = Field(default=None, description="ranking: the query whose items a row is one of")
    timestamp: str | None = None
    latency: str | None = Field(default=None, description="milliseconds")
    production_latency: str | None = Field(
        default=None, description="milliseconds that production took for the same row, measured interleaved"
    )
    error: str | None = Field(
        default=None,
        description="whether the model failed to answer: true, a number that is not 0, or a message",
    )
    cost: str | None = Field(default=None, description="what answering the row cost")
    kpi: list[str] = Field(default_factory=list)
    cluster: str | None = Field(
        default=None, description="what rows come from, such as a customer: rows of one are not independent"
    )
    weight: str | None = Field(default=None, description="how much a row counts, such as its sampling weight")

    def named(self) -> set[str]:
        """Names of all columns that have a part, and so are no features."""
        scores = self.score.values() if isinstance(self.score, dict) else [self.score]
        single = [self.id, self.label, self.prediction, self.query, self.timestamp, self.cluster, self.weight]
        service = [self.latency, self.production_latency, self.error, self.cost]
        return {name for name in [*single, *service, *scores, *self.kpi] if name is not None}


class Model(Section):
    """One model and everything that is decided about it."""

    task: Task | None = None
    columns: Columns = Columns()
    golden: str | None = None
    recent: str | None = None
    performance: str | None = Field(
        default=None, description="a JSON file with latencies, throughput, errors, cost and size of the model"
    )
    predict: Annotated[str, placeholders("model_dir", "data", "predictions")] | None = None
    predict_timeout: Duration = timedelta(hours=1)
    pass_env: list[str] = Field(
        default=[], description="secrets by name that train and predict commands may see"
    )
    gate: list[GateItem] = Field(default_factory=list)
    sanity: Sanity = Sanity()
    waivers: list[Waiver] = Field(default_factory=list)
    approval: Literal["required"] | None = Field(
        default=None, description="a pass still needs a person's approval; told in the output `approval`"
    )
    compare: Compare | None = None
    drift: Drift = Drift()
    retrain: Retrain | None = None

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> Self:
        if self.task is None:
            return self
        uses: list[MetricUse] = [item for item in self.gate if isinstance(item, Check)]
        if self.compare is not None:
            uses += [self.compare.primary, *self.compare.guardrails]
        for use in uses:
            _refuse_unfit(use.metric, use.k, self.task)
        if self.compare is not None and self.compare.segments and self.compare.segments.metric:
            _refuse_unfit(self.compare.segments.metric, None, self.task)
        dropped = self.retrain.performance_drop().metric if self.retrain is not None else None
        if dropped is not None:
            _refuse_unfit(dropped, None, self.task)
            if METRICS.get(dropped) is None or METRICS[dropped].options:
                raise ValueError(f"`performance_drop` takes no metric with options such as {dropped!r}")
        for item in self.gate:
            if isinstance(item, Directional) and self.task == "multiclass":
                raise ValueError("`directional:` needs one score; for multiclass there is one for each class")
            if isinstance(item, MustPass) and self.task == "ranking":
                raise ValueError("`must_pass:` needs a right answer for each row; a ranking has none")
            if isinstance(item, MustPass) and (item.must_pass.tolerance is None) == (
                self.task == "regression"
            ):
                raise ValueError("`must_pass:` needs a `tolerance:` for regression, and takes none otherwise")
        if isinstance(self.columns.score, dict) and self.task != "multiclass":
            raise ValueError(f"`score:` by class is for multiclass; for {self.task!r} name one column")
        return self

    @model_validator(mode="after")
    def _waivers_name_something(self) -> Self:
        # One whose check is gone is told as unused; a name that nothing has ever had is a slip.
        known = {*METRICS, *BEHAVIOURS, *(name for name in Sanity.model_fields if name != "training")}
        known |= {item.metric for item in self.gate if isinstance(item, Check | CommandCheck)}
        for i, waiver in enumerate(self.waivers):
            if waiver.metric not in known and find(waiver.metric) is None:
                raise ValueError(
                    f"waivers.{i} names {waiver.metric!r}, which is no metric and no finding."
                    f"{did_you_mean(waiver.metric, known)}"
                )
        return self

    @model_validator(mode="after")
    def _one_primary(self) -> Self:
        primary = self.compare.primary if self.compare is not None else None
        if (
            primary
            and self.task == "multiclass"
            and "class" in primary.definition.accepted
            and primary.class_ is None
        ):
            raise ValueError(
                f"the primary metric {primary.metric!r} is of one class: name it with `class:`, or use"
                f" {primary.metric}_macro"
            )
        return self


def _refuse_unfit(name: str, k: int | None, task: str) -> None:
    found = find(name, k)
    if found is None or task not in found.metric.tasks:
        fitting = [name for name, each in METRICS.items() if task in each.tasks]
        raise ValueError(f"metric {name!r} does not fit task {task!r}.{did_you_mean(name, fitting)}")


class Source(Section):
    """A table with a name."""

    path: str


class Config(Section):
    """The whole file."""

    version: Literal[1]
    sources: dict[str, Source] = Field(default_factory=dict)
    models: dict[ModelName, Model] = Field(min_length=1)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file, for editors."""
    schema = Config.model_json_schema()
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate configuration",
    }
