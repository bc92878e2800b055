"""What a metric is: a name, a direction, the tasks it fits, an estimate per slice and a paired comparison per slice."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.results import Interval, Linearised
from tidegate.tables import Want

BINARY = frozenset({"binary"})
CLASSES = frozenset({"binary", "multiclass"})
NUMBERS = frozenset({"regression"})
QUERIES = frozenset({"ranking"})
ALL_TASKS = CLASSES | NUMBERS | QUERIES

Part = Literal["label", "prediction", "score", "query", "latency", "production_latency", "error", "cost"]
LABEL_AND_PREDICTION: frozenset[Part] = frozenset({"label", "prediction"})
LABEL_AND_SCORE: frozenset[Part] = frozenset({"label", "score"})

Options = Mapping[str, Any]
EMPTY_SLICE = "the slice has no rows"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric on one slice.

    Attributes:
        value: None when it cannot be computed, for the reason in `problem`.
        interval: two-sided, when a confidence was asked for.
        rows: the rows the metric stands on (for recall, the positives).
        rows_known: whether `rows` was told at all; no number of rows excuses what was measured without one.
        note: what the number does not say by itself, such as the groups between which a gap is largest.
        clusters: how many independent units the rows come from; None when each row is one.
    """

    value: float | None
    rows: int
    interval: Interval | None = None
    problem: str = ""
    note: str = ""
    rows_known: bool = True
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """A metric of two models on the same rows of one slice.

    Attributes:
        delta: candidate minus production, turned so that positive means the candidate is better.
        interval: of `delta`, two-sided.
        p_value: two-sided, of no difference.
        p_better: confidence (one-sided) that the candidate is better.
        method: in words, for the report.
        clusters: how many independent units the rows come from; None when each row is one.
    """

    candidate: float | None
    production: float | None
    rows: int
    delta: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    p_better: float | None = None
    standard_error: float | None = None
    method: str = ""
    problem: str = ""
    clusters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """One metric.

    Attributes:
        better: ``higher``, ``lower``, or ``neither`` where only the user can tell.
        parts: which parts of the table it reads.
        options: config keys it needs besides its name, such as ``column``, ``by`` or ``k``.
        defaults: further keys that it takes, with what they are when not given; None leaves them out.
    """

    name: str
    tasks: frozenset[str]
    better: Literal["higher", "lower", "neither"]
    parts: frozenset[Part] = frozenset()
    options: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> frozenset[str]:
        """All config keys that it takes besides its name."""
        return self.options | self.defaults.keys()

    @property
    def settled(self) -> Options:
        """Its options when none is given."""
        return {name: value for name, value in self.defaults.items() if value is not None}

    @property
    def searchable(self) -> bool:
        """Whether the worst slices by it can be searched for."""
        return False

    @property
    def extent(self) -> tuple[float, float] | None:
        """Between which values it lies whatever the model does; None where there is no limit."""
        return None

    @property
    def perfect(self) -> float | None:
        """The value of a model that is always right; None where there is no such thing."""
        if self.better == "higher":
            return None if self.extent is None else self.extent[1]
        return 0.0 if self.better == "lower" else None

    @property
    def sign(self) -> int:
        """What a raw difference is multiplied by so that positive means better."""
        return -1 if self.better == "lower" else 1

    def columns(self, options: Options) -> dict[str, Want]:
        """Further columns that it reads under these options, and as which kind."""
        return {}

    def check(self, options: Options) -> None:  # noqa: B027 -- most metrics accept whatever is of the right kind
        """Refuse options that make no sense.

        Raises:
            ValueError: they do not; the message says how to mend them.
        """

    def linearise(self, data: Predictions, options: Options) -> Linearised | None:
        """Its value on these rows, weighted where they are, and the influence of each row.

        With weights w the variance is that of the sum of w times influence over the sum of w. None for a metric that
        has no such form, such as a quantile.
        """
        return None

    @abstractmethod
    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """The metric on each group; intervals only when `confidence` is given."""

    @abstractmethod
    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """Candidate against production, row by row the same examples, on each group."""


@dataclass(frozen=True, kw_only=True)
class SliceMetric(Metric):
    """A metric that is computed from the rows of one slice at a time.

    Attributes:
        undefined: why it does not exist on rows where it does not, in words.
    """

    undefined: str

    @abstractmethod
    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """The metric on these rows, of which there is at least one."""

    @abstractmethod
    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """Candidate against production on these rows, of which there is at least one."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        bare = data.without_columns()
        return [
            self.estimate_rows(bare.take(rows), confidence)
            if len(rows)
            else Estimate(None, 0, problem=EMPTY_SLICE)
            for rows in groups.members
        ]

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`."""
        a, b = candidate.without_columns(), production.without_columns()
        return [
            self.compare_rows(a.take(rows), b.take(rows), confidence)
            if len(rows)
            else Paired(None, None, 0, problem=EMPTY_SLICE)
            for rows in groups.members
        ]


def finite_bounds(interval: Interval | None) -> tuple[float, float] | None:
    """The bounds as they are published: an interval that the data cannot bound on both sides is none."""
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    return interval.low, interval.high


def needed(values: np.ndarray | None) -> np.ndarray:
    """A part of the table that the metric declared and so was read."""
    if values is None:
        raise LookupError("a metric reads a part of the table that it does not declare in `parts`")
    return values


def or_none(value: float) -> float | None:
    """A figure, or None for one that does not exist (NaN)."""
    return None if math.isnan(value) else value
