"""What drift is watched for, and when and how a model is trained again."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from tidegate.config.measures import MetricName
from tidegate.config.sections import Duration, Section, parse_duration, placeholders
from tidegate.drift.policy import parse_condition


class Drift(Section):
    """What `drift-report` watches, and how often it may be wrong."""

    features: list[str] | None = Field(default=None, min_length=1)
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=0.5)
    min_effect: float = Field(default=0.05, ge=0)


class PerformanceDrop(Section):
    """`performance_drop` with a metric and a size of its own."""

    metric: MetricName | None = None
    min_drop: float | None = Field(default=None, ge=0)


class PerformanceDropTrigger(Section):
    """The mapping form of the `performance_drop` trigger."""

    performance_drop: PerformanceDrop


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

    when: list[str | PerformanceDropTrigger] = Field(default_factory=list)
    cooldown: Duration = timedelta(0)
    consecutive: int = Field(default=1, ge=1)
    min_labels: int = Field(default=0, ge=0)
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
