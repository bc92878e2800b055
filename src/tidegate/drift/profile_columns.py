"""The columns of a profile file, checked: whoever could change the file may have."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tidegate.drift.column_summary import (
    BUCKETS,
    CategorySummary,
    DateSummary,
    NumericSummary,
    TextSummary,
)

_MOST_POINTS = 2_000
_MOST_LEVELS = 2_000
_MOST_WORDS = 5_000
_MOST_ROWS = 10**15


Count = Annotated[int, Field(ge=0, le=_MOST_ROWS)]
Name = Annotated[str, Field(max_length=500)]


class Part(BaseModel):
    """What the parts of the file have in common: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ColumnPart(Part):
    """A column of any kind."""

    rows: Count
    missing: Count
    clusters: Count | None = None
    design_effect: Annotated[float, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _rows_hold(self) -> "ColumnPart":
        if self.missing + self.other_rows() != self.rows:
            raise ValueError("the counts do not add up to the rows")
        return self

    def other_rows(self) -> int:
        """Rows that are not missing."""
        return self.rows - self.missing if self.missing <= self.rows else -1

    def dependence(self) -> dict[str, Any]:
        """The fields of a summary that say what rows hang together."""
        if self.clusters is None:
            return {}
        effect = float("inf") if self.design_effect is None else self.design_effect
        return {"clusters": self.clusters, "design_effect": effect}


class NumericPart(ColumnPart):
    """A column of numbers."""

    kind: Literal["numeric"]
    infinite: Count
    mean: float
    spread: Annotated[float, Field(ge=0)]
    exact: bool
    points: Annotated[list[float], Field(max_length=_MOST_POINTS)]
    upto: Annotated[list[Count], Field(max_length=_MOST_POINTS)]

    @model_validator(mode="after")
    def _ascending(self) -> "NumericPart":
        if len(self.points) != len(self.upto):
            raise ValueError("points and upto differ in length")
        steps = np.diff(np.array(self.points, dtype=np.float64) / 2)
        if not ((steps > 0).all() and (np.diff(self.upto, prepend=0) > 0).all()):
            raise ValueError("points and upto must ascend")
        return self

    def other_rows(self) -> int:
        """Rows that are not missing."""
        return self.infinite + (self.upto[-1] if self.upto else 0)

    def summary(self, name: str) -> NumericSummary:
        """The summary that was written."""
        return NumericSummary(
            name=name,
            rows=self.rows,
            missing=self.missing,
            infinite=self.infinite,
            points=np.array(self.points, dtype=np.float64),
            upto=np.array(self.upto, dtype=np.int64),
            mean=self.mean,
            spread=self.spread,
            exact=self.exact,
            **self.dependence(),
        )


class CategoryPart(ColumnPart):
    """A column of levels."""

    kind: Literal["categorical", "boolean"]
    counts: Annotated[dict[Name, Annotated[int, Field(ge=1, le=_MOST_ROWS)]], Field(max_length=_MOST_LEVELS)]
    other_levels: Count = 0
    cut: Count = 0
    buckets: Annotated[list[Count], Field(min_length=BUCKETS, max_length=BUCKETS)] | None = None

    def other_rows(self) -> int:
        """Rows that are not missing."""
        return sum(self.counts.values()) + sum(self.buckets or ())

    def summary(self, name: str) -> CategorySummary:
        """The summary that was written."""
        return CategorySummary(
            name=name,
            rows=self.rows,
            missing=self.missing,
            counts=self.counts,
            boolean=self.kind == "boolean",
            other_levels=self.other_levels,
            buckets=None if self.buckets is None else np.array(self.buckets, dtype=np.int64),
            cut=self.cut,
            **self.dependence(),
        )


class DatePart(ColumnPart):
    """A column of times."""

    kind: Literal["date"]
    first: Name | None
    last: Name | None
    weekday: CategoryPart | None = None
    hour: CategoryPart | None = None
    age: NumericPart | None = None

    def summary(self, name: str) -> DateSummary:
        """The summary that was written."""
        return DateSummary(
            name=name,
            rows=self.rows,
            missing=self.missing,
            first=self.first,
            last=self.last,
            weekday=self.weekday.summary("weekday") if self.weekday else None,
            hour=self.hour.summary("hour") if self.hour else None,
            age=self.age.summary("age") if self.age else None,
            **self.dependence(),
        )


class TextPart(ColumnPart):
    """A column of free text."""

    kind: Literal["text"]
    descriptors: Annotated[dict[Name, NumericPart], Field(max_length=20)]
    vocabulary: Annotated[list[Name], Field(max_length=_MOST_WORDS)]

    def summary(self, name: str) -> TextSummary:
        """The summary that was written."""
        return TextSummary(
            name=name,
            rows=self.rows,
            missing=self.missing,
            descriptors={each: part.summary(each) for each, part in self.descriptors.items()},
            vocabulary=tuple(self.vocabulary),
            **self.dependence(),
        )
